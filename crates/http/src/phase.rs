//! Where a connection stands, and what is wanted of it.

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Phase {
    /// Open, and no byte of a next request has come.
    Idle = 0,
    /// Part of a request head has come.
    Head = 1,
    /// The service is making the response.
    Handler = 2,
    /// The response body is on its way.
    Body = 3,
    /// The response is over, and the rest of its request's body is still coming.
    Upload = 4,
    /// It speaks another protocol now, such as WebSocket.
    Upgraded = 5,
    /// The last response was given, and what the client still sends is thrown away.
    Lingering = 6,
}

/// What the server asks of a connection. Orders only ever become stricter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Order {
    /// Go on.
    Serve = 0,
    /// Go on, and tell the client with each response that the connection closes.
    LameDuck = 1,
    /// The same, and tell a client of HTTP/2 at once: it opens its next connection to who accepts now.
    Retire = 2,
    /// Finish the exchange in flight, then close.
    Finish = 3,
    /// Close now: the client overstayed.
    Close = 4,
    /// Reset now, so that a cut response is seen as cut.
    Abort = 5,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Self; 7] =
        [Self::Idle, Self::Head, Self::Handler, Self::Body, Self::Upload, Self::Upgraded, Self::Lingering];

    /// A stable name: its label in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Head => "head",
            Self::Handler => "handler",
            Self::Body => "body",
            Self::Upload => "upload",
            Self::Upgraded => "upgraded",
            Self::Lingering => "lingering",
        }
    }

    pub(crate) fn from_number(number: u8) -> Self {
        Self::ALL[usize::from(number)]
    }
}

impl Order {
    const ALL: [Self; 6] =
        [Self::Serve, Self::LameDuck, Self::Retire, Self::Finish, Self::Close, Self::Abort];

    pub(crate) fn from_number(number: u8) -> Self {
        Self::ALL[usize::from(number)]
    }
}
