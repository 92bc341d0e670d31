//! How far one response is, as the frames of its connection show it and as whoever gives it knows it.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::SendSite;

/// Shared by the ledger and by what gives the response. Whichever of them is the second to know that it was cut tells.
#[derive(Debug, Default)]
pub(crate) struct Response(AtomicU8);

/// Its head was written.
const BEGUN: u8 = 1;
/// Its client will not take the rest of it.
const CUT: u8 = 2;
/// All of it is with the codec, and nobody else would tell that it was cut.
const GIVEN: u8 = 4;
/// Its length was told in the head.
const SIZED: u8 = 8;
/// The codec has refused its request, which no service sees.
const REFUSED: u8 = 16;

impl Response {
    pub(crate) fn begin(&self) {
        self.set(BEGUN);
    }

    pub(crate) fn is_begun(&self) -> bool {
        self.0.load(Ordering::Acquire) & BEGUN != 0
    }

    pub(crate) fn refuse(&self) {
        self.set(REFUSED);
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.0.load(Ordering::Acquire) & REFUSED != 0
    }

    /// The service has given all of it. The part that was cut, if it was.
    pub(crate) fn give(&self, sized: bool) -> Option<SendSite> {
        let sized = if sized { SIZED } else { 0 };
        let before = self.set(GIVEN | sized);
        (before & CUT != 0).then(|| site(before | sized))
    }

    /// Its client has taken it back, or is gone. The part that was cut, if its service has given all of it.
    pub(crate) fn cut(&self) -> Option<SendSite> {
        let before = self.set(CUT);
        (before & GIVEN != 0).then(|| site(before))
    }

    /// The part that is next, while it is being given.
    pub(crate) fn next(&self, sized: bool) -> SendSite {
        let begun = if self.is_begun() { BEGUN } else { 0 };
        site(begun | if sized { SIZED } else { 0 })
    }

    fn set(&self, bits: u8) -> u8 {
        self.0.fetch_or(bits, Ordering::AcqRel)
    }
}

fn site(response: u8) -> SendSite {
    match (response & BEGUN != 0, response & SIZED != 0) {
        (false, _) => SendSite::SendResponse,
        (true, true) => SendSite::SendBody,
        (true, false) => SendSite::SendChunk,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_to_know_of_a_cut_tells_and_nobody_else_does() {
        for sized in [false, true] {
            let expected = if sized { SendSite::SendBody } else { SendSite::SendChunk };
            let (first, second) = (Response::default(), Response::default());
            first.begin();
            second.begin();
            assert_eq!((first.give(sized), first.cut()), (None, Some(expected)));
            assert_eq!((second.cut(), second.give(sized)), (None, Some(expected)));
        }
        let unbegun = Response::default();
        assert_eq!((unbegun.give(true), unbegun.cut()), (None, Some(SendSite::SendResponse)));
    }
}
