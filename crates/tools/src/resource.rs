//! Resources: what is read at an address, or at any address of a form
//! ([specification](https://modelcontextprotocol.io/specification/2026-07-28/server/resources)).

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::callable::{Callable, CallableKind, Start, Started};
use crate::completion::{Complete, Completer};
use crate::content::ResourceContents;
use crate::uri::UriTemplate;
use crate::{TaskPolicy, ToolContext, ToolResult};

/// A resource, or a form of addresses of resources: straight-line code that may ask, and what clients are told of it.
pub struct Resource {
    pub(crate) callable: Callable,
    pub(crate) template: UriTemplate,
    pub(crate) completer: Completer,
    name: String,
    title: Option<String>,
    description: Option<String>,
    mime_type: Option<String>,
    annotations: Map<String, Value>,
}

/// What is read: one piece of contents, or several.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResourceOutput {
    contents: Vec<ResourceContents>,
}

impl From<ResourceContents> for ResourceOutput {
    fn from(contents: ResourceContents) -> Self {
        Self { contents: vec![contents] }
    }
}

impl From<Vec<ResourceContents>> for ResourceOutput {
    fn from(contents: Vec<ResourceContents>) -> Self {
        Self { contents }
    }
}

impl Resource {
    /// What `handler` reads at `uri`, called `name`.
    ///
    /// # Panics
    /// If `uri` has braces, which make it a form: see [`template`](Self::template).
    pub fn new<F, R>(
        uri: &str,
        name: &str,
        handler: impl Fn(ToolContext) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ToolResult<R>> + Send + 'static,
        R: Into<ResourceOutput> + 'static,
    {
        let start: Start =
            Box::new(move |context, _| Ok(Started::new(handler(context), |output| Ok(output.into()))));
        let resource = Self::build(uri, name, start);
        assert!(resource.template.is_plain(), "`{uri}` is a form of addresses");
        resource
    }

    /// What `handler` reads at any address of the form `uri`, such as `notes://{day}/text`
    /// ([RFC 6570](https://www.rfc-editor.org/rfc/rfc6570), level 1). What stands in the braces becomes the texts that `A` is
    /// read from.
    ///
    /// # Panics
    /// If `uri` has no braces, or has them in a way that RFC 6570 does not.
    pub fn template<A, F, R>(
        uri: &str,
        name: &str,
        handler: impl Fn(ToolContext, A) -> F + Send + Sync + 'static,
    ) -> Self
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        F: Future<Output = ToolResult<R>> + Send + 'static,
        R: Into<ResourceOutput> + 'static,
    {
        let start: Start = Box::new(move |context, given| {
            let variables = given.read().map_err(|error| error.to_string())?;
            Ok(Started::new(handler(context, variables), |output| Ok(output.into())))
        });
        let resource = Self::build(uri, name, start);
        assert!(!resource.template.is_plain(), "`{uri}` is no form of addresses");
        resource
    }

    fn build(uri: &str, name: &str, start: Start) -> Self {
        let template = match UriTemplate::new(uri) {
            Ok(template) => template,
            Err(reason) => panic!("`{uri}`: {reason}"),
        };
        Self {
            callable: Callable::new(CallableKind::Resource, uri, TaskPolicy::Never, start),
            template,
            completer: Completer::default(),
            name: name.to_owned(),
            title: None,
            description: None,
            mime_type: None,
            annotations: Map::new(),
        }
    }

    /// What it is called, for the user.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// What is in it.
    #[must_use]
    pub fn describe(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Its media type.
    #[must_use]
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }

    /// Something else that clients are told: `audience`, `priority`, `lastModified`.
    #[must_use]
    pub fn annotate(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.annotations.insert(key.into(), value.into());
        self
    }

    /// Declares that reading it may ask `key` by a form that gives a `T`.
    ///
    /// # Panics
    /// If forms cannot ask for a `T`: they are flat.
    #[must_use]
    pub fn elicits<T: JsonSchema + 'static>(mut self, key: &str) -> Self {
        self.callable.questions.form::<T>(key);
        self
    }

    /// Suggests values of the variable `name` while the user types.
    #[must_use]
    pub fn completes(mut self, name: &str, complete: impl Complete) -> Self {
        self.completer.add(name, complete);
        self
    }

    pub(crate) fn definition(&self) -> Value {
        let address = if self.template.is_plain() { "uri" } else { "uriTemplate" };
        let mut definition = json!({ address: &*self.callable.name, "name": self.name });
        let texts =
            [("title", &self.title), ("description", &self.description), ("mimeType", &self.mime_type)];
        for (key, text) in texts {
            if let Some(text) = text {
                definition[key] = text.clone().into();
            }
        }
        if !self.annotations.is_empty() {
            definition["annotations"] = Value::Object(self.annotations.clone());
        }
        definition
    }
}

impl std::fmt::Debug for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Resource({:?})", self.callable)
    }
}
