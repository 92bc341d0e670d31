//! A test kit for authors: a script answers what a tool asks, the process may die at any write, and what came of it is looked at.
//!
//! ```
//! use ostler_tools::testing::Script;
//! use ostler_tools::{Call, Prompt, Tool, ToolContext, ToolResult, Tools};
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
//!     let answer = ctx.elicit::<Confirmation>("confirm", Prompt::new("Sure?")).await?;
//!     if !answer.accepted().is_some_and(|confirmation| confirmation.sure) {
//!         return Ok("nothing was deleted".into());
//!     }
//!     ctx.step_once("delete", || async { Ok::<_, std::io::Error>(()) }).await?;
//!     Ok(format!("{} was deleted", file.name))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let tools = Tools::new().tool(Tool::new("delete", delete).elicits::<Confirmation>("confirm"));
//! let call = Call::tool("delete", &json!({ "name": "notes.txt" }));
//!
//! let sure = Script::new().accept("confirm", json!({ "sure": true }));
//! let run = sure.run(&tools, call.clone()).await;
//! assert_eq!(run.text(), "notes.txt was deleted");
//! assert_eq!(run.asked(), [vec!["confirm"]]); // one round with one question
//! assert_eq!(run.effects("delete"), 1);
//!
//! // The same with a death of the process at each of its writes.
//! for run in sure.run_with_deaths(&tools, &call).await {
//!     assert!(run.effects("delete") <= 1);
//!     assert!(run.failure().is_none_or(|failure| failure.to_string().contains("`delete` has happened is not known")));
//! }
//!
//! let declined = Script::new().decline("confirm").run(&tools, call).await;
//! assert_eq!(declined.text(), "nothing was deleted");
//! # }
//! ```

mod effects;
mod mortal;
mod run;
mod script;

pub(crate) use effects::Effects;
pub use mortal::LastWrite;
pub use run::Run;
pub use script::Script;
