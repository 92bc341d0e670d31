//! `ostler call`: a tool in this terminal.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use ostler_config::Config;
use ostler_scope::Scope;
use ostler_tools::{
    Call, CallError, CallableKind, Failure as ToolFailure, Host, Json, MemoryStorage, Offered, RunError,
    Sessions, ToolOutput,
};
use serde_json::Value;

use super::check::load;
use super::failure::{Failure, print};
use super::terminal::{Terminal, ask_form};
use super::words::printable;
use super::{CONFIGURATION, INTERRUPTED};
use crate::mcp;

pub(super) fn run(
    path: Option<&Path>,
    tool: &str,
    arguments: Option<String>,
    json: bool,
) -> Result<ExitCode, Failure> {
    let config = load(path).map_err(Failure::Silent)?.config;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let result = runtime.block_on(async {
        tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => Ok(ExitCode::from(INTERRUPTED)),
            result = call(&config, tool, arguments, json) => result,
        }
    });
    // A line may still be waited for that nobody is going to type.
    runtime.shutdown_background();
    result
}

async fn call(
    config: &Config,
    tool: &str,
    arguments: Option<String>,
    json: bool,
) -> Result<ExitCode, Failure> {
    let scope = Scope::root("call").open().map_err(|error| Failure::new(error.to_string()))?;
    let sessions = mcp::sessions(&scope, config, Arc::new(MemoryStorage::new()), true)
        .map_err(|error| Failure::new(error.to_string()))?;
    let tools = sessions.tools();
    let offered = tools.get(tool).ok_or_else(|| unknown(&sessions, tool))?;
    let terminal = Terminal::new();
    let arguments = match arguments {
        Some(text) => Json::parse(text).map_err(|error| {
            let failure = Failure::new(format!("the arguments are not JSON: {error}"));
            failure.help(example(offered)).code(CONFIGURATION)
        })?,
        None => match ask_form(&terminal, "", offered.input_schema()).await.accepted() {
            Some(arguments) => Json::from(&arguments),
            None => return Ok(ExitCode::from(INTERRUPTED)),
        },
    };
    let result = run_tool(&sessions, tool, arguments, &terminal).await;
    terminal.finish();
    let result = result.map_err(|error| match error {
        RunError::Call(CallError::InvalidArguments { reason }) => {
            let failure = Failure::new(format!("{tool} does not take these arguments: {reason}"));
            failure.help(example(offered)).code(CONFIGURATION)
        }
        other => Failure::new(printable(&other.to_string())),
    })?;
    let text = if json { result.as_str().to_owned() + "\n" } else { text_of(&result) };
    let failed = result.read().is_ok_and(|result: Value| result["isError"] == true);
    print(&text)?;
    scope.halt().await;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn run_tool(
    sessions: &Sessions,
    tool: &str,
    arguments: Json,
    host: &impl Host,
) -> Result<Json, RunError> {
    let call = Call::new(CallableKind::Tool, tool, arguments);
    match sessions.run(call, "terminal", host).await {
        // What the model would be told, a person is told too.
        Err(RunError::Failed(ToolFailure::Tool { message })) => {
            Ok(Json::of(&ToolOutput::error(message)).map_err(|error| RunError::Host(error.to_string()))?)
        }
        other => other,
    }
}

fn unknown(sessions: &Sessions, tool: &str) -> Failure {
    let tools = sessions.tools();
    let names: Vec<_> = tools.tools().filter_map(|tool| tool.definition()["name"].as_str()).collect();
    let failure = Failure::new(format!("there is no tool `{}`", printable(tool))).code(CONFIGURATION);
    match names.is_empty() {
        true => failure.help("the configuration offers none: add `tools = [\"demo\"]` to [mcp]"),
        false => failure.help(format!("there are {}", names.join(", "))),
    }
}

/// What a call could look like.
fn example(tool: &Offered) -> String {
    let properties = tool.input_schema().get("properties").and_then(Value::as_object);
    let required = tool.input_schema().get("required").and_then(Value::as_array);
    let required = |name: &str| required.is_some_and(|names| names.iter().any(|known| known == name));
    let arguments: Vec<_> = properties
        .into_iter()
        .flatten()
        .filter(|(name, _)| required(name))
        .map(|(name, _)| format!("\"{name}\": …"))
        .collect();
    let name = tool.definition()["name"].as_str().unwrap_or_default();
    format!(
        "for example: ostler call {name} '{{{}}}'; without arguments you are asked for them",
        arguments.join(", ")
    )
}

/// What a result says to people.
fn text_of(result: &Json) -> String {
    let result: Value = result.read().unwrap_or_default();
    if let Some(structured) = result.get("structuredContent") {
        return serde_json::to_string_pretty(structured).unwrap_or_default() + "\n";
    }
    let mut text = String::new();
    for block in result["content"].as_array().into_iter().flatten() {
        match block["text"].as_str() {
            Some(line) => text.push_str(&line.lines().map(printable).collect::<Vec<_>>().join("\n")),
            None => text.push_str(&format!("({})", block["type"].as_str().unwrap_or("content"))),
        }
        text.push('\n');
    }
    text
}
