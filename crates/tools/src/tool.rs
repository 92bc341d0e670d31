//! Tools: handler functions, and what is said of them.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::callable::{Arguments, Callable, CallableKind, Start, Started};
use crate::error::ContextError;
use crate::schema::{Schema, is_object, output_schema_of, schema_of};
use crate::{Content, ToolContext, ToolOutput, ToolResult};

/// A tool: straight-line code, and what clients are told of it.
///
/// ```
/// use ostler_tools::{Tool, ToolContext, ToolResult};
/// use schemars::JsonSchema;
/// use serde::Deserialize;
///
/// /// Two numbers.
/// #[derive(Deserialize, JsonSchema)]
/// struct Pair { a: i64, b: i64 }
///
/// async fn add(_: ToolContext, pair: Pair) -> ToolResult<String> {
///     Ok((pair.a + pair.b).to_string())
/// }
///
/// let tool = Tool::new("add", add).describe("Adds two numbers").read_only();
/// assert_eq!(tool.name(), "add");
/// ```
pub struct Tool {
    pub(crate) callable: Callable,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) input: Schema,
    pub(crate) output: Option<Schema>,
    pub(crate) annotations: Schema,
    pub(crate) meta: Schema,
}

/// When the calls of a tool become tasks, for clients that know those
/// ([specification](https://modelcontextprotocol.io/specification/2026-07-28/extensions/tasks)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TaskPolicy {
    /// When they take longer than [`SessionsConfig::task_after`](crate::SessionsConfig::task_after).
    #[default]
    WhenLong,
    /// At once.
    Always,
    /// At once, and clients that do not know tasks cannot call it.
    Required,
    /// As soon as they have been answered what they ask first; clients that do not know tasks cannot call it.
    RequiredOnceAnswered,
    /// Never.
    Never,
}

impl TaskPolicy {
    pub(crate) const fn is_required(self) -> bool {
        match self {
            Self::Required | Self::RequiredOnceAnswered => true,
            Self::WhenLong | Self::Always | Self::Never => false,
        }
    }
}

/// What a handler may give back: any value that has a JSON form and a schema, or a [`ToolOutput`].
pub trait IntoOutput {
    /// The schema of the structured content, if there is any.
    fn schema() -> Option<Schema>;

    /// As the output.
    ///
    /// # Errors
    /// What `serde_json` says of a value that has no JSON form.
    fn into_output(self) -> ToolResult<ToolOutput>;
}

impl IntoOutput for ToolOutput {
    fn schema() -> Option<Schema> {
        None
    }

    fn into_output(self) -> ToolResult<ToolOutput> {
        Ok(self)
    }
}

impl<T: Serialize + JsonSchema> IntoOutput for T {
    fn schema() -> Option<Schema> {
        Some(output_schema_of::<T>()).filter(is_object)
    }

    fn into_output(self) -> ToolResult<ToolOutput> {
        let value = serde_json::to_value(&self)
            .map_err(|error| ContextError::Value { name: Arc::from("result"), reason: error.to_string() })?;
        Ok(match value {
            Value::String(text) => ToolOutput::text(text),
            Value::Null => ToolOutput::default(),
            // Clients that know nothing of structured content read the same as text.
            object @ Value::Object(_) => ToolOutput {
                content: vec![Content::text(object.to_string())],
                structured_content: Some(object),
                ..ToolOutput::default()
            },
            other => ToolOutput::text(other.to_string()),
        })
    }
}

