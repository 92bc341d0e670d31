//! The storage in memory keeps what every storage promises.

use futures::executor::block_on;
use ostler_journal::MemoryStorage;
use ostler_journal::contract::Behaviour;

fn in_memory(behaviour: Behaviour) {
    block_on(behaviour(&MemoryStorage::new()));
}

ostler_journal::contract!(in_memory);
