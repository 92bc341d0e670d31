//! Children that misbehave in every way we know, and what must be true afterwards: the typed error, and nothing left.

mod guard;
mod logs;
mod ports;
mod ready;
mod spec;
mod stable;
mod stop;
mod sweep;
mod traces;
