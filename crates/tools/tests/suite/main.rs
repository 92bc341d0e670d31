//! What tools, their contexts and sessions promise, through the public interface.

mod contexts;
mod crash;
mod dying;
mod flight;
mod follow;
mod kit;
mod order;
mod rounds;
mod sealed;
mod told;
mod told_once;
mod watching;
