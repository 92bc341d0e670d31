//! What every storage promises.

use futures::FutureExt;
use ostler_journal::contract::{Behaviour, Subject};

use crate::support::{Inn, Open, runtime};

fn in_sqlite(behaviour: Behaviour) {
    runtime().block_on(async {
        let inn = Inn::new();
        let open = Open::with(inn.config()).await;
        let store = &open.store;
        behaviour(Subject::new(store, |shard| store.pass_on(shard).map(Result::unwrap).boxed())).await;
        open.halt().await;
    });
}

ostler_journal::contract!(in_sqlite);
