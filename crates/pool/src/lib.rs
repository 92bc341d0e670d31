//! A keyed pool of resources: started on demand, leased, evicted when idle, never orphaned.

#![forbid(unsafe_code)]

mod config;
mod driver;
mod error;
mod event;
mod info;
mod key;
mod machine;
mod policy;
mod pool;
mod resource;
mod slot;

pub use self::config::{Backoff, Breaker, PoolConfig};
pub use self::error::{
    CheckTimedOut, HaltedElsewhere, LeaseError, NotFound, NotReadyInTime, SharedError, StartFailure,
};
pub use self::event::{Event, EventKind, EvictCause};
pub use self::info::{ServerInfo, ServerState, WhyAlive};
pub use self::key::{Generation, Key};
pub use self::policy::{Policy, Quota};
pub use self::pool::{Drained, Pool};
pub use self::resource::{Factory, Resource, Start};
pub use self::slot::{Lease, Slot, SlotState};
