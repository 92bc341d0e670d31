//! The text of an event stream (HTML Living Standard, section 9.2.6), decoded as it comes.

/// The longest line, and the longest event, in bytes.
const LONGEST: usize = 1024 * 1024;

/// Decodes one stream.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// A line that has not ended yet.
    line: Vec<u8>,
    /// The data of an event that has not ended yet.
    data: String,
    /// The last id, which stays until there is another.
    id: Option<String>,
}

/// An event with data. Its type is in the data too, so it is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// The last id of the stream.
    pub(super) id: Option<String>,
    pub(super) data: String,
}

/// A line or an event is longer than 1 MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Decoder {
    /// Takes the next bytes, and gives the events that they complete.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Message>, TooLong> {
        let mut messages = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + part.len() > LONGEST {
                return Err(TooLong);
            }
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                let line = String::from_utf8_lossy(&line);
                messages.extend(self.take(line.trim_end_matches(['\r', '\n']))?);
            }
        }
        Ok(messages)
    }

    /// The id to come back with.
    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    fn take(&mut self, line: &str) -> Result<Option<Message>, TooLong> {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            // The blank line that ends an event; one without data is only an id.
            "" if line.is_empty() && !self.data.is_empty() => {
                let data = std::mem::take(&mut self.data);
                let data = data.strip_suffix('\n').unwrap_or(&data).to_owned();
                return Ok(Some(Message { id: self.id.clone(), data }));
            }
            "data" => {
                if self.data.len() + value.len() > LONGEST {
                    return Err(TooLong);
                }
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            // Comments, types, pauses and what later versions may add.
            _ => {}
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_the_same_however_its_bytes_are_cut() {
        let stream = ": hello\nid: a-0\nretry: 1000\n\nid: a-1\r\nevent: x\r\ndata: {\"ü\":1}\r\n\r\ndata: 1\ndata:2\n\n";
        let events = [
            Message { id: Some("a-1".to_owned()), data: "{\"ü\":1}".to_owned() },
            Message { id: Some("a-1".to_owned()), data: "1\n2".to_owned() },
        ];
        for size in 1..stream.len() {
            let mut decoder = Decoder::default();
            let decoded: Vec<_> =
                stream.as_bytes().chunks(size).flat_map(|bytes| decoder.feed(bytes).unwrap()).collect();
            assert_eq!(decoded, events, "{size} bytes at a time");
        }
    }

    #[test]
    fn an_id_without_data_is_a_place_to_come_back_to() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.feed(b"id: a-7\n\n"), Ok(Vec::new()));
        assert_eq!(decoder.id(), Some("a-7"));
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut decoder = Decoder::default();
        let half = vec![b'x'; LONGEST / 2 + 1];
        assert_eq!(decoder.feed(&half), Ok(Vec::new()));
        assert_eq!(decoder.feed(&half), Err(TooLong));
    }
}
