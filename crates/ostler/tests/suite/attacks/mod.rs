//! Clients and servers that mean harm, or vanish: what they cost others, and what is left of them.

mod bounds;
mod crowd;
mod resets;
mod slow;
mod victim;
