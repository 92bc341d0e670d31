//! Where the entries of a session go.

use std::fmt;
use std::sync::Arc;

use ostler_journal::{EntryEvent, JournalStorage};
use ostler_lease::Fence;

use crate::sessions::Followers;

/// Where the entries of a session go.
#[derive(Debug)]
pub(crate) enum Destination {
    /// Into a store, where whoever goes on with the session finds them.
    Store(Writer),
    /// To the client, when the session waits for it. These are all that there are by now.
    Client(Vec<EntryEvent>),
}

/// Where journals are written, and with which right.
#[derive(Clone)]
pub(crate) struct Writer {
    pub(crate) storage: Arc<dyn JournalStorage>,
    pub(crate) fence: Fence,
    /// Who is told that there is more of a journal.
    pub(crate) followers: Followers,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Writer({:?})", self.fence)
    }
}
