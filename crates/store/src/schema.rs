//! What is in the file, and how an older one is brought to it.

use std::path::Path;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Executor, Row, SqlSafeStr, SqliteConnection};

use crate::error::OpenError;

/// `application_id` of our files.
const OURS: i32 = 0x4f73_746c;

/// Every migration there is, in order. What has been released is never changed: its checksum is in the files.
const MIGRATIONS: [(i64, &str, &str); 2] = [
    (1, "journals", include_str!("../migrations/sqlite/0001_journals.sql")),
    (2, "clients", include_str!("../migrations/sqlite/0002_clients.sql")),
];

/// The schema of this program.
pub(crate) const KNOWN: i64 = MIGRATIONS[MIGRATIONS.len() - 1].0;

/// Refuses what is not ours or newer than we are, without having changed it, and brings the rest up to date.
pub(crate) async fn prepare(path: &Path, connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let failed = |source| OpenError::from_sqlite(path, source);
    let found = inspect(connection).await.map_err(failed)?;
    match found {
        Found::Nothing => {}
        Found::Foreign => return Err(OpenError::Foreign { path: path.to_owned() }),
        Found::Ours { schema } if schema > KNOWN => {
            return Err(OpenError::Newer { path: path.to_owned(), found: schema, known: KNOWN });
        }
        Found::Ours { .. } => {}
    }
    let mode: String =
        sqlx::query_scalar("PRAGMA journal_mode = WAL").fetch_one(&mut *connection).await.map_err(failed)?;
    if mode != "wal" {
        let why = format!("there is no write-ahead log on this file system, only `{mode}`");
        return Err(failed(sqlx::Error::Protocol(why)));
    }
    let migrations = MIGRATIONS.map(|(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let migrator = Migrator::with_migrations(migrations.into());
    migrator.run(connection).await.map_err(|error| match error {
        sqlx::migrate::MigrateError::Execute(source)
        | sqlx::migrate::MigrateError::ExecuteMigration(source, _) => failed(source),
        other => failed(other.into()),
    })
}

enum Found {
    Nothing,
    Foreign,
    Ours { schema: i64 },
}

async fn inspect(connection: &mut SqliteConnection) -> Result<Found, sqlx::Error> {
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE type = 'table'")
        .fetch_one(&mut *connection)
        .await?;
    if tables == 0 {
        return Ok(Found::Nothing);
    }
    let id: i32 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await?;
    let migrated: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'")
            .fetch_one(&mut *connection)
            .await?;
    if migrated == 0 {
        return Ok(Found::Foreign);
    }
    let row = connection.fetch_one("SELECT max(version) FROM _sqlx_migrations").await?;
    match row.try_get::<Option<i64>, _>(0)? {
        Some(schema) if id == OURS => Ok(Found::Ours { schema }),
        Some(_) => Ok(Found::Foreign),
        // Cut off before the first migration.
        None if tables == 1 => Ok(Found::Nothing),
        None => Ok(Found::Foreign),
    }
}
