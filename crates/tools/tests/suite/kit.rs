//! The test kit, as authors use it.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use ostler_tools::testing::{LastWrite, Script};
use ostler_tools::{
    Call, CallError, Capabilities, Failure, Prompt, Sampling, Tool, ToolContext, ToolResult, Tools,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Deserialize, JsonSchema)]
struct Order {
    dish: String,
}

#[derive(Deserialize, JsonSchema)]
struct Table {
    number: u8,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
struct Served {
    dish: String,
    table: u8,
    wine: Option<String>,
}

async fn serve(ctx: ToolContext, Order { dish }: Order) -> ToolResult<Served> {
    let stock: u32 = ctx.step("stock", || async { Ok::<_, String>(3) }).await?;
    let wine = match ctx.capabilities().sample {
        true => Some(ctx.sample("wine", Sampling::new(format!("What goes with {dish}?"))).await?.text()),
        false => None,
    };
    let table = ctx.elicit::<Table>("table", Prompt::new(format!("Which table? {stock} left."))).await?;
    let Table { number } = table.required("table")?;
    ctx.step_once("cook", || async { Ok::<_, String>(()) }).await?;
    Ok(Served { dish, table: number, wine })
}

fn tools() -> Tools {
    Tools::new().tool(Tool::new("serve", serve).elicits::<Table>("table"))
}

fn soup() -> Call {
    Call::tool("serve", &json!({ "dish": "soup" }))
}

fn served() -> Script {
    Script::new().says("wine", "Riesling").accept("table", json!({ "number": 7 }))
}

#[tokio::test(start_paused = true)]
async fn a_script_answers_and_tells_what_was_asked_and_done() {
    let run = served().run(&tools(), soup()).await;
    let expected = Served { dish: "soup".into(), table: 7, wine: Some("Riesling".into()) };
    assert_eq!(run.value::<Served>(), expected);
    assert_eq!(run.asked(), [vec!["wine"], vec!["table"]]);
    assert_eq!(run.question("table")["params"]["message"], "Which table? 3 left.");
    assert_eq!((run.effects("stock"), run.effects("cook"), run.effects("clean")), (1, 1, 0));
    assert!(!run.died() && run.failure().is_none() && run.refusal().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_death_at_any_write_leads_to_the_same_end_or_to_one_that_is_told() {
    let (mut unknown, runs) = (0, served().run_with_deaths(&tools(), &soup()).await);
    assert!(runs.len() >= 8, "{}", runs.len());
    for run in &runs {
        assert!(run.died() && run.effects("cook") <= 1, "{run:?}");
        assert!((1..=2).contains(&run.effects("stock")), "{run:?}");
        match run.failure() {
            None => assert_eq!(run.value::<Served>().table, 7),
            Some(failure) => {
                assert_eq!(failure.to_string(), "whether `cook` has happened is not known");
                unknown += 1;
            }
        }
    }
    // When it was about to cook, and when it had cooked and not said so.
    assert_eq!(unknown, 2);
    // The end of a call that nobody asks again for is what it was.
    let died = served().run_with_a_death_at(0, LastWrite::Lost, &tools(), soup()).await;
    assert_eq!((died.died(), died.asked().len()), (true, 2));
}

#[tokio::test(start_paused = true)]
async fn what_a_client_cannot_do_and_what_a_user_does_not_want_are_scripted_too() {
    let deaf = Capabilities { elicit_form: true, ..Capabilities::default() };
    let run = Script::new().client(deaf).accept("table", json!({ "number": 1 })).run(&tools(), soup()).await;
    assert_eq!(run.value::<Served>().wine, None);
    let run = Script::new().client(deaf).decline("table").run(&tools(), soup()).await;
    assert!(
        matches!(run.failure(), Some(Failure::Tool { message }) if message.contains("declined")),
        "{run:?}"
    );
    assert_eq!(run.effects("cook"), 0);
    // An answer that does not fit is asked for again, and gets the next one.
    let seven = Script::new()
        .client(deaf)
        .accept("table", json!({ "number": "x" }))
        .accept("table", json!({ "number": 7 }));
    let run = seven.run(&tools(), soup()).await;
    assert_eq!((run.value::<Served>().table, run.asked().len()), (7, 2));
    let run = Script::new().run(&tools(), Call::tool("sing", &json!({}))).await;
    assert!(matches!(run.refusal(), Some(CallError::Unknown { .. })), "{run:?}");
}

#[tokio::test(start_paused = true)]
async fn a_question_without_an_answer_is_named() {
    let (tools, script) = (tools(), Script::new().says("wine", "Riesling"));
    let panic = AssertUnwindSafe(script.run(&tools, soup())).catch_unwind().await.unwrap_err();
    let said = panic.downcast_ref::<String>().unwrap();
    assert!(said.contains("no answer to `table`") && said.contains("[\"wine\"]"), "{said}");
}
