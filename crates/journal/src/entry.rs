//! What a journal is made of.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{ClientId, Digest, Json, Op, Seq, SessionId, Timestamp};

/// The version of the journal's own form. A reader refuses what is newer than it knows.
pub const SCHEMA_VERSION: u32 = 1;

/// One thing that has happened in a session, at its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Whose.
    pub session: SessionId,
    /// Its place: the last one's and one. A store takes no other, so two writers of a session cannot both succeed.
    pub seq: Seq,
    /// When it was given to the store, by the writer's clock.
    pub at: Timestamp,
    /// When the session has to be woken next, as of this entry: the earliest of its sleeps.
    pub wake: Option<Timestamp>,
    /// What happened.
    pub event: EntryEvent,
}

/// What can happen in a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryEvent {
    /// It began. The first entry, and only that.
    Started(Box<Started>),
    /// A value that is not the same twice was taken.
    Recorded {
        /// Which.
        op: Op,
        /// The value.
        value: Json,
    },
    /// An operation began of which that must be known: a step that must not run twice, or a sleep.
    Begun {
        /// Which.
        op: Op,
        /// When a sleep ends.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// An operation came to its outcome. These are in the order in which they were given to the tool.
    Completed {
        /// Which.
        op: Op,
        /// What came of it.
        outcome: Outcome,
    },
    /// A round closed: the tool cannot go on before one of these questions is answered.
    Asked {
        /// The round, counted from 1.
        round: u32,
        /// All questions that are open.
        questions: Vec<Question>,
    },
    /// The answers to a round were taken. What they complete follows.
    Answered {
        /// The round.
        round: u32,
        /// Of the answers, by which a repeated request is known.
        digest: Digest,
    },
    /// It goes on without a request from here on: it is a task, and somebody has its id.
    Detached,
    /// Its client was told something that is no question, of a session whose events can be followed.
    Told {
        /// What, in the terms of `tools`.
        event: Json,
        /// The step that told it, if it was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<Op>,
    },
    /// It ended. The last entry.
    Finished {
        /// How.
        end: End,
        /// Until when its result is kept for somebody who asks again.
        keep: Timestamp,
    },
}

impl EntryEvent {
    /// Whether a session that has ended is still asked for it: what was called, which rounds there were and which answers were
    /// taken, what its client was told, how it ended.
    #[must_use]
    pub const fn outlives_end(&self) -> bool {
        match self {
            Self::Started(_) | Self::Asked { .. } | Self::Answered { .. } | Self::Finished { .. } => true,
            Self::Detached | Self::Told { .. } => true,
            Self::Recorded { .. } | Self::Begun { .. } | Self::Completed { .. } => false,
        }
    }
}

/// How a session began: all that a replay needs besides the code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema: u32,
    /// What is run: a tool, a prompt or a resource, in the registry's words.
    pub tool: Arc<str>,
    /// The version of its code.
    pub version: u32,
    /// Its arguments.
    pub arguments: Json,
    /// Of what is run and the arguments, by which a retry is known to be one of the same call.
    pub digest: Digest,
    /// Who called, and alone may answer.
    pub principal: Arc<str>,
    /// What the client declared to answer, in the terms of `tools`. It decides what is asked when the session goes on by itself.
    pub client: Json,
    /// What random numbers come from.
    pub seed: u64,
    /// When.
    pub at: Timestamp,
    /// When it ends if nothing else has ended it.
    pub expires: Timestamp,
    /// Where the call came from, if that is to be found again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// Where a call came from that goes on without its request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The client.
    pub client: ClientId,
    /// The request that is answered, in the terms of whoever serves it.
    pub request: Json,
}

/// What came of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A value: what a step returned, what a client answered.
    Value(Json),
    /// The step failed, and would not be tried again.
    Failed(String),
    /// The step began, and whether it ended nobody knows.
    Unknown,
    /// The client would not answer, and said why.
    Refused(String),
}

/// A question that waits for a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// What the client calls it.
    pub key: String,
    /// Whose operation it is.
    pub op: Op,
    /// What is asked, in the terms of `tools`.
    pub request: Json,
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// With a result.
    Completed(Json),
    /// With an error, in the terms of `tools`.
    Failed(Json),
    /// Somebody cancelled it.
    Cancelled,
    /// Its time was over.
    Expired,
}
