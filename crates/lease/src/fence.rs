//! The proof of ownership that goes with a write.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A part of the work, owned by one runner at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shard(u32);

impl Shard {
    /// The only shard of a machine that shares its work with nobody.
    pub const ONLY: Self = Self(0);

    /// The shard of that number.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {}", self.0)
    }
}

/// How often a shard has changed hands. A later owner has the greater epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(u64);

impl Epoch {
    /// The epoch of a shard's first owner.
    pub const FIRST: Self = Self(1);

    /// The epoch of that number, as read from a store.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The epoch of the next owner.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {}", self.0)
    }
}

/// What a writer shows with every write: which shard it writes for, and since which change of hands it owns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fence {
    shard: Shard,
    epoch: Epoch,
}

impl Fence {
    /// The fence of a machine that shares its work with nobody. It is never stale in a store that no runner ever registers with.
    pub const LOCAL: Self = Self { shard: Shard::ONLY, epoch: Epoch::FIRST };

    /// The fence of the owner of `shard` in `epoch`.
    #[must_use]
    pub const fn new(shard: Shard, epoch: Epoch) -> Self {
        Self { shard, epoch }
    }

    /// The shard written for.
    #[must_use]
    pub const fn shard(self) -> Shard {
        self.shard
    }

    /// The epoch of the writer's ownership.
    #[must_use]
    pub const fn epoch(self) -> Epoch {
        self.epoch
    }

    /// Compares with the epoch that the store knows as `current`.
    ///
    /// # Errors
    /// [`Fenced`] unless they are equal. A greater epoch than the store's is no proof either: nobody can have given it out.
    pub fn check(self, current: Epoch) -> Result<(), Fenced> {
        if self.epoch == current {
            return Ok(());
        }
        Err(Fenced { shard: self.shard, shown: self.epoch, current })
    }
}

/// The writer does not own the shard any more. Nothing was written, and nothing it writes for the shard ever will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{shard} is in {current} and the writer's is {shown}")]
pub struct Fenced {
    /// The shard.
    pub shard: Shard,
    /// The epoch that the writer showed.
    pub shown: Epoch,
    /// The epoch that the store knows.
    pub current: Epoch,
}
