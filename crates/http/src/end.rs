//! The end of a connection that spoke HTTP/1: what is told, what is still answered, and how the socket is closed.

use std::error::Error;

use crate::EventKind;
use crate::connection::{Connection, UNTIL_CLOSE};
use crate::io::{Gone, Watched};
use crate::linger::{Patience, linger};
use crate::overdue::Overdue;
use crate::phase::{Order, Phase};
use crate::upload::{Stage, Verdict};

/// How hyper's part ended.
pub(crate) enum Outcome {
    /// hyper has ended it.
    Served(Result<(), hyper::Error>),
    /// The server wanted it closed or reset.
    Ordered,
    /// The service or its body panicked.
    Panicked(String),
}

const REQUEST_TIMEOUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

const INTERNAL_SERVER_ERROR: &[u8] =
    b"HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// How the socket is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    /// At once.
    Plain,
    /// At once, and so that everybody sees that something is missing.
    Reset,
    /// When the client has heard what was said.
    Linger(Patience),
}

/// Ends `connection`. `unread` bytes came that nobody has looked at; `idle` says that it was told to finish while idle.
pub(crate) async fn end(
    mut io: Watched,
    connection: &Connection,
    outcome: Outcome,
    unread: usize,
    idle: bool,
) {
    let phase = connection.phase();
    // A body that nobody read to its end is no next request, and neither is what was refused.
    let whole = matches!(connection.upload.stage(), Stage::Over);
    let refused = connection.is_told() || matches!(&outcome, Outcome::Served(Err(error)) if error.is_parse());
    let closing = match outcome {
        Outcome::Served(Ok(())) => {
            match io.gone() {
                // hyper had nothing to hand over: the client had asked for no other protocol.
                _ if phase == Phase::Upgraded => connection.end(EventKind::UpgradeFailed),
                _ if idle && connection.overdue() == Overdue::Idle => connection.end(EventKind::IdleTimeout),
                Some(gone) if gone.error.is_some() || gone.site.is_some() => connection.end(left(gone)),
                Some(_) | None => connection.end(EventKind::ConnectionClosed),
            }
            let sending = refused || !whole;
            Closing::Linger(if sending { Patience::UntilItCloses } else { Patience::WhatHasCome })
        }
        Outcome::Served(Err(error)) => failed(&error, &io, connection),
        Outcome::Panicked(message) => {
            connection.end(EventKind::HandlerPanicked { message });
            if phase == Phase::Handler && io.answer(INTERNAL_SERVER_ERROR) {
                Closing::Linger(if whole { Patience::WhatHasCome } else { Patience::UntilItCloses })
            } else {
                cut(connection)
            }
        }
        Outcome::Ordered => ordered(&mut io, connection),
    };
    let discarded = match closing {
        Closing::Plain => 0,
        Closing::Reset => {
            io.reset();
            0
        }
        // Boxed: nearly all of a connection's life is before this.
        Closing::Linger(patience) => Box::pin(linger(&mut io, connection, patience)).await,
    };
    let bytes = unread + discarded;
    if bytes > 0 && whole && !refused && phase != Phase::Head {
        connection.tell(EventKind::PipelinedRequestDropped { bytes });
        connection.table().count_dropped_pipelined();
    }
}

/// hyper's error: what it means, and how the socket is closed.
fn failed(error: &hyper::Error, io: &Watched, connection: &Connection) -> Closing {
    let phase = connection.phase();
    if error.is_parse() {
        connection.end(match error.is_parse_too_large() {
            true => EventKind::HeadersTooLarge,
            false => EventKind::RequestParseError { reason: error.to_string() },
        });
        return Closing::Linger(Patience::UntilItCloses);
    }
    if let Some((site, error)) = io.unsent() {
        connection.end(EventKind::SendFailed { site, error });
        return Closing::Plain;
    }
    if error.is_user() {
        connection.end(EventKind::HandlerFailed { message: chain(error) });
        return cut(connection);
    }
    if error.is_shutdown() {
        // The client was gone when we closed our side: all had been said.
        connection.end(EventKind::ConnectionClosed);
        return Closing::Plain;
    }
    connection.end(io.gone().map_or(EventKind::ClientDisconnected { phase }, left));
    Closing::Plain
}

/// What it means that the client left. hyper as a rule sees a reset in a read before it writes again: what it had begun to
/// send is what has failed.
fn left(gone: Gone) -> EventKind {
    match (gone.error, gone.site) {
        (Some(error), Some(site)) => EventKind::SendFailed { site, error },
        (None, _) | (_, None) => EventKind::ClientDisconnected { phase: gone.phase },
    }
}

/// The server's wish: what it means, and how the socket is closed.
fn ordered(io: &mut Watched, connection: &Connection) -> Closing {
    let overdue = connection.overdue();
    if connection.order() == Order::Abort {
        // Told and reset when the socket is dropped.
        return Closing::Reset;
    }
    if let Some(event) = overdue.event() {
        connection.end(event);
    }
    if connection.upload.verdict() != Verdict::None && connection.phase() == Phase::Body {
        // Its request's body was too large, or is overdue.
        return Closing::Reset;
    }
    match overdue {
        Overdue::Head if io.answer(REQUEST_TIMEOUT) => Closing::Linger(Patience::UntilItCloses),
        Overdue::WriteProgress | Overdue::WriteRate => Closing::Reset,
        Overdue::No
        | Overdue::Idle
        | Overdue::Head
        | Overdue::BodyTotal
        | Overdue::BodyProgress
        | Overdue::BodyRate
        | Overdue::Linger => Closing::Plain,
    }
}

/// A response that is not finished is seen as such by its framing, unless the end of the connection would be its end.
fn cut(connection: &Connection) -> Closing {
    if connection.response() & UNTIL_CLOSE != 0 { Closing::Reset } else { Closing::Plain }
}

/// The error and its causes.
fn chain(error: &hyper::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
