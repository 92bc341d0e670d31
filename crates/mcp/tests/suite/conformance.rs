//! The official conformance suite, all of it that is about servers of the revisions that are spoken.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ostler_mcp::{EndpointConfig, KeyRing};
use ostler_tools::MemoryStorage;
use tokio::process::Command;

use crate::stage::Stage;

/// What `scripts/test` installs.
fn installed(path: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../.tools/clients/node_modules").join(path);
    assert!(path.exists(), "{} is missing: run scripts/test once, which installs it", path.display());
    path
}

/// Runs all that there is for `revision`, also what is not scored, and gives what was said at the end.
async fn run(address: SocketAddr, revision: &str) -> String {
    let mut command = Command::new(installed(".bin/node"));
    command.arg(installed("@modelcontextprotocol/conformance/dist/index.js"));
    command.args(["server", "--url", &format!("http://{address}/mcp"), "--requirements", revision]);
    let output = command.kill_on_drop(true).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let summary = text.split_once("=== SUMMARY ===").map_or(&*text, |(_, summary)| summary);
    assert!(output.status.success(), "{summary}\n{}", String::from_utf8_lossy(&output.stderr));
    summary.to_owned()
}

fn assert_passed(summary: &str, at_least: u32) {
    // Those that are not scored too.
    let failed: Vec<_> = summary.lines().filter(|line| line.trim_start().starts_with('✗')).collect();
    assert_eq!(failed, [""; 0], "{summary}");
    let total = summary.lines().find(|line| line.starts_with("Total: ")).unwrap_or_default();
    let (passed, rest) = total.trim_start_matches("Total: ").split_once(" passed, ").unwrap();
    assert!(passed.parse::<u32>().unwrap() >= at_least && rest.starts_with("0 failed"), "{total}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_check_of_both_eras_and_of_their_extensions_passes_at_one_server() {
    // Shorter than the longest call takes, so that a stream is ended and gone on with.
    let stream_hold = Duration::from_millis(300);
    let config =
        EndpointConfig { stream_hold, retry: Duration::from_millis(100), ..EndpointConfig::default() };
    let stage = Stage::with(MemoryStorage::new(), KeyRing::ephemeral(), config).await;
    let (later, earlier) = tokio::join!(run(stage.address, "2026-07-28"), run(stage.address, "2025-11-25"));
    assert_passed(&later, 196);
    assert_passed(&earlier, 82);
    assert!(earlier.contains("server-sse-polling: 2 passed"), "{earlier}");
    stage.close().await;
}
