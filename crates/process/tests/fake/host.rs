//! A program that embeds a launcher: starts one child, says so on stdout, and waits.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use ostler_pool::{Generation, Key, Start};
use ostler_process::{Cgroups, ChildSpec, GuardProgram, Launcher, LauncherConfig, PortRange};
use ostler_scope::{BoxError, Deadline, Scope};

use crate::switches::Switches;

/// Ends in order when its stdin ends; else it is there to be killed.
pub(crate) fn run(switches: &Switches) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    match runtime.block_on(host(switches)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn host(switches: &Switches) -> Result<(), BoxError> {
    let scope = Scope::root("host").open()?;
    let config = LauncherConfig {
        runtime_root: switches.text("root").map(PathBuf::from),
        ports: PortRange { base: switches.number("base").unwrap_or(9000) as u16, ..PortRange::default() },
        guard: if switches.has("unguarded") { GuardProgram::None } else { GuardProgram::CurrentExe },
        cgroups: if switches.has("no-cgroup") { Cgroups::Never } else { Cgroups::WhereWritable },
        ..LauncherConfig::default()
    };
    let launcher = Launcher::open(&scope, config).await?;
    let own = std::env::current_exe()?.display().to_string();
    let options = switches.without(&["root", "base", "unguarded", "no-cgroup"]);
    let spec = ChildSpec::new([own, "serve".to_owned()].into_iter().chain(options))?;
    let server = scope.child("server").open()?;
    let start = Start {
        key: Key::new("shop.localhost"),
        generation: Generation::new(1),
        scope: server,
        deadline: Deadline::after(Duration::from_secs(20)),
    };
    let child = launcher.start(&spec, "shop.localhost", &start).await?;
    println!("{} {}", launcher.mark(), child.pid());
    std::io::stdout().flush()?;
    let mut nothing = Vec::new();
    let wait = scope.spawn_blocking("stdin", move |_| std::io::stdin().read_to_end(&mut nothing))?;
    wait.await?;
    scope.halt().await.error.map_or(Ok(()), |error| Err(error.into()))
}
