//! `ostler schema`.

use std::process::ExitCode;

use ostler_config::Config;

use super::failure::{Failure, print};

pub(super) fn run() -> Result<ExitCode, Failure> {
    print(&format!("{:#}\n", Config::json_schema()))?;
    Ok(ExitCode::SUCCESS)
}
