//! Event streams: as they are read, and where they are taken up again.

use ostler::fuzzing::{Read, decode, resume as read};

use crate::text;

/// How many events are kept, how many there were, then a `Last-Event-ID`: nothing is told twice, nothing is left out untold, and what
/// comes is in order.
pub fn resume(bytes: &[u8]) {
    let [capacity, events, last @ ..] = bytes else { return };
    let (capacity, events) = (usize::from(*capacity).max(1), usize::from(*events));
    let Some(last) = text(last) else { return };
    let told = read(capacity, events, last);
    let oldest = events.saturating_sub(capacity) + 1;
    let known = last
        .strip_prefix("{mark}-")
        .and_then(|number| number.parse::<usize>().ok())
        .filter(|it| *it <= events);
    let (gap, first) = match known {
        Some(seen) if seen + 1 >= oldest => (None, seen + 1),
        Some(seen) => (Some(Read::Lagged(Some((oldest - seen - 1) as u64))), oldest),
        None => (Some(Read::Lagged(None)), oldest),
    };
    let expected: Vec<Read> = gap.into_iter().chain((first..=events).map(Read::Event)).collect();
    assert_eq!(told, expected, "{capacity} {events} {last:?}");
}

/// A stream as the commands read it: the same however its bytes are cut.
pub fn event_stream(bytes: &[u8]) {
    let whole = decode(bytes, bytes.len());
    for step in [1, 2, 7] {
        assert_eq!(decode(bytes, step), whole, "{step} bytes at a time");
    }
    let messages = whole.into_iter().flatten();
    let length: usize = messages.map(|(_, data)| data.len()).sum();
    // A byte that is not UTF-8 becomes a character of three.
    assert!(length <= 3 * bytes.len());
}
