//! What an append costs: one at a time and from many sessions at once, beside the fsync that it waits for.
//!
//! `cargo bench -p ostler-store --bench append [-- FOLDER]`. The folder is where the files are made: on the disk that is meant.
//! Times of the disk swing, so the bare fsync takes turns with the rest, and only ratios within a run count.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that fails has nothing to say")]

use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::join_all;
use ostler_journal::JournalStorage;
use ostler_journal::contract::sample::Writer;
use ostler_scope::Scope;
use ostler_store::{SqliteConfig, SqliteStorage};
use tokio::time::Instant;

const ROUNDS: usize = 5;
const TIME: Duration = Duration::from_secs(2);
/// Steps of a session before it ends and another one begins.
const STEPS: usize = 8;

fn main() {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let folder = folder.map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    println!("| what | appends/s | p50 | p99 | CPU an append |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    for _ in 0..ROUNDS {
        report("fsync of 16 KiB written", &bare(&folder, 16));
        for sessions in [1, 8, 64] {
            let folder = tempfile::tempdir_in(&folder).unwrap();
            let name = format!("{sessions} at a time");
            report(&name, &runtime.block_on(store(folder.path(), sessions)));
        }
    }
}

struct Measured {
    /// How long each took.
    times: Vec<Duration>,
    /// How long all took.
    elapsed: Duration,
    /// Of all threads.
    cpu: Duration,
}

fn report(name: &str, measured: &Measured) {
    let Measured { times, elapsed, cpu } = measured;
    let mut times = times.clone();
    times.sort_unstable();
    let count = times.len();
    println!(
        "| {name} | {:.0} | {} µs | {} µs | {:.1} µs |",
        count as f64 / elapsed.as_secs_f64(),
        times[count / 2].as_micros(),
        times[count * 99 / 100].as_micros(),
        cpu.as_secs_f64() * 1e6 / count as f64,
    );
}

/// What a write-ahead log costs at least: some pages over what is there, and `fdatasync`.
fn bare(folder: &Path, kib: usize) -> Measured {
    let mut file = tempfile::tempfile_in(folder).unwrap();
    file.write_all(&vec![1; 4 << 20]).unwrap();
    file.sync_all().unwrap();
    let mut times = Vec::new();
    let (start, cpu) = (Instant::now(), cpu());
    let pages = vec![2; kib << 10];
    while start.elapsed() < TIME / 4 {
        let began = Instant::now();
        if times.len() % 128 == 0 {
            file.rewind().unwrap();
        }
        file.write_all(&pages).unwrap();
        file.sync_data().unwrap();
        times.push(began.elapsed());
    }
    Measured { times, elapsed: start.elapsed(), cpu: self::cpu() - cpu }
}

async fn store(folder: &Path, sessions: usize) -> Measured {
    let scope = Scope::root("bench").open().unwrap();
    let config = SqliteConfig::at(folder.join("ostler.db"));
    let store = SqliteStorage::open(&scope, config).await.unwrap();
    let warm = Instant::now() + TIME / 8;
    join_all((0..sessions).map(|_| append(&store, warm))).await;
    let (start, cpu) = (Instant::now(), cpu());
    let times = join_all((0..sessions).map(|_| append(&store, start + TIME))).await.concat();
    let measured = Measured { times, elapsed: start.elapsed(), cpu: self::cpu() - cpu };
    assert!(scope.halt().await.is_clean());
    measured
}

/// Sessions one after the other, each append as soon as the one before it is confirmed.
async fn append(store: &SqliteStorage, until: Instant) -> Vec<Duration> {
    let mut times = Vec::new();
    let mut ada = Writer::of("ada");
    while Instant::now() < until {
        let batch = vec![match ada.next.number() as usize {
            0 => ada.begin(),
            STEPS => ada.finish(),
            _ => ada.step("the name of a step and its result"),
        }];
        let began = Instant::now();
        let answers = store.append(batch).await.unwrap();
        times.push(began.elapsed());
        assert!(answers[0].is_ok());
        if ada.next.number() as usize > STEPS {
            ada = Writer::of("ada");
        }
    }
    times
}

/// CPU time of this process so far.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}
