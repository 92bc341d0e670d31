//! Memory goes back to the system when connections have given it back.

use std::convert::Infallible;
use std::time::Duration;

use ostler_process::release_free_memory;
use ostler_scope::{Closed, Scope};
use ostler_switchboard::Switchboard;
use tokio::time::{MissedTickBehavior, interval};

/// How often it is looked at.
const INTERVAL: Duration = Duration::from_secs(2);

/// So many connections that rest have held some megabytes together.
const WORTH_WHILE: u64 = 256;

/// Looks after the memory of `switchboards` as long as `scope` lives.
pub(crate) fn start(scope: &Scope, switchboards: &[Switchboard]) -> Result<(), Closed> {
    scope.daemon("thrift", watch(scope.clone(), switchboards.to_vec()))
}

async fn watch(scope: Scope, switchboards: Vec<Switchboard>) -> Result<(), Closed> {
    let mut interval = interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = 0;
    loop {
        interval.tick().await;
        let rested = switchboards.iter().map(|switchboard| switchboard.server().rested()).sum();
        if rested - last >= WORTH_WHILE {
            last = rested;
            let releasing = scope.spawn_blocking("release memory", |_| {
                release_free_memory();
                Ok::<_, Infallible>(())
            })?;
            // It cannot fail.
            let _ = releasing.await;
        }
    }
}
