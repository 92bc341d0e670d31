//! What is committed together, and what is refused: no I/O.
//!
//! A group is first written as if nothing could be wrong with it, with guards in the statements. Only when one of them fails, the
//! places and epochs are read and each part is judged by them.

use std::collections::HashMap;

use ostler_journal::{AppendRefused, Seq, SessionId};
use ostler_lease::{Epoch, Shard};

use crate::part::Part;

/// The parts of a group, one for each session, in the order in which their sessions came.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) parts: Vec<Part>,
    of_session: HashMap<SessionId, usize>,
}

/// What the store knows of the sessions and shards of a group.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// The places of the sessions' next entries.
    pub(crate) next: HashMap<SessionId, Seq>,
    /// The epochs of shards that have changed hands.
    pub(crate) epochs: HashMap<Shard, Epoch>,
}

impl Plan {
    /// A plan of all `parts`, if nothing that can be seen without the store speaks against one of them.
    pub(crate) fn hopeful<'a>(parts: impl IntoIterator<Item = &'a Part>) -> Option<Self> {
        let mut plan = Self::default();
        for part in parts {
            let follows = |before: &Part| before.fence == part.fence && before.next() == part.first;
            let before = plan.of_session.get(&part.session).map(|index| &plan.parts[*index]);
            let fits = match before {
                None => part.is_plain(),
                Some(before) => part.gapless && part.other_fences.is_empty() && follows(before),
            };
            if !fits {
                return None;
            }
            plan.add(part.clone());
        }
        Some(plan)
    }

    /// A plan of those `parts` that may be written by what is known, and the answer to each.
    pub(crate) fn judged<'a>(
        parts: impl IntoIterator<Item = &'a Part>,
        mut known: Known,
    ) -> (Self, Vec<Result<(), AppendRefused>>) {
        let mut plan = Self::default();
        let judge = |part: &Part| {
            known.judge(part)?;
            plan.add(part.clone());
            Ok(())
        };
        let answers = parts.into_iter().map(judge).collect();
        (plan, answers)
    }

    fn add(&mut self, part: Part) {
        match self.of_session.get(&part.session) {
            Some(index) => self.parts[*index].extend(part),
            None => {
                self.of_session.insert(part.session, self.parts.len());
                self.parts.push(part);
            }
        }
    }
}

impl Known {
    fn judge(&mut self, part: &Part) -> Result<(), AppendRefused> {
        for fence in std::iter::once(&part.fence).chain(&part.other_fences) {
            fence.check(self.epochs.get(&fence.shard()).copied().unwrap_or(Epoch::FIRST))?;
        }
        let begins = match self.next.get(&part.session) {
            Some(next) => part.first == *next,
            None => part.begun.is_some(),
        };
        if !begins || !part.gapless {
            return Err(AppendRefused::Superseded { session: part.session });
        }
        self.next.insert(part.session, part.next());
        Ok(())
    }
}
