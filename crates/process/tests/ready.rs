//! Becoming ready, and the many ways not to.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use ostler_net::Address;
use ostler_process::{
    ChildSpec, Environment, Exit, GuardProgram, Launcher, LauncherConfig, OpenError, Probe, Readiness,
    SpawnError, StartError,
};
use ostler_scope::{BoxError, Scope};

use crate::stable::{FAKE, HOST, Stable, fake, get};
use crate::traces::{eventually, marked, pid_in};

#[tokio::test]
async fn a_child_serves_on_the_port_it_was_given_and_knows_host_and_marks() {
    let stable = Stable::open().await;
    let spec = ChildSpec::new([FAKE, "serve", "--port={port}", "--x={host}", "--y={{}}"]).unwrap();
    let stall = stable.start(&spec).await.unwrap();
    let port = stall.child.address().port().unwrap();
    assert!(port >= stable.block.base);
    assert_eq!(get(stall.child.address(), "/pid").await, stall.child.pid().to_string());

    let arguments = get(stall.child.address(), "/args").await;
    assert!(arguments.contains(&format!("--port={port}\n--x={HOST}\n--y={{}}\n")), "{arguments}");
    let environment = get(stall.child.address(), "/env").await;
    let expected = [
        ("PORT", port.to_string()),
        ("OSTLER_HOST", HOST.to_owned()),
        ("OSTLER_INSTANCE", stable.launcher.mark().to_owned()),
        ("OSTLER_GENERATION", format!("{HOST}#1")),
    ];
    for (name, value) in expected {
        assert!(environment.contains(&format!("{name}={value}\n")), "{name}: {environment}");
    }
    stable.close().await;
}

#[tokio::test]
async fn a_child_inherits_what_the_list_allows_and_no_descriptor_but_three() {
    let stable = Stable::open().await;
    // One of ours without CLOEXEC, as a careless library would leave it.
    let (leak, _other) = rustix::pipe::pipe().unwrap();
    let leak_name =
        std::fs::read_link(format!("/proc/self/fd/{}", raw(&leak))).unwrap().display().to_string();
    let environment = Environment::empty().inherit("PATH").inherit("CARGO_MANIFEST_DIR").set("MORE", "1");
    let spec = ChildSpec::new([FAKE, "serve"]).unwrap().environment(environment).unwrap();
    let stall = stable.start(&spec).await.unwrap();

    let environment = get(stall.child.address(), "/env").await;
    let names: Vec<_> = environment.lines().map(|line| line.split_once('=').unwrap().0).collect();
    for name in ["PATH", "CARGO_MANIFEST_DIR", "MORE"] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    assert!(!names.contains(&"HOME"), "{names:?}");
    let descriptors = get(stall.child.address(), "/fds").await;
    assert!(!descriptors.contains(&leak_name), "{descriptors}");
    assert!(descriptors.contains("/dev/null"), "{descriptors}");
    stable.close().await;
}

fn raw(fd: &impl AsFd) -> i32 {
    use std::os::fd::AsRawFd;
    fd.as_fd().as_raw_fd()
}

#[tokio::test]
async fn a_child_starts_with_no_signal_blocked_or_ignored() {
    let stable = Stable::open().await;
    // Ours, like every Rust program, ignores SIGPIPE.
    let ours = std::fs::read_to_string("/proc/self/status").unwrap();
    assert!(!ours.contains("SigIgn:\t0000000000000000"), "nothing to reset");
    let spec = ChildSpec::new(["grep", "-E", "SigBlk|SigIgn", "/proc/self/status"]).unwrap();
    let Err(StartError::ExitedEarly { tail, .. }) = stable.start(&spec).await else { panic!("grep serves") };
    let lines: Vec<_> = tail.0.iter().map(|line| line.text.to_string()).collect();
    assert_eq!(lines, ["SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000"]);
    stable.close().await;
}

#[tokio::test]
async fn a_child_can_be_given_a_unix_socket_that_is_removed_with_it() {
    let stable = Stable::open().await;
    let spec = ChildSpec::new([FAKE, "serve", "--socket={socket}"]).unwrap();
    let stall = stable.start(&spec).await.unwrap();
    let Address::Unix(path) = stall.child.address().clone() else { panic!("a port") };
    assert_eq!(get(stall.child.address(), "/pid").await, stall.child.pid().to_string());
    assert!(get(stall.child.address(), "/env").await.contains(&format!("SOCKET={}\n", path.display())));
    stall.child.stop().await.unwrap();
    assert!(!path.exists());
    stable.close().await;
}

