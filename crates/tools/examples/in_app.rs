//! A durable tool inside of a program: `cargo run -p ostler-tools --example in_app`.
//!
//! The program is the tool's host: it answers what the tool asks. The same tool, unchanged, is served to clients elsewhere.

#![allow(clippy::print_stdout, reason = "to be seen")]

use ostler_scope::Scope;
use ostler_tools::{
    Call, Capabilities, Elicited, FormRequest, Host, MemoryStorage, Prompt, Sessions, SessionsConfig, Tool,
    ToolContext, ToolResult, Tools,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize, JsonSchema)]
struct Guest {
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Drink {
    drink: String,
}

async fn serve(ctx: ToolContext, guest: Guest) -> ToolResult<String> {
    let prompt = Prompt::new(format!("What will it be, {}?", guest.name));
    match ctx.elicit::<Drink>("drink", prompt).await? {
        Elicited::Accepted(Drink { drink }) => {
            ctx.step_once("pour", || async { Ok::<_, std::io::Error>(()) }).await?;
            Ok(format!("One {drink} for {}.", guest.name))
        }
        Elicited::Declined | Elicited::Cancelled => Ok("Nothing, then.".into()),
    }
}

/// The program as a host. A window would show a form here.
struct Program;

impl Host for Program {
    fn capabilities(&self) -> Capabilities {
        Capabilities { elicit_form: true, ..Capabilities::default() }
    }

    async fn elicit(&self, form: FormRequest) -> Elicited<Value> {
        println!("asked:    {}", form.message);
        println!("answered: cider");
        Elicited::Accepted(json!({ "drink": "cider" }))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scope = Scope::root("app").open()?;
    let tools = Tools::new().tool(Tool::new("serve", serve).elicits::<Drink>("drink"));
    let sessions = Sessions::start(&scope, tools, MemoryStorage::new(), SessionsConfig::default())?;
    let result = sessions.run(Call::tool("serve", &json!({ "name": "Ada" })), "ada", &Program).await?;
    println!("result:   {}", result.read::<Value>()?["content"][0]["text"]);
    scope.halt().await;
    Ok(())
}
