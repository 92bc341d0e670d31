//! The revisions with sessions: [2025-11-25](https://modelcontextprotocol.io/specification/2025-11-25) and those before it that
//! it takes no more to speak.
//!
//! A client introduces itself once and is given the id of its session. What a tool asks goes out as requests on the stream of the
//! call; the answers come by requests of their own. That a stream breaks off is no cancellation: whoever comes back with the id of
//! the last event gets the rest, from this process or from a later one.

mod answer;
mod call;
mod client;
mod clients;
mod events;
mod handle;
mod http;
mod listen;
mod methods;
mod revision;

pub(crate) use self::answer::end;
pub(crate) use self::client::Client;
pub(crate) use self::clients::Clients;
pub(crate) use self::handle::{Handled, handle, introduce, names_later_revision};
pub(crate) use self::http::{is_meant, post, without_message};
pub(crate) use self::listen::Listening;
