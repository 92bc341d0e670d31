//! One module for each promise.

mod capacity;
mod draining;
mod ending;
mod failing;
mod health;
mod quota;
mod scale;
mod starting;
mod watching;
