//! What is found, and what is deleted.

use std::collections::BTreeSet;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::Subject;
use super::sample::Writer;
use crate::{ClientId, EntryEvent, ListQuery, Seq, SessionId, Timestamp};

const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

async fn listed(store: &Subject<'_>, query: ListQuery) -> Vec<SessionId> {
    store.list(query).await.unwrap().into_iter().map(|summary| summary.session).collect()
}

/// The older session comes first, a page at a time.
pub fn sessions_are_listed_by_age(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let mut writers: Vec<_> = (0..5).map(|_| Writer::of("ada")).collect();
        writers.sort_by_key(|writer| writer.session);
        let sessions: Vec<_> = writers.iter().map(|writer| writer.session).collect();
        for writer in writers.iter_mut().rev() {
            let begun = writer.begin();
            store.append(vec![begun]).await.unwrap();
        }
        assert_eq!(listed(&store, ListQuery::default()).await, sessions);
        let page = ListQuery { limit: 2, ..ListQuery::default() };
        assert_eq!(listed(&store, page.clone()).await, sessions[..2]);
        let next = ListQuery { after: Some(sessions[1]), ..page };
        assert_eq!(listed(&store, next).await, sessions[2..4]);
        let summary = store.summary(sessions[0]).await.unwrap();
        assert_eq!(
            store.list(ListQuery { limit: 1, ..ListQuery::default() }).await.unwrap(),
            Vec::from_iter(summary)
        );
    }
    .boxed()
}

/// What is new in a session is read without the rest.
pub fn a_session_is_read_from_a_place_on(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let mut writer = Writer::of("ada");
        let batch = vec![writer.begin(), writer.step("one"), writer.ask(1), writer.answer(1)];
        store.append(batch).await.unwrap();
        let all = store.load(writer.session).await.unwrap();
        for from in 0..6_u32 {
            let loaded = store.load_from(writer.session, Seq::new(from)).await.unwrap();
            assert_eq!(loaded, all[all.len().min(from as usize)..], "from {from}");
        }
        assert_eq!(store.load_from(SessionId::unique(), Seq::default()).await.unwrap(), []);
    }
    .boxed()
}

/// The calls of a client are found, and nobody else's.
pub fn sessions_are_listed_by_client(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let client = ClientId::unique();
        let of = |client| Writer { client: Some(client), ..Writer::of("ada") };
        let (mut open, mut over) = (of(client), of(client));
        let (mut other, mut none) = (of(ClientId::unique()), Writer::of("ada"));
        let batch = vec![open.begin(), over.begin(), over.finish(), other.begin(), none.begin()];
        store.append(batch).await.unwrap();
        let mut both = vec![open.session, over.session];
        both.sort_unstable();
        for (unfinished, expected) in [(false, both), (true, vec![open.session])] {
            let query = ListQuery { client: Some(client), unfinished, ..ListQuery::default() };
            assert_eq!(listed(&store, query.clone()).await, expected);
            let none = ListQuery { principal: Some("eve".into()), ..query };
            assert_eq!(listed(&store, none).await, []);
        }
        let summary = store.summary(open.session).await.unwrap().unwrap();
        assert_eq!(summary.client, Some(client));
    }
    .boxed()
}

/// Each condition of a query counts, alone and together with the others.
pub fn sessions_are_listed_by_principal_and_state(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let (mut ada, mut over, mut bob) = (Writer::of("ada"), Writer::of("ada"), Writer::of("bob"));
        let batch = vec![ada.begin(), ada.ask(1), over.begin(), over.finish(), bob.begin()];
        store.append(batch).await.unwrap();
        let cases = [
            (None, false, vec![ada.session, over.session, bob.session]),
            (None, true, vec![ada.session, bob.session]),
            (Some("ada"), false, vec![ada.session, over.session]),
            (Some("ada"), true, vec![ada.session]),
            (Some("eve"), false, vec![]),
        ];
        for (principal, unfinished, mut expected) in cases {
            expected.sort_unstable();
            let query =
                ListQuery { principal: principal.map(Into::into), unfinished, ..ListQuery::default() };
            assert_eq!(listed(&store, query.clone()).await, expected, "{query:?}");
            let behind = ListQuery { after: expected.first().copied(), ..query };
            if !expected.is_empty() {
                assert_eq!(listed(&store, behind.clone()).await, expected[1..], "{behind:?}");
            }
        }
    }
    .boxed()
}

/// Sessions are due at their moment, in the order of these.
pub fn the_longest_overdue_is_woken_first(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let mut writers: Vec<_> = (0..4).map(|_| Writer::of("ada")).collect();
        for (writer, wake) in writers.iter_mut().zip([30, 10, 20, 40]) {
            let batch = vec![writer.begin(), writer.sleeping(wake)];
            store.append(batch).await.unwrap();
        }
        let sessions: Vec<_> = [1, 2, 0].map(|index| writers[index].session).into();
        assert_eq!(store.due(at(9), 10).await.unwrap(), []);
        assert_eq!(store.due(at(30), 10).await.unwrap(), sessions);
        assert_eq!(store.due(at(30), 2).await.unwrap(), sessions[..2]);
        // Who has gone on has no moment to be woken at any more.
        let awake = writers[1].step("nap");
        store.append(vec![awake]).await.unwrap();
        assert_eq!(store.due(at(30), 10).await.unwrap(), sessions[1..]);
    }
    .boxed()
}

