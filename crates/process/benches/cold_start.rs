//! What a start through the launcher costs over a direct one of the same server: paired, interleaved, in milliseconds.
//!
//! Direct means `std::process::Command` and a connect in a tight loop, which no host could do better. Both sides end with the
//! first answer to a request.
#![allow(clippy::print_stdout, reason = "the table is the result")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use ostler_net::Address;
use ostler_pool::{Generation, Key, Start};
use ostler_process::{Cgroups, ChildSpec, GuardProgram, Launcher, LauncherConfig};
use ostler_scope::{BoxError, Deadline, Scope};
use tokio::time::Instant;

const SERVER: &str = env!("CARGO_BIN_EXE_ostler-process-fake");
const ROUNDS: u64 = 200;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), BoxError> {
    println!("| side | median | p90 | worst |\n| --- | --- | --- | --- |");
    for (name, cgroups) in [("with a cgroup", Cgroups::WhereWritable), ("without", Cgroups::Never)] {
        let scope = Scope::root("bench").open()?;
        let guard = GuardProgram::Path(SERVER.into());
        let launcher =
            Launcher::open(&scope, LauncherConfig { cgroups, guard, ..LauncherConfig::default() }).await?;
        let mut rows = [Vec::new(), Vec::new(), Vec::new()];
        for round in 0..ROUNDS {
            let (direct, hosted) = match round % 2 {
                0 => (direct()?, hosted(&launcher, &scope, round).await?),
                _ => {
                    let hosted = hosted(&launcher, &scope, round).await?;
                    (direct()?, hosted)
                }
            };
            for (row, value) in rows.iter_mut().zip([direct, hosted, hosted - direct]) {
                row.push(value);
            }
        }
        for (side, row) in ["direct", "launcher", "difference"].iter().zip(&mut rows) {
            row.sort_by(f64::total_cmp);
            let at = |part: usize| row[(row.len() - 1) * part / 100];
            println!("| {name}: {side} | {:.2} | {:.2} | {:.2} |", at(50), at(90), at(100));
        }
        scope.halt().await;
    }
    Ok(())
}

fn direct() -> Result<f64, BoxError> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let began = Instant::now();
    let mut child = Command::new(SERVER).args(["serve", &format!("--port={port}")]).spawn()?;
    let mut stream = loop {
        if let Ok(stream) = TcpStream::connect(address) {
            break stream;
        }
    };
    ask(&mut stream)?;
    let elapsed = began.elapsed();
    child.kill()?;
    child.wait()?;
    Ok(milliseconds(elapsed))
}

async fn hosted(launcher: &Launcher, scope: &Scope, round: u64) -> Result<f64, BoxError> {
    let spec = ChildSpec::new([SERVER, "serve", "--port={port}"])?;
    let start = Start {
        key: Key::new("bench"),
        generation: Generation::new(round),
        scope: scope.child("server").supervised().open()?,
        deadline: Deadline::after(Duration::from_secs(10)),
    };
    let began = Instant::now();
    let child = launcher.start(&spec, "bench", &start).await?;
    let Address::Tcp(address) = child.address() else { return Err("a socket".into()) };
    ask(&mut TcpStream::connect(address)?)?;
    let elapsed = began.elapsed();
    start.scope.halt().await;
    Ok(milliseconds(elapsed))
}

fn ask(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"GET /pid HTTP/1.1\r\n\r\n")?;
    stream.read_to_string(&mut String::new()).map(drop)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
