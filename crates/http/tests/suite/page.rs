//! `docs/lifecycle.md` names the tests that assert what it tells.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ostler_http::EventKind;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every function with `#[test]` or its like above it, in the sources under `directory`.
fn tests(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let mut lines = text.lines().map(str::trim);
            while let Some(line) = lines.next() {
                if line == "#[test]" || line.starts_with("#[tokio::test") {
                    let name = lines.by_ref().find_map(|line| line.split_once("fn ")?.1.split('(').next());
                    found.extend(name.map(str::to_owned));
                }
            }
        }
    }
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_event_stands_on_the_page_of_the_lifecycle_and_every_test_that_it_names_is_there() {
    let page = fs::read_to_string(workspace().join("docs/lifecycle.md")).unwrap();
    let mut there = BTreeSet::new();
    for directory in ["crates/http", "crates/ostler"] {
        for part in ["src", "tests"] {
            tests(&workspace().join(directory).join(part), &mut there);
        }
    }
    // The names of tests are sentences; what else is quoted in the page has fewer words.
    let named: Vec<_> =
        quoted(&page).filter(|name| name.starts_with("at_") || name.matches('_').count() > 3).collect();
    assert!(named.len() > 60, "{named:?}");
    let missing: Vec<_> = named.iter().filter(|name| !there.contains(**name)).collect();
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
    for event in EventKind::NAMES {
        let words = event.split('_').map(|word| word[..1].to_uppercase() + &word[1..]);
        let name = format!("`{}`", words.collect::<String>());
        let rows = page.lines().filter(|line| line.starts_with('|') && line.contains(&name));
        assert_ne!(rows.count(), 0, "{name} has no row");
    }
}
