//! What reads a stranger's bytes, for the fuzz targets alone.

use crate::h2::frames::Frames;
use crate::opening::{Verdict, verdict};

/// Whether the first bytes of a connection begin HTTP/2. None while there are too few to say.
pub fn begins_http2(bytes: &[u8]) -> Option<bool> {
    match verdict(bytes) {
        Verdict::Http1 => Some(false),
        Verdict::Http2 => Some(true),
        Verdict::Open => None,
    }
}

/// A frame as it is looked at while it passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Type and flags.
    pub kind: (u8, u8),
    /// Its stream.
    pub stream: u32,
    /// Of its payload, in bytes.
    pub length: usize,
    /// As much of its payload as is looked at.
    pub payload: Vec<u8>,
    /// Whether it counts as a header block of one field.
    pub has_one_field: bool,
}

/// The frames in these parts of a stream, and whether the last one has ended.
pub fn frames<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Seen>, bool) {
    let (mut frames, mut seen) = (Frames::behind(0), Vec::new());
    for part in parts {
        frames.pass(part, |frame| {
            seen.push(Seen {
                kind: (frame.kind, frame.flags),
                stream: frame.stream,
                length: frame.length,
                payload: frame.payload.to_vec(),
                has_one_field: frame.has_one_field(),
            });
        });
    }
    (seen, frames.is_between())
}