impl Tool {
    /// The tool `name`, which `handler` does. The schema of the arguments is that of `A`, and what they do not fit is refused
    /// before the handler is called.
    ///
    /// # Panics
    /// If `name` cannot be a tool's (1 to 128 of `A-Z a-z 0-9 _ - . /`), or `A` is not an object in JSON.
    pub fn new<A, F, R>(name: &str, handler: impl Fn(ToolContext, A) -> F + Send + Sync + 'static) -> Self
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        F: Future<Output = ToolResult<R>> + Send + 'static,
        R: IntoOutput + 'static,
    {
        let input = schema_of::<A>();
        let arguments = Arguments::typed(name, &input);
        let start: Start = Box::new(move |context, given| {
            Ok(Started::new(handler(context, arguments.read::<A>(given)?), R::into_output))
        });
        Self::build(name, input, R::schema(), start)
    }

    /// The tool `name`, whose arguments have the given schema and are handed over as they are.
    ///
    /// # Panics
    /// If `name` cannot be a tool's, or `schema` is not that of an object.
    pub fn raw<F, R>(
        name: &str,
        schema: Schema,
        handler: impl Fn(ToolContext, Value) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ToolResult<R>> + Send + 'static,
        R: IntoOutput + 'static,
    {
        let arguments = Arguments::any(name, &schema);
        let start: Start = Box::new(move |context, given| {
            Ok(Started::new(handler(context, arguments.read(given)?), R::into_output))
        });
        Self::build(name, schema, R::schema(), start)
    }

    fn build(name: &str, input: Schema, output: Option<Schema>, start: Start) -> Self {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
        assert!(
            (1..=128).contains(&name.len()) && name.bytes().all(allowed),
            "`{name}` cannot name a tool: 1 to 128 of A-Z a-z 0-9 _ - . /"
        );
        assert!(is_object(&input), "the arguments of the tool `{name}` are not an object");
        Self {
            callable: Callable::new(CallableKind::Tool, name, TaskPolicy::default(), start),
            title: None,
            description: None,
            input,
            output,
            annotations: Schema::new(),
            meta: Schema::new(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.callable.name
    }

    /// What it does, for the model.
    #[must_use]
    pub fn describe(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// What it is called, for the user.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// The version of its code. Sessions that an earlier version began are gone on with by that version, if it is
    /// registered too, and fail otherwise: raise it with every change that awaits something else.
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

    /// Declares that it may send the user to an address as `key`.
    #[must_use]
    pub fn elicits_url(mut self, key: &str) -> Self {
        self.callable.questions.url(key);
        self
    }

    /// How long it may work without asking anybody.
    #[must_use]
    pub const fn time_limit(mut self, time: Duration) -> Self {
        self.callable.limits.time = Some(time);
        self
    }

    /// How many answers to one question may be invalid before the tool is given an error.
    #[must_use]
    pub const fn refusals(mut self, refusals: u32) -> Self {
        self.callable.limits.refusals = refusals;
        self
    }

    /// When its calls become tasks, for clients that know those.
    #[must_use]
    pub const fn tasks(mut self, policy: TaskPolicy) -> Self {
        self.callable.tasks = policy;
        self
    }

    /// It changes nothing.
    #[must_use]
    pub fn read_only(self) -> Self {
        self.annotate("readOnlyHint", true)
    }

    /// It may destroy something.
    #[must_use]
    pub fn destructive(self) -> Self {
        self.annotate("destructiveHint", true)
    }

    /// Called twice, it does no more than called once.
    #[must_use]
    pub fn idempotent(self) -> Self {
        self.annotate("idempotentHint", true)
    }

    /// Whether it deals with more than what the server holds.
    #[must_use]
    pub fn open_world(self, open: bool) -> Self {
        self.annotate("openWorldHint", open)
    }

    fn annotate(mut self, hint: &str, value: bool) -> Self {
        self.annotations.insert(hint.into(), value.into());
        self
    }

    /// Something that the protocol does not know.
    #[must_use]
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.meta.insert(key.into(), value.into());
        self
    }

    /// What clients are told of it ([specification](https://modelcontextprotocol.io/specification/2026-07-28/server/tools)).
    #[must_use]
    pub fn definition(&self) -> Value {
        let mut definition = json!({ "name": self.name() });
        let mut tell = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                definition[key] = value;
            }
        };
        let object = |object: &Schema| (!object.is_empty()).then(|| Value::Object(object.clone()));
        tell("title", self.title.clone().map(Value::from));
        tell("description", self.description.clone().map(Value::from));
        tell("inputSchema", Some(Value::Object(self.input.clone())));
        tell("outputSchema", self.output.clone().map(Value::Object));
        tell("annotations", object(&self.annotations));
        tell("_meta", object(&self.meta));
        definition
    }
}

impl std::fmt::Debug for Tool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tool({:?})", self.callable)
    }
}
