//! The decoder of event streams, for the fuzz targets alone.

use super::sse::Decoder;

/// Decodes a stream that comes `step` bytes at a time: ids and data. None when something in it is too long.
pub fn decode(stream: &[u8], step: usize) -> Option<Vec<(Option<String>, String)>> {
    let mut decoder = Decoder::default();
    let mut messages = Vec::new();
    for part in stream.chunks(step.max(1)) {
        messages.extend(decoder.feed(part).ok()?.into_iter().map(|message| (message.id, message.data)));
    }
    Some(messages)
}
