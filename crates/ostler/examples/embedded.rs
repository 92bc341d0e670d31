//! The whole stack in a program of your own: servers by host name, started by their first request, stopped when idle.
//!
//! ```text
//! cargo run --example embedded
//! curl http://anything.localhost:8000/
//! ```

use std::convert::Infallible;
use std::process::ExitCode;

use futures::StreamExt;
use http::Response;
use ostler::{
    Assignment, InProcessServers, Listener, Pool, PoolConfig, PortRange, Ports, Routes, Switchboard,
    SwitchboardConfig, Target, Tracing, Workers, WorkersConfig,
};

#[allow(clippy::print_stdout, reason = "to be seen")]
fn main() -> ExitCode {
    ostler::main("embedded", async |scope| {
        let servers = InProcessServers::new(Ports::new(PortRange::default()), |assignment: Assignment| {
            let hello = format!("{} on {}\n", assignment.key, assignment.address);
            tower::service_fn(move |_request| {
                std::future::ready(Ok::<_, Infallible>(Response::new(hello.clone())))
            })
        });
        // Opened before the pool, so that it ends after it and hears of the last server's stop.
        let printing = scope.child("printing").open()?;
        let pool = Pool::start(&scope, PoolConfig::default(), servers)?;
        let workers = Workers::start(&scope, WorkersConfig::default())?;
        let routes = Routes::from_iter([("*.localhost".parse()?, Target::Pooled)]);
        let listener = Listener::bind(&"127.0.0.1:8000".parse()?).await?;
        let config = SwitchboardConfig::default();
        Switchboard::start(&scope, listener, config, routes, &pool, &workers, Tracing)?;

        let mut events = pool.events(64);
        drop(printing.spawn("print", async move {
            while let Some(event) = events.next().await {
                println!("{event:?}");
            }
            Ok::<_, Infallible>(())
        })?);
        scope.halting().cancelled().await;
        Ok(ExitCode::SUCCESS)
    })
}
