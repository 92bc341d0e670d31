//! The last lines a child wrote, bounded in lines and in bytes.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::lines::Line;

/// Bounds of what is kept of a child's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLimits {
    /// Lines kept; 500 unless told otherwise.
    pub lines: usize,
    /// Bytes of text kept; 64 KiB unless told otherwise.
    pub bytes: usize,
    /// Bytes kept of one line; 8 KiB unless told otherwise. What is beyond is counted and dropped.
    pub line_bytes: usize,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { lines: 500, bytes: 64 * 1024, line_bytes: 8 * 1024 }
    }
}

/// Which of its two outputs a child wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Its stdout.
    Stdout,
    /// Its stderr.
    Stderr,
}

impl Stream {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// One line a child wrote. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Counts the lines of one child from 0, both streams together; a gap means that lines were missed.
    pub number: u64,
    /// When it was read.
    pub at: SystemTime,
    /// Where it was written.
    pub stream: Stream,
    /// Its text without the line end; bytes that are not UTF-8 are replaced.
    pub text: Arc<str>,
    /// Bytes cut off its end because it was too long.
    pub dropped: usize,
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.dropped {
            0 => f.write_str(&self.text),
            dropped => write!(f, "{} … ({dropped} bytes more)", self.text),
        }
    }
}

/// The ring of one child.
#[derive(Debug)]
pub(crate) struct Ring {
    limits: LogLimits,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<LogLine>,
    bytes: usize,
    next: u64,
}

impl Ring {
    pub(crate) fn new(limits: LogLimits) -> Self {
        Self { limits, kept: Mutex::default() }
    }

    pub(crate) fn limits(&self) -> LogLimits {
        self.limits
    }

    /// Keeps a line, drops the oldest ones beyond the bounds, and returns what was kept.
    pub(crate) fn push(&self, stream: Stream, line: Line) -> LogLine {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let line = LogLine {
            number: kept.next,
            at: SystemTime::now(),
            stream,
            text: line.text.into(),
            dropped: line.dropped,
        };
        kept.next += 1;
        kept.bytes += line.text.len();
        kept.lines.push_back(line.clone());
        while kept.lines.len() > self.limits.lines || kept.bytes > self.limits.bytes {
            let Some(oldest) = kept.lines.pop_front() else { break };
            kept.bytes -= oldest.text.len();
        }
        line
    }

    /// What is kept, oldest first.
    pub(crate) fn lines(&self) -> Vec<LogLine> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).lines.iter().cloned().collect()
    }

    /// The last `count` lines written to stderr; to stdout when stderr is empty, where some programs put their errors.
    pub(crate) fn tail(&self, count: usize) -> Tail {
        let lines = self.lines();
        let of = |stream| {
            let mut tail: Vec<_> =
                lines.iter().rev().filter(|line| line.stream == stream).take(count).cloned().collect();
            tail.reverse();
            tail
        };
        let stderr = of(Stream::Stderr);
        Tail(if stderr.is_empty() { of(Stream::Stdout) } else { stderr })
    }
}

/// The last lines of a child's stderr, or of its stdout when it wrote none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail(pub Vec<LogLine>);

impl fmt::Display for Tail {
    /// Nothing, or `: ` and the lines joined by ` | `, to end a message with.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, line) in self.0.iter().enumerate() {
            write!(f, "{}{line}", if index == 0 { ": " } else { " | " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(ring: &Ring) -> Vec<String> {
        ring.lines().iter().map(|line| line.text.to_string()).collect()
    }

    fn line(text: &str) -> Line {
        Line { text: text.to_owned(), dropped: 0 }
    }

    #[test]
    fn the_oldest_lines_go_when_there_are_too_many() {
        let ring = Ring::new(LogLimits { lines: 2, ..LogLimits::default() });
        for text in ["a", "b", "c"] {
            ring.push(Stream::Stdout, line(text));
        }
        assert_eq!(texts(&ring), ["b", "c"]);
        assert_eq!(ring.lines()[1].number, 2);
    }

    #[test]
    fn the_oldest_lines_go_when_they_are_too_long_together() {
        let ring = Ring::new(LogLimits { bytes: 5, ..LogLimits::default() });
        for text in ["aaa", "bbb", "cc"] {
            ring.push(Stream::Stdout, line(text));
        }
        assert_eq!(texts(&ring), ["bbb", "cc"]);
        ring.push(Stream::Stdout, line("longer than all"));
        assert_eq!(texts(&ring), [""; 0]);
    }

    #[test]
    fn the_tail_is_stderr_and_stdout_only_without_it() {
        let ring = Ring::new(LogLimits::default());
        ring.push(Stream::Stdout, line("out"));
        assert_eq!(ring.tail(2).to_string(), ": out");
        for text in ["1", "2", "3"] {
            ring.push(Stream::Stderr, line(text));
        }
        assert_eq!(ring.tail(2).to_string(), ": 2 | 3");
    }
}