#[tokio::test]
async fn a_runtime_directory_too_long_for_sockets_is_refused_at_the_start() {
    let root = tempfile::tempdir().unwrap();
    let deep = root.path().join("d".repeat(80));
    std::fs::create_dir(&deep).unwrap();
    let scope = Scope::root("test").open().unwrap();
    let guard = GuardProgram::Path(FAKE.into());
    let config = LauncherConfig { runtime_root: Some(deep), guard, ..LauncherConfig::default() };
    let error = Launcher::open(&scope, config).await.unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(OpenError::RuntimeDir { .. })), "{error}");
    assert!(error.to_string().contains("too long"), "{error}");
    assert!(scope.halt().await.is_clean());
}

#[tokio::test]
async fn the_runtime_directory_is_nobody_elses() {
    use std::os::unix::fs::PermissionsExt;
    let stable = Stable::open().await;
    let directory = std::fs::read_dir(stable.root()).unwrap().next().unwrap().unwrap();
    assert_eq!(directory.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    stable.close().await;
}

#[tokio::test]
async fn a_child_that_is_ready_late_is_waited_for() {
    let stable = Stable::open().await;
    let stall = stable.serve(&["--ready-after=150"]).await.unwrap();
    stall.child.check().await.unwrap();
    stable.close().await;
}

#[tokio::test]
async fn a_child_on_the_ipv6_loopback_alone_is_found_there() {
    let stable = Stable::open().await;
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return stable.close().await;
    }
    let stall = stable.serve(&["--ipv6"]).await.unwrap();
    assert!(stall.child.address().to_string().starts_with("[::1]:"));
    stable.close().await;
}

#[tokio::test]
async fn a_server_started_by_a_wrapper_is_the_childs_own() {
    let stable = Stable::open().await;
    let stall = stable.serve(&["--wrap"]).await.unwrap();
    assert_ne!(get(stall.child.address(), "/pid").await, stall.child.pid().to_string());
    stable.close().await;
}

#[tokio::test]
async fn a_child_that_exits_at_once_is_reported_with_status_and_stderr() {
    let stable = Stable::open().await;
    let Err(error) = stable.serve(&["--exit=7", "--stderr=no such file: config.json"]).await else {
        panic!("it serves")
    };
    let StartError::ExitedEarly { exit, tail } = &error else { panic!("{error}") };
    assert_eq!(*exit, Exit::Status(7));
    assert_eq!(tail.to_string(), ": no such file: config.json");
    assert_eq!(error.to_string(), "ended before it was ready, with exit status 7: no such file: config.json");
    assert_eq!(marked(stable.launcher.mark()), [0; 0]);
    stable.close().await;
}

#[tokio::test]
async fn an_early_exit_is_reported_although_something_holds_its_stderr_open() {
    let stable = Stable::open().await;
    let file = stable.file("pid");
    let grandchild = format!("--grandchild={}", file.display());
    let Err(error) =
        stable.serve(&[&grandchild, "--orphan", "--daemonize", "--never-ready", "--stderr=bye"]).await
    else {
        panic!("a daemon counts as ready")
    };
    assert!(matches!(error, StartError::ExitedEarly { exit: Exit::Status(0), .. }), "{error}");
    assert!(error.to_string().ends_with(": bye"), "{error}");
    assert_eq!(marked(stable.launcher.mark()), [0; 0]);
    stable.close().await;
}

#[tokio::test]
async fn a_child_that_never_listens_times_out_and_is_gone() {
    let stable = Stable::open().await;
    let limit = Duration::from_millis(300);
    let Err(error) = stable.start_within(&fake(&["--never-ready", "--stderr=thinking"]), limit).await else {
        panic!()
    };
    let StartError::ReadyTimeout { last, tail, .. } = &error else { panic!("{error}") };
    assert!(last.contains("refused"), "{last}");
    assert_eq!(tail.to_string(), ": thinking");
    assert_eq!(marked(stable.launcher.mark()), [0; 0]);
    stable.close().await;
}

