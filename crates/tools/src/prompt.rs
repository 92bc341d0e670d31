//! Prompts: what a user picks, made into messages by a handler
//! ([specification](https://modelcontextprotocol.io/specification/2026-07-28/server/prompts)).

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::callable::{Arguments, Callable, CallableKind, Start, Started};
use crate::completion::{Complete, Completer};
use crate::schema::{Schema, schema_of};
use crate::{Content, Role, TaskPolicy, ToolContext, ToolResult};

/// A prompt: straight-line code that may ask, and what clients are told of it.
pub struct PromptTemplate {
    pub(crate) callable: Callable,
    title: Option<String>,
    description: Option<String>,
    arguments: Schema,
    pub(crate) completer: Completer,
}

/// The messages of a prompt.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct PromptOutput {
    /// What they are for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The messages.
    pub messages: Vec<PromptMessage>,
}

/// A message of a prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromptMessage {
    /// Who says it.
    pub role: Role,
    /// What.
    pub content: Content,
}

impl PromptMessage {
    /// Something the user says.
    #[must_use]
    pub const fn user(content: Content) -> Self {
        Self { role: Role::User, content }
    }

    /// Something the model says.
    #[must_use]
    pub const fn assistant(content: Content) -> Self {
        Self { role: Role::Assistant, content }
    }
}

impl From<String> for PromptOutput {
    fn from(text: String) -> Self {
        Self::from_iter([PromptMessage::user(Content::text(text))])
    }
}

impl FromIterator<PromptMessage> for PromptOutput {
    fn from_iter<I: IntoIterator<Item = PromptMessage>>(messages: I) -> Self {
        Self { description: None, messages: messages.into_iter().collect() }
    }
}

impl PromptTemplate {
    /// The prompt `name`, whose messages `handler` makes. The arguments, which are texts, are the fields of `A`.
    pub fn new<A, F, R>(name: &str, handler: impl Fn(ToolContext, A) -> F + Send + Sync + 'static) -> Self
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        F: Future<Output = ToolResult<R>> + Send + 'static,
        R: Into<PromptOutput> + 'static,
    {
        let schema = schema_of::<A>();
        let arguments = Arguments::typed(name, &schema);
        let start: Start = Box::new(move |context, given| {
            Ok(Started::new(handler(context, arguments.read::<A>(given)?), |output| Ok(output.into())))
        });
        let callable = Callable::new(CallableKind::Prompt, name, TaskPolicy::Never, start);
        Self { callable, title: None, description: None, arguments: schema, completer: Completer::default() }
    }

    /// What it is called, for the user.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// What it is for.
    #[must_use]
    pub fn describe(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// The version of its code: see [`Tool::version`](crate::Tool::version).
    #[must_use]
    pub const fn version(mut self, version: u32) -> Self {
        self.callable.version = version;
        self
    }

    /// Declares that it may ask `key` by a form that gives a `T`.
    ///
    /// # Panics
    /// If forms cannot ask for a `T`: they are flat.
    #[must_use]
    pub fn elicits<T: JsonSchema + 'static>(mut self, key: &str) -> Self {
        self.callable.questions.form::<T>(key);
        self
    }

    /// Suggests values of `argument` while the user types.
    #[must_use]
    pub fn completes(mut self, argument: &str, complete: impl Complete) -> Self {
        self.completer.add(argument, complete);
        self
    }

    pub(crate) fn definition(&self) -> Value {
        let mut definition = json!({ "name": &*self.callable.name });
        if let Some(title) = &self.title {
            definition["title"] = title.clone().into();
        }
        if let Some(description) = &self.description {
            definition["description"] = description.clone().into();
        }
        let required: Vec<_> =
            self.arguments.get("required").and_then(Value::as_array).into_iter().flatten().collect();
        if let Some(Value::Object(properties)) = self.arguments.get("properties") {
            let argument = |(name, schema): (&String, &Value)| {
                let mut argument =
                    json!({ "name": name, "required": required.iter().any(|known| *known == name) });
                if let Some(description) = schema.get("description") {
                    argument["description"] = description.clone();
                }
                argument
            };
            definition["arguments"] = properties.iter().map(argument).collect();
        }
        definition
    }
}

impl std::fmt::Debug for PromptTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PromptTemplate({:?})", self.callable)
    }
}
