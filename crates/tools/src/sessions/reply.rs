//! What a call or an answer leads to.

use ostler_journal::{EntryEvent, Json, Question, SessionId};

use crate::error::Failure;

/// What a call or an answer leads to.
#[derive(Debug, Clone)]
pub enum Reply {
    /// The result, as its kind has it in the protocol: for a tool, content and whether it is an error.
    Done(Json),
    /// There is no result.
    Failed(Failure),
    /// The tool waits for answers.
    Input(InputRequired),
    /// The tool goes on without the request: see [`Sessions::view`](crate::Sessions::view).
    Task(SessionId),
}

/// The questions of a round.
#[derive(Debug, Clone, PartialEq)]
pub struct InputRequired {
    /// Whose.
    pub session: SessionId,
    /// The round. An answer names it.
    pub round: u32,
    /// What is asked. A client may answer some and be asked again for the rest.
    pub questions: Vec<Question>,
    /// All that there is of the session, where there is no store: whoever answers brings it back
    /// ([`Sessions::answer_sealed`](crate::Sessions::answer_sealed)).
    pub journal: Option<Vec<EntryEvent>>,
}
