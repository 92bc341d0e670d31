//! A replay takes the ways the first run took.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ostler_scope::Scope;
use ostler_tools::{
    Answer, Call, Failure, MemoryStorage, Prompt, Reply, Tool, ToolContext, ToolResult, Tools,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::flight::{accept, ada, done, given, input, keys, start};

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

#[derive(Deserialize, JsonSchema)]
struct Text {
    text: String,
}

#[tokio::test(start_paused = true)]
async fn a_select_takes_the_same_branch_in_a_replay() {
    async fn fastest(ctx: ToolContext, (slow, fast): (u64, u64)) -> ToolResult<String> {
        let step = |name: &'static str, seconds| {
            ctx.step(name, move || async move {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                Ok::<_, String>(name.to_owned())
            })
        };
        let won = tokio::select! {
            won = step("slow", slow) => won?,
            won = step("fast", fast) => won?,
        };
        let said = ctx.elicit::<Text>("say", Prompt::new(&*won)).await?.required("say")?;
        Ok(format!("{won} {}", said.text))
    }
    let scope = Scope::root("test").open().unwrap();
    let storage = MemoryStorage::new();
    for _ in 0..20 {
        let tool = |times| {
            let handler = move |ctx, _: Nothing| fastest(ctx, times);
            Tools::new().tool(Tool::new("fastest", handler).elicits::<Text>("say"))
        };
        let sessions = start(&scope, tool((9, 1)), storage.clone());
        let asked = input(sessions.call(Call::tool("fastest", &json!({})), ada()).await.unwrap());
        // In another process the other step would be faster.
        let others = start(&scope, tool((1, 9)), storage.clone());
        let answers = given(&[("say", accept(json!({ "text": "won" })))]);
        let answer = Answer { session: asked.session, round: 1, call: None, answers };
        assert_eq!(done(others.answer(answer, ada()).await.unwrap())["content"][0]["text"], "fast won");
    }
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn code_that_does_something_else_is_told_which_step_was_expected() {
    fn tool(step: &'static str) -> Tools {
        let handler = move |ctx: ToolContext, _: Nothing| async move {
            ctx.step(step, || async { Ok::<_, String>(1) }).await?;
            let said: Text = ctx.elicit("say", Prompt::new("Well?")).await?.required("say")?;
            Ok(said.text)
        };
        Tools::new().tool(Tool::new("changed", handler).elicits::<Text>("say"))
    }
    let scope = Scope::root("test").open().unwrap();
    let storage = MemoryStorage::new();
    let before = start(&scope, tool("look"), storage.clone());
    let asked = input(before.call(Call::tool("changed", &json!({})), ada()).await.unwrap());
    let answers = given(&[("say", accept(json!({ "text": "still here" })))]);
    let answer = Answer { session: asked.session, round: 1, call: None, answers };

    let after = start(&scope, tool("leap"), storage.clone());
    let Reply::Failed(failure) = after.answer(answer.clone(), ada()).await.unwrap() else {
        panic!("it cannot go on")
    };
    assert!(matches!(failure, Failure::Diverged { .. }));
    assert_eq!(
        failure.to_string(),
        "the tool cannot go on where it was: the journal goes on with step `look`, but the tool waits for step `leap`"
    );
    assert_eq!(after.status().diverged, 1);

    // The change is taken back: nothing is lost.
    let again = start(&scope, tool("look"), storage);
    assert_eq!(done(again.answer(answer, ada()).await.unwrap())["content"][0]["text"], "still here");
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn an_earlier_version_goes_on_with_its_sessions_and_a_version_that_is_gone_is_named() {
    fn tool(version: u32) -> Tool {
        let handler = move |ctx: ToolContext, _: Nothing| async move {
            let said: Text = ctx.elicit("say", Prompt::new("Well?")).await?.required("say")?;
            Ok(format!("{} {version}", said.text))
        };
        Tool::new("grows", handler).elicits::<Text>("say").version(version)
    }
    let scope = Scope::root("test").open().unwrap();
    let storage = MemoryStorage::new();
    let first = start(&scope, Tools::new().tool(tool(1)), storage.clone());
    let asked = input(first.call(Call::tool("grows", &json!({})), ada()).await.unwrap());
    let answers = given(&[("say", accept(json!({ "text": "version" })))]);
    let answer = Answer { session: asked.session, round: 1, call: None, answers };

    let second = start(&scope, Tools::new().tool(tool(2)), storage.clone());
    let Reply::Failed(failure) = second.answer(answer.clone(), ada()).await.unwrap() else {
        panic!("it is gone")
    };
    assert_eq!(failure.to_string(), "the session was begun by version 1 of grows, which is gone");

    let both = start(&scope, Tools::new().tool(tool(2)).tool(tool(1)), storage);
    let new = input(both.call(Call::tool("grows", &json!({})), ada()).await.unwrap());
    assert_eq!(done(both.answer(answer.clone(), ada()).await.unwrap())["content"][0]["text"], "version 1");
    let answer = Answer { session: new.session, ..answer };
    assert_eq!(done(both.answer(answer, ada()).await.unwrap())["content"][0]["text"], "version 2");
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn time_chance_and_ids_are_the_same_in_a_replay() {
    async fn values(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
        let mut before = format!("{} {} {} {}", ctx.now(), ctx.random(), ctx.random(), ctx.uuid());
        let branch = ctx.branch("other", ostler_tools::BranchLimits::default())?;
        before.push_str(&format!(" {}", branch.uuid()));
        let said: Text = ctx.elicit("say", Prompt::new(&*before)).await?.required("say")?;
        Ok(format!("{} {before}", said.text))
    }
    let tools = || Tools::new().tool(Tool::new("values", values).elicits::<Text>("say"));
    let scope = Scope::root("test").open().unwrap();
    let storage = MemoryStorage::new();
    let sessions = start(&scope, tools(), storage.clone());
    let asked = input(sessions.call(Call::tool("values", &json!({})), ada()).await.unwrap());
    let told: serde_json::Value = asked.questions[0].request.read().unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let answers = given(&[("say", accept(json!({ "text": "it was" })))]);
    let answer = Answer { session: asked.session, round: 1, call: None, answers };
    let result = done(start(&scope, tools(), storage).answer(answer, ada()).await.unwrap());
    let told = told["params"]["message"].as_str().unwrap();
    assert_eq!(result["content"][0]["text"], format!("it was {told}"));
    let words: Vec<_> = told.split(' ').collect();
    assert_ne!(words[2], words[3], "two random numbers");
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn a_question_with_a_deadline_goes_on_by_itself_and_the_answer_comes_too_late() {
    async fn patient(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
        tokio::select! {
            biased;
            said = ctx.elicit::<Text>("say", Prompt::new("Well?")) => Ok(said?.required("say")?.text),
            _ = ctx.sleep("patience", Duration::from_hours(2)) => Ok("too late".into()),
        }
    }
    let tools = || Tools::new().tool(Tool::new("patient", patient).elicits::<Text>("say"));
    let scope = Scope::root("test").open().unwrap();
    for restarted in [false, true] {
        let storage = MemoryStorage::new();
        let mut process = scope.child("process").open().unwrap();
        let mut sessions = start(&process, tools(), storage.clone());
        let asked = input(sessions.call(Call::tool("patient", &json!({})), ada()).await.unwrap());
        assert_eq!(keys(&asked), ["say"]);
        if restarted {
            process.halt().await;
            process = scope.child("process").open().unwrap();
            sessions = start(&process, tools(), storage);
        }
        tokio::time::sleep(Duration::from_secs(7300)).await;
        let answers = given(&[("say", accept(json!({ "text": "now" })))]);
        let answer = Answer { session: asked.session, round: 1, call: None, answers };
        let reply = sessions.answer(answer, ada()).await.unwrap();
        assert_eq!(done(reply)["content"][0]["text"], "too late", "restarted: {restarted}");
        process.halt().await;
    }
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_hangs_up_lets_the_step_finish_and_starts_no_other() {
    let ran = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&ran);
    let handler = move |ctx: ToolContext, _: Nothing| {
        let counter = Arc::clone(&counter);
        async move {
            let said: Text = ctx.elicit("say", Prompt::new("Well?")).await?.required("say")?;
            for name in ["one", "two"] {
                ctx.step_once(name, || async {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                    counter.fetch_add(1, Ordering::SeqCst);
                    Ok::<_, String>(())
                })
                .await?;
            }
            Ok(said.text)
        }
    };
    let tools = Tools::new().tool(Tool::new("slow", handler).elicits::<Text>("say"));
    let scope = Scope::root("test").open().unwrap();
    let sessions = start(&scope, tools, MemoryStorage::new());
    let asked = input(sessions.call(Call::tool("slow", &json!({})), ada()).await.unwrap());
    let answers = given(&[("say", accept(json!({ "text": "done" })))]);
    let answer = Answer { session: asked.session, round: 1, call: None, answers };
    let hung_up = tokio::time::timeout(Duration::from_secs(2), sessions.answer(answer.clone(), ada())).await;
    assert!(hung_up.is_err());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(ran.load(Ordering::SeqCst), 1);
    assert_eq!(done(sessions.answer(answer, ada()).await.unwrap())["content"][0]["text"], "done");
    assert_eq!(ran.load(Ordering::SeqCst), 2);
    scope.halt().await;
}
