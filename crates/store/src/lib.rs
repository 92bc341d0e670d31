//! Where journals are kept: SQLite, with one writer that commits in groups.
//!
//! [`SqliteStorage`] is a [`JournalStorage`](ostler_journal::JournalStorage) whose confirmed entries are on the disk. Appends that
//! come while another one is on its way are committed together, so that many sessions share an fsync; readers never wait for
//! the writer. One process has a file at a time, or two while one [replaces](SqliteStorage::share) the other.
//!
//! ```
//! use ostler_journal::{JournalStorage, contract::sample::Writer};
//! use ostler_scope::Scope;
//! use ostler_store::{SqliteConfig, SqliteStorage};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let folder = tempfile::tempdir().unwrap();
//! let scope = Scope::root("inn").open().unwrap();
//! let store = SqliteStorage::open(&scope, SqliteConfig::at(folder.path().join("ostler.db"))).await.unwrap();
//!
//! let mut ada = Writer::of("ada"); // a session to test with
//! let entries = vec![ada.begin(), ada.step("search"), ada.ask(1)];
//! assert!(store.append(entries).await.unwrap().iter().all(Result::is_ok));
//! assert_eq!(store.load(ada.session).await.unwrap().len(), 3);
//! assert_eq!(store.counts().await.unwrap(), [("ada".into(), 1)]);
//!
//! assert!(scope.halt().await.is_clean()); // everything queued is committed, and the file is closed
//! assert!(store.load(ada.session).await.is_err());
//! # }
//! ```
//!
//! Journals in memory are [`MemoryStorage`](ostler_journal::MemoryStorage)'s.
#![forbid(unsafe_code)]

mod config;
mod error;
mod group;
mod lock;
mod part;
mod queue;
mod read;
mod readers;
mod schema;
mod sql;
mod storage;
mod wal;
mod writer;

pub use config::SqliteConfig;
pub use error::{OpenError, StoreError};
pub use lock::LockError;
pub use storage::{SqliteStorage, Written};
