//! The methods of the protocol, and what has to be right before one is called.

mod call;
pub(crate) mod complete;
pub(crate) mod discover;
mod listen;
pub(crate) mod lists;
mod tasks;

use std::future::ready;
use std::sync::{Arc, LazyLock};

use futures::FutureExt;
use hyper::HeaderMap;
use ostler_tools::{Attempt, Capabilities};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use crate::auth::Caller;
use crate::endpoint::{Endpoint, Outcome};
use crate::error::RpcError;
use crate::meta::{Meta, Params};
use crate::reply::{self, Answer};
use crate::wire::Incoming;
use crate::{PROTOCOL_VERSION, headers};

pub(crate) use self::call::{failure_error, refusal, tool_error};
use self::lists::Listed;

/// One request.
pub(crate) struct Exchange {
    pub(crate) endpoint: Arc<Endpoint>,
    /// Those around the message; None where it came without any, as over stdio.
    pub(crate) headers: Option<HeaderMap>,
    /// Fires when streams without an end are to end.
    pub(crate) draining: CancellationToken,
    /// Who asks.
    pub(crate) caller: Caller,
}

impl Exchange {
    /// The header fields around the message, of which there may be none.
    pub(crate) fn headers(&self) -> &HeaderMap {
        static NONE: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);
        self.headers.as_ref().unwrap_or(&NONE)
    }

    /// Checks that the field `name` says what the message does, if there are fields at all.
    fn check_header(&self, name: &str, expected: &str) -> Result<(), RpcError> {
        self.headers.as_ref().map_or(Ok(()), |headers| headers::check(headers, name, expected))
    }

    /// Checks that whoever asks may call what is called `name`.
    fn permit(&self, name: &str) -> Result<(), RpcError> {
        self.endpoint.config.auth.as_ref().map_or(Ok(()), |auth| auth.permit(&self.caller, name))
    }
}

/// The methods that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Discover,
    ToolsList,
    ToolsCall,
    PromptsList,
    PromptsGet,
    ResourcesList,
    TemplatesList,
    ResourcesRead,
    Complete,
    Listen,
    TasksGet,
    TasksUpdate,
    TasksCancel,
}

impl Method {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "server/discover" => Self::Discover,
            "tools/list" => Self::ToolsList,
            "tools/call" => Self::ToolsCall,
            "prompts/list" => Self::PromptsList,
            "prompts/get" => Self::PromptsGet,
            "resources/list" => Self::ResourcesList,
            "resources/templates/list" => Self::TemplatesList,
            "resources/read" => Self::ResourcesRead,
            "completion/complete" => Self::Complete,
            "subscriptions/listen" => Self::Listen,
            "tasks/get" => Self::TasksGet,
            "tasks/update" => Self::TasksUpdate,
            "tasks/cancel" => Self::TasksCancel,
            _ => return None,
        })
    }

    /// The method's name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Discover => "server/discover",
            Self::ToolsList => "tools/list",
            Self::ToolsCall => "tools/call",
            Self::PromptsList => "prompts/list",
            Self::PromptsGet => "prompts/get",
            Self::ResourcesList => "resources/list",
            Self::TemplatesList => "resources/templates/list",
            Self::ResourcesRead => "resources/read",
            Self::Complete => "completion/complete",
            Self::Listen => "subscriptions/listen",
            Self::TasksGet => "tasks/get",
            Self::TasksUpdate => "tasks/update",
            Self::TasksCancel => "tasks/cancel",
        }
    }
}

/// Begins to answer `incoming`.
pub(crate) fn dispatch(exchange: Exchange, incoming: &Incoming<'_>, id: &RawValue, events: bool) -> Outcome {
    let begun = match Method::named(&incoming.method) {
        // Read in one go with all that it says: these are most of what comes.
        Some(method @ (Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead)) => {
            call::call(&exchange, method, incoming, id, events)
        }
        method => begin(exchange, method, incoming, id, events),
    };
    begun.unwrap_or_else(|error| Outcome::Answer(ready(reply::error(Some(id), &error)).boxed(), None))
}

