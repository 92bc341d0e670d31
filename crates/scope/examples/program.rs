//! A program as one scope: what its first argument says it should do, until a signal ends it.
//!
//! `serve` waits for a signal and cleans up; `hang` never finishes that, `refuse` not even when told that time is up;
//! `succeed`, `custom`, `fail` and `panic` end by themselves; `measure` tells what scopes cost in memory; `overrun` maps a passed deadline to exit code 3.

#![allow(clippy::print_stdout, reason = "what it says is what it is for")]

use std::process::ExitCode;
use std::time::Duration;

use ostler_scope::{BoxError, Cleanup, Main, Scope};

fn main() -> ExitCode {
    let behaviour = std::env::args().nth(1).unwrap_or_else(|| "serve".to_owned());
    let mut program = Main::new("program").worker_threads(1);
    if behaviour == "overrun" {
        program = program
            .cleanup_deadline(Duration::from_millis(10))
            .exit_code(|ending| if ending.report.stuck.is_empty() { ending.code } else { ExitCode::from(3) });
    }
    if behaviour == "hang" || behaviour == "refuse" {
        program = program.cleanup_deadline(Duration::from_secs(3600));
    }
    if behaviour == "refuse" {
        program = program.grace(Duration::from_secs(3600));
    }
    program.run(|scope| behave(scope, behaviour))
}

async fn behave(scope: Scope, behaviour: String) -> Result<ExitCode, BoxError> {
    let _body = Farewell;
    let hang = matches!(behaviour.as_str(), "hang" | "overrun" | "refuse");
    scope.ensure("older", |_| async {
        println!("older cleaned up");
        Ok::<_, BoxError>(())
    })?;
    scope.ensure("cleanup", move |Cleanup { deadline, .. }| async move {
        println!("cleaning up");
        if hang {
            deadline.expired().await;
            println!("deadline passed");
            std::future::pending::<()>().await;
        }
        println!("cleaned up");
        Ok::<_, BoxError>(())
    })?;
    println!("ready");
    match behaviour.as_str() {
        "succeed" | "overrun" => Ok(ExitCode::SUCCESS),
        "custom" => Ok(ExitCode::from(42)),
        "measure" => measure(&scope).map(|()| ExitCode::SUCCESS),
        "fail" => Err("out of hay".into()),
        "panic" => panic!("kicked by a horse"),
        _ => std::future::pending().await,
    }
}

/// Resident memory for each of many idle scopes, names included. Linux only.
fn measure(scope: &Scope) -> Result<(), BoxError> {
    const SCOPES: usize = 20_000;
    const PAGE: usize = 4096;
    let resident = || -> Result<usize, BoxError> {
        let statm = std::fs::read_to_string("/proc/self/statm")?;
        let pages: usize = statm.split(' ').nth(1).ok_or("no second field")?.parse()?;
        Ok(pages * PAGE)
    };
    let group = scope.group("servers")?;
    let before = resident()?;
    for number in 0..SCOPES {
        group.scope(format!("shop.localhost#{number}")).open()?;
    }
    println!("{} bytes for an idle scope", (resident()? - before) / SCOPES);
    Ok(())
}

struct Farewell;

impl Drop for Farewell {
    fn drop(&mut self) {
        println!("body dropped");
    }
}
