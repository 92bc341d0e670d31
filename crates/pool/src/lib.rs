//! A keyed pool of resources: started on demand, leased, evicted when idle, never orphaned.
//!
//! A [`Pool`] is given a [`Factory`] and lives in a [scope](ostler_scope::Scope). The first call for a [`Key`] starts
//! its server, the calls meanwhile share that start, and each gets a [`Lease`]. While one is out the server is left
//! alone; after that it stays until it has been idle for too long, or somebody else needs its place.
//!
//! ```
//! use std::time::Duration;
//! use ostler_pool::{Factory, Key, Policy, Pool, PoolConfig, Resource, Start};
//! use ostler_scope::{BoxError, Deadline, Scope};
//! use tokio::net::TcpListener;
//! use tokio::time::Instant;
//!
//! /// A server that greets whoever connects.
//! struct Greeter {
//!     address: std::net::SocketAddr,
//! }
//!
//! struct Greeters;
//!
//! impl Factory for Greeters {
//!     type Resource = Greeter;
//!
//!     fn policy(&self, _key: &Key) -> Policy {
//!         Policy { idle_timeout: Some(Duration::from_secs(60)), ..Policy::default() }
//!     }
//!
//!     async fn start(&self, start: Start) -> Result<Greeter, BoxError> {
//!         let listener = TcpListener::bind("127.0.0.1:0").await?;
//!         let address = listener.local_addr()?;
//!         // In the server's own scope: gone when the server is, and its failure when it fails.
//!         start.scope.daemon("accept", async move {
//!             loop {
//!                 let (connection, _) = listener.accept().await?;
//!                 connection.try_write(format!("hello from {}\n", start.key).as_bytes())?;
//! #               #[allow(unreachable_code)]
//! #               if false { return Ok::<_, std::io::Error>(()) }
//!             }
//!         })?;
//!         Ok(Greeter { address })
//!     }
//! }
//!
//! impl Resource for Greeter {
//!     type Address = std::net::SocketAddr;
//!
//!     fn address(&self) -> Self::Address {
//!         self.address
//!     }
//!     async fn exited(&self) -> BoxError {
//!         std::future::pending().await
//!     }
//!     async fn check(&self) -> Result<(), BoxError> {
//!         Ok(())
//!     }
//!     async fn drain(&self, _deadline: Deadline) {}
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scope = Scope::root("inn").open()?;
//! let pool = Pool::start(&scope, PoolConfig { max_servers: 10, ..PoolConfig::default() }, Greeters)?;
//!
//! let key = Key::from("shop.localhost");
//! let lease = pool.get_or_create(&key, Instant::now() + Duration::from_secs(5)).await?;
//! assert!(lease.address().ip().is_loopback());
//!
//! // Whoever keeps the slot leases without asking the pool, by one compare-and-swap.
//! let slot = lease.slot().clone();
//! drop(lease);
//! assert!(slot.lease().is_some());
//!
//! pool.shutdown(&key).await?;
//! assert!(slot.lease().is_none(), "gone, and the next call starts another");
//! scope.halt().await;
//! # Ok(())
//! # }
//! ```

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
pub use self::event::{Event, EventKind, EventName, EvictCause};
pub use self::info::{ServerInfo, ServerState, WhyAlive};
pub use self::key::{Generation, Key};
pub use self::policy::{Policy, Quota};
pub use self::pool::{Drained, Pool};
pub use self::resource::{Factory, Resource, Start};
pub use self::slot::{Lease, Slot, SlotState};
