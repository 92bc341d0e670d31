//! The client side of the proxy: per-worker HTTP connections keyed by server and generation.
