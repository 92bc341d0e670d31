//! What a context can do besides asking by a form.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use ostler_scope::Scope;
use ostler_tools::{
    Answer, Attempt, BranchLimits, Call, CallError, Failure, MemoryStorage, Progress, Prompt, Reply,
    Sampling, SessionEventKind, Sessions, SessionsConfig, Tool, ToolContext, ToolResult, Tools,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::mpsc;

use crate::flight::{accept, ada, answers, done, given, input, keys, says, start, to_rome, tools};

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

#[derive(Deserialize, JsonSchema)]
struct Text {
    text: String,
}

fn nothing(name: &str) -> Call {
    Call::tool(name, &json!({}))
}

#[tokio::test(start_paused = true)]
async fn arms_ask_by_the_same_name_each_under_its_own_path() {
    async fn three(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
        let arm = |ctx: ToolContext| async move {
            let said: Text = ctx.elicit("say", Prompt::new("Well?")).await?.required("say")?;
            ToolResult::Ok(said.text)
        };
        let said: ToolResult<Vec<_>> = ctx.join_all("arm", [arm, arm, arm]).await?.into_iter().collect();
        Ok(said?.join(" "))
    }
    let scope = Scope::root("test").open().unwrap();
    let offered = || Tools::new().tool(Tool::new("three", three).elicits::<Text>("say"));
    let storage = MemoryStorage::new();
    let sessions = start(&scope, offered(), storage.clone());
    let asked = input(sessions.call(nothing("three"), ada()).await.unwrap());
    assert_eq!(keys(&asked), ["arm.0/say", "arm.1/say", "arm.2/say"]);
    let said = |text: &str| accept(json!({ "text": text }));
    // Another process is given the last ones first.
    let others = start(&scope, offered(), storage);
    let some = given(&[("arm.2/say", said("c")), ("arm.0/say", said("a"))]);
    let answer = Answer { session: asked.session, round: 1, call: None, answers: some };
    let asked = input(others.answer(answer, ada()).await.unwrap());
    assert_eq!(keys(&asked), ["arm.1/say"]);
    let rest = given(&[("arm.1/say", said("b"))]);
    let answer = Answer { session: asked.session, round: 2, call: None, answers: rest };
    assert_eq!(done(others.answer(answer, ada()).await.unwrap())["content"][0]["text"], "a b c");
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn the_losers_of_a_race_withdraw_their_questions() {
    async fn race(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
        let ask = |ctx: ToolContext| {
            async move {
                let said = ctx.elicit::<Text>("say", Prompt::new("Well?")).await;
                Ok(said?.required("say")?.text)
            }
            .boxed()
        };
        let model = |ctx: ToolContext| {
            async move { Ok(ctx.sample("think", Sampling::new("Hm?")).await?.text()) }.boxed()
        };
        let arms: Vec<Box<dyn FnOnce(ToolContext) -> _ + Send>> = vec![Box::new(ask), Box::new(model)];
        let (won, text): (usize, ToolResult<String>) = ctx.race("first", arms).await?;
        let rest: Text = ctx.elicit("say", Prompt::new("And?")).await?.required("say")?;
        Ok(format!("{won} {} {}", text?, rest.text))
    }
    let scope = Scope::root("test").open().unwrap();
    let offered = Tools::new().tool(Tool::new("race", race).elicits::<Text>("say"));
    let sessions = start(&scope, offered, MemoryStorage::new());
    let asked = input(sessions.call(nothing("race"), ada()).await.unwrap());
    assert_eq!(keys(&asked), ["first.0/say", "first.1/think"]);
    let model = given(&[("first.1/think", says("so"))]);
    let answer = Answer { session: asked.session, round: 1, call: None, answers: model };
    let asked = input(sessions.answer(answer, ada()).await.unwrap());
    assert_eq!(keys(&asked), ["say"]);
    let rest = given(&[
        ("say", accept(json!({ "text": "then" }))),
        ("first.0/say", accept(json!({ "text": "late" }))),
    ]);
    let answer = Answer { session: asked.session, round: 2, call: None, answers: rest };
    assert_eq!(done(sessions.answer(answer, ada()).await.unwrap())["content"][0]["text"], "1 so then");
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn a_branch_is_held_to_its_limits() {
    async fn limited(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
        let limits = BranchLimits { depth: Some(1), tokens: Some(100), ..BranchLimits::default() };
        let branch = ctx.branch("small", limits)?;
        let deeper = branch.branch("deeper", BranchLimits::default())?;
        let too_deep = deeper.branch("deepest", BranchLimits::default()).unwrap_err();
        let asked = deeper.sample("think", Sampling::new("Hm?").max_tokens(80)).await?;
        let spent = branch.sample("think", Sampling::new("Hm?").max_tokens(80)).await.unwrap_err();
        Ok(format!("{} | {too_deep} | {spent}", asked.text()))
    }
    let scope = Scope::root("test").open().unwrap();
    let sessions = start(&scope, Tools::new().tool(Tool::new("limited", limited)), MemoryStorage::new());
    let asked = input(sessions.call(nothing("limited"), ada()).await.unwrap());
    let thought = given(&[("small/deeper/think", says("yes"))]);
    let answer = Answer { session: asked.session, round: 1, call: None, answers: thought };
    let result = done(sessions.answer(answer, ada()).await.unwrap());
    assert_eq!(
        result["content"][0]["text"],
        "yes | the limit of branch `small/deeper/deepest` is reached: depth | the limit of branch `small` is reached: tokens"
    );
    scope.halt().await;
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
struct Color {
    #[schemars(length(min = 3))]
    name: String,
}

#[tokio::test(start_paused = true)]
async fn a_model_is_asked_again_until_its_answer_fits_the_schema() {
    async fn color(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
        Ok(ctx.sample_as::<Color>("color", Sampling::new("A color?"), 3).await?.name)
    }
    let scope = Scope::root("test").open().unwrap();
    let offered = || Tools::new().tool(Tool::new("color", color));
    let sessions = start(&scope, offered(), MemoryStorage::new());
    let mut asked = input(sessions.call(nothing("color"), ada()).await.unwrap());
    for (round, said) in
        [(1, "blue, of course"), (2, "{\"name\":\"x\"}"), (3, "```json\n{\"name\":\"blue\"}\n```")]
    {
        let key = asked.questions[0].key.clone();
        let thought = given(&[(&key, says(said))]);
        let answer = Answer { session: asked.session, round, call: None, answers: thought };
        match sessions.answer(answer, ada()).await.unwrap() {
            Reply::Input(again) => {
                let request: serde_json::Value = again.questions[0].request.read().unwrap();
                let messages = request["params"]["messages"].as_array().unwrap();
                assert_eq!(messages.len(), 1 + 2 * round as usize, "what was said before goes with it");
                asked = again;
            }
            reply => assert_eq!(done(reply)["content"][0]["text"], "blue", "round {round}"),
        }
    }
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn a_page_is_opened_and_what_the_user_did_is_told() {
    async fn pay(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
        Ok(format!("{:?}", ctx.elicit_url("pay", "Please pay", "https://pay.example/1").await?))
    }
    let scope = Scope::root("test").open().unwrap();
    let offered = Tools::new().tool(Tool::new("pay", pay).elicits_url("pay"));
    let sessions = start(&scope, offered, MemoryStorage::new());
    for (action, told) in [("accept", "Accepted(())"), ("decline", "Declined"), ("cancel", "Cancelled")] {
        let asked = input(sessions.call(nothing("pay"), ada()).await.unwrap());
        let request: serde_json::Value = asked.questions[0].request.read().unwrap();
        assert_eq!(request["params"]["url"], "https://pay.example/1");
        let answers = given(&[("pay", json!({ "action": action }))]);
        let answer = Answer { session: asked.session, round: 1, call: None, answers };
        assert_eq!(done(sessions.answer(answer, ada()).await.unwrap())["content"][0]["text"], told);
    }
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_not_declared_is_not_asked() {
    async fn sly(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
        let said: Text = ctx.elicit("secret", Prompt::new("Your password?")).await?.required("secret")?;
        Ok(said.text)
    }
    let scope = Scope::root("test").open().unwrap();
    // Another key, and the same key for another type.
    for tool in [
        Tool::new("sly", sly).elicits::<Text>("say"),
        Tool::new("sly", sly).elicits::<Color>("secret"),
        Tool::new("sly", sly).elicits_url("secret"),
    ] {
        let sessions = start(&scope, Tools::new().tool(tool), MemoryStorage::new());
        let Reply::Failed(failure) = sessions.call(nothing("sly"), ada()).await.unwrap() else {
            panic!("asked")
        };
        assert!(failure.to_string().starts_with("the tool asks `secret`"), "{failure}");
    }
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_and_a_time_limit_end_a_call_and_what_it_began() {
    struct Noticed(Arc<AtomicBool>);
    impl Drop for Noticed {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let dropped = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&dropped);
    let slow = move |ctx: ToolContext, _: Nothing| {
        let noticed = Noticed(Arc::clone(&seen));
        async move {
            ctx.step("wait", || async {
                let _noticed = &noticed;
                std::future::pending::<Result<(), String>>().await
            })
            .await?;
            ToolResult::Ok("never".to_owned())
        }
    };
    let broken = async |_: ToolContext, _: Nothing| -> ToolResult<String> { panic!("as it does") };
    let scope = Scope::root("test").open().unwrap();
    let offered = Tools::new()
        .tool(Tool::new("slow", slow).time_limit(Duration::from_secs(5)))
        .tool(Tool::new("broken", broken));
    let sessions = start(&scope, offered, MemoryStorage::new());
    let Reply::Failed(failure) = sessions.call(nothing("slow"), ada()).await.unwrap() else {
        panic!("it waits")
    };
    assert!(matches!(failure, Failure::TimeLimit), "{failure}");
    assert!(dropped.load(Ordering::SeqCst));
    let Reply::Failed(failure) = sessions.call(nothing("broken"), ada()).await.unwrap() else {
        panic!("it is")
    };
    assert_eq!(failure.to_string(), "the tool panicked: as it does");
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn a_tool_waits_for_a_slow_watcher_and_tells_nobody_twice() {
    async fn tells(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
        for at in 1..=5 {
            ctx.progress(Progress::at(f64::from(at)).of(5.0)).await;
        }
        let said: Text = ctx.elicit("say", Prompt::new("Well?")).await?.required("say")?;
        ctx.progress(Progress::at(6.0)).await;
        Ok(said.text)
    }
    let scope = Scope::root("test").open().unwrap();
    let offered = || Tools::new().tool(Tool::new("tells", tells).elicits::<Text>("say"));
    let storage = MemoryStorage::new();
    let sessions = start(&scope, offered(), storage.clone());
    let (sender, mut events) = mpsc::channel(1);
    let attempt = Attempt { events: Some(sender), ..ada() };
    let mut calling = Box::pin(sessions.call(nothing("tells"), attempt));
    let waits = tokio::time::timeout(Duration::from_secs(60), &mut calling).await;
    assert!(waits.is_err(), "one event fits, the tool waits with the next");
    let mut heard = Vec::new();
    let asked = loop {
        tokio::select! {
            biased;
            event = events.recv() => heard.push(event.unwrap()),
            reply = &mut calling => break input(reply.unwrap()),
        }
    };
    drop(calling);
    while let Ok(event) = events.try_recv() {
        heard.push(event);
    }
    assert_eq!(heard.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);

    // A replay says nothing again.
    let others = start(&scope, offered(), storage);
    let (sender, mut events) = mpsc::channel(9);
    let said = given(&[("say", accept(json!({ "text": "done" })))]);
    let answer = Answer { session: asked.session, round: 1, call: None, answers: said };
    done(others.answer(answer, Attempt { events: Some(sender), ..ada() }).await.unwrap());
    let SessionEventKind::Progress { progress, .. } = events.try_recv().unwrap().kind else {
        panic!("progress")
    };
    assert_eq!((progress, events.try_recv().is_err()), (6.0, true));
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn sessions_are_capped_and_the_oldest_parked_tools_go_to_their_journals() {
    let scope = Scope::root("test").open().unwrap();
    let config = SessionsConfig {
        max_sessions: 5,
        max_sessions_per_principal: 3,
        max_parked_bytes: 0,
        ..Default::default()
    };
    let sessions =
        Sessions::start(&scope, tools(&crate::flight::Effects::default()), MemoryStorage::new(), config)
            .unwrap();
    let call =
        async |name: &str| sessions.call(to_rome(), Attempt { principal: Arc::from(name), ..ada() }).await;
    let first = input(call("ada").await.unwrap());
    for _ in 0..2 {
        input(call("ada").await.unwrap());
    }
    let error = call("ada").await.unwrap_err();
    assert!(matches!(error, CallError::TooMany { limit: 3, all: false }), "{error}");
    for _ in 0..2 {
        input(call("eve").await.unwrap());
    }
    let error = call("eve").await.unwrap_err();
    assert!(matches!(error, CallError::TooMany { limit: 5, all: true }), "{error}");
    let status = sessions.status();
    assert_eq!((status.parked, status.evicted, status.parked_bytes), (0, 5, 0));

    // They all go on, and make room when they end.
    let answer = Answer { session: first.session, round: 1, call: None, answers: answers(&first) };
    let second = input(sessions.answer(answer, ada()).await.unwrap());
    let answer = Answer { session: first.session, round: 2, call: None, answers: answers(&second) };
    done(sessions.answer(answer, ada()).await.unwrap());
    assert_eq!(sessions.status().resumed_from_journal, 2);
    input(call("ada").await.unwrap());
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_cancelled_or_expires_while_it_works_ends_there() {
    async fn works(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
        let said: Text = ctx.elicit("say", Prompt::new("Well?")).await?.required("say")?;
        ctx.step("work", || async {
            tokio::time::sleep(Duration::from_hours(100)).await;
            Ok::<_, String>(())
        })
        .await?;
        Ok(said.text)
    }
    let scope = Scope::root("test").open().unwrap();
    let offered = Tools::new().tool(Tool::new("works", works).elicits::<Text>("say"));
    let sessions = start(&scope, offered, MemoryStorage::new());
    for cancels in [true, false] {
        let asked = input(sessions.call(nothing("works"), ada()).await.unwrap());
        let said = given(&[("say", accept(json!({ "text": "done" })))]);
        let answer = Answer { session: asked.session, round: 1, call: None, answers: said };
        let cancelling = async {
            if cancels {
                tokio::time::sleep(Duration::from_secs(60)).await;
                sessions.cancel(asked.session).await.unwrap();
            }
        };
        let (reply, ()) = tokio::join!(sessions.answer(answer, ada()), cancelling);
        let Reply::Failed(failure) = reply.unwrap() else { panic!("it works") };
        match cancels {
            true => assert!(matches!(failure, Failure::Cancelled), "{failure}"),
            false => assert!(matches!(failure, Failure::Expired), "{failure}"),
        }
    }
    scope.halt().await;
}
