//! What reads strangers' bytes, for the fuzz targets alone. No promise is kept about any of it.

pub use crate::admin::fuzzing::{Read, resume};
pub use crate::cli::fuzzing::decode;
