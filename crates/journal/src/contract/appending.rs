//! What is taken.

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};

use super::Subject;
use super::sample::{Writer, folded, op};
use crate::{EntryEvent, Json, OpKind, Seq, SessionId};

/// What was appended is loaded, in its order.
pub fn a_session_is_loaded_as_it_was_appended(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let mut ada = Writer::of("ada");
        let batch = vec![ada.begin(), ada.step("search"), ada.ask(1), ada.answer(1), ada.finish()];
        let events: Vec<_> = batch.iter().map(|(_, entry)| entry.event.clone()).collect();
        let answers = store.append(batch).await.unwrap();
        assert_eq!(answers, (0..5).map(|seq| Ok(Seq::new(seq))).collect::<Vec<_>>());
        assert_eq!(store.load(ada.session).await.unwrap(), events);
    }
    .boxed()
}

/// A value comes back as the text that it was, with its spaces, its order of keys and its numbers.
pub fn a_text_is_kept_byte_for_byte(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let text = "{ \"b\" : 1.0e2,  \"a\":\"\\u00e9 é \\u0000 \u{1f40e}\", \"b\": 12345678901234567890 }";
        let value = Json::parse(text.to_owned()).unwrap();
        let mut ada = Writer::of("ada \"quoted\" \u{1f40e}");
        let begun = ada.begin();
        let op = op(OpKind::Value, "now");
        let recorded = ada.entry(EntryEvent::Recorded { op, value });
        store.append(vec![begun, recorded]).await.unwrap();
        let loaded = store.load(ada.session).await.unwrap();
        let Some(EntryEvent::Recorded { value, .. }) = loaded.last() else { panic!("{loaded:?}") };
        assert_eq!(value.as_str(), text);
        assert_eq!(*store.summary(ada.session).await.unwrap().unwrap().principal, *ada.principal);
    }
    .boxed()
}

/// The summary is what the entries say at every step.
pub fn a_summary_is_its_entries_folded(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let mut ada = Writer::of("ada");
        let entries = [
            ada.begin(),
            ada.step("search"),
            ada.sleeping(50),
            ada.step("nap"),
            ada.ask(1),
            ada.answer(1),
            ada.detach(),
            ada.step("book"),
            ada.ask(2),
            ada.finish(),
        ];
        for count in 1..=entries.len() {
            store.append(vec![entries[count - 1].clone()]).await.unwrap()[0].unwrap();
            let expected = folded(entries[..count].iter().map(|(_, entry)| entry));
            assert_eq!(store.summary(ada.session).await.unwrap(), expected);
        }
        // The same in one batch.
        let mut bob = Writer::of("bob");
        let batch = vec![bob.begin(), bob.detach(), bob.sleeping(9), bob.ask(1), bob.answer(1), bob.ask(2)];
        let expected = folded(batch.iter().map(|(_, entry)| entry));
        store.append(batch).await.unwrap();
        assert_eq!(store.summary(bob.session).await.unwrap(), expected);
    }
    .boxed()
}

/// A batch may be of many sessions, one refused and the others not.
pub fn sessions_of_one_batch_are_independent(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let (mut ada, mut bob, mut eve) = (Writer::of("ada"), Writer::of("bob"), Writer::of("eve"));
        let batch = vec![ada.begin(), ada.step("a"), bob.step("b"), bob.step("b"), eve.begin()];
        let answers = store.append(batch).await.unwrap();
        let taken: Vec<_> = answers.iter().map(Result::is_ok).collect();
        assert_eq!(taken, [true, true, false, false, true]);
        assert_eq!(store.load(ada.session).await.unwrap().len(), 2);
        assert_eq!(store.load(bob.session).await.unwrap(), []);
        assert_eq!(store.load(eve.session).await.unwrap().len(), 1);
    }
    .boxed()
}

/// What is appended later comes behind.
pub fn a_session_goes_on_where_it_stopped(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let mut ada = Writer::of("ada");
        for batch in [vec![ada.begin()], vec![ada.step("a"), ada.step("b")], vec![ada.finish()]] {
            assert!(store.append(batch).await.unwrap().iter().all(Result::is_ok));
        }
        assert_eq!(store.summary(ada.session).await.unwrap().unwrap().next, ada.next);
        assert_eq!(store.load(ada.session).await.unwrap().len(), 4);
    }
    .boxed()
}

/// Nothing is answered with nothing.
pub fn an_empty_batch_is_taken(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move { assert_eq!(store.append(Vec::new()).await.unwrap(), []) }.boxed()
}

/// There is no bound on how many entries go together.
pub fn a_thousand_entries_are_one_batch(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let mut batch = Vec::new();
        let mut writers: Vec<_> = (0..300).map(|_| Writer::of("ada")).collect();
        batch.extend(writers.iter_mut().map(Writer::begin));
        let mut bob = Writer::of("bob");
        batch.push(bob.begin());
        batch.extend((0..700).map(|n| bob.step(&n.to_string())));
        let answers = store.append(batch).await.unwrap();
        assert_eq!(answers.len(), 1001);
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(store.load(bob.session).await.unwrap().len(), 701);
        assert_eq!(store.summary(bob.session).await.unwrap().unwrap().next, Seq::new(701));
        let more = writers.iter_mut().map(|ada| ada.step("more")).collect();
        assert!(store.append(more).await.unwrap().iter().all(Result::is_ok));
        assert_eq!(store.load(writers[299].session).await.unwrap().len(), 2);
    }
    .boxed()
}

/// Many writers at once, each with its session, and one who does not wait for its first append before the second.
pub fn appends_at_once_are_all_taken(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let mut writers: Vec<_> = (0..64).map(|_| Writer::of("ada")).collect();
        let mut appends = Vec::new();
        for writer in &mut writers {
            appends.push(store.append(vec![writer.begin()]));
            appends.push(store.append(vec![writer.step("a"), writer.step("b")]));
            appends.push(store.append(vec![writer.step("c")]));
        }
        for answers in join_all(appends).await {
            assert!(answers.unwrap().iter().all(Result::is_ok));
        }
        for writer in &writers {
            assert_eq!(store.load(writer.session).await.unwrap().len(), 4);
        }
    }
    .boxed()
}

/// Nobody knows a session that has not begun.
pub fn an_unknown_session_has_nothing(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let nobody = SessionId::unique();
        assert_eq!(store.load(nobody).await.unwrap(), []);
        assert_eq!(store.summary(nobody).await.unwrap(), None);
    }
    .boxed()
}
