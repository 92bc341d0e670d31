//! The reverse proxy: host name to pool lease to streamed exchange.
