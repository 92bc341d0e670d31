//! Bytes in, lines out: bounded in length, and decoded only when whole, so that a character split between reads stays whole.

/// Cuts a stream of bytes into lines.
#[derive(Debug)]
pub(crate) struct Lines {
    max: usize,
    line: Vec<u8>,
    /// Bytes of the current line that did not fit.
    dropped: usize,
}

/// A line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) text: String,
    /// How many bytes were cut off its end.
    pub(crate) dropped: usize,
}

impl Lines {
    /// Keeps at most `max` bytes of a line.
    pub(crate) fn new(max: usize) -> Self {
        Self { max, line: Vec::new(), dropped: 0 }
    }

    /// Takes what was read and hands out the lines it completes.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(Line)) {
        while let Some(at) = bytes.iter().position(|byte| *byte == b'\n') {
            self.append(&bytes[..at]);
            each(self.take());
            bytes = &bytes[at + 1..];
        }
        self.append(bytes);
    }

    /// The stream has ended: what has no line end is a line too.
    pub(crate) fn finish(&mut self) -> Option<Line> {
        (!self.line.is_empty() || self.dropped > 0).then(|| self.take())
    }

    fn append(&mut self, bytes: &[u8]) {
        let fits = bytes.len().min(self.max - self.line.len());
        self.line.extend_from_slice(&bytes[..fits]);
        self.dropped += bytes.len() - fits;
    }

    fn take(&mut self) -> Line {
        let mut line = std::mem::take(&mut self.line);
        let mut dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            // The cut may have gone through a character: give up its first bytes too.
            let whole = whole_characters(&line);
            dropped += line.len() - whole;
            line.truncate(whole);
        } else if line.last() == Some(&b'\r') {
            line.pop();
        }
        Line { text: String::from_utf8_lossy(&line).into_owned(), dropped }
    }
}

/// Length without a character that was begun at the very end.
fn whole_characters(line: &[u8]) -> usize {
    match line.utf8_chunks().last() {
        Some(last) if std::str::from_utf8(last.invalid()).is_err_and(|e| e.error_len().is_none()) => {
            line.len() - last.invalid().len()
        }
        Some(_) | None => line.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(max: usize, chunks: &[&[u8]]) -> Vec<(String, usize)> {
        let mut cutter = Lines::new(max);
        let mut found = Vec::new();
        for chunk in chunks {
            cutter.feed(chunk, |line| found.push((line.text, line.dropped)));
        }
        found.extend(cutter.finish().map(|line| (line.text, line.dropped)));
        found
    }

    fn whole(text: &str) -> (String, usize) {
        (text.to_owned(), 0)
    }

    #[test]
    fn a_character_split_between_reads_stays_whole() {
        let euro = "€".as_bytes();
        assert_eq!(lines(99, &[&euro[..1], &euro[1..], b"\n"]), [whole("€")]);
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_in_their_line_only() {
        assert_eq!(lines(99, &[b"a\xffb\nc\n"]), [whole("a\u{fffd}b"), whole("c")]);
    }

    #[test]
    fn an_unfinished_last_line_counts_and_line_ends_do_not() {
        assert_eq!(lines(99, &[b"one\r\n\ntwo"]), [whole("one"), whole(""), whole("two")]);
        assert_eq!(lines(99, &[b"one\n"]), [whole("one")]);
    }

    #[test]
    fn a_long_line_is_cut_at_a_character_and_says_how_much_is_missing() {
        assert_eq!(lines(4, &[b"abcdef", b"gh\nx\n"]), [("abcd".into(), 4), whole("x")]);
        assert_eq!(lines(4, &["ab€€\n".as_bytes()]), [("ab".into(), 6)]);
    }
}
