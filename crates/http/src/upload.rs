//! The request body of a connection's exchange, as the sweep and the answer see it.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use crate::pace::{Least, Pace, Shortfall};
use crate::{BodyBound, Refusal};

/// One connection's request body: the one that is coming, or the last one that came.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    /// Which exchange it belongs to: the body of an earlier one, kept by somebody, has no say any more.
    exchange: AtomicU32,
    /// A [`Stage`].
    stage: AtomicU8,
    /// A [`Verdict`].
    verdict: AtomicU8,
    /// The tick of the first look at it, plus one.
    begun: AtomicU64,
    pub(crate) pace: Pace,
}

/// How far a request body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Stage {
    /// There is none, or it has ended.
    Over = 0,
    /// It is coming.
    Open = 1,
    /// Nobody wanted the rest of it.
    Dropped = 2,
    /// It broke off.
    Broken = 3,
}

/// Why a request is answered by the server itself, whatever its service says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Verdict {
    /// It is not.
    None = 0,
    /// The body is too large.
    TooLarge = 1,
    /// The trailers are too large.
    TrailersTooLarge = 2,
    /// The body took too long.
    TooSlow = 3,
}

/// What is allowed to a request body, in ticks of the sweep.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Allowed {
    pub(crate) total: Option<u64>,
    pub(crate) least: Least,
}

impl Verdict {
    /// The refusal that it is. None for what is told by its deadline.
    pub(crate) fn refusal(self) -> Option<Refusal> {
        match self {
            Self::None | Self::TooSlow => None,
            Self::TooLarge => Some(Refusal::BodyTooLarge),
            Self::TrailersTooLarge => Some(Refusal::TrailersTooLarge),
        }
    }
}

impl Upload {
    /// A body begins to come; its exchange's number.
    pub(crate) fn open(&self) -> u32 {
        self.begun.store(0, Ordering::Relaxed);
        self.verdict.store(Verdict::None as u8, Ordering::Relaxed);
        self.pace.rest();
        self.stage.store(Stage::Open as u8, Ordering::Relaxed);
        // One task begins exchanges.
        let exchange = self.exchange.load(Ordering::Relaxed).wrapping_add(1);
        self.exchange.store(exchange, Ordering::Relaxed);
        exchange
    }

    /// An exchange without a body begins.
    pub(crate) fn skip(&self) {
        self.verdict.store(Verdict::None as u8, Ordering::Relaxed);
        self.stage.store(Stage::Over as u8, Ordering::Relaxed);
    }

    /// The body of that exchange is looked at for the first time.
    pub(crate) fn begin(&self, tick: u64) {
        self.begun.store(tick + 1, Ordering::Relaxed);
    }

    /// The body of that exchange is over, one way or another.
    pub(crate) fn close(&self, exchange: u32, stage: Stage) {
        if self.is_coming(exchange) {
            self.stage.store(stage as u8, Ordering::Relaxed);
            self.begun.store(0, Ordering::Relaxed);
            self.pace.rest();
        }
    }

    pub(crate) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Relaxed) {
            0 => Stage::Over,
            1 => Stage::Open,
            2 => Stage::Dropped,
            _ => Stage::Broken,
        }
    }

    /// Whether the body of that exchange is the one that is coming.
    pub(crate) fn is_coming(&self, exchange: u32) -> bool {
        self.exchange.load(Ordering::Relaxed) == exchange && self.stage() == Stage::Open
    }

    pub(crate) fn condemn(&self, verdict: Verdict) {
        self.verdict.store(verdict as u8, Ordering::Relaxed);
    }

    pub(crate) fn verdict(&self) -> Verdict {
        match self.verdict.load(Ordering::Relaxed) {
            0 => Verdict::None,
            1 => Verdict::TooLarge,
            2 => Verdict::TrailersTooLarge,
            _ => Verdict::TooSlow,
        }
    }

    /// Which of its deadlines has passed, if one has. Once a tick.
    pub(crate) fn judge(&self, tick: u64, allowed: &Allowed) -> Option<BodyBound> {
        let begun = self.begun.load(Ordering::Relaxed);
        if begun == 0 || self.stage() != Stage::Open {
            return None;
        }
        if allowed.total.is_some_and(|most| (tick + 1).saturating_sub(begun) > most) {
            return Some(BodyBound::Total);
        }
        self.pace.judge(tick, allowed.least).map(|shortfall| match shortfall {
            Shortfall::Progress => BodyBound::Progress,
            Shortfall::Rate => BodyBound::Rate,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_runs_from_the_first_look_though_nothing_comes() {
        let allowed = Allowed { total: Some(3), ..Allowed::default() };
        let upload = Upload::default();
        upload.open();
        assert_eq!(upload.judge(100, &allowed), None);
        upload.begin(100);
        assert_eq!(upload.judge(103, &allowed), None);
        assert_eq!(upload.judge(104, &allowed), Some(BodyBound::Total));
    }

    #[test]
    fn the_body_of_an_earlier_exchange_has_no_say() {
        let upload = Upload::default();
        let first = upload.open();
        upload.open();
        upload.close(first, Stage::Dropped);
        assert_eq!(upload.stage(), Stage::Open);
        assert!(!upload.is_coming(first));
    }

    #[test]
    fn what_was_said_of_a_body_is_not_said_of_the_next() {
        for is_empty in [true, false] {
            let upload = Upload::default();
            upload.open();
            upload.condemn(Verdict::TooLarge);
            if is_empty {
                upload.skip();
            } else {
                upload.open();
            }
            assert_eq!(upload.verdict(), Verdict::None);
        }
    }
}
