//! Two processes, one of which replaces the other. Here they are two stores: a lock belongs to an open file, not to a process.

use ostler_journal::contract::sample::Writer;
use ostler_journal::{AppendRefused, JournalStorage};
use ostler_lease::Shard;
use ostler_store::{LockError, OpenError, SqliteConfig};

use crate::support::{Inn, Open, runtime};

#[test]
fn a_successor_comes_in_beside_its_predecessor_and_alone_stays() {
    runtime().block_on(async {
        let inn = Inn::new();
        let successor = || SqliteConfig { successor: true, ..inn.config() };
        let old = Open::with(inn.config()).await;
        let mut ada = Writer::of("ada");
        old.take(vec![ada.begin()]).await;

        // Not before it is let in, and nobody else at any time.
        let error = Open::try_with(successor()).await.err().unwrap();
        assert!(matches!(error, OpenError::Lock(LockError::InUse { .. })), "{error:?}");
        old.store.share().unwrap();
        let new = Open::with(successor()).await;
        let error = Open::try_with(inn.config()).await.err().unwrap();
        assert!(matches!(error, OpenError::Lock(LockError::InUse { .. })), "{error:?}");

        // Both write, each what is its own.
        let mut bob = Writer::of("bob");
        new.take(vec![bob.begin()]).await;
        old.take(vec![ada.step("a")]).await;
        let fence = new.store.pass_on(Shard::ONLY).await.unwrap();
        let late = ada.clone().step("late");
        assert!(matches!(old.store.append(vec![late]).await.unwrap()[0], Err(AppendRefused::Fenced(_))));
        ada.fence = fence;
        new.take(vec![ada.step("b")]).await;
        assert_eq!(old.store.load(ada.session).await.unwrap().len(), 3);

        // It has the file alone when the other has gone, and keeps it shared until then.
        assert!(matches!(new.store.claim(), Err(LockError::InUse { .. })));
        assert!(matches!(old.store.claim(), Err(LockError::InUse { .. })));
        assert!(Open::try_with(inn.config()).await.is_err());
        old.halt().await;
        new.store.claim().unwrap();
        assert!(Open::try_with(successor()).await.is_err());
        new.take(vec![ada.step("c")]).await;
        new.halt().await;
    });
}

#[test]
fn a_predecessor_whose_successor_does_not_come_closes_the_door() {
    runtime().block_on(async {
        let inn = Inn::new();
        let old = Open::with(inn.config()).await;
        old.store.share().unwrap();
        old.store.claim().unwrap();
        assert!(Open::try_with(SqliteConfig { successor: true, ..inn.config() }).await.is_err());
        old.halt().await;
    });
}

#[test]
fn both_write_at_once_and_wait_for_each_other() {
    runtime().block_on(async {
        let inn = Inn::new();
        let old = Open::with(inn.config()).await;
        old.store.share().unwrap();
        let new = Open::with(SqliteConfig { successor: true, ..inn.config() }).await;
        let write = async |open: &Open| {
            let mut ada = Writer::of("ada");
            open.take(vec![ada.begin()]).await;
            for _ in 0..100 {
                open.take(vec![ada.step("a")]).await;
            }
            ada.session
        };
        let (one, two) = tokio::join!(write(&old), write(&new));
        for session in [one, two] {
            assert_eq!(new.store.load(session).await.unwrap().len(), 101);
        }
        old.halt().await;
        new.halt().await;
    });
}
