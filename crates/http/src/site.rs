//! Which part of a response a write was about to send.

use std::io::IoSlice;

use crate::SendSite;

/// What is known of the response when its bytes come to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Writing {
    /// Whether the service has answered.
    pub(crate) answered: bool,
    /// Whether none of the answer's bytes has been written yet.
    pub(crate) fresh: bool,
    /// How many bytes of its head are left of a write that took a part of it.
    pub(crate) head_left: usize,
    /// Whether its length is unknown.
    pub(crate) chunked: bool,
    /// Whether its body has been taken to the end.
    pub(crate) ended: bool,
}

/// Where the last chunk begins.
const TERMINATOR: &[u8] = b"0\r\n";

impl Writing {
    /// The part that the first byte of `rest`, which could not be written, belongs to.
    ///
    /// hyper hands over what it has encoded: the head and what came before it in one buffer, then the body's. A chunk
    /// begins with its size, which is no `HTTP/`, and the last chunk stands alone at the end.
    pub(crate) fn site(self, rest: &[IoSlice<'_>]) -> SendSite {
        let Some(first) = rest.iter().find(|part| !part.is_empty()) else { return self.expected() };
        if first.starts_with(b"HTTP/1.1 100") && (self.fresh || !self.answered) {
            SendSite::SendContinue
        } else if !self.answered {
            // The rest of it: nothing else is written before the answer.
            SendSite::SendContinue
        } else if self.fresh || self.head_left > 0 {
            SendSite::SendResponse
        } else if self.chunked && self.ended && is_terminator(rest) {
            SendSite::SendChunkTerminator
        } else if self.chunked {
            SendSite::SendChunk
        } else {
            SendSite::SendBody
        }
    }

    /// The part that would have come next.
    pub(crate) fn expected(self) -> SendSite {
        if self.fresh || self.head_left > 0 || !self.answered {
            SendSite::SendResponse
        } else if self.chunked && self.ended {
            SendSite::SendChunkTerminator
        } else if self.chunked {
            SendSite::SendChunk
        } else {
            SendSite::SendBody
        }
    }
}

/// Whether `rest` is the last chunk, or what is left of it. With trailers it is longer than the five bytes it has otherwise.
fn is_terminator(rest: &[IoSlice<'_>]) -> bool {
    const WHOLE: &[u8] = b"0\r\n\r\n";
    let length: usize = rest.iter().map(|part| part.len()).sum();
    let bytes = || rest.iter().flat_map(|part| part.iter().copied());
    if length <= WHOLE.len() {
        return bytes().eq(WHOLE[WHOLE.len() - length..].iter().copied());
    }
    bytes().take(TERMINATOR.len()).eq(TERMINATOR.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(writing: Writing, rest: &[&str]) -> SendSite {
        let rest: Vec<_> = rest.iter().map(|part| IoSlice::new(part.as_bytes())).collect();
        writing.site(&rest)
    }

    #[test]
    fn every_part_of_a_response_is_told_from_the_bytes_that_were_next() {
        use SendSite::{SendBody, SendChunk, SendChunkTerminator, SendContinue, SendResponse};
        let waiting = Writing::default();
        let fresh = Writing { answered: true, fresh: true, ..waiting };
        let body = Writing { answered: true, ..waiting };
        let chunks = Writing { chunked: true, ..body };
        let ended = Writing { ended: true, ..chunks };
        for (writing, rest, expected) in [
            (waiting, vec!["HTTP/1.1 100 Continue\r\n\r\n"], SendContinue),
            (waiting, vec!["tinue\r\n\r\n"], SendContinue),
            (fresh, vec!["HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"], SendContinue),
            (fresh, vec!["HTTP/1.1 200 OK\r\n\r\n", "body"], SendResponse),
            (Writing { head_left: 3, ..body }, vec!["\n\r\n", "body"], SendResponse),
            (body, vec!["HTTP/1.1 200 OK is what this body says"], SendBody),
            (body, vec!["0\r\n\r\n"], SendBody),
            (chunks, vec!["5\r\n", "hello", "\r\n"], SendChunk),
            (chunks, vec!["0\r\n\r\n"], SendChunk),
            (ended, vec!["5\r\n", "hello", "\r\n0\r\n\r\n"], SendChunk),
            (ended, vec!["\r\n0\r\n\r\n"], SendChunk),
            (ended, vec!["", "0\r\n\r\n"], SendChunkTerminator),
            (ended, vec!["0\r\n", "\r\n"], SendChunkTerminator),
            (ended, vec!["\r\n"], SendChunkTerminator),
            (ended, vec!["0\r\nchecksum: 1\r\n\r\n"], SendChunkTerminator),
        ] {
            assert_eq!(site(writing, &rest), expected, "{writing:?} {rest:?}");
        }
    }
}
