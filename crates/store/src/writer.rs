//! The one connection that writes, and the task that has it.
//!
//! Appends are committed in groups: while one group is on its way to the disk the next one gathers. A group goes to SQLite as one
//! text with its statements, since each message to a connection's thread and back takes a tenth of the time of an fsync.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ostler_journal::{AppendRefused, Seq, SessionId, StorageError, Timestamp};
use ostler_lease::{Epoch, Fence, Shard};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, Row, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use crate::error::{Fault, StoreError};
use crate::group::Plan;
use crate::part::Part;
use crate::queue::{Append, Job};
use crate::read::{self, ReadError};
use crate::sql::{self, Transaction};
use crate::storage::Counters;
use crate::wal::{Shortening, Wal};

/// What the task needs.
pub(crate) struct Writer {
    pub(crate) path: Arc<Path>,
    /// With which a connection is made anew if one has gone bad.
    pub(crate) options: SqliteConnectOptions,
    /// None while it has gone bad.
    pub(crate) connection: Option<SqliteConnection>,
    pub(crate) jobs: mpsc::Receiver<Job>,
    /// Jobs that were received and not begun.
    pub(crate) waiting: VecDeque<Job>,
    pub(crate) group_entries: usize,
    pub(crate) group_bytes: usize,
    pub(crate) wal: Wal,
    pub(crate) counters: Arc<Counters>,
    /// Why nothing is written any more.
    pub(crate) broken: Option<StoreError>,
}

