//! HTTP/2 as it is told from HTTP/1, and its frames as they pass.

use ostler_http::fuzzing::{Seen, begins_http2, frames};

/// RFC 9113, section 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How many bytes of a payload are looked at.
const LOOKED_AT: usize = 8;

/// The first bytes of a connection: HTTP/2 is what begins with all of the preface, and once it is said it stays said.
pub fn preface(bytes: &[u8]) {
    let mut said = None;
    for length in 0..=bytes.len() {
        let now = begins_http2(&bytes[..length]);
        assert!(said.is_none() || now == said, "at {length}");
        said = now;
    }
    let expected = match bytes {
        _ if bytes.starts_with(PREFACE) => Some(true),
        _ if PREFACE.starts_with(bytes) => None,
        _ => Some(false),
    };
    assert_eq!(said, expected);
}

/// How many bytes at a time, then a stream of frames: each is seen once, as a plain reading of RFC 9113, section 4.1, has it.
pub fn http2_frames(bytes: &[u8]) {
    let Some((step, stream)) = bytes.split_first() else { return };
    let (seen, is_between) = frames(stream.chunks(usize::from(*step) + 1));
    let (at_once, _) = frames([stream]);
    assert_eq!(seen, at_once);
    let (mut expected, mut rest, mut is_whole) = (Vec::new(), stream, true);
    while !rest.is_empty() {
        let Some(frame) = frame(rest) else {
            is_whole = false;
            break;
        };
        let end = 9 + frame.length;
        is_whole = rest.len() >= end;
        rest = &rest[end.min(rest.len())..];
        expected.push(frame);
    }
    assert_eq!(seen.len(), expected.len());
    for (seen, expected) in seen.iter().zip(&expected) {
        let (seen, expected) = (Seen { has_one_field: false, ..seen.clone() }, expected);
        assert_eq!(seen, *expected);
    }
    assert_eq!(is_between, is_whole);
}

/// The frame at the beginning, if as much of it is there as is looked at.
fn frame(bytes: &[u8]) -> Option<Seen> {
    let (head, payload) = bytes.split_at_checked(9)?;
    let length = head[..3].iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    let stream = u32::from_be_bytes(head[5..].try_into().ok()?) & u32::MAX >> 1;
    let payload = payload.get(..length.min(LOOKED_AT))?.to_vec();
    Some(Seen { kind: (head[3], head[4]), stream, length, payload, has_one_field: false })
}
