//! Who may still come in: the lock-free part of a slot.

use std::num::NonZeroU64;

use super::SlotState;
use super::atomic::Atomic;
use super::word::Word;

/// The word of one server and the number of its uses. Leases come and go on any thread; the machine is the only one
/// that closes it, apart from the last allowed use.
#[derive(Debug)]
pub(crate) struct Gate<W> {
    /// State, attention, generation and leases.
    word: W,
    /// Leases given so far, and with a maximum of uses also the tickets for them, refused ones included.
    served: W,
    max_uses: Option<NonZeroU64>,
}

/// What became of a call at the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    Refused,
    Leased,
    /// Leased, and the gate has closed behind this one: tell the control side.
    LastUse,
}

/// What a release left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Nobody is waiting to hear of it.
    Quiet,
    /// The last lease of a server whose last release was asked for: tell the control side.
    Awaited,
}

/// What became of an attempt to close an idle gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    /// Nothing was leased and nothing will be.
    Closed,
    /// Leased: it stays open, and the release that makes it idle is an [`Exit::Awaited`].
    Leased,
    /// It was closed before.
    NotOpen,
}

impl<W: Atomic> Gate<W> {
    pub(crate) fn new(generation: u64, max_uses: Option<NonZeroU64>) -> Self {
        Self { word: W::new(Word::ready(generation).bits()), served: W::new(0), max_uses }
    }

    #[inline]
    pub(crate) fn word(&self) -> Word {
        Word::from_bits(self.word.load())
    }

    pub(crate) fn served(&self) -> u64 {
        let tickets = self.served.load();
        self.max_uses.map_or(tickets, |max| tickets.min(max.get()))
    }

    /// One lease, by one compare-and-swap unless others come and go at the same moment.
    #[inline]
    pub(crate) fn enter(&self) -> Entry {
        let Some(max) = self.max_uses else {
            return match self.change(Word::leased) {
                Some(_) => {
                    self.served.count_up();
                    Entry::Leased
                }
                None => Entry::Refused,
            };
        };
        // The ticket comes first: whoever draws the last one closes the gate with the same swap that leases, so that
        // no one can slip in between.
        let ticket = self.served.count_up().saturating_add(1);
        if ticket > max.get() {
            return Entry::Refused;
        }
        let last = ticket == max.get();
        let entered = self.change(|word| {
            let leased = word.leased()?;
            Some(if last { leased.at_least(SlotState::Draining) } else { leased })
        });
        match entered {
            None => Entry::Refused,
            Some(_) if last => Entry::LastUse,
            Some(_) => Entry::Leased,
        }
    }

    /// Gives one lease back. `before_idle` runs before a release that would leave nothing leased becomes visible, and
    /// again if it has to be tried again.
    #[inline]
    pub(crate) fn leave(&self, mut before_idle: impl FnMut()) -> Exit {
        let mut exit = Exit::Quiet;
        self.change(|word| {
            let word = word.released();
            exit = Exit::Quiet;
            if word.leases() > 0 {
                return Some(word);
            }
            before_idle();
            let awaited = match word.state() {
                SlotState::Ready => word.attention(),
                SlotState::Draining => true,
                SlotState::Ended => false,
            };
            if awaited {
                exit = Exit::Awaited;
            }
            Some(word.without_attention())
        });
        exit
    }

    /// Lets nobody in from now on, and returns how many are still inside; the last of them is an [`Exit::Awaited`].
    pub(crate) fn close(&self) -> u32 {
        self.raise(SlotState::Draining)
    }

    /// As [`close`](Self::close), and nobody is waited for.
    pub(crate) fn end(&self) -> u32 {
        self.raise(SlotState::Ended)
    }

    /// Closes if nothing is leased; else asks for attention, in the same swap.
    pub(crate) fn close_if_idle(&self) -> Closing {
        let mut closing = Closing::NotOpen;
        self.change(|word| match word.state() {
            SlotState::Draining | SlotState::Ended => {
                closing = Closing::NotOpen;
                None
            }
            SlotState::Ready if word.leases() == 0 => {
                closing = Closing::Closed;
                Some(word.at_least(SlotState::Draining))
            }
            SlotState::Ready => {
                closing = Closing::Leased;
                Some(word.with_attention())
            }
        });
        closing
    }

    fn raise(&self, state: SlotState) -> u32 {
        self.change(|word| Some(word.at_least(state))).map_or(0, Word::leases)
    }

    /// Swaps the word for what `next` makes of it, as often as it takes; `None` when `next` wants no change.
    #[inline]
    fn change(&self, mut next: impl FnMut(Word) -> Option<Word>) -> Option<Word> {
        let mut current = self.word.load();
        loop {
            let changed = next(Word::from_bits(current))?;
            match self.word.compare_exchange(current, changed.bits()) {
                Ok(_) => return Some(changed),
                Err(seen) => current = seen,
            }
        }
    }
}

#[cfg(test)]
#[path = "race.rs"]
mod race;
