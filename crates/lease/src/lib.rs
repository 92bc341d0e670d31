//! Who may write for a shard: shards, epochs and fences. No I/O.
//!
//! Work is spread over [`Shard`]s. Whoever owns a shard does so in an [`Epoch`], a number that grows each time the shard changes
//! hands, and shows both as a [`Fence`] with every write. A store compares: a write of an earlier epoch comes from an owner that
//! has been replaced and does not know it yet, and changes nothing.
//!
//! ```
//! use ostler_lease::{Epoch, Fence, Fenced, Shard};
//!
//! let shard = Shard::new(7);
//! let stale = Fence::new(shard, Epoch::FIRST);
//! let current = Epoch::FIRST.next();
//! assert_eq!(stale.check(current), Err(Fenced { shard, shown: Epoch::FIRST, current }));
//! assert_eq!(Fence::new(shard, current).check(current), Ok(()));
//! ```
#![forbid(unsafe_code)]

mod fence;

pub use fence::{Epoch, Fence, Fenced, Shard};
