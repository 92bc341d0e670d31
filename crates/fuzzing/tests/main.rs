//! Every target on its seeds, on seeds with something changed, and on any bytes.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use ostler_fuzzing::{TARGETS, Target};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Inputs for each target and each way to make them.
const CASES: u32 = 1000;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// The seeds of every target, in the order of the targets.
static SEEDS: LazyLock<Vec<Vec<Vec<u8>>>> =
    LazyLock::new(|| TARGETS.iter().map(|(name, _)| seeds(name)).collect());

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let directory = fuzz().join("seeds").join(target);
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    entries.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

/// A seed with a part replaced by part of another one or by other bytes.
fn changed(seeds: &'static [Vec<u8>]) -> impl Strategy<Value = Vec<u8>> {
    let seed = || prop::sample::select(seeds);
    let place = any::<prop::sample::Index>;
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..8),
        (seed(), place(), place()).prop_map(|(seed, one, other)| part(&seed, one, other).1),
    ];
    (seed(), place(), place(), bytes).prop_map(|(seed, one, other, bytes)| {
        let (begin, _, end) = part(&seed, one, other);
        [begin, bytes, end].concat()
    })
}

fn part(bytes: &[u8], one: prop::sample::Index, other: prop::sample::Index) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let (one, other) = (one.index(bytes.len() + 1), other.index(bytes.len() + 1));
    let (from, to) = (one.min(other), one.max(other));
    (bytes[..from].to_vec(), bytes[from..to].to_vec(), bytes[to..].to_vec())
}

/// Runs a target on many inputs. A failure shows the smallest one.
fn holds(target: Target, input: impl Strategy<Value = Vec<u8>>) {
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&input, |bytes| {
        target(&bytes);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn every_target_holds_on_its_seeds() {
    for ((name, target), seeds) in TARGETS.iter().zip(SEEDS.iter()) {
        assert!(seeds.len() >= 3, "{name} has too few seeds to begin with");
        for seed in seeds {
            target(seed);
        }
    }
}

#[test]
fn every_target_holds_on_changed_seeds() {
    for ((_, target), seeds) in TARGETS.iter().zip(SEEDS.iter()) {
        holds(*target, changed(seeds));
    }
}

#[test]
fn every_target_holds_on_any_bytes() {
    for (_, target) in TARGETS {
        holds(target, prop::collection::vec(any::<u8>(), 0..300));
        holds(target, "\\PC{0,60}".prop_map(String::into_bytes));
    }
}

#[test]
fn the_fuzzer_has_every_target() {
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        let body = fs::read_to_string(fuzz().join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(body.contains(&format!("ostler_fuzzing::{name}(")), "{name}: {body}");
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name} is no binary");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
}
