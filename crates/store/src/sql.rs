//! The statements that write a group: one for the sessions that begin, one for those that go on, one for those whose phase changes
//! with that, one for the entries.
//!
//! A step changes no phase, and then names no column that an index of unfinished or expiring sessions is of: SQLite would write
//! each of these anew, be their values the same or not, and a commit of one step would be six pages instead of three.
//!
//! Values are bound row by row. Handed over as one JSON text for `json_each` they cost a third to two thirds more CPU, since
//! each is written, escaped and parsed once more.
//!
//! A statement's text tells its number of rows, and SQLite compiles each text once. So the rows come in a few sizes only, and
//! what is not used of them stays NULL and is passed over.

use std::fmt::Write;
use std::sync::Arc;

use ostler_journal::{SessionSummary, Timestamp};
use ostler_lease::Fence;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments, AssertSqlSafe, Executor};

use crate::part::{Part, number_of, questions};

/// Numbers of rows that there are statements for.
const SIZES: [usize; 5] = [1, 4, 16, 64, 256];
/// The most rows of a statement.
const MOST: usize = 256;
/// Texts that SQLite keeps compiled. There may be more, each of the four statements in each size or not at all, but hardly at one
/// time.
pub(crate) const TEXTS: usize = 512;

/// Writes `parts` as one transaction, in one go unless they are many. Within one that has begun if `begun`.
pub(crate) async fn write(
    connection: &mut SqliteConnection,
    parts: &[Part],
    transaction: Transaction,
) -> Result<(), sqlx::Error> {
    let begins: Vec<_> = parts.iter().filter(|part| part.begun.is_some()).collect();
    let (moves, steps): (Vec<_>, Vec<_>) =
        parts.iter().filter(|part| part.begun.is_none()).partition(|part| part.change.moves());
    let entries: Vec<_> = parts.iter().flat_map(entries_of).collect();
    // No session has less than one entry, so that it is written before them or together with them.
    let last = entries.len().div_ceil(MOST).saturating_sub(1);
    for index in 0..=last {
        let mut arguments = SqliteArguments::default();
        let mut sql = String::with_capacity(4096);
        if index == 0 && transaction == Transaction::Begin {
            sql.push_str("BEGIN IMMEDIATE;");
        }
        rows(&mut sql, &mut arguments, &BEGINS, chunk(&begins, index), bind_begin)?;
        rows(&mut sql, &mut arguments, &STEPS, chunk(&steps, index), bind_step)?;
        rows(&mut sql, &mut arguments, &MOVES, chunk(&moves, index), bind_move)?;
        rows(&mut sql, &mut arguments, &ENTRIES, chunk(&entries, index), bind_entry)?;
        if index == last {
            sql.push_str("COMMIT");
        }
        connection.execute(sqlx::query_with(AssertSqlSafe(sql), arguments)).await?;
    }
    Ok(())
}

/// Whose transaction a group is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transaction {
    /// Its own.
    Begin,
    /// One that has begun. It ends with the group.
    GoOn,
}

/// A statement around its rows.
struct Statement {
    before: &'static str,
    columns: usize,
    after: &'static str,
}

const BEGINS: Statement = Statement {
    before: "INSERT INTO sessions (session, next, tool, version, principal, state, round, questions, started, expires, \
             wake, detached, replay_only, updated, client) \
             SELECT column1, \
             CASE WHEN coalesce((SELECT epoch FROM shards WHERE shard = column16), 1) = column17 THEN column2 END, \
             column3, column4, column5, column6, column7, column8, column9, column10, column11, column12, column13, column14, \
             column15 \
             FROM (VALUES ",
    columns: 17,
    after: ") WHERE column1 IS NOT NULL;",
};

// A session that is not there is not found here, and missed by the foreign key of its entries.
const STEPS: Statement = Statement {
    before: "UPDATE sessions SET \
             next = CASE WHEN sessions.next = v.column2 \
             AND coalesce((SELECT epoch FROM shards WHERE shard = v.column7), 1) = v.column8 THEN v.column3 END, \
             wake = v.column4, replay_only = replay_only + v.column5, updated = v.column6 \
             FROM (VALUES ",
    columns: 8,
    after: ") AS v WHERE sessions.session = v.column1;",
};

