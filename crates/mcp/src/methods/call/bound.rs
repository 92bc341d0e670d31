//! What the state of a call is bound to, and the states themselves.

use ostler_tools::{EntryEvent, Json, Resume, SessionId};

use crate::endpoint::Endpoint;
use crate::error::RpcError;
use crate::methods::Method;
use crate::state::{Binding, Carried, RequestState, SealError, expiry};

/// What a state is bound to.
pub(super) struct Bound {
    pub(super) method: Method,
    pub(super) name: String,
    pub(super) arguments: Json,
}

impl Bound {
    fn binding<'a>(&'a self, principal: &'a str) -> Binding<'a> {
        Binding {
            principal,
            method: self.method.name(),
            name: &self.name,
            arguments: self.arguments.as_str(),
        }
    }

    /// Where a client comes back to with `state`, and the journal if that is what it carries.
    pub(super) fn open(
        &self,
        endpoint: &Endpoint,
        state: &str,
        principal: &str,
    ) -> Result<(RequestState, Option<Vec<EntryEvent>>), RpcError> {
        let (keys, binding) = (&endpoint.keys, self.binding(principal));
        let now = endpoint.sessions.clock().now();
        let opened = match endpoint.sessions.resume_by() {
            Resume::Journal => keys.open(state, binding, now).map(|state| (state, None)),
            Resume::Sealed => keys
                .open_journal(state, binding, now, endpoint.config.max_state)
                .map(|Carried { state, journal }| (state, Some(journal))),
        };
        opened.map_err(|error| RpcError::invalid_params(error.to_string()))
    }

    /// The state that stands for a session and its round, or is the session if `journal` is there.
    pub(super) fn seal(
        &self,
        endpoint: &Endpoint,
        principal: &str,
        (session, round): (SessionId, u32),
        journal: Option<Vec<EntryEvent>>,
    ) -> Result<String, RpcError> {
        let (keys, binding) = (&endpoint.keys, self.binding(principal));
        let expires = endpoint.sessions.clock().now().after(endpoint.config.state_ttl);
        let Some(journal) = journal else {
            return Ok(keys.seal(RequestState { session, round, expires }, binding));
        };
        let expires = expiry(&journal).map_or(expires, |expiry| expiry.min(expires));
        let sealed = keys.seal_journal(session, expires, journal, binding, endpoint.config.max_state);
        sealed.map_err(|error @ SealError::TooLarge { .. }| {
            let message =
                format!("the session of `{}` is too large for its client to carry: {error}", self.name);
            tracing::warn!(%session, "{message}");
            RpcError::internal(message)
        })
    }
}
