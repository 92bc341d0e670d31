//! WebSocket frames.

use ostler_switchboard::fuzzing::Follower;

/// How many bytes at a time, then a stream of frames: the boundaries are those that a plain reading of RFC 6455 gives.
pub fn frames(bytes: &[u8]) {
    let Some((step, stream)) = bytes.split_first() else { return };
    let step = usize::from(*step) + 1;
    let boundaries = boundaries(stream);
    let mut follower = Follower::default();
    let mut passed = 0;
    for part in stream.chunks(step) {
        follower.pass(part);
        passed += part.len();
        let closed = boundaries.closed.is_some_and(|closed| closed <= passed);
        assert_eq!(follower.has_closed(), closed, "at {passed}");
        assert_eq!(follower.is_between(), closed || boundaries.ends.contains(&passed), "at {passed}");
    }
    // From the middle, `finish` finds the next boundary and goes no further.
    let (begin, rest) = stream.split_at(step.min(stream.len()));
    let mut follower = Follower::default();
    follower.pass(begin);
    let finished = follower.finish(rest);
    assert!(finished <= rest.len());
    if boundaries.closed.is_some_and(|closed| closed <= begin.len()) {
        assert_eq!(finished, 0);
    } else {
        let next = boundaries.ends.iter().find(|end| **end >= begin.len());
        assert_eq!(finished, next.map_or(rest.len(), |end| end - begin.len()));
    }
}

struct Boundaries {
    /// Where no frame is under way; 0 is the first.
    ends: Vec<usize>,
    /// Where a Close frame ended.
    closed: Option<usize>,
}

/// RFC 6455, section 5.2, over all bytes at once.
fn boundaries(stream: &[u8]) -> Boundaries {
    let (mut ends, mut at) = (vec![0], 0);
    while let Some(length) = frame(&stream[at..]) {
        let closes = stream[at] & 0x0f == 8;
        at += length;
        ends.push(at);
        if closes {
            return Boundaries { ends, closed: Some(at) };
        }
    }
    Boundaries { ends, closed: None }
}

/// The length of the frame at the beginning, if all of it is there.
fn frame(bytes: &[u8]) -> Option<usize> {
    let second = *bytes.get(1)?;
    let extended = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let number =
        bytes.get(2..2 + extended)?.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let payload = if extended == 0 { u64::from(second & 0x7f) } else { number };
    let head = 2 + extended + if second & 0x80 == 0 { 0 } else { 4 };
    let length = head.checked_add(usize::try_from(payload).ok()?)?;
    (bytes.len() >= length).then_some(length)
}