/// The dead do not wake.
pub fn a_session_that_has_ended_is_not_woken(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let mut ada = Writer::of("ada");
        let (begun, mut end) = (ada.begin(), ada.finish());
        end.1.wake = Some(at(5));
        store.append(vec![begun, end]).await.unwrap();
        assert_eq!(store.due(at(100), 10).await.unwrap(), []);
    }
    .boxed()
}

/// Expired sessions are gone with all their entries, unfinished ones too; the others stay.
pub fn what_has_expired_is_deleted_whole(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let mut writers: Vec<_> = (0..4).map(|_| Writer::of("ada")).collect();
        for (writer, expires) in writers.iter_mut().zip([100, 200, 300, 400]) {
            writer.expires = at(expires);
            let batch = vec![writer.begin(), writer.step("a"), writer.sleeping(1)];
            store.append(batch).await.unwrap();
        }
        let end = writers[1].finish();
        store.append(vec![end]).await.unwrap();
        assert_eq!(store.expire(at(99), 10).await.unwrap(), []);
        let expired: BTreeSet<_> = store.expire(at(300), 10).await.unwrap().into_iter().collect();
        assert_eq!(expired, writers[..3].iter().map(|writer| writer.session).collect());
        for gone in &writers[..3] {
            assert_eq!(store.load(gone.session).await.unwrap(), []);
            assert_eq!(store.summary(gone.session).await.unwrap(), None);
        }
        assert_eq!(store.load(writers[3].session).await.unwrap().len(), 3);
        assert_eq!(store.due(at(10), 10).await.unwrap(), [writers[3].session]);
        assert_eq!(listed(&store, ListQuery::default()).await, [writers[3].session]);
        assert_eq!(store.expire(at(300), 10).await.unwrap(), []);
    }
    .boxed()
}

/// Until when a session is kept is said anew by its end.
pub fn an_end_says_how_long_it_is_kept(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let mut ada = Writer::of("ada");
        ada.expires = at(100);
        let begun = ada.begin();
        ada.expires = at(500);
        let end = ada.finish();
        store.append(vec![begun]).await.unwrap();
        store.append(vec![end]).await.unwrap();
        assert_eq!(store.expire(at(499), 10).await.unwrap(), []);
        assert_eq!(store.expire(at(500), 10).await.unwrap(), [ada.session]);
    }
    .boxed()
}

/// Who has how many, without those that have ended.
pub fn unfinished_sessions_are_counted_by_principal(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let mut writers: Vec<_> = ["ada", "ada", "ada", "bob", "eve"].map(Writer::of).into();
        for writer in &mut writers {
            let begun = writer.begin();
            store.append(vec![begun]).await.unwrap();
        }
        let ends = vec![writers[0].finish(), writers[4].finish()];
        store.append(ends).await.unwrap();
        let mut counts = store.counts().await.unwrap();
        counts.sort_unstable();
        assert_eq!(counts, [("ada".into(), 2), ("bob".into(), 1)]);
    }
    .boxed()
}

/// A session that has ended is shortened once, and still tells how it was called, answered and ended.
pub fn compaction_keeps_what_outlives_the_end(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let (mut over, mut short, mut open) = (Writer::of("ada"), Writer::of("ada"), Writer::of("ada"));
        let batch = vec![
            over.begin(),
            over.step("a"),
            over.ask(1),
            over.answer(1),
            over.finish(),
            short.begin(),
            short.finish(),
            open.begin(),
            open.step("a"),
        ];
        let kept: Vec<_> = batch[..5]
            .iter()
            .map(|(_, entry)| entry.event.clone())
            .filter(EntryEvent::outlives_end)
            .collect();
        store.append(batch).await.unwrap();
        let summary = store.summary(over.session).await.unwrap();
        assert_eq!(store.compact(10).await.unwrap(), 1);
        assert_eq!(store.load(over.session).await.unwrap(), kept);
        assert_eq!(kept.len(), 4);
        assert_eq!(store.summary(over.session).await.unwrap(), summary);
        assert_eq!(store.load(short.session).await.unwrap().len(), 2);
        assert_eq!(store.load(open.session).await.unwrap().len(), 2);
        assert_eq!(store.compact(10).await.unwrap(), 0);
    }
    .boxed()
}

/// No more is done at a time than was asked for.
pub fn limits_are_kept(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let mut writers: Vec<_> = (0..5).map(|_| Writer::of("ada")).collect();
        for writer in &mut writers {
            let batch = vec![writer.begin(), writer.step("a"), writer.finish()];
            store.append(batch).await.unwrap();
        }
        for expected in [2, 2, 1, 0] {
            assert_eq!(store.compact(2).await.unwrap(), expected);
        }
        for expected in [2, 2, 1, 0] {
            assert_eq!(store.expire(at(i64::MAX), 2).await.unwrap().len(), expected);
        }
        assert_eq!(store.expire(at(i64::MAX), 0).await.unwrap(), []);
        assert_eq!(listed(&store, ListQuery { limit: 0, ..ListQuery::default() }).await, []);
    }
    .boxed()
}
