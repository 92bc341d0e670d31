//! Child processes as pool resources: spawn, readiness, the kill ladder, and a guard that leaves no orphan.
