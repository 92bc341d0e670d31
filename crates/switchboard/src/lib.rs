//! The reverse proxy: host name to pool lease to streamed exchange.
//!
//! A [`Switchboard`] listens, finds the rule for each request's host, leases the server from the pool (starting it if
//! need be, while the request waits) and streams the exchange both ways. The lease lives in the response body, or in
//! the tunnel of an upgraded connection, so that a server in use is never idle. A warm request takes no lock and leaves
//! its worker's thread for nobody.
//!
//! ```
//! use ostler_switchboard::Routes;
//!
//! let mut routes = Routes::new();
//! routes.insert("*.localhost".parse()?, "any");
//! routes.insert("shop.localhost".parse()?, "the shop");
//! assert_eq!(routes.find("shop.localhost"), Some(&"the shop"));
//! assert_eq!(routes.find("blog.localhost"), Some(&"any"));
//! assert_eq!(routes.find("localhost"), None);
//! # Ok::<(), ostler_net::HostError>(())
//! ```
#![forbid(unsafe_code)]

mod body;
mod claims;
mod config;
mod counters;
mod endless;
mod fields;
mod forwarded;
mod frames;
mod hop;
mod problem;
mod proxy;
mod request;
mod route;
mod service;
mod spelling;
mod switchboard;
mod trace;
mod trailers;
mod tunnel;
mod way;
mod ways;

pub use body::ResponseBody;
pub use config::{Forwarding, Identity, Naming, SwitchboardConfig, Trust};
pub use counters::{Counted, StatusClass};
pub use problem::Problem;
pub use route::Routes;
pub use switchboard::{Switchboard, Target};
