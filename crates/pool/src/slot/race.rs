//! The gate under every interleaving the model checker can find.

use shuttle::sync::atomic::AtomicU64;
use shuttle::sync::{Arc, mpsc};
use shuttle::{check_random, thread};

use super::*;

type ModelGate = Gate<AtomicU64>;

const SCHEDULES: usize = 2_000;

fn gate(max_uses: u64) -> Arc<ModelGate> {
    Arc::new(Gate::new(7, NonZeroU64::new(max_uses)))
}

#[test]
fn a_closed_gate_is_never_entered_and_an_entered_one_never_closed_as_idle() {
    check_random(
        || {
            let gate = gate(0);
            let users: Vec<_> = (0..2)
                .map(|_| {
                    let gate = gate.clone();
                    thread::spawn(move || {
                        if gate.enter() == Entry::Leased {
                            assert_eq!(gate.word().state(), SlotState::Ready, "closed while leased");
                            gate.leave(|| ());
                        }
                    })
                })
                .collect();
            if gate.close_if_idle() == Closing::Closed {
                assert_eq!(gate.word().leases(), 0, "closed while leased");
                assert_eq!(gate.enter(), Entry::Refused);
            }
            users.into_iter().for_each(|user| user.join().unwrap());
            assert_eq!(gate.word().leases(), 0);
            assert_eq!(gate.word().generation(), 7);
        },
        SCHEDULES,
    );
}

/// A waiter that finds a server leased and the lease that ends meanwhile must not miss each other: the waiter would
/// sleep beside an idle server for as long as nobody else calls.
#[test]
fn who_waits_for_a_place_hears_of_the_last_release() {
    check_random(
        || {
            let gate = gate(0);
            let (bell, rings) = mpsc::channel();
            let users: Vec<_> = (0..2)
                .map(|_| {
                    let (gate, bell) = (gate.clone(), bell.clone());
                    thread::spawn(move || {
                        for _ in 0..2 {
                            if gate.enter() == Entry::Leased && gate.leave(|| ()) == Exit::Awaited {
                                bell.send(()).unwrap();
                            }
                        }
                    })
                })
                .collect();
            drop(bell);
            // Every refusal has armed the bell. Were a release silent, `recv` would end with the users gone.
            while gate.close_if_idle() == Closing::Leased {
                rings.recv().expect("the last release rings");
            }
            users.into_iter().for_each(|user| user.join().unwrap());
        },
        SCHEDULES,
    );
}

#[test]
fn a_draining_server_rings_exactly_once_when_its_last_lease_ends() {
    check_random(
        || {
            let gate = gate(0);
            assert_eq!(gate.enter(), Entry::Leased);
            assert_eq!(gate.enter(), Entry::Leased);
            let (bell, rings) = mpsc::channel();
            let users: Vec<_> = (0..2)
                .map(|_| {
                    let (gate, bell) = (gate.clone(), bell.clone());
                    thread::spawn(move || {
                        if gate.leave(|| ()) == Exit::Awaited {
                            bell.send(()).unwrap();
                        }
                    })
                })
                .collect();
            drop(bell);
            let left = gate.close();
            users.into_iter().for_each(|user| user.join().unwrap());
            assert_eq!(rings.iter().count(), usize::from(left > 0));
        },
        SCHEDULES,
    );
}

#[test]
fn a_server_is_never_used_more_often_than_it_may() {
    check_random(
        || {
            let gate = gate(2);
            let users: Vec<_> = (0..3)
                .map(|_| {
                    let gate = gate.clone();
                    thread::spawn(move || {
                        let entry = gate.enter();
                        if entry != Entry::Refused {
                            gate.leave(|| ());
                        }
                        entry
                    })
                })
                .collect();
            let entries: Vec<_> = users.into_iter().map(|user| user.join().unwrap()).collect();
            let entered = entries.iter().filter(|entry| **entry != Entry::Refused).count();
            assert!(entered <= 2, "{entries:?}");
            assert_eq!(entries.iter().filter(|entry| **entry == Entry::LastUse).count(), 1, "{entries:?}");
            assert_eq!(gate.word().state(), SlotState::Draining);
            assert_eq!(gate.served(), 2);
        },
        SCHEDULES,
    );
}
