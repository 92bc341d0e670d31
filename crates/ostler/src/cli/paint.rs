//! Colours, on terminals only.

use std::fmt::Display;
use std::io::{IsTerminal, stdout};

/// Colours text, or leaves it as it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    on: bool,
}

/// How a cell of a table looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Heading,
    Good,
    Changing,
    Wrong,
    Faint,
}

impl Paint {
    /// For stdout.
    pub(super) fn stdout() -> Self {
        Self::when(stdout().is_terminal())
    }

    /// Colours if `terminal` and nobody has set `NO_COLOR`.
    pub(super) fn when(terminal: bool) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { on: terminal && !refused }
    }

    #[cfg(test)]
    pub(super) fn off() -> Self {
        Self { on: false }
    }

    pub(super) fn style(self, style: Style, text: impl Display) -> String {
        let code = match style {
            Style::Plain => return text.to_string(),
            Style::Heading => "1",
            Style::Good => "32",
            Style::Changing => "33",
            Style::Wrong => "1;31",
            Style::Faint => "2",
        };
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }

    pub(super) fn wrong(self, text: &str) -> String {
        self.style(Style::Wrong, text)
    }

    pub(super) fn help(self, text: &str) -> String {
        self.style(Style::Heading, text)
    }
}
