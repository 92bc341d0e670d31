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

/// How many chunks are read at most once the reading is stopped: as much as the largest pipe holds.
const LAST_CHUNKS: usize = 128;

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

/// A pipe that is read. When its reading is stopped, what was written before is still taken: the last words of a child that ended are
/// in the pipe before its end is seen.
struct Reading {
    pipe: pipe::Receiver,
    lines: Lines,
    stream: Stream,
    open: Open,
}

impl Reading {
    fn feed(&mut self, bytes: &[u8]) {
        let Self { lines, stream, open, .. } = self;
        lines.feed(bytes, |line| open.0.take(*stream, line));
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut chunk = [0; CHUNK];
        // Not by the runtime, which may not know yet that there is something. Somebody who lives on may never stop writing.
        for _ in 0..LAST_CHUNKS {
            match rustix::io::read(&self.pipe, &mut chunk) {
                Ok(count) if count > 0 => self.feed(&chunk[..count]),
                Ok(_) | Err(_) => break,
            }
        }
        if let Some(line) = self.lines.finish() {
            self.open.0.take(self.stream, line);
        }
    }
}

/// Reads one stream to its end, which comes when the last process that holds the other side is gone. Cancel safe: what the pipe holds
/// then is not lost.
pub(crate) async fn drain(sink: Arc<Sink>, stream: Stream, pipe: OwnedFd) -> io::Result<()> {
    let lines = Lines::new(sink.ring.limits().line_bytes);
    let open = Open(sink);
    let mut reading = Reading { pipe: pipe::Receiver::from_owned_fd(pipe)?, lines, stream, open };
    let mut chunk = vec![0; CHUNK];
    loop {
        match reading.pipe.read(&mut chunk).await? {
            0 => return Ok(()),
            count => reading.feed(&chunk[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::LogLimits;

    #[tokio::test]
    async fn what_was_written_before_the_reading_is_stopped_is_kept() {
        let sink = Arc::new(Sink::new(Key::new("a"), Generation::new(1), Ring::new(LogLimits::default())));
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let mut reading = Box::pin(drain(Arc::clone(&sink), Stream::Stdout, read));
        assert!(futures::poll!(&mut reading).is_pending());
        rustix::io::write(&write, b"good\nbye").unwrap();
        drop(reading);
        let kept: Vec<_> = sink.ring.lines().iter().map(|line| line.text.to_string()).collect();
        assert_eq!(kept, ["good", "bye"]);
    }
}
