//! The time of day, which tests can pause together with tokio's.

use std::time::{SystemTime, UNIX_EPOCH};

use ostler_journal::Timestamp;
use tokio::time::Instant;

/// Tells the time of day: what the system said when the clock was made, and how long ago that was. So it never goes back, and
/// stands still while tokio's time does.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    made: Instant,
    then: Timestamp,
}

impl Clock {
    /// A clock that goes by the system's.
    #[must_use]
    pub fn system() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { made: Instant::now(), then: Timestamp::from_millis(0).after(since_1970) }
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.then.after(self.made.elapsed())
    }

    /// The instant of tokio's clock at which it is `moment`; now, if that is over.
    #[must_use]
    pub fn instant(&self, moment: Timestamp) -> Instant {
        Instant::now() + moment.since(self.now())
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}
