//! Questions to the user ([specification](https://modelcontextprotocol.io/specification/2026-07-28/client/elicitation)).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::ToolResult;
use crate::error::ContextError;
use crate::schema::Schema;

/// What the user is asked, besides the form itself.
#[derive(Debug, Clone, Default)]
pub struct Prompt {
    message: String,
    context: Option<Value>,
    choices: Vec<(String, Vec<Choice>)>,
    defaults: Map<String, Value>,
}

/// One of the values that may be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    value: String,
    title: String,
}

impl Choice {
    /// The value `value`, shown as `title`.
    #[must_use]
    pub fn new(value: impl Into<String>, title: impl Into<String>) -> Self {
        Self { value: value.into(), title: title.into() }
    }
}

impl<T: Into<String>> From<T> for Choice {
    fn from(value: T) -> Self {
        let value = value.into();
        Self { title: value.clone(), value }
    }
}

impl Prompt {
    /// Asks `message`.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    /// What the answer depends on, for clients that can show more than a form. Others see the message alone, so nothing should
    /// stand only here. What cannot be written as JSON is left out.
    #[must_use]
    pub fn context(mut self, context: &impl Serialize) -> Self {
        self.context = serde_json::to_value(context).ok();
        self
    }

    /// The values that the text `field` may have, known only now. Any other is no valid answer.
    #[must_use]
    pub fn choices<C: Into<Choice>>(
        mut self,
        field: impl Into<String>,
        choices: impl IntoIterator<Item = C>,
    ) -> Self {
        self.choices.push((field.into(), choices.into_iter().map(Into::into).collect()));
        self
    }

    /// What `field` is if the user does not change it.
    #[must_use]
    pub fn default_value(mut self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.defaults.insert(field.into(), value.into());
        self
    }

    /// The form's schema with what is known only now, or None if that is nothing.
    pub(crate) fn narrow(&self, form: &Schema) -> Option<Schema> {
        if self.choices.is_empty() && self.defaults.is_empty() {
            return None;
        }
        let mut form = form.clone();
        if let Some(Value::Object(properties)) = form.get_mut("properties") {
            for (field, choices) in &self.choices {
                let titled =
                    choices.iter().map(|choice| json!({ "const": choice.value, "title": choice.title }));
                if let Some(Value::Object(property)) = properties.get_mut(field) {
                    property.insert("oneOf".into(), titled.collect());
                }
            }
            for (field, value) in &self.defaults {
                if let Some(Value::Object(property)) = properties.get_mut(field) {
                    property.insert("default".into(), value.clone());
                }
            }
        }
        Some(form)
    }

    /// The request, after `refusal` of an answer to it.
    pub(crate) fn request(&self, form: &Schema, refusal: Option<&str>) -> Value {
        let message = match refusal {
            Some(reason) => format!("{}\n\nThe last answer was not valid: {reason}", self.message),
            None => self.message.clone(),
        };
        let mut params = json!({ "mode": "form", "message": message, "requestedSchema": form });
        if let Some(context) = &self.context {
            params["_meta"] = json!({ CONTEXT: context });
        }
        json!({ "method": "elicitation/create", "params": params })
    }
}

/// The key of what [`Prompt::context`] adds to a question, in the question's `_meta`.
pub const CONTEXT: &str = "dev.ostler/context";

/// What became of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Elicited<T> {
    /// The user answered.
    Accepted(T),
    /// The user said no.
    Declined,
    /// The user did not want to be asked.
    Cancelled,
}

impl<T> Elicited<T> {
    /// The answer, if there is one.
    #[must_use]
    pub fn accepted(self) -> Option<T> {
        match self {
            Self::Accepted(answer) => Some(answer),
            Self::Declined | Self::Cancelled => None,
        }
    }

    /// The same, of what `change` makes of the answer.
    #[must_use]
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Elicited<U> {
        match self {
            Self::Accepted(answer) => Elicited::Accepted(change(answer)),
            Self::Declined => Elicited::Declined,
            Self::Cancelled => Elicited::Cancelled,
        }
    }

    /// The answer to `key`, without which the tool cannot go on.
    ///
    /// # Errors
    /// [`ContextError::NotAnswered`]
    pub fn required(self, key: &str) -> ToolResult<T> {
        let how = match self {
            Self::Accepted(answer) => return Ok(answer),
            Self::Declined => "declined",
            Self::Cancelled => "cancelled",
        };
        Err(ContextError::NotAnswered { key: Arc::from(key), how }.into())
    }
}

/// An answer as clients give it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ElicitAnswer {
    pub(crate) action: Action,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<Value>,
}

/// What the user did with a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    Accept,
    Decline,
    Cancel,
}
