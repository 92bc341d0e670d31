//! What came of a call.

use ostler_journal::{Json, Question};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Effects;
use crate::error::{CallError, Failure};

/// What came of a call that a [`Script`](super::Script) has answered.
#[derive(Debug)]
pub struct Run {
    pub(super) end: Result<Json, Failed>,
    pub(super) rounds: Vec<Vec<Question>>,
    pub(super) effects: Effects,
    pub(super) died: bool,
}

/// Why there is no result.
#[derive(Debug)]
pub(super) enum Failed {
    Refused(CallError),
    Failure(Failure),
}

impl Run {
    /// The result as it goes to the client.
    ///
    /// # Panics
    /// When the call has failed.
    #[track_caller]
    #[must_use]
    pub fn result(&self) -> Value {
        match &self.end {
            Ok(result) => result.read().expect("a result is JSON"),
            Err(failed) => panic!("the call has no result: {failed:?}"),
        }
    }

    /// The tool's own value: the structured part of the result.
    ///
    /// # Panics
    /// When the call has failed, or the value is another.
    #[track_caller]
    #[must_use]
    pub fn value<T: DeserializeOwned>(&self) -> T {
        let mut result = self.result();
        let value = result["structuredContent"].take();
        serde_json::from_value(value).unwrap_or_else(|error| panic!("it is another value: {error}: {result}"))
    }

    /// The text of the result.
    ///
    /// # Panics
    /// When the call has failed, or has none.
    #[track_caller]
    #[must_use]
    pub fn text(&self) -> String {
        let result = self.result();
        let text = result["content"][0]["text"].as_str();
        text.unwrap_or_else(|| panic!("there is no text in {result}")).to_owned()
    }

    /// Why the call has no result, if the tool began it.
    ///
    /// # Panics
    /// When the call was not begun.
    #[track_caller]
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match &self.end {
            Ok(_) => None,
            Err(Failed::Failure(failure)) => Some(failure),
            Err(Failed::Refused(error)) => panic!("the call was not begun: {error}"),
        }
    }

    /// Why the call was not begun, or gone on with.
    #[must_use]
    pub fn refusal(&self) -> Option<&CallError> {
        match &self.end {
            Err(Failed::Refused(error)) => Some(error),
            Err(Failed::Failure(_)) | Ok(_) => None,
        }
    }

    /// The keys of the questions that were asked, by round.
    #[must_use]
    pub fn asked(&self) -> Vec<Vec<&str>> {
        self.rounds.iter().map(|round| round.iter().map(|question| &*question.key).collect()).collect()
    }

    /// What was asked as `key`, as it went to the client; the last of them if it was asked again.
    ///
    /// # Panics
    /// When it was not asked.
    #[track_caller]
    #[must_use]
    pub fn question(&self, key: &str) -> Value {
        let question = self.rounds.iter().flatten().rfind(|question| question.key == key);
        let question = question.unwrap_or_else(|| panic!("nobody asked `{key}`, but {:?}", self.asked()));
        question.request.read().expect("a question is JSON")
    }

    /// How often the code of the step `name` has run.
    #[must_use]
    pub fn effects(&self, name: &str) -> u32 {
        self.effects.count(name)
    }

    /// Whether the process has died meanwhile.
    #[must_use]
    pub const fn died(&self) -> bool {
        self.died
    }
}
