//! Connections to read with.
//!
//! Not sqlx's pool: that one gives connections back in tasks that nobody owns, and counts its patience by a clock that tests
//! pause.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::{Semaphore, SemaphorePermit};

/// A few connections, made when they are needed first.
#[derive(Debug)]
pub(crate) struct Readers {
    options: SqliteConnectOptions,
    /// One for each connection that may be in use.
    permits: Semaphore,
    count: usize,
    /// Those that are not.
    idle: Mutex<Vec<SqliteConnection>>,
}

/// A connection in use. Dropped amid a query, it ends that before the next.
pub(crate) struct Reader<'a> {
    connection: Option<SqliteConnection>,
    readers: &'a Readers,
    _permit: SemaphorePermit<'a>,
}

/// There are none any more.
pub(crate) struct ReadersClosed;

impl Readers {
    pub(crate) fn new(options: SqliteConnectOptions, count: usize) -> Self {
        let count = count.max(1);
        Self { options, permits: Semaphore::new(count), count, idle: Mutex::default() }
    }

    /// A connection, as soon as one is free.
    pub(crate) async fn get(&self) -> Result<Result<Reader<'_>, sqlx::Error>, ReadersClosed> {
        let permit = self.permits.acquire().await.map_err(|_| ReadersClosed)?;
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => Ok(connection),
            None => self.options.connect().await,
        };
        Ok(connection.map(|connection| Reader {
            connection: Some(connection),
            readers: self,
            _permit: permit,
        }))
    }

    /// Waits for those in use, and closes all.
    pub(crate) async fn close(&self) {
        let all = u32::try_from(self.count).unwrap_or(u32::MAX);
        let permits = self.permits.acquire_many(all).await;
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle());
        for connection in idle {
            let _ = connection.close().await;
        }
        drop(permits);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<SqliteConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader<'_> {
    /// Does not use the connection again: something is wrong with it.
    pub(crate) fn discard(mut self) {
        self.connection = None;
    }
}

impl Deref for Reader<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        self.connection.as_ref().expect("it is there until it is discarded or dropped")
    }
}

impl DerefMut for Reader<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        self.connection.as_mut().expect("it is there until it is discarded or dropped")
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.readers.idle().push(connection);
        }
    }
}
