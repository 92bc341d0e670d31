//! What is refused, and changes nothing.

use futures::FutureExt;
use futures::future::{BoxFuture, join};
use ostler_lease::{Epoch, Fence, Fenced, Shard};

use super::Subject;
use super::sample::Writer;
use crate::{AppendRefused, Seq, Timestamp};

fn superseded(writer: &Writer) -> AppendRefused {
    AppendRefused::Superseded { session: writer.session }
}

/// An entry that is no beginning begins nothing.
pub fn a_session_must_begin_with_its_beginning(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let mut ada = Writer::of("ada");
        let step = ada.step("a");
        assert_eq!(store.append(vec![step]).await.unwrap(), [Err(superseded(&ada))]);
        assert_eq!(store.summary(ada.session).await.unwrap(), None);
    }
    .boxed()
}

/// The second entry of a place is refused, be it the same.
pub fn a_place_is_taken_once(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let mut ada = Writer::of("ada");
        let begun = ada.begin();
        let step = ada.step("a");
        store.append(vec![begun.clone(), step.clone()]).await.unwrap();
        for entry in [begun, step] {
            assert_eq!(store.append(vec![entry]).await.unwrap(), [Err(superseded(&ada))]);
        }
        assert_eq!(store.load(ada.session).await.unwrap().len(), 2);
        let more = ada.step("b");
        assert_eq!(store.append(vec![more]).await.unwrap(), [Ok(Seq::new(2))]);
    }
    .boxed()
}

/// No place is left out, neither between batches nor within one.
pub fn a_gap_is_refused(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let mut ada = Writer::of("ada");
        let begun = ada.begin();
        let _lost = ada.step("lost");
        let late = ada.step("late");
        assert!(store.append(vec![begun]).await.unwrap()[0].is_ok());
        assert_eq!(store.append(vec![late]).await.unwrap(), [Err(superseded(&ada))]);

        let mut bob = Writer::of("bob");
        let begun = bob.begin();
        let _lost = bob.step("lost");
        let late = bob.step("late");
        let answers = store.append(vec![begun, late]).await.unwrap();
        assert_eq!(answers, [Err(superseded(&bob)), Err(superseded(&bob))]);
        assert_eq!(store.summary(bob.session).await.unwrap(), None);
    }
    .boxed()
}

/// One bad entry of a session refuses the good ones beside it.
pub fn entries_of_one_session_are_refused_together(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let mut ada = Writer::of("ada");
        let begun = ada.begin();
        store.append(vec![begun]).await.unwrap();
        let good = ada.step("good");
        let stale = (Fence::new(Shard::ONLY, Epoch::new(9)), ada.step("stale").1);
        let answers = store.append(vec![good, stale]).await.unwrap();
        assert!(answers.iter().all(|answer| matches!(answer, Err(AppendRefused::Fenced(_)))), "{answers:?}");
        assert_eq!(store.load(ada.session).await.unwrap().len(), 1);
    }
    .boxed()
}

/// A fence that has been passed on refuses its own sessions and no others.
pub fn a_stale_writer_is_fenced_off_alone(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let shard = Shard::new(7);
        let (mut ada, mut bob) = (Writer::of("ada"), Writer::of("bob"));
        ada.fence = Fence::new(shard, Epoch::FIRST);
        let begun = vec![ada.begin(), bob.begin()];
        assert!(store.append(begun).await.unwrap().iter().all(Result::is_ok));
        store.pass_on(shard).await;
        let batch = vec![ada.step("a"), bob.step("b")];
        let answers = store.append(batch).await.unwrap();
        let fenced = Fenced { shard, shown: Epoch::FIRST, current: Epoch::FIRST.next() };
        assert_eq!(answers, [Err(fenced.into()), Ok(Seq::new(1))]);
        assert_eq!(store.load(ada.session).await.unwrap().len(), 1);
    }
    .boxed()
}

/// Who owns the shard now goes on where the one before stopped.
pub fn a_writer_of_the_next_epoch_is_taken(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let mut ada = Writer::of("ada");
        let begun = ada.begin();
        store.append(vec![begun]).await.unwrap();
        for epoch in 2..4 {
            ada.fence = store.pass_on(Shard::ONLY).await;
            assert_eq!(ada.fence, Fence::new(Shard::ONLY, Epoch::new(epoch)));
            let step = ada.step("a");
            assert!(store.append(vec![step]).await.unwrap()[0].is_ok());
        }
    }
    .boxed()
}

/// An epoch of the future proves nothing.
pub fn an_epoch_that_nobody_gave_out_is_refused(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let mut ada = Writer::of("ada");
        ada.fence = Fence::new(Shard::new(3), Epoch::new(5));
        let begun = ada.begin();
        let fenced = Fenced { shard: Shard::new(3), shown: Epoch::new(5), current: Epoch::FIRST };
        assert_eq!(store.append(vec![begun]).await.unwrap(), [Err(fenced.into())]);
    }
    .boxed()
}

/// A session that was refused at its beginning is not there, and may begin later.
pub fn a_refused_beginning_leaves_nothing(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let mut ada = Writer::of("ada");
        let (_, begun) = ada.begin();
        let stale = Fence::new(Shard::ONLY, Epoch::new(2));
        assert!(store.append(vec![(stale, begun.clone())]).await.unwrap()[0].is_err());
        assert_eq!(store.summary(ada.session).await.unwrap(), None);
        assert_eq!(store.counts().await.unwrap(), []);
        assert!(store.append(vec![(Fence::LOCAL, begun)]).await.unwrap()[0].is_ok());
    }
    .boxed()
}

/// Two that write the same place at the same time: one succeeds, and goes on at once.
pub fn one_of_two_writers_of_a_place_wins(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let mut ada = Writer::of("ada");
        let begun = ada.begin();
        store.append(vec![begun]).await.unwrap();
        for round in 0..8 {
            let mut other = ada.clone();
            let (one, two) = (ada.step(&format!("one {round}")), other.step(&format!("two {round}")));
            let (one, two) = join(store.append(vec![one]), store.append(vec![two])).await;
            let (one, two) = (one.unwrap()[0], two.unwrap()[0]);
            assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
            // One that asks for a place that is taken, and behind it in the same breath one that does not.
            let (late, good) = (other.clone(), ada.step("good"));
            let taken = (late.fence, crate::Entry { seq: Seq::new(0), ..good.1.clone() });
            let (refused, taken) = join(store.append(vec![taken]), store.append(vec![good])).await;
            assert_eq!(refused.unwrap(), [Err(superseded(&ada))]);
            assert!(taken.unwrap()[0].is_ok());
        }
        assert_eq!(store.load(ada.session).await.unwrap().len(), 17);
    }
    .boxed()
}

/// What has been deleted stays so.
pub fn a_deleted_session_is_not_gone_on_with(store: Subject<'_>) -> BoxFuture<'_, ()> {
    async move {
        let mut ada = Writer::of("ada");
        let begun = ada.begin();
        store.append(vec![begun]).await.unwrap();
        store.expire(Timestamp::from_millis(i64::MAX), 10).await.unwrap();
        let step = ada.step("a");
        assert_eq!(store.append(vec![step]).await.unwrap(), [Err(superseded(&ada))]);
        assert_eq!(store.load(ada.session).await.unwrap(), []);
    }
    .boxed()
}
