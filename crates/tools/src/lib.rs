//! Durable tools: straight-line code that asks people and models, and lives on between requests and processes.
//!
//! A [`Tool`] is an async function. What it awaits it asks its [`ToolContext`] for: an answer of the user's
//! ([`elicit`](ToolContext::elicit)), of the client's model ([`sample`](ToolContext::sample)), the outcome of a
//! [`step`](ToolContext::step). [`Sessions`] runs it up to its questions, parks it, and goes on when the answers come, with the
//! parked code if it is still there and by replaying its journal if it is not.
//!
//! There are three ways back to a tool that has waited, by what is left of it: the parked code (microseconds); its journal in a
//! [`JournalStorage`], after an eviction, a restart or a move to another process; or, of [`Sessions::start_sealed`], which has no storage,
//! the journal that the client was given with the questions. The last cannot tell the first answer from the second, so there is less that
//! such a tool may use.
//!
//! ```
//! use std::collections::HashMap;
//! use ostler_tools::{Answer, Attempt, Call, Capabilities, Json, MemoryStorage, Prompt, Reply, Sessions, SessionsConfig};
//! use ostler_tools::{Tool, ToolContext, ToolResult, Tools};
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//! use serde_json::json;
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct File { name: String }
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct Confirmation { sure: bool }
//!
//! async fn delete(ctx: ToolContext, file: File) -> ToolResult<String> {
//!     let prompt = Prompt::new(format!("Delete {}?", file.name));
//!     let answer = ctx.elicit::<Confirmation>("confirm", prompt).await?;
//!     if !answer.accepted().is_some_and(|confirmation| confirmation.sure) {
//!         return Ok("nothing was deleted".into());
//!     }
//!     ctx.step("delete", || async { Ok::<_, std::io::Error>(()) }).await?;
//!     Ok(format!("{} was deleted", file.name))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scope = ostler_scope::Scope::root("app").open()?;
//! let tools = || Tools::new().tool(Tool::new("delete", delete).elicits::<Confirmation>("confirm").destructive());
//! let storage = MemoryStorage::new();
//! let sessions = Sessions::start(&scope, tools(), storage.clone(), SessionsConfig::default())?;
//! let ada = || Attempt::anonymous().with(Capabilities::ALL);
//!
//! let call = Call::tool("delete", &json!({ "name": "notes.txt" }));
//! let Reply::Input(asked) = sessions.call(call, ada()).await? else { panic!("it asks first") };
//! assert_eq!(asked.questions[0].key, "confirm");
//!
//! // Another process, which has nothing but the journal, goes on.
//! let others = Sessions::start(&scope, tools(), storage, SessionsConfig::default())?;
//! let yes = Json::of(&json!({ "action": "accept", "content": { "sure": true } }))?;
//! let answers = HashMap::from([("confirm".into(), yes)]);
//! let answer = Answer { session: asked.session, round: asked.round, call: None, answers };
//! let Reply::Done(result) = others.answer(answer, ada()).await? else { panic!("it has all it needs") };
//! assert!(result.as_str().contains("notes.txt was deleted"));
//! # scope.halt().await;
//! # Ok(()) }
//! ```
#![forbid(unsafe_code)]

mod attempt;
mod callable;
mod clock;
mod completion;
mod content;
mod context;
mod core;
mod destination;
mod drive;
mod elicit;
mod error;
mod event;
mod host;
mod prompt;
mod resource;
mod sample;
mod schema;
mod sessions;
pub mod testing;
mod tool;
mod tools;
mod uri;
mod watch;

pub use attempt::{Attempt, Capabilities};
pub use callable::{CallableKind, Limits};
pub use clock::Clock;
pub use completion::{Complete, Completion};
pub use content::{Content, Hints, ResourceContents, Role, ToolOutput};
pub use context::{BranchLimits, Progress, StepKey, StepRun, ToolContext};
pub use elicit::{CONTEXT, Choice, Elicited, Prompt};
pub use error::{CallError, ContextError, Failure, RespondError, ToolError, ToolResult};
pub use event::{LogLevel, SessionEvent, SessionEventKind};
pub use host::{FormRequest, Host, RunError, UrlRequest};
pub use ostler_journal::{
    ClientId, EntryEvent, JournalStorage, Json, ListQuery, MemoryStorage, Origin, Question, SessionId,
    SessionState, SessionSummary, StorageError, Timestamp,
};
pub use ostler_lease::Fence;
pub use prompt::{PromptMessage, PromptOutput, PromptTemplate};
pub use resource::{Resource, ResourceOutput};
pub use sample::{Message, ModelHint, ModelPreferences, Root, Sampled, Sampling};
pub use schema::{Schema, schema_of};
pub use sessions::{
    Answer, Call, Change, Follower, InputRequired, Reply, Resume, SessionView, Sessions, SessionsConfig,
    SessionsStatus, StartError, no_arguments,
};
pub use tool::{IntoOutput, TaskPolicy, Tool};
pub use tools::{Offered, Tools};
pub use watch::Watcher;
