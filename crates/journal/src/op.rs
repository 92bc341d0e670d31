//! What a tool awaits: operations, and how one is known again in a replay.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The kinds of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpKind {
    /// Code that runs once, or more often when it was cut off before its outcome was durable.
    Step,
    /// Code that runs at most once.
    StepOnce,
    /// A question to the user.
    Elicit,
    /// A question to the client's model.
    Sample,
    /// A question for the client's roots.
    Roots,
    /// A moment that has to come.
    Sleep,
    /// A value that is not the same twice, such as the time.
    Value,
}

impl OpKind {
    /// Whether a client answers it.
    #[must_use]
    pub const fn is_input(self) -> bool {
        match self {
            Self::Elicit | Self::Sample | Self::Roots => true,
            Self::Step | Self::StepOnce | Self::Sleep | Self::Value => false,
        }
    }

    /// Its name, as in the journal.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::StepOnce => "step_once",
            Self::Elicit => "elicit",
            Self::Sample => "sample",
            Self::Roots => "roots",
            Self::Sleep => "sleep",
            Self::Value => "value",
        }
    }
}

impl fmt::Display for OpKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An operation of one session. A replay knows it again by its branch, its kind, its name and how many of these came before
/// it, and not by a number over all: arms of a `select!` are polled in any order, and must not trade places for that.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Op {
    /// The path of its branch; empty outside of any.
    #[serde(rename = "at", default, skip_serializing_if = "str_is_empty")]
    pub path: Arc<str>,
    /// Its kind.
    pub kind: OpKind,
    /// The name that the tool gave it.
    pub name: Arc<str>,
    /// How many operations of this branch, kind and name came before it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub nth: u32,
}

fn str_is_empty(text: &Arc<str>) -> bool {
    text.is_empty()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Op {
    /// What a client calls the question: the name; behind the path of its branch, if it has one; and from the second of that
    /// name on with its number. No two questions of a session have the same.
    #[must_use]
    pub fn key(&self) -> String {
        let mut key = String::with_capacity(self.path.len() + self.name.len() + 4);
        if !self.path.is_empty() {
            key.push_str(&self.path);
            key.push('/');
        }
        key.push_str(&self.name);
        if self.nth > 0 {
            key.push('#');
            key.push_str(&(self.nth + 1).to_string());
        }
        key
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.kind, self.key())
    }
}
