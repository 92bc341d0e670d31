//! What the frames of a connection tell that hyper does not.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::frames::{self, Frame, Frames};
use super::response::Response;
use crate::connection::Connection;
use crate::phase::{Order, Phase};
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
    open: HashMap<u32, Arc<Response>>,
    /// Those of requests that have come and that no service has seen yet, in the order in which services do. Where the codec
    /// refuses one and cannot say so yet, the next ones are taken for each other until hyper has taken all there is.
    arrived: VecDeque<Arc<Response>>,
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
    /// Whether hyper has ended the connection under its requests.
    broken_off: bool,
}

/// How a client left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Departure {
    /// It sent its last byte.
    Ended,
    /// By an error: a reset, as a rule.
    Lost,
}

impl Ledger {
    pub(crate) fn new(connection: Arc<Connection>, max_streams: u32) -> Self {
        let entries = Entries {
            inbound: Frames::behind(PREFACE),
            outbound: Frames::behind(0),
            open: HashMap::new(),
            arrived: VecDeque::new(),
            newest: 0,
            last: None,
            fault: None,
            dropped: 0,
            in_block: false,
            settled: false,
            too_large: 0,
            idle_since: connection.since(),
            gone: None,
            broken_off: false,
        };
        Self { entries: Arc::new(Mutex::new(entries)), connection, max_streams }
    }

    /// Bytes that have come from the client.
    pub(crate) fn read(&self, bytes: &[u8]) {
        let mut cut = Vec::new();
        let mut entries = self.entries();
        let Entries { inbound, open, arrived, newest, last, dropped, in_block, settled, .. } = &mut *entries;
        inbound.pass(bytes, |frame| match frame.kind {
            frames::SETTINGS => *settled = true,
            frames::HEADERS => {
                *in_block = !frame.has(frames::END_HEADERS);
                if frame.stream > *newest {
                    *newest = frame.stream;
                    match last {
                        Some(last) if frame.stream > *last => *dropped += frame.length,
                        Some(_) | None => {
                            let response = Arc::<Response>::default();
                            open.insert(frame.stream, Arc::clone(&response));
                            arrived.push_back(response);
                        }
                    }
                }
            }
            frames::CONTINUATION => *in_block = !frame.has(frames::END_HEADERS),
            frames::RST_STREAM => cut.extend(open.remove(&frame.stream).and_then(|response| response.cut())),
            _ => {}
        });
        self.count_open(&mut entries);
        let whole = entries.inbound.is_between() && entries.settled && !entries.in_block;
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
        self.tell_cut(cut);
    }

    /// Bytes that the socket has taken.
    pub(crate) fn written(&self, bytes: &[u8]) {
        let mut events = Vec::new();
        {
            let mut entries = self.entries();
            let Entries { outbound, open, last, fault, too_large, .. } = &mut *entries;
            outbound.pass(bytes, |frame| {
                let ends =
                    matches!(frame.kind, frames::DATA | frames::HEADERS) && frame.has(frames::END_STREAM);
                let response = open.get(&frame.stream).filter(|response| !response.is_begun());
                // The codec's own answer to a head that is too large has no other field; each of ours has a date.
                let is_own = !(ends && frame.has_one_field());
                match (frame.kind, response) {
                    (frames::HEADERS, Some(response)) if is_own => response.begin(),
                    (frames::HEADERS, Some(response)) => {
                        response.refuse();
                        *too_large = frame.stream;
                        events.push(EventKind::HeadersTooLarge);
                    }
                    (frames::RST_STREAM, Some(response)) => response.refuse(),
                    _ => {}
                }
                if ends || frame.kind == frames::RST_STREAM {
                    open.remove(&frame.stream);
                }
                match frame.kind {
                    frames::DATA => self.connection.taking.pass(frame.length),
                    frames::RST_STREAM if frame.stream != *too_large => {
                        events.extend(reset(&frame, self.max_streams));
                    }
                    frames::GOAWAY => {
                        *last =
                            frame.number(0).map(|last| last & ANY_STREAM).filter(|last| *last != ANY_STREAM);
                        *fault = frame.number(4).filter(|code| *code != 0);
                        // What came behind the last one before this was written is not looked at either.
                        open.retain(|stream, _| last.is_none_or(|last| *stream <= last));
                    }
                    _ => {}
                }
            });
            self.count_open(&mut entries);
        }
        for event in events {
            self.connection.tell(event);
        }
    }

    /// The response to the request that a service is about to see.
    pub(crate) fn accept(&self) -> Arc<Response> {
        let arrived = &mut self.entries().arrived;
        let accepted = std::iter::from_fn(|| arrived.pop_front()).find(|response| !response.is_refused());
        accepted.unwrap_or_default()
    }

    /// hyper has taken every request that has come whole.
    pub(crate) fn settle(&self) {
        let mut entries = self.entries();
        if entries.inbound.is_between() && !entries.in_block {
            entries.arrived.clear();
        }
    }

    /// Whether its server closes or resets the connection, and tells so.
    pub(crate) fn is_closed(&self) -> bool {
        self.connection.order() >= Order::Close
    }

    /// hyper has ended the connection. Whether that was under requests, for a reason that no frame tells.
    pub(crate) fn break_off(&self) -> bool {
        let mut entries = self.entries();
        entries.broken_off = !entries.open.is_empty() && entries.gone.is_none() && entries.fault.is_none();
        entries.broken_off
    }

    pub(crate) fn is_broken_off(&self) -> bool {
        self.entries().broken_off
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
        let (dropped, cut) = {
            let entries = self.entries();
            let cut: Vec<_> = entries.open.values().filter_map(|response| response.cut()).collect();
            (entries.dropped, cut)
        };
        if dropped > 0 {
            self.connection.tell(EventKind::PipelinedRequestDropped { bytes: dropped });
            self.connection.table().count_dropped_pipelined();
        }
        if !self.is_closed() {
            self.tell_cut(cut);
        }
    }

    /// Tells of responses that their services have given whole, and their clients have not taken whole.
    fn tell_cut(&self, cut: Vec<SendSite>) {
        for site in cut {
            let error = Fault::from(std::io::ErrorKind::ConnectionReset);
            self.connection.tell(EventKind::SendFailed { site, error });
        }
    }

    /// Says how many responses are not written to their end. With the last of them idleness begins.
    fn count_open(&self, entries: &mut Entries) {
        if self.connection.set_unsent(entries.open.len()) {
            entries.idle_since = self.connection.table().tick();
        }
    }

    /// What an end that the protocol brought about is called.
    pub(crate) fn ending(&self) -> EventKind {
        let entries = self.entries();
        match (entries.fault, entries.gone) {
            (Some(code), _) => EventKind::RequestParseError { reason: reason(code).to_owned() },
            (None, Some(_)) if !entries.open.is_empty() || self.connection.phase() != Phase::Idle => {
                EventKind::ClientDisconnected { phase: self.connection.standing() }
            }
            // The one thing for which hyper does so.
            (None, None) if entries.broken_off => {
                EventKind::RequestParseError { reason: "CONNECT with a body".to_owned() }
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
