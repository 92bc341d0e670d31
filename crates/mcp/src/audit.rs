//! The audit log: who called what, and what came of it, as JSON lines.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use data_encoding::HEXLOWER;
use futures::FutureExt;
use ostler_tools::{Failure, Json, Reply, SessionId};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::Instant;

use crate::error::RpcError;

/// Lines that wait to be written. A call never waits for them.
const WAITING: usize = 1024;

/// Where calls are recorded. A clone records in the same place.
#[derive(Debug, Clone)]
pub struct Audit {
    lines: Sender<String>,
    lost: Arc<AtomicU64>,
}

/// Writes what is recorded.
#[derive(Debug)]
pub struct AuditWriter {
    file: File,
    lines: Receiver<String>,
    lost: Arc<AtomicU64>,
}

impl Audit {
    /// Records in the file `path`, behind what is in it. One that is made is for its owner alone.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn open(path: &Path) -> io::Result<(Self, AuditWriter)> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path).await?;
        let (sender, lines) = channel(WAITING);
        let lost = Arc::<AtomicU64>::default();
        Ok((Self { lines: sender, lost: Arc::clone(&lost) }, AuditWriter { file, lines, lost }))
    }

    /// Lines that were not written, since the file took none or did so too slowly.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn write(&self, line: String) {
        if self.lines.try_send(line).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl AuditWriter {
    /// Writes until `stop` is there, and then what is still to be written. What cannot be written is lost, and said once in the
    /// log until it can be again.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut failing = false;
        let mut stop = std::pin::pin!(stop.fuse());
        loop {
            let first = tokio::select! {
                biased;
                first = self.lines.recv() => first,
                () = &mut stop => {
                    self.lines.close();
                    continue;
                }
            };
            let Some(mut lines) = first else { return };
            let mut count = 1;
            while let Ok(line) = self.lines.try_recv() {
                lines.push_str(&line);
                count += 1;
            }
            let written = match self.file.write_all(lines.as_bytes()).await {
                Ok(()) => self.file.flush().await,
                failed => failed,
            };
            if let Err(error) = &written {
                self.lost.fetch_add(count, Ordering::Relaxed);
                if !failing {
                    tracing::error!(%error, "the audit log cannot be written: calls go on without it");
                }
            }
            failing = written.is_err();
        }
    }
}

/// A call that is being answered. Dropped before it is, it was cut off.
#[derive(Debug)]
pub(crate) struct Recording {
    audit: Option<Audit>,
    began: Instant,
    line: Line,
}

#[derive(Debug, Serialize)]
struct Line {
    at: String,
    principal: Arc<str>,
    method: &'static str,
    name: String,
    /// The SHA-256 of the arguments, as they were written.
    arguments: String,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<SessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<Arc<str>>,
    ms: u64,
}

impl Recording {
    pub(crate) fn begin(
        audit: Option<&Audit>,
        principal: &Arc<str>,
        method: &'static str,
        name: &str,
        arguments: &Json,
        trace: Option<Arc<str>>,
    ) -> Option<Self> {
        let audit = audit?.clone();
        let line = Line {
            at: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            principal: Arc::clone(principal),
            method,
            name: name.to_owned(),
            arguments: HEXLOWER.encode(&Sha256::digest(arguments.as_str())),
            outcome: "cut_off",
            error: None,
            session: None,
            trace,
            ms: 0,
        };
        Some(Self { audit: Some(audit), began: Instant::now(), line })
    }

    /// It was answered so.
    pub(crate) fn replied(mut self, reply: &Reply) {
        let line = &mut self.line;
        line.outcome = match reply {
            Reply::Done(_) => "completed",
            Reply::Failed(Failure::Tool { .. }) => "tool_error",
            Reply::Failed(_) => "failed",
            Reply::Input(_) => "input_required",
            Reply::Task(_) => "goes_on",
        };
        line.session = match reply {
            Reply::Input(asked) => Some(asked.session),
            Reply::Task(session) => Some(*session),
            Reply::Done(_) | Reply::Failed(_) => None,
        };
        if let Reply::Failed(failure) = reply {
            line.error = Some(failure.to_string());
        }
    }

    /// It was not taken.
    pub(crate) fn refused(mut self, error: &RpcError) {
        self.line.outcome = "refused";
        self.line.error = Some(error.message.clone());
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let Some(audit) = self.audit.take() else { return };
        self.line.ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if let Ok(line) = serde_json::to_string(&self.line) {
            audit.write(line + "\n");
        }
    }
}
