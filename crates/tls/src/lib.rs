//! TLS for listeners: certificates chosen by host name and replaced while they are in use.
//!
//! [`Certificates`] are read from PEM files and chosen by the name that a client asks for: the exact one, else the longest
//! wildcard, else the first certificate. [`Certificates::watch`] reads them again when their files change. [`Tls`] makes
//! an encrypted stream of a plain one, and says whether HTTP/2 was agreed on.
//!
//! ```
//! use ostler_tls::{CertificateError, CertificateFiles, Certificates, Tls};
//!
//! let files = CertificateFiles { cert: "shop.pem".into(), key: "shop.key".into() };
//! match Certificates::load(&[files]) {
//!     Ok(certificates) => drop(Tls::new(certificates)),
//!     Err(CertificateError::Unreadable { path, .. }) => assert_eq!(path.to_str(), Some("shop.pem")),
//!     Err(error) => panic!("{error}"),
//! }
//! ```
#![forbid(unsafe_code)]

mod certificate;
mod certificates;
mod error;
mod files;
mod stream;
mod validity;
mod watch;

pub use certificate::Certificate;
pub use certificates::{Certificates, Refreshed};
pub use error::{CertificateError, Part};
pub use files::CertificateFiles;
pub use stream::{Tls, TlsStream};
pub use validity::{Standing, Validity};
