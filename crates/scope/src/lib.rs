//! Supervision on tokio: every task, socket and child belongs to a scope and is gone when the scope is.
