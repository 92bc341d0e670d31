//! Reading what children write, always: a pipe nobody reads stops its writer.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use ostler_pool::{Generation, Key};
use ostler_scope::Signal;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::watch;

use crate::lines::{Line, Lines};
use crate::logs::{LogLine, Ring, Stream};

/// Read at once; also what a reading task holds on to.
const CHUNK: usize = 8 * 1024;

/// Where the lines of one child go.
#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) key: Key,
    pub(crate) generation: Generation,
    pub(crate) ring: Ring,
    pub(crate) lines: Signal<LogLine>,
    /// How many of its two streams are still open.
    open: watch::Sender<u8>,
}

impl Sink {
    pub(crate) fn new(key: Key, generation: Generation, ring: Ring) -> Self {
        Self { key, generation, ring, lines: Signal::new(), open: watch::Sender::new(2) }
    }

    /// Resolves when both streams have ended: nothing will be added any more.
    pub(crate) async fn ended(&self) {
        let mut open = self.open.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = open.wait_for(|open| *open == 0).await;
    }

    fn take(&self, stream: Stream, line: Line) {
        let line = self.ring.push(stream, line);
        tracing::info!(
            target: "ostler::child",
            key = %self.key, generation = %self.generation, stream = stream.name(), "{line}"
        );
        self.lines.emit(line);
    }
}

/// One open stream. Dropped at its end, or when its reading task is stopped.
struct Open(Arc<Sink>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.send_modify(|open| *open -= 1);
        if *self.0.open.borrow() == 0 {
            self.0.lines.close();
        }
    }
}

/// Reads one stream to its end, which comes when the last process that holds the other side is gone.
pub(crate) async fn drain(sink: Arc<Sink>, stream: Stream, pipe: OwnedFd) -> io::Result<()> {
    let open = Open(sink);
    let sink = &open.0;
    let mut pipe = pipe::Receiver::from_owned_fd(pipe)?;
    let mut lines = Lines::new(sink.ring.limits().line_bytes);
    let mut chunk = vec![0; CHUNK];
    loop {
        match pipe.read(&mut chunk).await? {
            0 => break,
            count => lines.feed(&chunk[..count], |line| sink.take(stream, line)),
        }
    }
    if let Some(line) = lines.finish() {
        sink.take(stream, line);
    }
    Ok(())
}
