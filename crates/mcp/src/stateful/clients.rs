//! What this process has of clients besides what their sessions' ids say: little, and only of those that have asked for it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ostler_tools::{ClientId, LogLevel, SessionId};

/// Clients with settings of their own at most.
const MOST_CLIENTS: usize = 100_000;

/// Resources that one client is told of at most.
const MOST_SUBSCRIPTIONS: usize = 1000;

/// Ended sessions that are remembered, the latest ones.
const MOST_ENDED: usize = 100_000;

/// What there is of clients. A clone is the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clients {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    settings: HashMap<ClientId, Settings>,
    ended: HashSet<ClientId>,
    /// The same, the first ones first.
    ended_order: VecDeque<ClientId>,
    /// The calls whose events somebody is being sent.
    streams: HashMap<SessionId, Streams>,
}

/// What a client has asked for.
#[derive(Debug, Default)]
struct Settings {
    level: Option<LogLevel>,
    subscriptions: HashSet<String>,
}

#[derive(Debug, Default)]
struct Streams {
    open: usize,
    /// The client has cancelled the call, and waits for nothing more.
    cancelled: bool,
}

/// There are as many of these as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooMany {
    #[error("no more than {MOST_CLIENTS} clients have settings of their own, try later")]
    Clients,
    #[error("a client is told of no more than {MOST_SUBSCRIPTIONS} resources")]
    Subscriptions,
}

impl Clients {
    /// Ends the session of `client`: its id is as good as unknown from now on.
    pub(crate) fn end(&self, client: ClientId) {
        let state = &mut *self.state();
        state.settings.remove(&client);
        if !state.ended.insert(client) {
            return;
        }
        state.ended_order.push_back(client);
        if state.ended_order.len() > MOST_ENDED
            && let Some(first) = state.ended_order.pop_front()
        {
            state.ended.remove(&first);
        }
    }

    pub(crate) fn is_ended(&self, client: ClientId) -> bool {
        self.state().ended.contains(&client)
    }

    /// The least level of log messages that `client` wants, if it has said so.
    pub(crate) fn level(&self, client: ClientId) -> Option<LogLevel> {
        self.state().settings.get(&client)?.level
    }

    pub(crate) fn set_level(&self, client: ClientId, level: LogLevel) -> Result<(), TooMany> {
        self.state().settings(client)?.level = Some(level);
        Ok(())
    }

    /// Tells `client` from now on when the resource `uri` changes.
    pub(crate) fn subscribe(&self, client: ClientId, uri: String) -> Result<(), TooMany> {
        let mut state = self.state();
        let subscriptions = &mut state.settings(client)?.subscriptions;
        if subscriptions.len() >= MOST_SUBSCRIPTIONS && !subscriptions.contains(&uri) {
            return Err(TooMany::Subscriptions);
        }
        subscriptions.insert(uri);
        Ok(())
    }

    pub(crate) fn unsubscribe(&self, client: ClientId, uri: &str) {
        let state = &mut *self.state();
        if let Some(settings) = state.settings.get_mut(&client) {
            settings.subscriptions.remove(uri);
            if settings.subscriptions.is_empty() && settings.level.is_none() {
                state.settings.remove(&client);
            }
        }
    }

    pub(crate) fn is_subscribed(&self, client: ClientId, uri: &str) -> bool {
        self.state().settings.get(&client).is_some_and(|settings| settings.subscriptions.contains(uri))
    }

    /// Notes that the events of `session` are being sent, until what this gives is dropped.
    pub(crate) fn streams(&self, session: SessionId) -> Streaming {
        self.state().streams.entry(session).or_default().open += 1;
        Streaming { clients: self.clone(), session }
    }

    pub(crate) fn is_streamed(&self, session: SessionId) -> bool {
        self.state().streams.contains_key(&session)
    }

    /// Notes that the client waits for `session` no more.
    pub(crate) fn cancel(&self, session: SessionId) {
        if let Some(streams) = self.state().streams.get_mut(&session) {
            streams.cancelled = true;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn settings(&mut self, client: ClientId) -> Result<&mut Settings, TooMany> {
        if self.settings.len() >= MOST_CLIENTS && !self.settings.contains_key(&client) {
            return Err(TooMany::Clients);
        }
        Ok(self.settings.entry(client).or_default())
    }
}

/// Somebody is being sent the events of a call.
#[derive(Debug)]
pub(crate) struct Streaming {
    clients: Clients,
    session: SessionId,
}

impl Streaming {
    /// Whether the client has cancelled the call.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.clients.state().streams.get(&self.session).is_some_and(|streams| streams.cancelled)
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        let state = &mut *self.clients.state();
        if let Some(streams) = state.streams.get_mut(&self.session) {
            streams.open -= 1;
            if streams.open == 0 {
                state.streams.remove(&self.session);
            }
        }
    }
}
