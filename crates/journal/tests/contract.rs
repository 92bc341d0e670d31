//! The storage in memory keeps what every storage promises.

use futures::FutureExt;
use futures::executor::block_on;
use futures::future::ready;
use ostler_journal::MemoryStorage;
use ostler_journal::contract::{Behaviour, Subject};

fn in_memory(behaviour: Behaviour) {
    let store = MemoryStorage::new();
    block_on(behaviour(Subject::new(&store, |shard| ready(store.pass_on(shard)).boxed())));
}

ostler_journal::contract!(in_memory);
