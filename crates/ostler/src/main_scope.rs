//! `main` for programs that embed Ostler.

use std::process::ExitCode;

use ostler_scope::{BoxError, Name, Scope};

/// Runs `body` as the program, in a scope of its own: signals halt it, and nothing it started is left.
///
/// Call it first in `main`. As [`ostler_scope::main`], and it also lets this program be its own guard process, which ends all
/// children if it is killed.
pub fn main<F, Fut>(name: impl Into<Name>, body: F) -> ExitCode
where
    F: FnOnce(Scope) -> Fut,
    Fut: Future<Output = Result<ExitCode, BoxError>>,
{
    ostler_process::guard::intercept();
    ostler_scope::main(name, body)
}
