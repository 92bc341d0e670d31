//! What the frames of a connection tell that hyper does not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::frames::{self, Frame, Frames};
use crate::connection::Connection;
use crate::phase::Phase;
use crate::{EventKind, Fault, SendSite};

/// What a client says before its first frame, in bytes.
const PREFACE: usize = 24;

/// The last stream of a GOAWAY that only announces another one.
const ANY_STREAM: u32 = 0x7fff_ffff;

/// The book about one connection, kept by its socket's wrapper and read by whoever drives it.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    entries: Arc<Mutex<Entries>>,
    connection: Arc<Connection>,
    /// How many requests there may be at once.
    max_streams: u32,
}

#[derive(Debug)]
struct Entries {
    inbound: Frames,
    outbound: Frames,
    /// Requests whose response has not been written to its end. hyper and the codec bound them.
    open: HashMap<u32, Response>,
    /// Responses that the service has given.
    answered: u64,
    /// Heads of such responses that were written.
    heads: u64,
    /// Responses that clients took back after their head was sent.
    cut: u64,
    /// Those of them that were told.
    told: u64,
    /// The last request that has come.
    newest: u32,
    /// The last request that our GOAWAY promises to look at.
    last: Option<u32>,
    /// Why our GOAWAY ends the connection, if it is for a reason.
    fault: Option<u32>,
    /// Bytes of the heads of requests behind the last one.
    dropped: usize,
    /// Whether a header block has begun and not ended: no other frame may come meanwhile.
    in_block: bool,
    /// Whether the client's settings have come, which it must say first.
    settled: bool,
    /// The last request that the codec answered 431.
    too_large: u32,
    /// The tick since which nothing was asked for.
    idle_since: u64,
    /// How the client left, once it has.
    gone: Option<Departure>,
}

/// How a client left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Departure {
    /// It sent its last byte.
    Ended,
    /// By an error: a reset, as a rule.
    Lost,
}

/// How far the response to a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Response {
    Awaited,
    /// Its head was written.
    Begun,
}

impl Ledger {
    pub(crate) fn new(connection: Arc<Connection>, max_streams: u32) -> Self {
        let entries = Entries {
            inbound: Frames::behind(PREFACE),
            outbound: Frames::behind(0),
            open: HashMap::new(),
            answered: 0,
            heads: 0,
            cut: 0,
            told: 0,
            newest: 0,
            last: None,
            fault: None,
            dropped: 0,
            in_block: false,
            settled: false,
            too_large: 0,
            idle_since: connection.since(),
            gone: None,
        };
        Self { entries: Arc::new(Mutex::new(entries)), connection, max_streams }
    }

    /// Bytes that have come from the client.
    pub(crate) fn read(&self, bytes: &[u8]) {
        let mut entries = self.entries();
        let Entries { inbound, open, newest, last, dropped, in_block, settled, cut, .. } = &mut *entries;
        inbound.pass(bytes, |frame| match frame.kind {
            frames::SETTINGS => *settled = true,
            frames::HEADERS => {
                *in_block = !frame.has(frames::END_HEADERS);
                if frame.stream > *newest {
                    *newest = frame.stream;
                    match last {
                        Some(last) if frame.stream > *last => *dropped += frame.length,
                        Some(_) | None => {
                            open.insert(frame.stream, Response::Awaited);
                        }
                    }
                }
            }
            frames::CONTINUATION => *in_block = !frame.has(frames::END_HEADERS),
            frames::RST_STREAM => {
                let was_begun = open.remove(&frame.stream) == Some(Response::Begun);
                *cut += u64::from(was_begun);
            }
            _ => {}
        });
        let whole = entries.inbound.is_between() && entries.settled && !entries.in_block;
        let unsent = if self.connection.responding() == 0 { entries.unsent(0) } else { 0 };
        match (self.connection.phase(), whole) {
            (Phase::Idle, false) => {
                entries.idle_since = self.connection.since();
                self.connection.set_phase(Phase::Head);
            }
            // Neither a PING nor half of one is use.
            (Phase::Head, true) => self.connection.resume(Phase::Idle, entries.idle_since),
            (
                Phase::Idle
                | Phase::Head
                | Phase::Handler
                | Phase::Body
                | Phase::Upload
                | Phase::Upgraded
                | Phase::Lingering,
                _,
            ) => {}
        }
        drop(entries);
        self.tell_unsent(unsent);
    }

