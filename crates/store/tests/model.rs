//! Any order of appends: the file says what memory says, and each summary is what its entries say.

use futures::future::join_all;
use ostler_journal::contract::sample::{Writer, folded};
use ostler_journal::{Entry, JournalStorage, ListQuery, MemoryStorage, Seq, SessionId, Timestamp};
use ostler_lease::{Epoch, Fence, Shard};
use proptest::prelude::*;

use crate::support::{Inn, Open, runtime};

/// What is done next.
#[derive(Debug, Clone)]
enum Step {
    /// Appends of one batch each, at once, of sessions that differ from each other.
    Append(Vec<Vec<Batch>>),
    PassOn(u32),
    Compact(usize),
    Expire(i64),
}

/// Entries of one session.
#[derive(Debug, Clone)]
struct Batch {
    session: usize,
    kinds: Vec<u8>,
    /// How far from its place it is written.
    off: i8,
    epoch: u64,
}

fn batch() -> impl Strategy<Value = Batch> {
    let off = prop_oneof![8 => Just(0), 1 => Just(1), 1 => Just(-1)];
    let epoch = prop_oneof![6 => Just(1_u64), 1 => Just(2), 1 => Just(3)];
    (0..6_usize, prop::collection::vec(0..8_u8, 1..4), off, epoch)
        .prop_map(|(session, kinds, off, epoch)| Batch { session, kinds, off, epoch })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => prop::collection::vec(prop::collection::vec(batch(), 1..4), 1..4).prop_map(Step::Append),
        1 => (0..2_u32).prop_map(Step::PassOn),
        1 => (0..3_usize).prop_map(Step::Compact),
        1 => (0..400_i64).prop_map(Step::Expire),
    ]
}

struct Sessions(Vec<Writer>);

impl Sessions {
    fn entries(&mut self, batch: &Batch, memory: &[Option<Seq>]) -> Vec<(Fence, Entry)> {
        let shard = Shard::new(u32::try_from(batch.session % 2).unwrap());
        let writer = &mut self.0[batch.session];
        let next = memory[batch.session].unwrap_or_default().number();
        writer.next = Seq::new(next.saturating_add_signed(batch.off.into()));
        writer.fence = Fence::new(shard, Epoch::new(batch.epoch));
        let mut entries = Vec::new();
        for kind in &batch.kinds {
            entries.push(match kind {
                _ if writer.next == Seq::default() => writer.begin(),
                0 | 1 => writer.step("a"),
                2 => writer.sleeping(50),
                3 => writer.ask(next),
                4 => writer.answer(next),
                5 => writer.finish(),
                6 => writer.detach(),
                _ => writer.step("b"),
            });
        }
        entries
    }
}

async fn next_of(store: &MemoryStorage, sessions: &Sessions) -> Vec<Option<Seq>> {
    let next =
        async |writer: &Writer| store.summary(writer.session).await.unwrap().map(|summary| summary.next);
    join_all(sessions.0.iter().map(next)).await
}

async fn play(steps: Vec<Step>) {
    let inn = Inn::new();
    let open = Open::with(inn.config()).await;
    let memory = MemoryStorage::new();
    let mut sessions: Vec<_> = (0..6).map(|_| Writer::of("ada")).collect();
    for (index, writer) in (0..).zip(&mut sessions) {
        writer.expires = Timestamp::from_millis(index * 100);
        writer.principal = ["ada", "bob"][writer.expires.as_millis() as usize % 2].to_owned();
    }
    let mut sessions = Sessions(sessions);
    let mut taken: Vec<Entry> = Vec::new();
    for step in steps {
        match step {
            Step::Append(appends) => {
                let mut batches = Vec::new();
                for append in &appends {
                    let next = next_of(&memory, &sessions).await;
                    let batch: Vec<_> =
                        append.iter().flat_map(|batch| sessions.entries(batch, &next)).collect();
                    // One after the other in memory, in the order in which they are polled first.
                    let expected = memory.append(batch.clone()).await.unwrap();
                    batches.push((batch, expected));
                }
                let appends = batches.iter().map(|(batch, _)| open.store.append(batch.clone()));
                let answers = join_all(appends).await;
                for ((batch, expected), answers) in batches.into_iter().zip(answers) {
                    let answers = answers.unwrap();
                    let taken_of =
                        |answers: &[Result<Seq, _>]| answers.iter().map(Result::is_ok).collect::<Vec<_>>();
                    assert_eq!(taken_of(&answers), taken_of(&expected), "{batch:?}");
                    // With two things wrong with a session's entries, either may be named.
                    if batch.iter().all(|(fence, _)| *fence == batch[0].0) {
                        assert_eq!(answers, expected, "{batch:?}");
                    }
                    let good = batch.into_iter().zip(expected).filter(|(_, answer)| answer.is_ok());
                    taken.extend(good.map(|((_, entry), _)| entry));
                }
            }
            Step::PassOn(shard) => {
                let shard = Shard::new(shard);
                assert_eq!(open.store.pass_on(shard).await.unwrap(), memory.pass_on(shard));
            }
            Step::Compact(limit) => {
                // Both shorten the oldest first.
                let expected = memory.compact(limit).await.unwrap();
                assert_eq!(open.store.compact(limit).await.unwrap(), expected);
            }
            Step::Expire(now) => {
                let now = Timestamp::from_millis(now);
                let mut expected = memory.expire(now, 100).await.unwrap();
                let mut expired = open.store.expire(now, 100).await.unwrap();
                expected.sort_unstable();
                expired.sort_unstable();
                assert_eq!(expired, expected);
                taken.retain(|entry| !expired.contains(&entry.session));
            }
        }
    }
    compare(&open, &memory, &sessions, &taken).await;
    open.halt().await;
    let open = Open::with(inn.config()).await;
    compare(&open, &memory, &sessions, &taken).await;
    open.halt().await;
}

async fn compare(open: &Open, memory: &MemoryStorage, sessions: &Sessions, taken: &[Entry]) {
    for Writer { session, .. } in &sessions.0 {
        assert_eq!(open.store.load(*session).await.unwrap(), memory.load(*session).await.unwrap());
        let summary = open.store.summary(*session).await.unwrap();
        assert_eq!(summary, folded(of(*session, taken)));
    }
    let all = ListQuery::default();
    assert_eq!(open.store.list(all.clone()).await.unwrap(), memory.list(all).await.unwrap());
    let now = Timestamp::from_millis(60);
    assert_eq!(open.store.due(now, 100).await.unwrap(), memory.due(now, 100).await.unwrap());
    assert_eq!(open.store.counts().await.unwrap(), memory.counts().await.unwrap());
}

fn of(session: SessionId, taken: &[Entry]) -> impl Iterator<Item = &Entry> {
    taken.iter().filter(move |entry| entry.session == session)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_file_says_what_memory_says(steps in prop::collection::vec(step(), 1..25)) {
        runtime().block_on(play(steps));
    }
}
