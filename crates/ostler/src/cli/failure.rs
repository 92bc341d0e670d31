//! Why a command did not do what it was asked to, and what to do next.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use super::paint::Paint;
use super::words::printable;

/// The end of a command that did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// Something to tell the user.
    Told {
        /// What happened.
        message: String,
        /// What to do about it, a line each.
        help: Vec<String>,
        /// The exit code.
        code: u8,
    },
    /// Ostler refused.
    Refused {
        /// The name of the problem: the last part of its `type`.
        problem: String,
        /// What it said.
        detail: String,
    },
    /// It has been told already.
    Silent(ExitCode),
    /// Whoever read the output wants no more of it.
    OutputClosed,
}

impl Failure {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self::Told { message: message.into(), help: Vec::new(), code: 1 }
    }

    /// Adds a line of advice.
    pub(super) fn help(mut self, line: impl Into<String>) -> Self {
        if let Self::Told { help, .. } = &mut self {
            help.push(line.into());
        }
        self
    }

    /// Exits with `code`.
    pub(super) fn code(mut self, exit: u8) -> Self {
        if let Self::Told { code, .. } = &mut self {
            *code = exit;
        }
        self
    }

    /// Tells the user, and gives the exit code.
    pub(super) fn tell(self) -> ExitCode {
        match self {
            Self::Told { message, help, code } => {
                let paint = Paint::when(io::stderr().is_terminal());
                let mut text = format!("{}: {message}\n", paint.wrong("error"));
                for line in help {
                    text.push_str(&format!("{}: {line}\n", paint.help("help")));
                }
                // With nobody to read it, the exit code has to do.
                let _ = io::stderr().write_all(text.as_bytes());
                ExitCode::from(code)
            }
            Self::Refused { detail, .. } => {
                Self::new(format!("Ostler refuses: {}", printable(&detail))).tell()
            }
            Self::Silent(code) => code,
            Self::OutputClosed => ExitCode::SUCCESS,
        }
    }
}

impl From<io::Error> for Failure {
    /// What writing to stdout can say.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::new(format!("cannot write the output: {error}")),
        }
    }
}

/// Writes to stdout at once. A closed stdout is an error here, not a panic.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Writes a remark to stderr, where it does not mix with the output.
pub(super) fn remark(text: &str) {
    // A remark that nobody can read is not missed.
    let _ = writeln!(io::stderr(), "{text}");
}
