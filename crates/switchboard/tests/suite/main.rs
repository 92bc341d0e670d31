//! The switchboard through its public interface: raw clients on one side, scripted servers on the other.

mod backend;
mod client;
mod drain;
mod exchange;
mod failures;
mod stage;
mod streams;

/// How long a test waits for what must happen before it says that it did not.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
