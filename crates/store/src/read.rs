//! What is read: the queries, and rows as what they stand for.

use std::sync::Arc;

use ostler_journal::{
    ClientId, EntryEvent, ListQuery, Seq, SessionId, SessionState, SessionSummary, StorageError, Timestamp,
};
use ostler_lease::{Epoch, Shard};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use crate::group::Known;
use crate::part::{Part, number_of};

const SUMMARY: &str = "SELECT session, next, tool, version, principal, state, round, questions, started, expires, wake, \
                       detached, updated, client FROM sessions";

/// Sessions to wake.
pub(crate) const DUE: &str =
    "SELECT session FROM sessions WHERE wake <= ? AND state < 2 ORDER BY wake, session LIMIT ?";
/// Sessions to delete, and the deletion.
pub(crate) const EXPIRE: &str = "DELETE FROM sessions WHERE session IN \
                                 (SELECT session FROM sessions WHERE expires <= ? ORDER BY expires LIMIT ?) RETURNING session";
/// Sessions of each principal.
pub(crate) const COUNTS: &str = "SELECT principal, count(*) FROM sessions WHERE state < 2 GROUP BY principal";

/// The query for a list. It has a value each for what is asked for, in the order: after, principal, client, limit.
pub(crate) fn list(query: &ListQuery) -> String {
    let mut conditions = Vec::new();
    if query.after.is_some() {
        conditions.push("session > ?");
    }
    if query.principal.is_some() {
        conditions.push("principal = ?");
    }
    if query.client.is_some() {
        conditions.push("client = ?");
    }
    if query.unfinished {
        conditions.push("state < 2");
    }
    let conditions =
        if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    format!("{SUMMARY}{conditions} ORDER BY session LIMIT ?")
}

/// Why something was not read.
pub(crate) enum ReadError {
    Sqlite(sqlx::Error),
    Damaged(StorageError),
}

impl From<sqlx::Error> for ReadError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sqlite(error)
    }
}

pub(crate) async fn load(
    connection: &mut SqliteConnection,
    session: SessionId,
) -> Result<Vec<EntryEvent>, ReadError> {
    load_from(connection, session, Seq::default()).await
}

pub(crate) async fn load_from(
    connection: &mut SqliteConnection,
    session: SessionId,
    from: Seq,
) -> Result<Vec<EntryEvent>, ReadError> {
    let rows = sqlx::query("SELECT event FROM entries WHERE session = ? AND seq >= ? ORDER BY seq")
        .bind(session.as_bytes().as_slice())
        .bind(i64::from(from.number()))
        .fetch_all(connection)
        .await?;
    let event = |row: &SqliteRow| {
        let json: &[u8] = row.try_get(0)?;
        serde_json::from_slice(json).map_err(|error| damaged(session, error))
    };
    rows.iter().map(event).collect()
}

pub(crate) async fn summary(
    connection: &mut SqliteConnection,
    session: SessionId,
) -> Result<Option<SessionSummary>, ReadError> {
    let sql = format!("{SUMMARY} WHERE session = ?");
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(session.as_bytes().as_slice())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(summary_of).transpose()
}

pub(crate) async fn listed(
    connection: &mut SqliteConnection,
    query: ListQuery,
) -> Result<Vec<SessionSummary>, ReadError> {
    let mut select = sqlx::query(AssertSqlSafe(list(&query)));
    if let Some(after) = &query.after {
        select = select.bind(after.as_bytes().to_vec());
    }
    if let Some(principal) = query.principal {
        select = select.bind(principal);
    }
    if let Some(client) = &query.client {
        select = select.bind(client.as_bytes().to_vec());
    }
    let rows = select.bind(limit_of(query.limit)).fetch_all(connection).await?;
    rows.iter().map(summary_of).collect()
}

