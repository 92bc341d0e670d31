//! No room.

use ostler_journal::contract::sample::Writer;
use ostler_journal::{JournalStorage, StorageError, Timestamp};
use ostler_store::{OpenError, SqliteConfig, StoreError};

use crate::support::{Inn, Open, child, given, runtime};

fn is_full(error: &StorageError) -> bool {
    matches!(StoreError::of(error), Some(StoreError::DiskFull { .. }))
        && error.to_string().contains("no room")
        && error.to_string().contains("free some")
}

/// Appends sessions of 10 kB until there is no room.
async fn fill(open: &Open) -> Vec<Writer> {
    let mut taken = Vec::new();
    loop {
        let mut ada = Writer::of("ada");
        let batch = vec![ada.begin(), ada.step(&"x".repeat(10_000))];
        match open.store.append(batch).await {
            Ok(answers) => assert!(answers.iter().all(Result::is_ok)),
            Err(error) => {
                assert!(is_full(&error), "{error:?}");
                break;
            }
        }
        taken.push(ada);
        assert!(taken.len() < 1000, "there is always room");
    }
    taken
}

#[test]
fn a_store_at_its_bound_says_so_and_goes_on_when_there_is_room() {
    runtime().block_on(async {
        let inn = Inn::new();
        let open = Open::with(SqliteConfig { max_bytes: Some(1 << 20), ..inn.config() }).await;
        let mut taken = fill(&open).await;
        assert!(taken.len() > 30, "{}", taken.len());
        // What is there can be read, and goes on to be there.
        for ada in &taken {
            assert_eq!(open.store.load(ada.session).await.unwrap().len(), 2);
        }
        let expired = open.store.expire(Timestamp::from_millis(i64::MAX), 10).await.unwrap();
        assert_eq!(expired.len(), 10);
        taken.retain(|ada| !expired.contains(&ada.session));
        let more = taken[0].step(&"y".repeat(10_000));
        open.take(vec![more]).await;
        open.halt().await;
    });
}

/// On a disk of its own, which only root can have made.
#[test]
fn a_full_disk_is_named_and_what_is_written_later_is_taken() {
    let disk = Inn::new();
    let mount = "mount -t tmpfs -o size=2m none \"$0\" && cd \"$0\" && exec \"$@\"";
    let test = child("full::on_a_small_disk", &disk.path());
    let mut unshare = std::process::Command::new("unshare");
    unshare.args(["--mount", "sh", "-c", mount]).arg(disk.folder.path());
    unshare.arg(test.get_program()).args(test.get_args()).env("STORE_UNDER_TEST", disk.path());
    let may = std::process::Command::new("unshare").args(["--mount", "true"]).output();
    if !may.is_ok_and(|output| output.status.success()) {
        println!("this user may not mount a disk");
        return;
    }
    let output = unshare.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn on_a_small_disk() {
    // Only what another test runs in a process of its own has a file.
    let Some(path) = given() else { return };
    runtime().block_on(async {
        let ballast = path.with_file_name("ballast");
        std::fs::write(&ballast, vec![1; 1 << 20]).unwrap();
        let open = Open::with(SqliteConfig::at(&path)).await;
        let mut taken = fill(&open).await;
        std::fs::remove_file(&ballast).unwrap();
        let more = taken[0].step("more");
        open.take(vec![more]).await;
        for ada in &taken[1..] {
            assert_eq!(open.store.load(ada.session).await.unwrap().len(), 2);
        }
        open.halt().await;

        // And from the start.
        let rest = path.with_file_name("rest");
        let filled = std::fs::write(&rest, vec![1; 4 << 20]).unwrap_err();
        assert_eq!(filled.kind(), std::io::ErrorKind::StorageFull);
        let error = Open::try_with(SqliteConfig::at(path.with_file_name("other.db"))).await.err().unwrap();
        assert!(matches!(error, OpenError::DiskFull { .. }), "{error:?}");
    });
}
