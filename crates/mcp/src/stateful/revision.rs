//! The revisions with sessions.

/// A revision of the protocol in which clients have sessions, the newer the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Revision {
    March2025,
    June2025,
    November2025,
}

impl Revision {
    pub(crate) const NEWEST: Self = Self::November2025;

    const ALL: [Self; 3] = [Self::March2025, Self::June2025, Self::November2025];

    /// Its name on the wire.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::March2025 => "2025-03-26",
            Self::June2025 => "2025-06-18",
            Self::November2025 => "2025-11-25",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.name() == name)
    }

    /// What is spoken with a client that asks for `name`
    /// ([specification](https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle#version-negotiation)).
    pub(crate) fn negotiated(name: &str) -> Self {
        Self::named(name).unwrap_or(Self::NEWEST)
    }

    pub(crate) const fn to_byte(self) -> u8 {
        match self {
            Self::March2025 => 0,
            Self::June2025 => 1,
            Self::November2025 => 2,
        }
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.to_byte() == byte)
    }

    /// Whether its clients come back for the rest of a stream that the server has ended, and are told where it begins.
    pub(crate) fn polls(self) -> bool {
        self >= Self::November2025
    }
}
