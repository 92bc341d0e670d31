//! tmp
#![allow(missing_docs)]
mod echo;
mod in_process;
pub use echo::*;
pub use in_process::*;
pub use ostler_pool::*;
pub use ostler_process::*;
