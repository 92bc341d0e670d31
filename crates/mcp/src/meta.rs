//! What every request says of itself: the revision, the client, what the client answers
//! ([specification](https://modelcontextprotocol.io/specification/2026-07-28/basic)).

use std::borrow::Cow;

use ostler_tools::{Capabilities, LogLevel};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// The `_meta` of a request.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Meta<'a> {
    #[serde(borrow, rename = "io.modelcontextprotocol/protocolVersion")]
    pub(crate) version: Option<Cow<'a, str>>,
    #[serde(rename = "io.modelcontextprotocol/clientCapabilities")]
    pub(crate) capabilities: Option<Declared>,
    #[serde(rename = "io.modelcontextprotocol/logLevel")]
    pub(crate) log_level: Option<LogLevel>,
    /// The trace that the request is part of.
    #[serde(borrow)]
    pub(crate) traceparent: Option<Cow<'a, str>>,
    /// By which the client tells apart what progress is told of.
    #[serde(borrow, rename = "progressToken")]
    pub(crate) progress_token: Option<&'a RawValue>,
}

/// The part of any request that has a `_meta`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Params<'a> {
    #[serde(borrow, rename = "_meta")]
    pub(crate) meta: Option<Meta<'a>>,
}

/// What a client declares to answer.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Declared {
    elicitation: Option<Elicitation>,
    sampling: Option<Sampling>,
    roots: Option<IgnoredAny>,
    #[serde(default)]
    extensions: Extensions,
}

#[derive(Debug, Deserialize)]
struct Elicitation {
    form: Option<IgnoredAny>,
    url: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Sampling {
    tools: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
struct Extensions {
    #[serde(rename = "io.modelcontextprotocol/tasks")]
    tasks: Option<IgnoredAny>,
}

/// The name of the extension by which calls go on without their request.
pub(crate) const TASKS: &str = "io.modelcontextprotocol/tasks";

impl Declared {
    pub(crate) fn capabilities(&self) -> Capabilities {
        let (form, url) = match &self.elicitation {
            // Whoever names no mode means forms.
            Some(elicitation) => {
                (elicitation.form.is_some() || elicitation.url.is_none(), elicitation.url.is_some())
            }
            None => (false, false),
        };
        Capabilities {
            elicit_form: form,
            elicit_url: url,
            sample: self.sampling.is_some(),
            sample_tools: self.sampling.as_ref().is_some_and(|sampling| sampling.tools.is_some()),
            roots: self.roots.is_some(),
            tasks: self.extensions.tasks.is_some(),
        }
    }
}
