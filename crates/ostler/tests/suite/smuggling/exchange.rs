//! One case against one proxy.

use std::fmt;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::proxies::Proxy;
use super::recorder::Seen;

/// How long a proxy may say nothing. Its own patience is far shorter.
const PATIENCE: Duration = Duration::from_secs(10);

/// The request that tells whether a connection is open and in step.
const PROBE: &[u8] = b"GET /probe HTTP/1.1\r\nHost: a.localhost\r\nConnection: close\r\n\r\n";

/// What was seen of a case, on both sides of the proxy.
#[derive(Debug)]
pub(super) struct Observed {
    /// Statuses, or what came instead.
    answers: Vec<String>,
    end: End,
    seen: Vec<Seen>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It took another request.
    Open,
    Closed,
    /// Neither answered nor closed in all our patience.
    Silent,
}

/// What comes from the proxy next.
enum Next {
    Answer { status: String, target: String },
    End(End),
}

/// Sends a case to a proxy, and looks at what comes of it.
pub(super) fn run(proxy: &Proxy, bytes: &[u8]) -> Observed {
    let mut stream = TcpStream::connect(proxy.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // A proxy that has had enough may close before it has read everything.
    let _ = stream.write_all(bytes);
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut answers, mut asked) = (Vec::new(), false);
    let end = loop {
        let status = match next(&mut reader) {
            Next::Answer { target, .. } if target == "/probe" => break End::Open,
            Next::Answer { status, .. } => status,
            Next::End(end) => break end,
        };
        let is_final = !status.starts_with('1');
        answers.push(status);
        if is_final && !asked {
            asked = true;
            let _ = stream.write_all(PROBE);
        }
    };
    drop((stream, reader));
    let mut seen = proxy.recorder.take();
    seen.retain(|seen| !seen.is_probe());
    Observed { answers, end, seen }
}

fn next(reader: &mut BufReader<TcpStream>) -> Next {
    let begin = match reader.fill_buf() {
        Ok(begin) => begin,
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Next::End(End::Silent),
        Err(_) => return Next::End(End::Closed),
    };
    if begin.is_empty() {
        return Next::End(End::Closed);
    }
    if !begin.starts_with(b"HTTP/") {
        let what = if begin.get(3) == Some(&4) { "HTTP/2" } else { "no HTTP" };
        let _ = reader.read_to_end(&mut Vec::new());
        return Next::Answer { status: what.to_owned(), target: String::new() };
    }
    let (mut status, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return Next::End(End::Closed);
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if status.is_empty() {
            line.split(' ').nth(1).unwrap_or_default().clone_into(&mut status);
        } else if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    let target = reader.read_exact(&mut body).map(|()| String::from_utf8_lossy(&body).into_owned());
    Next::Answer { status, target: target.unwrap_or_default() }
}

impl Observed {
    /// What two proxies have to have in common to have done the same: whether they answer or refuse, what becomes of the connection,
    /// and which requests they pass on. Not with which status they refuse, nor how they frame a body anew.
    pub(super) fn essence(&self) -> (Vec<String>, End, Vec<String>) {
        let refuses = |status: &String| status.starts_with(['4', '5']);
        let outcome = |status: &String| if refuses(status) { "refused".to_owned() } else { status.clone() };
        let answers = self.answers.iter().map(outcome).collect();
        (answers, self.end, self.seen.iter().map(Seen::essence).collect())
    }

    /// What servers may read in different ways in what was passed on to them.
    pub(super) fn doubts(&self) -> impl Iterator<Item = &str> {
        self.seen.iter().flat_map(|seen| &seen.doubts).map(String::as_str)
    }

    /// Whether a server got what was never a request.
    pub(super) fn is_smuggled(&self) -> bool {
        self.seen.iter().any(|seen| seen.target.contains("smuggled"))
    }
}

impl fmt::Display for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answers = if self.answers.is_empty() { "nothing".to_owned() } else { self.answers.join(", ") };
        let end = match self.end {
            End::Open => "open",
            End::Closed => "closed",
            End::Silent => "left waiting",
        };
        write!(f, "{answers}; {end}")?;
        for (index, seen) in self.seen.iter().enumerate() {
            write!(f, "{} {seen}", if index == 0 { ":" } else { "," })?;
        }
        Ok(())
    }
}
