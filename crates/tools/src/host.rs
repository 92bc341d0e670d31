//! Hosts: what answers a tool's questions where the tool runs in the same program.

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::join_all;
use ostler_journal::{Json, Question};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::elicit::{Action, CONTEXT, ElicitAnswer};
use crate::error::{CallError, Failure};
use crate::event::SessionEvent;
use crate::sample::{Root, Sampled, Sampling};
use crate::schema::Schema;
use crate::sessions::{Answer, Call, Reply, Sessions};
use crate::{Attempt, Capabilities, Elicited, LogLevel};

/// Events that may wait for a host.
const EVENTS: usize = 32;

/// Answers what tools ask, and hears what they tell. What it does not declare it is not asked, so the rest needs no code.
pub trait Host: Send + Sync {
    /// Which questions it answers.
    fn capabilities(&self) -> Capabilities;

    /// Asks the user by a form. The answer is checked by the tool, which asks again if it does not fit.
    fn elicit(&self, form: FormRequest) -> impl Future<Output = Elicited<Value>> + Send {
        drop(form);
        async { Elicited::Cancelled }
    }

    /// Sends the user to an address.
    fn open(&self, url: UrlRequest) -> impl Future<Output = Elicited<()>> + Send {
        drop(url);
        async { Elicited::Cancelled }
    }

    /// Asks a model. Without an answer the tool waits for ever, so there has to be one: an error ends the call.
    fn sample(&self, key: &str, sampling: Sampling) -> impl Future<Output = Result<Sampled, String>> + Send {
        let reason = format!("nobody answers `{key}`: {} messages", sampling.messages.len());
        async { Err(reason) }
    }

    /// Where it works.
    fn roots(&self) -> impl Future<Output = Vec<Root>> + Send {
        async { Vec::new() }
    }

    /// Hears of progress and log messages.
    fn hear(&self, event: SessionEvent) -> impl Future<Output = ()> + Send {
        drop(event);
        async {}
    }

    /// The least level of log messages that it wants to hear.
    fn log_level(&self) -> Option<LogLevel> {
        Some(LogLevel::Info)
    }
}

/// A form for the user.
#[derive(Debug, Clone, PartialEq)]
pub struct FormRequest {
    /// The question's key.
    pub key: String,
    /// What is asked.
    pub message: String,
    /// The form: an object whose properties are texts, numbers, booleans and choices.
    pub schema: Schema,
    /// What the answer depends on, for hosts that can show it.
    pub context: Option<Value>,
}

/// An address for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlRequest {
    /// The question's key.
    pub key: String,
    /// Why.
    pub message: String,
    /// Where.
    pub url: String,
}

/// Why a call that a host made came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The call or an answer was not taken.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The tool has no result.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The host did not answer.
    #[error("{0}")]
    Host(String),
}

#[derive(Deserialize)]
struct Request {
    method: String,
    #[serde(default)]
    params: Value,
}

impl Sessions {
    /// Calls for `principal`, with `host` to answer what is asked, until there is a result.
    ///
    /// Dropped while it asks, the session waits for its answers as any other; dropped before, it ends.
    ///
    /// # Errors
    /// See [`RunError`].
    pub async fn run(&self, call: Call, principal: &str, host: &impl Host) -> Result<Json, RunError> {
        let (sender, mut events) = mpsc::channel(EVENTS);
        let attempt = Attempt {
            principal: Arc::from(principal),
            capabilities: host.capabilities(),
            events: Some(sender),
            log_level: host.log_level(),
            trace: None,
        };
        let mut reply = hearing(self.call(call, attempt.clone()), &mut events, host).await?;
        loop {
            let asked = match reply {
                Reply::Done(result) => return Ok(result),
                Reply::Failed(failure) => return Err(failure.into()),
                Reply::Task(session) => {
                    return Err(RunError::Host(format!("it has become the task {session}")));
                }
                Reply::Input(asked) => asked,
            };
            let journal = asked.journal;
            let answers = join_all(asked.questions.iter().map(|question| answer(host, question))).await;
            let answers =
                answers.into_iter().collect::<Result<HashMap<_, _>, _>>().map_err(RunError::Host)?;
            let answer = Answer { session: asked.session, round: asked.round, call: None, answers };
            let attempt = attempt.clone();
            reply = match journal {
                Some(journal) => {
                    hearing(self.answer_sealed(answer, journal, attempt), &mut events, host).await?
                }
                None => hearing(self.answer(answer, attempt), &mut events, host).await?,
            };
        }
    }
}

/// Waits for `reply`, and has `host` hear what is told meanwhile.
async fn hearing(
    reply: impl Future<Output = Result<Reply, CallError>>,
    events: &mut mpsc::Receiver<SessionEvent>,
    host: &impl Host,
) -> Result<Reply, CallError> {
    let mut reply = std::pin::pin!(reply);
    loop {
        tokio::select! {
            biased;
            event = events.recv() => if let Some(event) = event { host.hear(event).await },
            reply = &mut reply => {
                while let Ok(event) = events.try_recv() {
                    host.hear(event).await;
                }
                return reply;
            }
        }
    }
}

async fn answer(host: &impl Host, question: &Question) -> Result<(String, Json), String> {
    let Request { method, params } = question.request.read().map_err(|error| error.to_string())?;
    let key = question.key.clone();
    let text = |member: &str| params[member].as_str().unwrap_or_default().to_owned();
    let answer = match method.as_str() {
        "elicitation/create" if params["mode"] == "url" => {
            let url = UrlRequest { key: key.clone(), message: text("message"), url: text("url") };
            elicited(host.open(url).await.map(|()| None))
        }
        "elicitation/create" => {
            let schema = params["requestedSchema"].as_object().cloned().unwrap_or_default();
            let context = params["_meta"].get(CONTEXT).cloned();
            let form = FormRequest { key: key.clone(), message: text("message"), schema, context };
            elicited(host.elicit(form).await.map(Some))
        }
        "sampling/createMessage" => {
            let sampling = Sampling::deserialize(&params).map_err(|error| error.to_string())?;
            Json::of(&host.sample(&key, sampling).await?)
        }
        _ => Json::of(&json!({ "roots": host.roots().await })),
    };
    Ok((key, answer.map_err(|error| error.to_string())?))
}

fn elicited(answer: Elicited<Option<Value>>) -> Result<Json, serde_json::Error> {
    let (action, content) = match answer {
        Elicited::Accepted(content) => (Action::Accept, content),
        Elicited::Declined => (Action::Decline, None),
        Elicited::Cancelled => (Action::Cancel, None),
    };
    Json::of(&ElicitAnswer { action, content })
}
