//! What has to hold for any bytes: the bodies of the fuzz targets, which ordinary tests run too.
//!
//! Each target takes bytes as a stranger could send them, gives them to what reads them, and panics when what comes out is not what
//! was promised. `fuzz/` hands them to a fuzzer.
//!
//! ```
//! ostler_fuzzing::host(b"Shop.Localhost.:8000");
//! ```
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic here is a bug that was found")]

mod configuration;
mod events;
mod fields;
mod http2;
mod names;
mod requests;
mod websocket;

pub use configuration::{configuration, environment};
pub use events::{event_stream, resume};
pub use fields::{forwarded, hop, trace};
pub use http2::{http2_frames, preface};
pub use names::{address, host, pattern};
pub use requests::request;
pub use websocket::frames;

/// A target.
pub type Target = fn(&[u8]);

/// Every target by its name in `fuzz/`.
pub const TARGETS: [(&str, Target); 14] = [
    ("address", address),
    ("configuration", configuration),
    ("environment", environment),
    ("event_stream", event_stream),
    ("forwarded", forwarded),
    ("frames", frames),
    ("hop", hop),
    ("host", host),
    ("http2_frames", http2_frames),
    ("pattern", pattern),
    ("preface", preface),
    ("request", request),
    ("resume", resume),
    ("trace", trace),
];

/// The bytes as text, if they are that.
fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}
