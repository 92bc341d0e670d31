//! The one word that decides whether a server may be leased.
//!
//! ```text
//!  63  62   61         60 ········ 32   31 ········ 0
//! ┌───────┬───────────┬──────────────┬──────────────┐
//! │ state │ attention │  generation  │    leases    │
//! └───────┴───────────┴──────────────┴──────────────┘
//! ```
//! State and count share a word so that closing a server and leasing it are one compare-and-swap against each other:
//! there is no moment in which a server is closed and yet leased anew. Attention is there for the same reason: asking
//! to be told of the last release and that release cannot miss each other.

use std::fmt;

use super::SlotState;

/// A value of the word. Pure: the atomic around it is [`Gate`](super::gate::Gate).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word(u64);

const LEASES: u64 = u32::MAX as u64;
const GENERATION_SHIFT: u32 = 32;
const GENERATION: u64 = (1 << 29) - 1;
const ATTENTION: u64 = 1 << 61;
const STATE_SHIFT: u32 = 62;

impl Word {
    /// A server that has just become ready. The word keeps the low 29 bits of its generation: enough to tell it from
    /// its neighbours in a log; the slot knows the whole number.
    pub(crate) const fn ready(generation: u64) -> Self {
        Self((generation & GENERATION) << GENERATION_SHIFT)
    }

    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    pub(crate) const fn state(self) -> SlotState {
        match self.0 >> STATE_SHIFT {
            0 => SlotState::Ready,
            1 => SlotState::Draining,
            _ => SlotState::Ended,
        }
    }

    pub(crate) const fn leases(self) -> u32 {
        (self.0 & LEASES) as u32
    }

    /// Whether the control side wants to hear of the last release.
    pub(crate) const fn attention(self) -> bool {
        self.0 & ATTENTION != 0
    }

    pub(crate) const fn generation(self) -> u32 {
        ((self.0 >> GENERATION_SHIFT) & GENERATION) as u32
    }

    /// One lease more; `None` when the server takes none.
    pub(crate) const fn leased(self) -> Option<Self> {
        match self.state() {
            SlotState::Ready if self.leases() < u32::MAX => Some(Self(self.0 + 1)),
            SlotState::Ready | SlotState::Draining | SlotState::Ended => None,
        }
    }

    /// One lease less.
    pub(crate) const fn released(self) -> Self {
        debug_assert!(self.leases() > 0, "a lease is released once");
        Self(self.0 - 1)
    }

    /// In that state, which only ever rises: what has ended does not drain again.
    pub(crate) const fn at_least(self, state: SlotState) -> Self {
        let wanted = match state {
            SlotState::Ready => 0,
            SlotState::Draining => 1,
            SlotState::Ended => 2,
        };
        if self.0 >> STATE_SHIFT >= wanted {
            return self;
        }
        let rest = self.0 & ((1 << STATE_SHIFT) - 1);
        Self(rest | (wanted << STATE_SHIFT))
    }

    pub(crate) const fn with_attention(self) -> Self {
        Self(self.0 | ATTENTION)
    }

    pub(crate) const fn without_attention(self) -> Self {
        Self(self.0 & !ATTENTION)
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attention = if self.attention() { "!" } else { "" };
        write!(f, "{:?}{attention} #{} ×{}", self.state(), self.generation(), self.leases())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_word_do_not_touch_each_other() {
        let word = Word::ready(u64::MAX).leased().unwrap().with_attention().at_least(SlotState::Draining);
        assert_eq!(word.state(), SlotState::Draining);
        assert_eq!(word.leases(), 1);
        assert_eq!(word.generation(), (1 << 29) - 1);
        assert!(word.attention());
        assert_eq!(format!("{word:?}"), "Draining! #536870911 ×1");

        let word = word.released().without_attention();
        assert_eq!(word, Word::ready(u64::MAX).at_least(SlotState::Draining));
    }

    #[test]
    fn a_state_never_goes_back() {
        let ended = Word::ready(1).at_least(SlotState::Ended);
        assert_eq!(ended.at_least(SlotState::Draining), ended);
        assert_eq!(ended.at_least(SlotState::Ready), ended);
    }

    #[test]
    fn only_a_ready_word_is_leased_and_never_beyond_its_count() {
        assert!(Word::ready(1).at_least(SlotState::Draining).leased().is_none());
        assert!(Word::ready(1).at_least(SlotState::Ended).leased().is_none());
        assert!(Word::from_bits(u64::from(u32::MAX)).leased().is_none());
    }
}
