//! Why the sweep ends a connection.

use crate::{BodyBound, EventKind, WriteBound};

/// What a client is late with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Overdue {
    /// Nothing.
    No = 0,
    /// A next request.
    Idle = 1,
    /// The rest of a request head.
    Head = 2,
    /// The rest of a request body.
    BodyTotal = 3,
    /// The next bytes of a request body.
    BodyProgress = 4,
    /// As many bytes of a request body as the least rate makes.
    BodyRate = 5,
    /// Reading the next bytes of a response.
    WriteProgress = 6,
    /// Reading as many bytes of a response as the least rate makes.
    WriteRate = 7,
    /// Closing its side behind the last response.
    Linger = 8,
}

impl Overdue {
    const ALL: [Self; 9] = [
        Self::No,
        Self::Idle,
        Self::Head,
        Self::BodyTotal,
        Self::BodyProgress,
        Self::BodyRate,
        Self::WriteProgress,
        Self::WriteRate,
        Self::Linger,
    ];

    pub(crate) fn from_number(number: u8) -> Self {
        Self::ALL[usize::from(number)]
    }

    /// The end that it is.
    pub(crate) fn event(self) -> Option<EventKind> {
        match self {
            // Its end was told before it lingered.
            Self::No | Self::Linger => None,
            Self::Idle => Some(EventKind::IdleTimeout),
            Self::Head => Some(EventKind::HeaderTimeout),
            Self::BodyTotal => Some(EventKind::BodyReadDeadlineExceeded { bound: BodyBound::Total }),
            Self::BodyProgress => Some(EventKind::BodyReadDeadlineExceeded { bound: BodyBound::Progress }),
            Self::BodyRate => Some(EventKind::BodyReadDeadlineExceeded { bound: BodyBound::Rate }),
            Self::WriteProgress => Some(EventKind::WriteStalled { bound: WriteBound::Progress }),
            Self::WriteRate => Some(EventKind::WriteStalled { bound: WriteBound::Rate }),
        }
    }
}

impl From<BodyBound> for Overdue {
    fn from(bound: BodyBound) -> Self {
        match bound {
            BodyBound::Total => Self::BodyTotal,
            BodyBound::Progress => Self::BodyProgress,
            BodyBound::Rate => Self::BodyRate,
        }
    }
}

impl From<WriteBound> for Overdue {
    fn from(bound: WriteBound) -> Self {
        match bound {
            WriteBound::Progress => Self::WriteProgress,
            WriteBound::Rate => Self::WriteRate,
        }
    }
}
