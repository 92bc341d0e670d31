//! The machine against a model, over random interleavings.
//!
//! The model does not predict what the machine does. It keeps its own account of what the machine asked for and told,
//! and after every step holds it against what was promised: capacity, single flight, leased servers left alone, every
//! call answered once and in time, the order of events, nobody waiting for what is free.

mod account;
mod rules;
mod world;

use std::time::Duration;

use proptest::prelude::*;

use self::world::World;

/// What may happen next. Numbers pick from whatever there is at that moment, modulo its count.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Call { key: u8, within: u8 },
    HangUp(u8),
    Advance(u8),
    Deliver(u8),
    FailStart(u8),
    Exit(u8),
    Collapse(u8),
    EndScope(u8),
    EndCheck { nth: u8, well: bool },
    LeaseFromSlot(u8),
    Release(u8),
    HearRing,
    Shutdown { key: u8 },
    SayOldNews { nth: u8, what: u8 },
    Drain,
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    let n = any::<u8>;
    prop_oneof![
        24 => (0..world::KEYS, n()).prop_map(|(key, within)| Step::Call { key, within }),
        4 => n().prop_map(Step::HangUp),
        12 => (0..40u8).prop_map(Step::Advance),
        16 => n().prop_map(Step::Deliver),
        3 => n().prop_map(Step::FailStart),
        2 => n().prop_map(Step::Exit),
        1 => n().prop_map(Step::Collapse),
        16 => n().prop_map(Step::EndScope),
        8 => (n(), any::<bool>()).prop_map(|(nth, well)| Step::EndCheck { nth, well }),
        8 => n().prop_map(Step::LeaseFromSlot),
        24 => n().prop_map(Step::Release),
        16 => Just(Step::HearRing),
        2 => (0..world::KEYS).prop_map(|key| Step::Shutdown { key }),
        3 => (n(), n()).prop_map(|(nth, what)| Step::SayOldNews { nth, what }),
    ]
}

/// A long life, and now and then an end before the end.
fn story() -> impl Strategy<Value = Vec<Step>> {
    let last = prop_oneof![3 => Just(None), 1 => Just(Some(Step::Drain)), 1 => Just(Some(Step::Close))];
    let (life, end) = (prop::collection::vec(step(), 1..160), prop::collection::vec(step(), 0..30));
    (life, last, end).prop_map(|(mut life, last, end)| {
        life.extend(last);
        life.extend(end);
        life
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_machine_keeps_its_promises_whatever_happens_in_whatever_order(story in story()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for step in story {
                world.play(step).await;
            }
            world.end();
        });
    }
}

/// Milliseconds.
const fn ms(number: u8) -> Duration {
    Duration::from_millis(number as u64)
}
