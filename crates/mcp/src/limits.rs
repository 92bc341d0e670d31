//! How much of the endpoint one principal may have.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use hyper::StatusCode;

use crate::error::RpcError;

/// What one principal may ask.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests a second; None for no bound. As many may come at once.
    pub requests_per_second: Option<NonZeroU32>,
    /// Requests and streams that are being answered at the same time; None for no bound.
    pub concurrent: Option<NonZeroU32>,
}

/// Who has asked how much.
#[derive(Debug)]
pub(crate) struct Meter {
    rate: Option<DefaultKeyedRateLimiter<Arc<str>>>,
    concurrent: Option<NonZeroU32>,
    under_way: Arc<Mutex<HashMap<Arc<str>, u32>>>,
    /// Requests since the start, by which it is told when those are forgotten who have not asked for a while.
    asked: AtomicU64,
}

/// After so many requests those are forgotten who may ask as much again as anybody.
const FORGET_AFTER: u64 = 4096;

impl Meter {
    pub(crate) fn new(limits: Limits) -> Self {
        let rate = limits.requests_per_second.map(|rate| RateLimiter::keyed(Quota::per_second(rate)));
        Self { rate, concurrent: limits.concurrent, under_way: Arc::default(), asked: AtomicU64::new(0) }
    }

    /// Counts a request of `principal`'s, until what this gives is dropped.
    ///
    /// # Errors
    /// There are too many.
    pub(crate) fn admit(&self, principal: &Arc<str>) -> Result<Option<Admitted>, RpcError> {
        if let Some(rate) = &self.rate {
            if self.asked.fetch_add(1, Ordering::Relaxed) % FORGET_AFTER == FORGET_AFTER - 1 {
                rate.retain_recent();
            }
            rate.check_key(principal).map_err(|until| {
                let wait = until.wait_time_from(rate.clock().now());
                too_many("there are too many requests a second, try later", wait)
            })?;
        }
        let Some(most) = self.concurrent else { return Ok(None) };
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let own = under_way.entry(Arc::clone(principal)).or_default();
        if *own >= most.get() {
            let second = Duration::from_secs(1);
            return Err(too_many("too many requests are being answered, try later", second));
        }
        *own += 1;
        Ok(Some(Admitted { under_way: Arc::clone(&self.under_way), principal: Arc::clone(principal) }))
    }
}

fn too_many(message: &'static str, wait: Duration) -> RpcError {
    let error = RpcError { status: StatusCode::TOO_MANY_REQUESTS, ..RpcError::internal(message) };
    error.retry_after(wait)
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Admitted {
    under_way: Arc<Mutex<HashMap<Arc<str>, u32>>>,
    principal: Arc<str>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = under_way.get_mut(&self.principal) {
            *own -= 1;
            if *own == 0 {
                under_way.remove(&self.principal);
            }
        }
    }
}