pub(crate) async fn due(
    connection: &mut SqliteConnection,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<SessionId>, ReadError> {
    let due = sqlx::query(DUE).bind(now.as_millis()).bind(limit_of(limit));
    due.fetch_all(connection).await?.iter().map(session_of).collect()
}

pub(crate) async fn counts(connection: &mut SqliteConnection) -> Result<Vec<(Arc<str>, u64)>, ReadError> {
    let rows = sqlx::query(COUNTS).fetch_all(connection).await?;
    let count = |row: &SqliteRow| {
        let count: i64 = row.try_get(1)?;
        Ok((row.try_get::<&str, _>(0)?.into(), count.unsigned_abs()))
    };
    rows.iter().map(count).collect()
}

/// What there is to know of the sessions and shards of `parts`.
#[expect(clippy::map_entry, reason = "what is inserted is awaited")]
pub(crate) async fn known(
    connection: &mut SqliteConnection,
    parts: impl Iterator<Item = &Part>,
) -> Result<Known, ReadError> {
    let mut known = Known::default();
    for part in parts {
        if !known.next.contains_key(&part.session) {
            let next: Option<i64> = sqlx::query_scalar("SELECT next FROM sessions WHERE session = ?")
                .bind(part.session.as_bytes().as_slice())
                .fetch_optional(&mut *connection)
                .await?;
            if let Some(next) = next {
                known.next.insert(part.session, place_of(next)?);
            }
        }
        for shard in std::iter::once(&part.fence).chain(&part.other_fences).map(|fence| fence.shard()) {
            if !known.epochs.contains_key(&shard) {
                known.epochs.insert(shard, epoch_of(connection, shard).await?);
            }
        }
    }
    Ok(known)
}

async fn epoch_of(connection: &mut SqliteConnection, shard: Shard) -> Result<Epoch, ReadError> {
    let epoch: Option<i64> = sqlx::query_scalar("SELECT epoch FROM shards WHERE shard = ?")
        .bind(i64::from(shard.number()))
        .fetch_optional(connection)
        .await?;
    Ok(epoch.map_or(Epoch::FIRST, |epoch| Epoch::new(epoch.cast_unsigned())))
}

fn summary_of(row: &SqliteRow) -> Result<SessionSummary, ReadError> {
    let session = session_of(row)?;
    let number = |column: usize| -> Result<i64, sqlx::Error> { row.try_get(column) };
    let small = |column: usize| -> Result<u32, ReadError> {
        u32::try_from(number(column)?).map_err(|error| damaged(session, error))
    };
    let text = |column: usize| row.try_get::<&str, _>(column).map(Arc::<str>::from);
    let state = number(5)?;
    let state = SessionState::ALL.into_iter().find(|known| number_of(*known) == state);
    let questions = match row.try_get::<Option<&[u8]>, _>(7)? {
        Some(json) => serde_json::from_slice(json).map_err(|error| damaged(session, error))?,
        None => Vec::new(),
    };
    let client = row.try_get::<Option<&[u8]>, _>(13)?.map(<[u8; 16]>::try_from).transpose();
    let client = client.map_err(|error| damaged(session, error))?;
    Ok(SessionSummary {
        session,
        next: Seq::new(small(1)?),
        tool: text(2)?,
        version: small(3)?,
        principal: text(4)?,
        state: state.ok_or_else(|| ReadError::Damaged(StorageError::new(damage(session))))?,
        round: small(6)?,
        questions,
        started: Timestamp::from_millis(number(8)?),
        expires: Timestamp::from_millis(number(9)?),
        wake: row.try_get::<Option<i64>, _>(10)?.map(Timestamp::from_millis),
        detached: number(11)? != 0,
        updated: Timestamp::from_millis(number(12)?),
        client: client.map(ClientId::from_bytes),
    })
}

pub(crate) fn session_of(row: &SqliteRow) -> Result<SessionId, ReadError> {
    let bytes: &[u8] = row.try_get(0)?;
    let bytes = bytes.try_into().map_err(|error| {
        ReadError::Damaged(
            StorageError::new("the id of a session in the store is damaged").with_source(error),
        )
    })?;
    Ok(SessionId::from_bytes(bytes))
}

fn place_of(number: i64) -> Result<Seq, ReadError> {
    u32::try_from(number).map(Seq::new).map_err(|error| {
        ReadError::Damaged(StorageError::new("a place in the store is damaged").with_source(error))
    })
}

/// A limit as SQLite takes it: a negative one would be none.
pub(crate) fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn damage(session: SessionId) -> String {
    format!("what the store has of session {session} is damaged")
}

fn damaged(session: SessionId, error: impl std::error::Error + Send + Sync + 'static) -> ReadError {
    ReadError::Damaged(StorageError::new(damage(session)).with_source(error))
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{AssertSqlSafe, ConnectOptions, Row};

    use ostler_journal::ClientId;

    use super::{COUNTS, DUE, EXPIRE, ListQuery, list};
    use crate::schema;

    #[tokio::test]
    async fn nothing_is_found_by_looking_at_everything() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ostler.db");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        schema::prepare(&path, &mut connection).await.unwrap();

        let mut queries: Vec<String> = [DUE, EXPIRE, COUNTS].map(str::to_owned).into();
        for (after, principal, unfinished) in (0..8).map(|bits| (bits & 1 > 0, bits & 2 > 0, bits & 4 > 0)) {
            let after = after.then(super::SessionId::unique);
            let principal = principal.then(|| "ada".into());
            // The first page of all is read in the order of the table itself, up to its limit.
            if after.is_some() || principal.is_some() || unfinished {
                queries.push(list(&ListQuery { after, principal, client: None, unfinished, limit: 100 }));
            }
            let client = Some(ClientId::unique());
            queries.push(list(&ListQuery { client, unfinished, ..ListQuery::default() }));
        }
        for query in queries {
            let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {query}"));
            let plan = sqlx::query(explain).fetch_all(&mut connection).await.unwrap();
            let plan: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
            let plan = plan.join(", ");
            // An index that has nothing but what is asked for may be gone through.
            let whole =
                plan.contains("SCAN") && !plan.contains("USING COVERING INDEX sessions_unfinished_principal");
            assert!(!whole || plan.contains("USING INDEX sessions_unfinished"), "{query}: {plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{query}: {plan}");
        }
    }
}
