//! One module for each subject; a test that is one of the twelve laws says which.

mod deadlines;
mod failure;
mod groups;
mod inheritance;
mod program;
mod races;
mod resources;
mod spawning;
mod teardown;
