//! The methods of the protocol, and what has to be right before one is called.

mod call;
mod complete;
mod discover;
mod listen;
mod lists;
mod tasks;

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use hyper::HeaderMap;
use ostler_tools::{Attempt, Capabilities};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use crate::endpoint::{Endpoint, Outcome};
use crate::error::RpcError;
use crate::meta::{Meta, Params};
use crate::reply::{self, Answer};
use crate::wire::{self, Incoming};
use crate::{PROTOCOL_VERSION, headers};

/// One request.
pub(crate) struct Exchange {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Fires when streams without an end are to end.
    pub(crate) draining: CancellationToken,
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

/// Begins to answer `incoming`, which is in the body of `exchange`.
pub(crate) fn dispatch(exchange: Exchange, incoming: Incoming<'_>, events: bool) -> Outcome {
    match check(&exchange, &incoming) {
        Ok(Method::Listen) => match listen::listen(&exchange, &incoming, events) {
            Ok(stream) => Outcome::Stream(stream),
            Err(error) => at_once(reply::error(incoming.id, &error)),
        },
        Ok(method @ (Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead)) => {
            call::call(exchange, method, &incoming, events)
        }
        Ok(method) => Outcome::Answer(answer(exchange, method).boxed(), None),
        Err(error) => at_once(reply::error(incoming.id, &error)),
    }
}

fn at_once(answer: Answer) -> Outcome {
    Outcome::Answer(std::future::ready(answer).boxed(), None)
}

/// Checks what is the same for all methods, and finds the method.
fn check(exchange: &Exchange, incoming: &Incoming<'_>) -> Result<Method, RpcError> {
    let meta = meta(incoming.params)?;
    let malformed = |member: &str| RpcError::malformed(format!("`_meta` lacks `{member}`"));
    let version = meta.version.as_deref();
    let version = version.ok_or_else(|| malformed("io.modelcontextprotocol/protocolVersion"))?;
    if meta.capabilities.is_none() {
        return Err(malformed("io.modelcontextprotocol/clientCapabilities"));
    }
    headers::check(&exchange.headers, "mcp-protocol-version", version)?;
    if version != PROTOCOL_VERSION {
        return Err(RpcError::unsupported_version(version));
    }
    headers::check(&exchange.headers, "mcp-method", &incoming.method)?;
    Method::named(&incoming.method).ok_or_else(|| RpcError::method_not_found(&incoming.method))
}

fn meta<'a>(params: Option<&'a RawValue>) -> Result<Meta<'a>, RpcError> {
    let params: Params<'a> = match params {
        Some(params) => read(params)?,
        None => Params::default(),
    };
    params.meta.ok_or_else(|| RpcError::malformed("`params` lacks `_meta`"))
}

/// Reads parameters, or says what is wrong with them.
pub(crate) fn read<'a, T: serde::Deserialize<'a>>(params: &'a RawValue) -> Result<T, RpcError> {
    serde_json::from_str(params.get()).map_err(|error| RpcError::malformed(format!("`params`: {error}")))
}

async fn answer(exchange: Exchange, method: Method) -> Answer {
    let Ok(incoming) = wire::read(&exchange.body) else {
        return reply::error(None, &RpcError::internal("the body was read before"));
    };
    let Some(id) = incoming.id else {
        return reply::error(None, &RpcError::internal("the id was read before"));
    };
    let answered = match method {
        Method::Discover => Ok(discover::discover(&exchange, id)),
        Method::ToolsList | Method::PromptsList | Method::ResourcesList | Method::TemplatesList => {
            lists::list(&exchange, method, &incoming, id)
        }
        Method::Complete => complete::complete(&exchange, &incoming, id).await,
        Method::TasksGet | Method::TasksUpdate | Method::TasksCancel => {
            tasks::task(&exchange, method, &incoming, id).await
        }
        Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead | Method::Listen => {
            Err(RpcError::internal("it is answered elsewhere"))
        }
    };
    answered.unwrap_or_else(|error| reply::error(Some(id), &error))
}

/// The attempt that a request makes.
pub(crate) fn attempt(meta: &Meta<'_>) -> Attempt {
    let capabilities: Capabilities =
        meta.capabilities.as_ref().map(crate::meta::Declared::capabilities).unwrap_or_default();
    Attempt { log_level: meta.log_level, ..Attempt::anonymous().with(capabilities) }
}