const MOVES: Statement = Statement {
    before: "UPDATE sessions SET \
             next = CASE WHEN sessions.next = v.column2 \
             AND coalesce((SELECT epoch FROM shards WHERE shard = v.column7), 1) = v.column8 THEN v.column3 END, \
             wake = v.column4, replay_only = replay_only + v.column5, updated = v.column6, \
             round = coalesce(v.column9, round), expires = coalesce(v.column10, expires), \
             detached = max(detached, v.column11), state = coalesce(v.column12, state), \
             questions = CASE WHEN v.column12 IS NULL THEN questions ELSE v.column13 END \
             FROM (VALUES ",
    columns: 13,
    after: ") AS v WHERE sessions.session = v.column1;",
};

const ENTRIES: Statement = Statement {
    before: "INSERT INTO entries (session, seq, replay_only, at, event) SELECT * FROM (VALUES ",
    columns: 5,
    after: ") WHERE column1 IS NOT NULL;",
};

type Bound = Result<(), sqlx::error::BoxDynError>;

fn rows<T>(
    sql: &mut String,
    arguments: &mut SqliteArguments,
    statement: &Statement,
    rows: &[T],
    bind: impl Fn(&mut SqliteArguments, &T) -> Bound,
) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let size = SIZES.into_iter().find(|size| *size >= rows.len()).unwrap_or(MOST);
    sql.push_str(statement.before);
    let row = &"?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?"[..2 * statement.columns - 1];
    for index in 0..size {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(sql, "{comma}({row})");
    }
    sql.push_str(statement.after);
    arguments.reserve(size * statement.columns, 0);
    rows.iter().try_for_each(|row| bind(arguments, row)).map_err(sqlx::Error::Encode)?;
    for _ in rows.len() * statement.columns..size * statement.columns {
        arguments.add(None::<i64>).map_err(sqlx::Error::Encode)?;
    }
    Ok(())
}

fn bind_begin(to: &mut SqliteArguments, part: &&Part) -> Bound {
    let Some(summary) = &part.begun else { return Ok(()) };
    let SessionSummary { session, tool, version, principal, state, round, .. } = &**summary;
    to.add(session.as_bytes().as_slice())?;
    to.add(i64::from(summary.next.number()))?;
    to.add(Arc::clone(tool))?;
    to.add(i64::from(*version))?;
    to.add(Arc::clone(principal))?;
    to.add(number_of(*state))?;
    to.add(i64::from(*round))?;
    to.add(questions(&summary.questions))?;
    to.add(summary.started.as_millis())?;
    to.add(summary.expires.as_millis())?;
    to.add(summary.wake.map(Timestamp::as_millis))?;
    to.add(i64::from(summary.detached))?;
    to.add(part.replay_only)?;
    to.add(summary.updated.as_millis())?;
    to.add(summary.client.map(|client| client.as_bytes().to_vec()))?;
    bind_fence(to, part.fence)
}

fn bind_step(to: &mut SqliteArguments, part: &&Part) -> Bound {
    to.add(part.session.as_bytes().as_slice())?;
    to.add(i64::from(part.first.number()))?;
    to.add(i64::from(part.change.next.number()))?;
    to.add(part.change.wake.map(Timestamp::as_millis))?;
    to.add(part.replay_only)?;
    to.add(part.change.updated.as_millis())?;
    bind_fence(to, part.fence)
}

fn bind_move(to: &mut SqliteArguments, part: &&Part) -> Bound {
    bind_step(to, part)?;
    let (state, open) = match &part.change.phase {
        Some((state, open)) => (Some(number_of(*state)), questions(open)),
        None => (None, None),
    };
    to.add(part.change.round.map(i64::from))?;
    to.add(part.change.expires.map(Timestamp::as_millis))?;
    to.add(i64::from(part.change.detached))?;
    to.add(state)?;
    to.add(open)
}

fn bind_fence(to: &mut SqliteArguments, fence: Fence) -> Bound {
    to.add(i64::from(fence.shard().number()))?;
    to.add(fence.epoch().number().cast_signed())
}

struct Row<'a> {
    part: &'a Part,
    index: usize,
}

fn entries_of(part: &Part) -> impl Iterator<Item = Row<'_>> {
    (0..part.events.len()).map(move |index| Row { part, index })
}

fn bind_entry(to: &mut SqliteArguments, row: &Row<'_>) -> Bound {
    let event = &row.part.events[row.index];
    // No more than `u32::MAX` places fit behind `first`, or `next` could not have been told.
    let place = i64::from(row.part.first.number()) + i64::try_from(row.index)?;
    to.add(row.part.session.as_bytes().as_slice())?;
    to.add(place)?;
    to.add(i64::from(event.replay_only))?;
    to.add(event.at.as_millis())?;
    to.add(Arc::clone(&event.json))
}

fn chunk<T>(rows: &[T], step: usize) -> &[T] {
    rows.chunks(MOST).nth(step).unwrap_or_default()
}
