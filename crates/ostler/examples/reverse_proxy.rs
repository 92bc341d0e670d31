//! The switchboard alone, in front of one server that is already running, without a pool to speak of.
//!
//! ```text
//! cargo run --release --example reverse_proxy -- 127.0.0.1:8000 127.0.0.1:9999
//! ```

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::process::ExitCode;

use http::Response;
use ostler::{
    Address, Assignment, InProcessServers, Listener, Pool, PoolConfig, PortRange, Ports, Routes, Switchboard,
    SwitchboardConfig, Target, Tracing, Workers, WorkersConfig,
};

fn main() -> ExitCode {
    ostler::main("reverse-proxy", async |scope| {
        let mut addresses = std::env::args().skip(1).map(|argument| argument.parse::<Address>());
        let (Some(listen), Some(upstream)) = (addresses.next().transpose()?, addresses.next().transpose()?)
        else {
            return Err("usage: reverse_proxy LISTEN UPSTREAM".into());
        };
        // Nothing leads to the pool, so it never starts a server.
        let none = InProcessServers::new(Ports::new(PortRange::default()), |_assignment: Assignment| {
            tower::service_fn(|_request| {
                std::future::ready(Ok::<_, Infallible>(Response::new(String::new())))
            })
        });
        let pool = Pool::start(&scope, PoolConfig::default(), none)?;
        let workers = Workers::start(&scope, WorkersConfig { threads: NonZeroUsize::new(1) })?;
        let routes = Routes::from_iter([("*.localhost".parse()?, Target::Fixed(upstream))]);
        let listener = Listener::bind(&listen).await?;
        let config = SwitchboardConfig::default();
        Switchboard::start(&scope, listener, config, routes, &pool, &workers, Tracing)?;
        scope.halting().cancelled().await;
        Ok(ExitCode::SUCCESS)
    })
}