#[tokio::test]
async fn a_child_that_listens_elsewhere_is_not_ready() {
    let stable = Stable::open().await;
    let outcome = stable.start_within(&fake(&["--other-port"]), Duration::from_millis(300)).await;
    assert!(matches!(outcome.map(drop), Err(StartError::ReadyTimeout { .. })));
    stable.close().await;
}

#[tokio::test]
async fn what_cannot_be_executed_is_told_apart() {
    let stable = Stable::open().await;
    let outcome = async |spec: ChildSpec| stable.start(&spec).await.map(drop).unwrap_err();
    let missing = outcome(ChildSpec::new(["no-such-program-anywhere"]).unwrap()).await;
    assert!(matches!(missing, StartError::SpawnFailed(SpawnError::NotFound { .. })), "{missing}");
    let text = outcome(ChildSpec::new(["/proc/self/status"]).unwrap()).await;
    assert!(matches!(text, StartError::SpawnFailed(SpawnError::Execute { .. })), "{text}");
    let directory = outcome(ChildSpec::new([FAKE, "serve"]).unwrap().directory("/no/such/directory")).await;
    assert!(matches!(directory, StartError::SpawnFailed(SpawnError::Directory { .. })), "{directory}");
    stable.close().await;
}

/// Says no a few times.
struct Reluctant(AtomicU32);

impl Probe for Reluctant {
    fn probe<'a>(&'a self, address: &'a Address) -> BoxFuture<'a, Result<(), BoxError>> {
        Box::pin(async {
            assert!(!get(address, "/pid").await.is_empty());
            match self.0.fetch_add(1, Ordering::Relaxed) {
                0..3 => Err("not in the mood".into()),
                _ => Ok(()),
            }
        })
    }
}

#[tokio::test]
async fn a_child_with_a_probe_is_ready_when_the_probe_says_so() {
    let stable = Stable::open().await;
    let probe = Arc::new(Reluctant(AtomicU32::new(0)));
    let spec = fake(&[]).readiness(Readiness::Probe(probe.clone()));
    let stall = stable.start(&spec).await.unwrap();
    assert_eq!(probe.0.load(Ordering::Relaxed), 4);
    stall.child.check().await.unwrap();
    assert_eq!(probe.0.load(Ordering::Relaxed), 5);
    stable.close().await;
}

#[tokio::test]
async fn a_start_that_is_given_up_leaves_nothing_once_its_scope_halts() {
    let stable = Stable::open().await;
    let file = stable.file("pid");
    let spec = fake(&["--never-ready", &format!("--grandchild={}", file.display())]);
    let order = stable.order(Duration::from_secs(20));
    {
        let starting = stable.launcher.start(&spec, HOST, &order);
        tokio::pin!(starting);
        tokio::select! {
            _ = &mut starting => panic!("it serves"),
            _ = pid_in(&file) => {}
        }
    }
    assert_eq!(marked(stable.launcher.mark()).len(), 2);
    assert!(order.scope.halt().await.is_clean());
    assert_eq!(marked(stable.launcher.mark()), [0; 0]);
    stable.close().await;
}

#[tokio::test]
async fn a_start_that_is_given_up_at_any_moment_leaves_nothing() {
    let stable = Stable::open().await;
    // Polled ever more often before it is dropped, so each await point is dropped at.
    for polls in 0..40 {
        let order = stable.order(Duration::from_secs(20));
        let spec = fake(&[]);
        {
            let mut starting = std::pin::pin!(stable.launcher.start(&spec, HOST, &order));
            for _ in 0..polls {
                if futures::poll!(&mut starting).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        assert!(order.scope.halt().await.is_clean());
        assert_eq!(marked(stable.launcher.mark()), [0; 0], "after {polls} polls");
    }
    stable.close().await;
}

#[tokio::test]
async fn a_ready_child_that_ends_says_why() {
    let stable = Stable::open().await;
    let stall = stable.serve(&["--die-after=100"]).await.unwrap();
    let exited = stall.child.exited().await;
    assert_eq!(exited.to_string(), "ended with exit status 3: dying as told");
    let pid = stall.child.pid();
    assert!(stall.scope.halt().await.is_clean());
    eventually("reaped", || !std::path::Path::new(&format!("/proc/{pid}")).exists()).await;
    stable.close().await;
}