impl Writer {
    /// Does what comes, until `stop` does; then what is queued, and closes the connection.
    pub(crate) async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        let mut stopped = false;
        loop {
            if self.waiting.is_empty() {
                let mut received = Vec::new();
                tokio::select! {
                    biased;
                    _ = &mut stop, if !stopped => {
                        stopped = true;
                        self.jobs.close();
                        continue;
                    }
                    count = self.jobs.recv_many(&mut received, usize::MAX) => {
                        if count == 0 {
                            break;
                        }
                    }
                }
                self.waiting.extend(received);
            }
            self.work().await;
        }
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(path = %self.path.display(), %error, "a database was not closed cleanly");
        }
    }

    async fn work(&mut self) {
        match self.waiting.pop_front() {
            Some(Job::Append(first)) => {
                let group = self.gather(first).await;
                self.append(group).await;
                self.look_after_wal().await;
            }
            Some(Job::Expire { now, limit, answer }) => {
                let done = self.expire(now, limit).await;
                let _ = answer.send(done.map_err(|error| self.failed(error)));
                self.look_after_wal().await;
            }
            Some(Job::Compact { limit, answer }) => {
                let done = self.compact(limit).await;
                let _ = answer.send(done.map_err(|error| self.failed(error)));
                self.look_after_wal().await;
            }
            Some(Job::PassOn { shard, answer }) => {
                let done = self.pass_on(shard).await;
                let _ = answer.send(done.map_err(|error| self.failed(error)));
            }
            None => {}
        }
    }

    /// `first` and the appends behind it, as far as they fit into a group.
    async fn gather(&mut self, first: Append) -> Vec<Append> {
        let (mut entries, mut bytes) = (first.entries(), first.bytes());
        let mut group = vec![first];
        // Those who were answered a moment ago have something to append again, most of the time. One turn lets them come first.
        tokio::task::yield_now().await;
        while let Ok(job) = self.jobs.try_recv() {
            self.waiting.push_back(job);
        }
        while let Some(Job::Append(next)) = self.waiting.front() {
            entries += next.entries();
            bytes += next.bytes();
            if entries > self.group_entries || bytes > self.group_bytes {
                break;
            }
            if let Some(Job::Append(next)) = self.waiting.pop_front() {
                group.push(next);
            }
        }
        group
    }

    async fn append(&mut self, group: Vec<Append>) {
        match self.commit(&group).await {
            Ok(None) => {
                self.count(group.iter().map(Append::entries).sum());
                group.into_iter().for_each(Append::taken);
            }
            Ok(Some(answers)) => {
                let parts = group.iter().flat_map(|append| &append.parts).zip(&answers);
                self.count(
                    parts.filter(|(_, answer)| answer.is_ok()).map(|(part, _)| part.events.len()).sum(),
                );
                let mut answers = answers.into_iter();
                for append in group {
                    append.judged(&mut answers);
                }
            }
            Err(error) => {
                let error = self.failed(error);
                for append in group {
                    let _ = append.answer.send(Err(error.clone()));
                }
            }
        }
    }

    /// Counts a group of which so many entries were taken.
    fn count(&self, entries: usize) {
        self.counters.commits.fetch_add(1, Ordering::Relaxed);
        self.counters.entries.fetch_add(entries as u64, Ordering::Relaxed);
    }

    /// Writes a group. With the answers to its parts, unless all were taken.
    async fn commit(
        &mut self,
        group: &[Append],
    ) -> Result<Option<Vec<Result<(), AppendRefused>>>, ReadError> {
        let parts = || group.iter().flat_map(|append| &append.parts);
        let plan = Plan::hopeful(parts());
        let connection = self.connection().await?;
        if let Some(plan) = plan {
            match sql::write(connection, &plan.parts, Transaction::Begin).await {
                Ok(()) => return Ok(None),
                Err(error) if Fault::of(&error) == Fault::Refused => self.roll_back().await,
                Err(error) => return Err(error.into()),
            }
        }
        let connection = self.connection().await?;
        connection.execute("BEGIN IMMEDIATE").await?;
        let known = read::known(connection, parts()).await?;
        let (plan, answers) = Plan::judged(parts(), known);
        sql::write(connection, &plan.parts, Transaction::GoOn).await?;
        Ok(Some(answers))
    }

    async fn expire(&mut self, now: Timestamp, limit: usize) -> Result<Vec<SessionId>, ReadError> {
        let expire = sqlx::query(read::EXPIRE).bind(now.as_millis()).bind(read::limit_of(limit));
        expire.fetch_all(self.connection().await?).await?.iter().map(read::session_of).collect()
    }

    async fn compact(&mut self, limit: usize) -> Result<usize, ReadError> {
        const COMPACT: &str = "BEGIN IMMEDIATE; \
            DELETE FROM entries WHERE replay_only = 1 AND session IN (SELECT session FROM sessions \
                WHERE state >= 2 AND replay_only > 0 ORDER BY session LIMIT ?1); \
            UPDATE sessions SET replay_only = 0 WHERE session IN (SELECT session FROM sessions \
                WHERE state >= 2 AND replay_only > 0 ORDER BY session LIMIT ?1) RETURNING 1; \
            COMMIT";
        let compact = sqlx::query(COMPACT).bind(read::limit_of(limit));
        let shortened = compact.fetch_all(self.connection().await?).await?;
        Ok(shortened.len())
    }

    async fn pass_on(&mut self, shard: Shard) -> Result<Fence, ReadError> {
        const PASS_ON: &str =
            "INSERT INTO shards VALUES (?, 2) ON CONFLICT DO UPDATE SET epoch = epoch + 1 RETURNING epoch";
        let row = sqlx::query(PASS_ON).bind(i64::from(shard.number())).fetch_one(self.connection().await?);
        let epoch: i64 = row.await?.try_get(0)?;
        Ok(Fence::new(shard, Epoch::new(epoch.cast_unsigned())))
    }

    /// The connection, made anew if it has gone bad, and free of what a failed write has left.
    async fn connection(&mut self) -> Result<&mut SqliteConnection, ReadError> {
        if let Some(broken) = &self.broken {
            return Err(ReadError::Damaged(broken.clone().into()));
        }
        match &mut self.connection {
            Some(connection) => Ok(connection),
            empty => Ok(empty.insert(self.options.connect().await?)),
        }
    }

    async fn roll_back(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        match connection.execute("ROLLBACK").await {
            Ok(_) => {}
            // Most errors have rolled back by themselves.
            Err(sqlx::Error::Database(error)) if error.message().contains("no transaction is active") => {}
            Err(_) => self.connection = None,
        }
    }

    /// Cleans up behind `error`, and puts it in our terms.
    fn failed(&mut self, error: ReadError) -> StorageError {
        // The connection rolls back when it is closed. Making another one costs less than it would to know in what state it is.
        self.connection = None;
        self.counters.failures.fetch_add(1, Ordering::Relaxed);
        match error {
            ReadError::Damaged(error) => error,
            ReadError::Sqlite(error) => {
                let error = StoreError::new(&self.path, error);
                if matches!(error, StoreError::Unsynced { .. }) {
                    self.broken = Some(error.clone());
                }
                tracing::error!(path = %self.path.display(), %error, "the store does not take what it is given");
                error.into()
            }
        }
    }

    async fn look_after_wal(&mut self) {
        if !self.wal.is_too_long() {
            return;
        }
        let Some(connection) = &mut self.connection else { return };
        // Waits for readers, which the checkpoint after a commit passes by. Its row begins with whether it gave up.
        let gave_up = connection.fetch_one("PRAGMA wal_checkpoint(TRUNCATE)").await;
        let gave_up = gave_up.and_then(|row| row.try_get::<i64, _>(0));
        self.wal.tried(if matches!(gave_up, Ok(0)) { Shortening::Done } else { Shortening::InTheWay });
    }
}

impl Append {
    fn taken(self) {
        let answers = self.parts.iter().flat_map(places).map(Ok).collect();
        let _ = self.answer.send(Ok(answers));
    }

    fn judged(self, answers: &mut impl Iterator<Item = Result<(), AppendRefused>>) {
        let of_part =
            |(part, answer): (_, Result<(), _>)| places(part).map(move |place| answer.map(|()| place));
        let answers = self.parts.iter().zip(answers).flat_map(of_part).collect();
        let _ = self.answer.send(Ok(answers));
    }
}

fn places(part: &Part) -> impl Iterator<Item = Seq> {
    let first = part.first.number();
    (first..).take(part.events.len()).map(Seq::new)
}
