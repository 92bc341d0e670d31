//! What a durable tool has done: entries, their order, replay, and the storage they are kept in. No I/O.
//!
//! A [`Journal`] is the state machine of one session. Live, it notes what a tool awaits and in which order the outcomes were
//! given to it. Made anew from the entries of a session whose process is gone, it gives the same outcomes in the same order to
//! the same code, one at a time, so that even a `select!` takes the same branch; where the code asks for something else it says
//! which step was expected ([`Divergence`]) and does not guess.
//!
//! ```
//! use ostler_journal::{Journal, Json, OpKind, Outcome, SessionId, Started, Standing, Timestamp, Digest};
//!
//! let started = Started {
//!     schema: ostler_journal::SCHEMA_VERSION,
//!     tool: "book".into(),
//!     version: 1,
//!     arguments: Json::of(&"Rome").unwrap(),
//!     digest: Digest::of([b"book".as_slice()]),
//!     principal: "ada".into(),
//!     client: Json::of(&()).unwrap(),
//!     seed: 7,
//!     at: Timestamp::from_millis(0),
//!     expires: Timestamp::from_millis(1000),
//!     origin: None,
//! };
//! let mut live = Journal::begin(SessionId::unique(), started);
//! let search = live.register(&"".into(), OpKind::Step, "search".into()).unwrap();
//! assert_eq!(live.standing(search), Standing::Fresh);
//! live.complete(search, Outcome::Value(Json::of(&42).unwrap()));
//! assert_eq!(live.deliver().unwrap(), Some(search));
//!
//! // The process is gone. Another one has what was stored.
//! let stored = live.take_unsaved(Timestamp::from_millis(5)).into_iter().map(|entry| entry.event).collect();
//! let mut again = Journal::resume(live.session(), stored).unwrap().journal;
//! let search = again.register(&"".into(), OpKind::Step, "search".into()).unwrap();
//! assert_eq!(again.standing(search), Standing::Settled); // it is not run again
//! assert_eq!(again.deliver().unwrap(), Some(search));
//! assert_eq!(again.take(search), Some(Outcome::Value(Json::of(&42).unwrap())));
//! ```
#![forbid(unsafe_code)]

#[cfg(feature = "contract")]
pub mod contract;
mod digest;
mod entry;
mod events;
mod id;
mod journal;
mod json;
mod memory;
mod op;
mod resume;
mod storage;
mod summary;
mod time;
mod told;

pub use digest::Digest;
pub use entry::{End, Entry, EntryEvent, Origin, Outcome, Question, SCHEMA_VERSION, Started};
pub use events::{EventNumbers, JournalEvent};
pub use id::{ClientId, InvalidSessionId, Seq, SessionId};
pub use journal::{Divergence, InvalidName, Journal, OpNumber, RoundState, Standing};
pub use json::Json;
pub use memory::MemoryStorage;
pub use op::{Op, OpKind};
pub use resume::{ResumeError, Resumed};
pub use storage::{AppendRefused, AppendResult, CountsResult, JournalStorage, ListQuery, StorageError};
pub use summary::{SessionState, SessionSummary, SummaryChange};
pub use time::Timestamp;
pub use told::Telling;
