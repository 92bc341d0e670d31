//! What every [`JournalStorage`] promises, as functions that fail by panicking: the tests of whoever keeps one.
//!
//! [`contract!`](crate::contract!) makes a test of each. It is given a function that runs one [`Behaviour`] on an empty storage,
//! with whatever runtime, file or server that needs.
//!
//! ```
//! use futures::future::{FutureExt, ready};
//! use ostler_journal::MemoryStorage;
//! use ostler_journal::contract::{Behaviour, Subject};
//!
//! fn on_memory(behaviour: Behaviour) {
//!     let store = MemoryStorage::new();
//!     let subject = Subject::new(&store, |shard| ready(store.pass_on(shard)).boxed());
//!     futures::executor::block_on(behaviour(subject));
//! }
//!
//! ostler_journal::contract!(on_memory);
//! # on_memory(ostler_journal::contract::a_session_is_loaded_as_it_was_appended);
//! ```
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a failure here is a failed test")]

mod appending;
mod finding;
mod refusing;
pub mod sample;

use std::fmt;
use std::ops::Deref;

use futures::future::BoxFuture;
use ostler_lease::{Fence, Shard};

use crate::JournalStorage;

pub use appending::*;
pub use finding::*;
pub use refusing::*;

/// An empty storage, whose shards a test can pass on.
pub struct Subject<'a> {
    store: &'a (dyn JournalStorage + 'static),
    pass_on: Box<dyn Fn(Shard) -> BoxFuture<'a, Fence> + Send + Sync + 'a>,
}

impl<'a> Subject<'a> {
    /// `store`, and what gives a shard to its next owner there: whoever has written for it so far is fenced off.
    pub fn new(
        store: &'a (dyn JournalStorage + 'static),
        pass_on: impl Fn(Shard) -> BoxFuture<'a, Fence> + Send + Sync + 'a,
    ) -> Self {
        Self { store, pass_on: Box::new(pass_on) }
    }

    pub(crate) fn pass_on(&self, shard: Shard) -> BoxFuture<'a, Fence> {
        (self.pass_on)(shard)
    }
}

impl Deref for Subject<'_> {
    type Target = dyn JournalStorage;

    fn deref(&self) -> &Self::Target {
        self.store
    }
}

impl fmt::Debug for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").finish_non_exhaustive()
    }
}

/// A promise: what is done with an empty storage, and must not panic.
pub type Behaviour = for<'a> fn(Subject<'a>) -> BoxFuture<'a, ()>;

/// Makes a test of each [`Behaviour`] with a function that runs it on an empty storage.
#[macro_export]
macro_rules! contract {
    ($run:path) => {
        $crate::contract! { $run:
            a_session_is_loaded_as_it_was_appended
            a_text_is_kept_byte_for_byte
            a_summary_is_its_entries_folded
            sessions_of_one_batch_are_independent
            a_session_goes_on_where_it_stopped
            an_empty_batch_is_taken
            a_thousand_entries_are_one_batch
            appends_at_once_are_all_taken
            an_unknown_session_has_nothing
            a_session_must_begin_with_its_beginning
            a_place_is_taken_once
            a_gap_is_refused
            entries_of_one_session_are_refused_together
            a_stale_writer_is_fenced_off_alone
            a_writer_of_the_next_epoch_is_taken
            an_epoch_that_nobody_gave_out_is_refused
            a_refused_beginning_leaves_nothing
            one_of_two_writers_of_a_place_wins
            a_deleted_session_is_not_gone_on_with
            sessions_are_listed_by_age
            sessions_are_listed_by_principal_and_state
            sessions_are_listed_by_client
            a_session_is_read_from_a_place_on
            the_longest_overdue_is_woken_first
            a_session_that_has_ended_is_not_woken
            what_has_expired_is_deleted_whole
            an_end_says_how_long_it_is_kept
            unfinished_sessions_are_counted_by_principal
            compaction_keeps_what_outlives_the_end
            limits_are_kept
        }
    };
    ($run:path: $($behaviour:ident)*) => {
        $(
            #[test]
            fn $behaviour() {
                $run($crate::contract::$behaviour);
            }
        )*
    };
}