    /// Bytes that the socket has taken.
    pub(crate) fn written(&self, bytes: &[u8]) {
        let mut events = Vec::new();
        {
            let mut entries = self.entries();
            let Entries { outbound, open, last, fault, too_large, heads, .. } = &mut *entries;
            outbound.pass(bytes, |frame| {
                let ends =
                    matches!(frame.kind, frames::DATA | frames::HEADERS) && frame.has(frames::END_STREAM);
                // The codec's own answer to a head that is too large has no other field; each of ours has a date.
                let is_own = frame.kind == frames::HEADERS && !(ends && frame.has_one_field());
                if let (true, Some(response @ Response::Awaited)) = (is_own, open.get_mut(&frame.stream)) {
                    *response = Response::Begun;
                    *heads += 1;
                }
                if ends || frame.kind == frames::RST_STREAM {
                    open.remove(&frame.stream);
                }
                match frame.kind {
                    frames::HEADERS if !is_own => {
                        *too_large = frame.stream;
                        events.push(EventKind::HeadersTooLarge);
                    }
                    frames::RST_STREAM if frame.stream != *too_large => {
                        events.extend(reset(&frame, self.max_streams));
                    }
                    frames::GOAWAY => {
                        *last =
                            frame.number(0).map(|last| last & ANY_STREAM).filter(|last| *last != ANY_STREAM);
                        *fault = frame.number(4).filter(|code| *code != 0);
                    }
                    _ => {}
                }
            });
        }
        for event in events {
            self.connection.tell(event);
        }
    }

    /// The service has given a response.
    pub(crate) fn answer(&self) {
        self.entries().answered += 1;
    }

    /// A response cannot be given to its end, and its service tells so. Whether its head has been sent: if not, it never
    /// will be.
    pub(crate) fn fail(&self) -> bool {
        let mut entries = self.entries();
        let sent = entries.heads >= entries.answered;
        if sent {
            entries.told += 1;
        } else {
            entries.answered -= 1;
        }
        sent
    }

    /// Whether the connection is lost, or given up.
    pub(crate) fn is_over(&self) -> bool {
        let entries = self.entries();
        entries.gone.is_some() || entries.fault.is_some()
    }

    /// The client has left.
    pub(crate) fn leave(&self, gone: Departure) {
        self.entries().gone = Some(gone);
    }

    /// Tells what has become of requests that nobody answers any more. Their services have told what they know.
    pub(crate) fn close(&self) {
        let (dropped, unsent) = {
            let mut entries = self.entries();
            let begun = entries.open.values().filter(|response| **response == Response::Begun).count();
            (entries.dropped, entries.unsent(begun as u64))
        };
        if dropped > 0 {
            self.connection.tell(EventKind::PipelinedRequestDropped { bytes: dropped });
            self.connection.table().count_dropped_pipelined();
        }
        self.tell_unsent(unsent);
    }

    /// Tells of responses that their services have given whole, and their clients have not taken whole.
    fn tell_unsent(&self, count: u64) {
        for _ in 0..count {
            let error = Fault::from(std::io::ErrorKind::ConnectionReset);
            self.connection.tell(EventKind::SendFailed { site: SendSite::SendBody, error });
        }
    }

    /// What an end that the protocol brought about is called.
    pub(crate) fn ending(&self) -> EventKind {
        let entries = self.entries();
        match (entries.fault, entries.gone) {
            (Some(code), _) => EventKind::RequestParseError { reason: reason(code).to_owned() },
            (None, Some(_)) if !entries.open.is_empty() || self.connection.phase() != Phase::Idle => {
                EventKind::ClientDisconnected { phase: self.connection.phase() }
            }
            (None, Some(Departure::Lost)) => EventKind::ClientDisconnected { phase: Phase::Idle },
            (None, Some(Departure::Ended) | None) => EventKind::ConnectionClosed,
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        // Nothing in here panics while it is locked.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    /// How many responses were cut, besides those that were told; `open` of them by the end of the connection.
    fn unsent(&mut self, open: u64) -> u64 {
        let unsent = (self.cut + open).saturating_sub(self.told);
        self.told += unsent;
        unsent
    }
}

/// What our reset of a stream tells.
fn reset(frame: &Frame<'_>, limit: u32) -> Option<EventKind> {
    let code = frame.number(0)?;
    match code {
        // What the service brings about it has told itself.
        NO_ERROR | INTERNAL_ERROR | CANCEL => None,
        REFUSED_STREAM => Some(EventKind::ConnectionLimitReached { limit: limit as usize }),
        code => Some(EventKind::RequestParseError { reason: reason(code).to_owned() }),
    }
}

const NO_ERROR: u32 = 0x0;
const INTERNAL_ERROR: u32 = 0x2;
const REFUSED_STREAM: u32 = 0x7;
const CANCEL: u32 = 0x8;

/// The names of RFC 9113, section 7, in words.
fn reason(code: u32) -> &'static str {
    match code {
        0x1 => "protocol error",
        0x2 => "internal error",
        0x3 => "flow control error",
        0x4 => "settings were not acknowledged",
        0x5 => "frame on a closed stream",
        0x6 => "frame of a wrong size",
        0x9 => "compression error",
        0xa => "broken tunnel",
        0xb => "too much of what costs us more than the client",
        0xc => "security below what is required",
        _ => "error",
    }
}
