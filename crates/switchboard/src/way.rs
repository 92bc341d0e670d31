//! One worker's way to one server.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use ostler_net::Address;
use ostler_pool::{Factory, Key, Lease, LeaseError, Pool, Resource, Slot, SlotState};
use ostler_upstream::{Endpoint, EndpointConfig};
use tokio::time::Instant;

use crate::Problem;
use crate::body::RequestBody;
use crate::problem::Refusal;

/// One worker's way to one server: the lease comes first, then a connection to that generation of it.
#[derive(Debug)]
pub(crate) enum Way {
    /// A server that runs anyway.
    Fixed(Rc<Endpoint<RequestBody>>),
    /// A server of the pool.
    Pooled {
        key: Key,
        /// The generation leased last.
        current: RefCell<Option<Current>>,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Current {
    slot: Slot<Address>,
    endpoint: Rc<Endpoint<RequestBody>>,
}

impl Way {
    pub(crate) fn fixed(address: Address, config: EndpointConfig) -> Self {
        Self::Fixed(Endpoint::new(address, config))
    }

    pub(crate) fn pooled(key: Key) -> Self {
        Self::Pooled { key, current: RefCell::default() }
    }

    /// The server's endpoint, leased. Starts the server if need be, and waits for it at most `wait`.
    pub(crate) async fn lease<F>(
        &self,
        pool: &Pool<F>,
        config: &EndpointConfig,
        wait: Duration,
    ) -> Result<(Rc<Endpoint<RequestBody>>, Option<Lease<Address>>), Refusal>
    where
        F: Factory<Resource: Resource<Address = Address>>,
    {
        let (key, current) = match self {
            Self::Fixed(endpoint) => return Ok((Rc::clone(endpoint), None)),
            Self::Pooled { key, current } => (key, current),
        };
        if let Some(current) = &*current.borrow()
            && let Some(lease) = current.slot.lease()
        {
            return Ok((Rc::clone(&current.endpoint), Some(lease)));
        }
        // Boxed, so that the requests that need not wait, which are nearly all, do not carry the room for it.
        let lease = Box::pin(pool.get_or_create(key, Instant::now() + wait)).await.map_err(refusal)?;
        let mut current = current.borrow_mut();
        let endpoint = match &*current {
            // Another request of this worker was here first.
            Some(current) if current.slot.generation() == lease.generation() => Rc::clone(&current.endpoint),
            Some(_) | None => {
                let endpoint = Endpoint::new(lease.address().clone(), config.clone());
                let slot = lease.slot().clone();
                *current = Some(Current { slot, endpoint: Rc::clone(&endpoint) });
                endpoint
            }
        };
        Ok((endpoint, Some(lease)))
    }

    /// Closes connections unused for too long, and forgets a generation that has ended.
    pub(crate) fn sweep(&self) {
        match self {
            Self::Fixed(endpoint) => endpoint.sweep(),
            Self::Pooled { current, .. } => {
                let mut current = current.borrow_mut();
                if current.as_ref().is_some_and(|current| current.slot.state() != SlotState::Ready) {
                    *current = None;
                }
                if let Some(current) = &*current {
                    current.endpoint.sweep();
                }
            }
        }
    }

    /// Whether nothing would be lost by forgetting it.
    pub(crate) fn is_unused(&self) -> bool {
        match self {
            Self::Fixed(endpoint) => endpoint.idle() == 0,
            Self::Pooled { current, .. } => current.borrow().is_none(),
        }
    }
}

fn refusal(error: LeaseError) -> Refusal {
    let problem = match &error {
        LeaseError::Exhausted { retry_after } | LeaseError::QuotaExhausted { retry_after, .. } => {
            Problem::Full(*retry_after)
        }
        LeaseError::StartFailed(_) => Problem::StartFailed,
        LeaseError::StartTimedOut(_) => Problem::StartTimedOut,
        LeaseError::BackingOff { retry_after, .. } => Problem::BackingOff(*retry_after),
        LeaseError::DeadlinePassed => Problem::WaitTimedOut,
        LeaseError::Closed => Problem::Draining,
    };
    Refusal::new(problem, error)
}
