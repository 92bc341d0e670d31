//! `ostler check`, and how every command comes to its configuration.

use std::io::{IsTerminal, Write, stderr};
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use humantime::format_rfc3339_seconds;
use ostler_config::{Config, Loaded, Origin};
use ostler_tls::{CertificateFiles, Standing};

use super::CONFIGURATION;
use super::failure::{Failure, print, remark};
use super::paint::Paint;
use super::served;
use super::words::human;
use crate::mcp;

/// The configuration, or the exit code after everything wrong with it has been told.
pub(super) fn load(path: Option<&Path>) -> Result<Loaded, ExitCode> {
    load_or(path, |_told| {})
}

/// The same; what is wrong goes to `elsewhere` too, as plain text.
pub(super) fn load_or(path: Option<&Path>, elsewhere: impl FnOnce(String)) -> Result<Loaded, ExitCode> {
    Config::load(path, std::env::vars_os()).map_err(|error| {
        elsewhere(error.render(false));
        // With nobody to read it, the exit code has to do.
        let _ = writeln!(stderr(), "{}", error.render(stderr().is_terminal()).trim_end());
        ExitCode::from(CONFIGURATION)
    })
}

pub(super) fn run(path: Option<&Path>) -> Result<ExitCode, Failure> {
    let Loaded { config, origin, overridden_by } = load(path).map_err(Failure::Silent)?;
    mcp::check(&config).map_err(|error| {
        let failure = Failure::new(error.to_string()).code(CONFIGURATION);
        failure.help("`tools.resume = \"journal\"` has one")
    })?;
    let mut text = match origin {
        Origin::File(path) => format!("{} is valid\n\n", path.display()),
        Origin::Quickstart => "no ostler.toml here: `ostler up` would serve the quickstart\n\n".to_owned(),
    };
    for address in &config.switchboard.listen {
        text.push_str(&format!("  switchboard  {}\n", served::url(address)));
    }
    for address in &config.switchboard.tls_listen {
        text.push_str(&format!("  switchboard  {}\n", served::encrypted_url(address)));
    }
    for address in &config.mcp.listen {
        text.push_str(&format!("  mcp          {}\n", served::mcp_url(address)));
    }
    for address in &config.admin.listen {
        text.push_str(&format!("  admin        {}\n", served::url(address)));
    }
    let pool = &config.pool;
    text.push_str(&format!(
        "  pool         at most {} servers, on ports from {}\n",
        pool.max_servers, pool.base_port
    ));
    text.push_str(&format!("  drain        at most {}\n", human(config.switchboard.drain_timeout)));
    if !overridden_by.is_empty() {
        text.push_str(&format!("  overridden   by {}\n", overridden_by.join(", ")));
    }
    if config.servers.is_empty() {
        text.push_str("\nno servers: every request would be answered 404, add a [[server]]\n");
    } else {
        text.push_str(&format!("\n{}", served::table(&config).render("  ", Paint::stdout())));
    }
    print(&text)?;
    for warning in config.certificates.iter().filter_map(out_of_time) {
        remark(&format!("warning: {warning}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// What is wrong with a certificate that could be read, and that clients refuse, or soon will.
fn out_of_time(files: &CertificateFiles) -> Option<String> {
    // That it can be read was found out with the configuration; what has happened since is not for us to tell.
    let validity = files.load().ok()?.validity()?;
    let (from, to) =
        (format_rfc3339_seconds(validity.not_before), format_rfc3339_seconds(validity.not_after));
    let what = match validity.at(SystemTime::now()) {
        Standing::Valid => return None,
        Standing::Early => format!("is not valid before {from}: clients refuse it"),
        Standing::Expiring => format!("expires at {to}"),
        Standing::Expired => format!("has expired at {to}: clients refuse it"),
    };
    Some(format!("{} {what}", files.cert.display()))
}