/// Begins a request of what is no call.
fn begin(
    exchange: Exchange,
    method: Option<Method>,
    incoming: &Incoming<'_>,
    id: &RawValue,
    events: bool,
) -> Result<Outcome, RpcError> {
    check(&exchange, incoming, &meta(incoming.params)?)?;
    let method = method.ok_or_else(|| RpcError::method_not_found(&incoming.method))?;
    if method == Method::Listen {
        return listen::listen(&exchange, incoming, id, events).map(Outcome::Stream);
    }
    let (id, params) = (id.to_owned(), incoming.params.map(RawValue::to_owned));
    let answer = async move {
        let answered = answer(&exchange, method, &id, params.as_deref()).await;
        answered.unwrap_or_else(|error| reply::error(Some(&id), &error))
    };
    Ok(Outcome::Answer(answer.boxed(), None))
}

/// Checks what is the same for all methods.
fn check(exchange: &Exchange, incoming: &Incoming<'_>, meta: &Meta<'_>) -> Result<(), RpcError> {
    let malformed = |member: &str| RpcError::malformed(format!("`_meta` lacks `{member}`"));
    let version = meta.version.as_deref();
    let version = version.ok_or_else(|| malformed("io.modelcontextprotocol/protocolVersion"))?;
    if meta.capabilities.is_none() {
        return Err(malformed("io.modelcontextprotocol/clientCapabilities"));
    }
    exchange.check_header("mcp-protocol-version", version)?;
    if version != PROTOCOL_VERSION {
        return Err(RpcError::unsupported_version(version));
    }
    exchange.check_header("mcp-method", &incoming.method)
}

fn meta<'a>(params: Option<&'a RawValue>) -> Result<Meta<'a>, RpcError> {
    let params: Params<'a> = match params {
        Some(params) => read(params)?,
        None => Params::default(),
    };
    params.meta.ok_or_else(no_meta)
}

fn no_meta() -> RpcError {
    RpcError::malformed("`params` lacks `_meta`")
}

/// Reads parameters, or says what is wrong with them.
pub(crate) fn read<'a, T: serde::Deserialize<'a>>(params: &'a RawValue) -> Result<T, RpcError> {
    serde_json::from_str(params.get()).map_err(|error| RpcError::malformed(format!("`params`: {error}")))
}

async fn answer(
    exchange: &Exchange,
    method: Method,
    id: &RawValue,
    params: Option<&RawValue>,
) -> Result<Answer, RpcError> {
    match method {
        Method::Discover => Ok(discover::discover(exchange, id)),
        Method::ToolsList => lists::list(exchange, Listed::Tools, params, id),
        Method::PromptsList => lists::list(exchange, Listed::Prompts, params, id),
        Method::ResourcesList => lists::list(exchange, Listed::Resources, params, id),
        Method::TemplatesList => lists::list(exchange, Listed::Templates, params, id),
        Method::Complete => complete::complete(exchange, params, id).await,
        Method::TasksGet | Method::TasksUpdate | Method::TasksCancel => {
            tasks::task(exchange, method, params, id).await
        }
        Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead | Method::Listen => {
            Err(RpcError::internal("it is answered elsewhere"))
        }
    }
}

/// Bytes of a `traceparent` at most; of the version that there is it has 55.
const MAX_TRACE: usize = 256;

/// The attempt that a request makes.
pub(crate) fn attempt(meta: &Meta<'_>, caller: &Caller) -> Attempt {
    let capabilities: Capabilities =
        meta.capabilities.as_ref().map(crate::meta::Declared::capabilities).unwrap_or_default();
    let trace = meta.traceparent.as_deref().and_then(trace);
    let principal = Arc::clone(&caller.principal);
    Attempt { principal, log_level: meta.log_level, trace, ..Attempt::anonymous().with(capabilities) }
}

/// The trace that a request is part of. Longer than any there is, it is none.
pub(crate) fn trace(traceparent: &str) -> Option<Arc<str>> {
    (traceparent.len() <= MAX_TRACE).then(|| Arc::from(traceparent))
}
