//! What can be called and may wait: tools, prompts and resources, in one form.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::fmt;
use std::mem::size_of_val;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use ostler_journal::{Digest, Json};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::schema::{Schema, Validator, check_form, form_of};
use crate::{TaskPolicy, ToolContext, ToolError, ToolResult};

/// A handler that has been started.
pub(crate) struct Started {
    pub(crate) future: BoxFuture<'static, ToolResult<Json>>,
    /// How large the handler's own state is.
    pub(crate) size: usize,
}

impl Started {
    /// `handler`, whose result is what `output` makes of it.
    pub(crate) fn new<R, O: Serialize>(
        handler: impl Future<Output = ToolResult<R>> + Send + 'static,
        output: impl FnOnce(R) -> ToolResult<O> + Send + 'static,
    ) -> Self {
        let size = size_of_val(&handler);
        let written = async move { Json::of(&output(handler.await?)?).map_err(ToolError::from) };
        Self { future: written.boxed(), size }
    }
}

/// Starts a handler on arguments, or says why these are none.
pub(crate) type Start = Box<dyn Fn(ToolContext, &Json) -> Result<Started, String> + Send + Sync>;

/// What is behind a name.
pub(crate) struct Callable {
    /// The name in its kind.
    pub(crate) name: Arc<str>,
    /// The name among all kinds, as the journal has it.
    pub(crate) id: Arc<str>,
    pub(crate) version: u32,
    pub(crate) limits: Limits,
    pub(crate) tasks: TaskPolicy,
    pub(crate) questions: Questions,
    pub(crate) start: Start,
}

/// The kinds of what can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CallableKind {
    /// What a model calls.
    Tool,
    /// What a user picks.
    Prompt,
    /// What is read.
    Resource,
}

impl CallableKind {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
        }
    }

    /// What `name` of this kind is called among all. The names of tools have no colon.
    pub(crate) fn id(self, name: &str) -> Arc<str> {
        match self {
            Self::Tool => Arc::from(name),
            Self::Prompt | Self::Resource => format!("{}:{name}", self.as_str()).into(),
        }
    }
}

impl fmt::Debug for Callable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Callable({} version {})", self.id, self.version)
    }
}

impl Callable {
    /// The first version of `name`, which asks nothing that is known.
    pub(crate) fn new(kind: CallableKind, name: &str, tasks: TaskPolicy, start: Start) -> Self {
        Self {
            name: name.into(),
            id: kind.id(name),
            version: 1,
            limits: Limits::default(),
            tasks,
            questions: Questions::default(),
            start,
        }
    }

    /// By which a call is known again: what is called, and with what.
    pub(crate) fn digest(&self, arguments: &Json) -> Digest {
        Digest::of([self.id.as_bytes(), arguments.as_str().as_bytes()])
    }
}

/// What a tool may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long the tool may work without asking anybody. Sleeps count.
    pub time: Option<Duration>,
    /// How many answers to one question may be invalid.
    pub refusals: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: None, refusals: 3 }
    }
}

/// The questions that a handler declares to ask, by key.
#[derive(Debug, Default)]
pub(crate) struct Questions(BTreeMap<Arc<str>, Question>);

/// A question that a handler declares to ask.
#[derive(Debug)]
pub(crate) enum Question {
    /// By a form.
    Form(Form),
    /// By an address that the user opens.
    Url,
}

/// A question that is answered by a form.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) schema: Schema,
    /// Of the type that the answer is read into.
    pub(crate) answer: TypeId,
    pub(crate) validator: Validator,
}

impl Questions {
    /// Declares a form.
    ///
    /// # Panics
    /// If forms cannot ask for a `T`, which shows when the program starts.
    pub(crate) fn form<T: JsonSchema + 'static>(&mut self, key: &str) {
        let schema = form_of::<T>();
        if let Err(reason) = check_form(&schema) {
            panic!("`{key}` cannot be asked by a form: {reason}");
        }
        let validator = match Validator::new(&schema) {
            Ok(validator) => validator,
            Err(reason) => panic!("the schema of `{key}` is none: {reason}"),
        };
        self.0.insert(key.into(), Question::Form(Form { schema, answer: TypeId::of::<T>(), validator }));
    }

    pub(crate) fn url(&mut self, key: &str) {
        self.0.insert(key.into(), Question::Url);
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Question> {
        self.0.get(key)
    }

    /// The keys, and the schemas of those that are forms.
    pub(crate) fn list(&self) -> impl Iterator<Item = (&str, Option<&Schema>)> {
        self.0.iter().map(|(key, question)| match question {
            Question::Form(form) => (&**key, Some(&form.schema)),
            Question::Url => (&**key, None),
        })
    }
}

/// Reads arguments, and checks what reading does not.
pub(crate) struct Arguments {
    validator: Option<Validator>,
}

impl Arguments {
    /// For arguments of `schema` that are read into a type of that schema.
    ///
    /// # Panics
    /// If the schema is none.
    pub(crate) fn typed(name: &str, schema: &Schema) -> Self {
        let needed = crate::schema::has_constraints(&Value::Object(schema.clone()));
        if needed { Self::any(name, schema) } else { Self { validator: None } }
    }

    /// For arguments of `schema` that are taken as they are.
    ///
    /// # Panics
    /// If the schema is none.
    pub(crate) fn any(name: &str, schema: &Schema) -> Self {
        match Validator::new(schema) {
            Ok(validator) => Self { validator: Some(validator) },
            Err(reason) => panic!("the schema of the arguments of `{name}` is none: {reason}"),
        }
    }

    pub(crate) fn read<T: serde::de::DeserializeOwned>(&self, arguments: &Json) -> Result<T, String> {
        let Some(validator) = &self.validator else {
            return arguments.read().map_err(|error| error.to_string());
        };
        let value = arguments.read().map_err(|error| error.to_string())?;
        validator.check(&value)?;
        T::deserialize(value).map_err(|error| error.to_string())
    }
}
