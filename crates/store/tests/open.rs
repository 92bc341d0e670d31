//! What can be opened, and what is said of what cannot.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use ostler_journal::JournalStorage;
use ostler_journal::contract::sample::Writer;
use ostler_store::{LockError, OpenError, SqliteConfig};
use sqlx::{ConnectOptions, Connection, Executor};

use crate::support::{Inn, Open, beside, child, given, runtime};

async fn refused(config: SqliteConfig) -> OpenError {
    Open::try_with(config).await.err().expect("it is not opened")
}

async fn meddle(inn: &Inn, sql: &'static str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(inn.path()).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    connection.execute(sql).await.unwrap();
    connection.close().await.unwrap();
}

#[test]
fn what_was_appended_is_there_when_it_is_opened_again() {
    runtime().block_on(async {
        let inn = Inn::new();
        let mut ada = Writer::of("ada");
        let open = Open::with(inn.config()).await;
        open.take(vec![ada.begin(), ada.step("a")]).await;
        open.halt().await;
        let open = Open::with(inn.config()).await;
        open.take(vec![ada.step("b")]).await;
        assert_eq!(open.store.load(ada.session).await.unwrap().len(), 3);
        open.halt().await;
    });
}

#[test]
fn only_its_owner_may_read_the_files() {
    runtime().block_on(async {
        let inn = Inn::new();
        let open = Open::with(inn.config()).await;
        let mut ada = Writer::of("ada");
        open.take(vec![ada.begin()]).await;
        for ending in ["", "-wal", "-shm", "-lock"] {
            let mode = fs::metadata(beside(&inn.path(), ending)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{ending}");
        }
        open.halt().await;
    });
}

#[test]
fn a_file_has_one_ostler_by_whatever_name() {
    runtime().block_on(async {
        let inn = Inn::new();
        let link = inn.folder.path().join("link.db");
        symlink("ostler.db", &link).unwrap();
        let folder = inn.folder.path().join("folder");
        symlink(".", &folder).unwrap();
        // The first comes by a link that leads to nothing yet.
        let open = Open::with(SqliteConfig::at(&link)).await;
        assert_eq!(open.store.path(), inn.path().canonicalize().unwrap());
        let roundabout = inn.folder.path().join("folder/../").join(inn.folder.path().file_name().unwrap());
        for name in [inn.path(), link, folder.join("ostler.db"), roundabout.join("ostler.db")] {
            let error = refused(SqliteConfig::at(name)).await;
            assert!(matches!(error, OpenError::Lock(LockError::InUse { .. })), "{error:?}");
            assert!(error.to_string().contains("in use by another Ostler"), "{error}");
        }
        // Nor another process.
        let output = child("open::is_refused_here", &inn.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        open.halt().await;
        Open::with(inn.config()).await.halt().await;
    });
}

#[test]
fn is_refused_here() {
    // Only what another test runs in a process of its own has a file.
    let Some(path) = given() else { return };
    let error = runtime().block_on(refused(SqliteConfig::at(&path)));
    assert!(matches!(error, OpenError::Lock(LockError::InUse { .. })), "{error:?}");
}

#[test]
fn a_read_only_file_is_refused_to_root_too() {
    runtime().block_on(async {
        let inn = Inn::new();
        Open::with(inn.config()).await.halt().await;
        let before = fs::read(inn.path()).unwrap();
        fs::set_permissions(inn.path(), fs::Permissions::from_mode(0o400)).unwrap();
        let error = refused(inn.config()).await;
        assert!(matches!(error, OpenError::ReadOnly { .. }), "{error:?}");
        assert!(error.to_string().contains("give this user the right"), "{error}");
        assert_eq!(fs::read(inn.path()).unwrap(), before);
    });
}

#[test]
fn what_is_no_database_is_left_as_it_is() {
    runtime().block_on(async {
        let inn = Inn::new();
        let words = "not a database, but long enough to be taken for one.".repeat(100);
        fs::write(inn.path(), &words).unwrap();
        let error = refused(inn.config()).await;
        assert!(matches!(error, OpenError::NotADatabase { .. }), "{error:?}");
        assert_eq!(fs::read_to_string(inn.path()).unwrap(), words);

        fs::remove_file(inn.path()).unwrap();
        fs::create_dir(inn.path()).unwrap();
        let error = refused(inn.config()).await;
        assert!(matches!(error, OpenError::File { .. }), "{error:?}");
        let nowhere = refused(SqliteConfig::at(inn.folder.path().join("no/such/folder.db"))).await;
        assert!(matches!(nowhere, OpenError::File { .. }), "{nowhere:?}");
    });
}

#[test]
fn another_programs_database_is_left_as_it_is() {
    runtime().block_on(async {
        for theirs in [
            "CREATE TABLE horses (name TEXT)",
            "CREATE TABLE _sqlx_migrations (version BIGINT); INSERT INTO _sqlx_migrations VALUES (1)",
        ] {
            let inn = Inn::new();
            meddle(&inn, theirs).await;
            let before = fs::read(inn.path()).unwrap();
            let error = refused(inn.config()).await;
            assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
            assert_eq!(fs::read(inn.path()).unwrap(), before);
        }
    });
}

#[test]
fn a_newer_schema_is_refused_with_both_versions() {
    runtime().block_on(async {
        let inn = Inn::new();
        Open::with(inn.config()).await.halt().await;
        meddle(&inn, "INSERT INTO _sqlx_migrations VALUES (7, 'of the future', 0, TRUE, x'00', 0)").await;
        let error = refused(inn.config()).await;
        assert!(matches!(error, OpenError::Newer { found: 7, known: 2, .. }), "{error:?}");
        let message = error.to_string();
        assert!(message.contains("schema 7") && message.contains("up to 2"), "{message}");
    });
}
