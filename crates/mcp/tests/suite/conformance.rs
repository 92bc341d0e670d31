//! The official conformance suite, all of it that is about servers of this revision.

use std::path::PathBuf;
use std::process::Command;

use crate::stage::Stage;

/// What `scripts/test` installs.
fn installed(path: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../.tools/clients/node_modules").join(path);
    assert!(path.exists(), "{} is missing: run scripts/test once, which installs it", path.display());
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_check_of_the_revision_and_of_its_extensions_passes() {
    let stage = Stage::open().await;
    let mut command = Command::new(installed(".bin/node"));
    command.arg(installed("@modelcontextprotocol/conformance/dist/index.js"));
    command.args(["server", "--url", &format!("http://{}/mcp", stage.address)]);
    command.args(["--requirements", "2026-07-28"]);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let summary = text.split_once("=== SUMMARY ===").map_or(&*text, |(_, summary)| summary);
    assert!(output.status.success(), "{summary}\n{}", String::from_utf8_lossy(&output.stderr));
    // Those that are not scored too.
    let failed: Vec<_> = summary.lines().filter(|line| line.trim_start().starts_with('✗')).collect();
    assert_eq!(failed, [""; 0], "{summary}");
    let total = summary.lines().find(|line| line.starts_with("Total: ")).unwrap_or_default();
    let (passed, rest) = total.trim_start_matches("Total: ").split_once(" passed, ").unwrap();
    assert!(passed.parse::<u32>().unwrap() >= 196 && rest.starts_with("0 failed"), "{total}");
    stage.close().await;
}
