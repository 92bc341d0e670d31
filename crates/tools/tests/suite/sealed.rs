//! Sessions without a store, which their clients carry.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt;
use ostler_scope::Scope;
use ostler_tools::{
    Answer, Attempt, Call, CallError, Capabilities, ClientId, EntryEvent, Failure, InputRequired, Json,
    ListQuery, MemoryStorage, Origin, Reply, Sessions, SessionsConfig, StartError, TaskPolicy, Tool,
    ToolContext, ToolResult, Tools,
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::flight::{
    Effects, accept, ada, answers, done, given, input, keyed_tools, keys, says, start, to_rome,
};

fn sealed(scope: &Scope, tools: Tools) -> Sessions {
    Sessions::start_sealed(scope, tools, SessionsConfig::default()).expect("none needs a store")
}

/// Answers to what `asked` asks.
fn answer(asked: &InputRequired, answers: HashMap<String, Json>) -> Answer {
    Answer { session: asked.session, round: asked.round, call: Some(to_rome()), answers }
}

fn journal(asked: &InputRequired) -> Vec<EntryEvent> {
    asked.journal.clone().expect("the client carries it")
}

/// Answers everything that `asked` asks.
async fn go_on(sessions: &Sessions, asked: &InputRequired) -> Reply {
    let answer = answer(asked, answers(asked));
    sessions.answer_sealed(answer, journal(asked), ada()).await.expect("the answers are taken")
}

fn counts(effects: &Effects) -> [u32; 3] {
    [&effects.searched, &effects.held, &effects.charged].map(|counter| Effects::count(counter))
}

/// A booking but for its number, which is another one each time.
fn booked(mut result: Value) -> Value {
    let mut booking = result["structuredContent"].take();
    let number = booking.as_object_mut().and_then(|booking| booking.remove("number"));
    assert!(number.is_some(), "{booking}");
    booking
}

#[tokio::test(start_paused = true)]
async fn servers_with_nothing_in_common_go_on_with_each_others_sessions_and_keep_nothing() {
    let effects = Effects::default();
    let scopes = ["one", "two"].map(|name| Scope::root(name).open().unwrap());
    let [one, two] = scopes.each_ref().map(|scope| sealed(scope, keyed_tools(&effects)));
    let first = input(one.call(to_rome(), ada()).await.unwrap());
    assert_eq!((first.round, keys(&first)), (1, vec!["pickFlight"]));
    let second = input(go_on(&two, &first).await);
    assert_eq!((second.round, keys(&second)), (2, vec!["pickSeat", "tip"]));
    let last = booked(done(go_on(&one, &second).await));
    assert_eq!(counts(&effects), [1, 1, 1]);
    for sessions in [&one, &two] {
        let status = sessions.status();
        assert_eq!((status.parked, status.busy, status.resumed_sealed), (0, 0, 1));
        assert!(sessions.list(ListQuery::default()).await.unwrap().is_empty());
    }

    // With a store the same script leads to the same.
    let stored = start(&scopes[0], keyed_tools(&effects), MemoryStorage::new());
    let mut asked = input(stored.call(to_rome(), ada()).await.unwrap());
    asked = input(stored.answer(answer(&asked, answers(&asked)), ada()).await.unwrap());
    let reply = stored.answer(answer(&asked, answers(&asked)), ada()).await.unwrap();
    assert_eq!(booked(done(reply)), last);
    for scope in scopes {
        assert!(scope.halt().await.is_clean());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_answered_is_asked_again_with_a_journal_that_is_as_good() {
    let scope = Scope::root("test").open().unwrap();
    let effects = Effects::default();
    let sessions = sealed(&scope, keyed_tools(&effects));
    let first = input(sessions.call(to_rome(), ada()).await.unwrap());
    let nothing = answer(&first, given(&[("other", json!(1))]));
    assert_eq!(input(sessions.answer_sealed(nothing, journal(&first), ada()).await.unwrap()), first);

    let second = input(go_on(&sessions, &first).await);
    let tip = answer(&second, given(&[("tip", says("a coat"))]));
    let third = input(sessions.answer_sealed(tip, journal(&second), ada()).await.unwrap());
    assert_eq!((third.round, keys(&third)), (3, vec!["pickSeat"]));
    let wrong = answer(&third, given(&[("pickSeat", accept(json!({ "row": 99 })))]));
    let fourth = input(sessions.answer_sealed(wrong, journal(&third), ada()).await.unwrap());
    assert_eq!((fourth.round, keys(&fourth)), (4, vec!["pickSeat#2"]));
    let row = answer(&fourth, given(&[("pickSeat#2", accept(json!({ "row": 9 })))]));
    let result = done(sessions.answer_sealed(row, journal(&fourth), ada()).await.unwrap());
    assert_eq!(booked(result), json!({ "flight": "Rome-2", "row": 9, "tip": "a coat" }));
    assert_eq!(counts(&effects), [1, 1, 1]);
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_comes_twice_is_two_sessions_whose_steps_have_the_same_keys() {
    let scope = Scope::root("test").open().unwrap();
    let effects = Effects::default();
    let sessions = sealed(&scope, keyed_tools(&effects));
    let first = input(sessions.call(to_rome(), ada()).await.unwrap());
    let (one, two) = tokio::join!(go_on(&sessions, &first), go_on(&sessions, &first));
    let (one, two) = (input(one), input(two));
    let (one, two) = tokio::join!(go_on(&sessions, &one), go_on(&sessions, &two));
    // The number follows from the session.
    assert_eq!(done(one), done(two));
    assert_eq!((counts(&effects), effects.keys.lock().unwrap().len()), ([1, 2, 2], 1));

    // Other answers are not refused: nobody knows of the first ones.
    let other = answer(&first, given(&[("pickFlight", accept(json!({ "flight": "Rome-1" })))]));
    let other = input(sessions.answer_sealed(other, journal(&first), ada()).await.unwrap());
    assert_eq!(done(go_on(&sessions, &other).await)["structuredContent"]["flight"], "Rome-1");
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn a_journal_is_good_for_its_principal_its_call_and_its_round_until_it_expires() {
    let scope = Scope::root("test").open().unwrap();
    let tools = || keyed_tools(&Effects::default());
    let sessions = sealed(&scope, tools());
    let first = input(sessions.call(to_rome(), ada()).await.unwrap());
    let own = || answer(&first, answers(&first));
    let eve = Attempt { principal: Arc::from("eve"), ..ada() };
    let error = sessions.answer_sealed(own(), journal(&first), eve).await.unwrap_err();
    assert!(matches!(error, CallError::UnknownSession(_)), "{error}");
    let other = Answer { call: Some(Call::tool("book", &json!({ "to": "Paris" }))), ..own() };
    let error = sessions.answer_sealed(other, journal(&first), ada()).await.unwrap_err();
    assert!(matches!(error, CallError::OtherCall), "{error}");
    let later = Answer { round: 2, ..own() };
    let error = sessions.answer_sealed(later, journal(&first), ada()).await.unwrap_err();
    assert!(matches!(error, CallError::RoundOver { round: 2, current: 1 }), "{error}");
    let error = sessions.answer_sealed(own(), Vec::new(), ada()).await.unwrap_err();
    assert!(matches!(error, CallError::Resume(_)), "{error}");

    // Where there is a store, the session has to be in it.
    let stored = start(&scope, tools(), MemoryStorage::new());
    let error = stored.answer_sealed(own(), journal(&first), ada()).await.unwrap_err();
    assert!(matches!(error, CallError::UnknownSession(_)), "{error}");

    tokio::time::advance(SessionsConfig::default().ttl).await;
    let reply = sessions.answer_sealed(own(), journal(&first), ada()).await.unwrap();
    assert!(matches!(reply, Reply::Failed(Failure::Expired)), "{reply:?}");
    assert_eq!(sessions.status().expired, 1);
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn a_session_is_not_known_by_its_id() {
    let scope = Scope::root("test").open().unwrap();
    let sessions = sealed(&scope, keyed_tools(&Effects::default()));
    let asked = input(sessions.call(to_rome(), ada()).await.unwrap());
    let id = asked.session;
    let answered = sessions.answer(answer(&asked, answers(&asked)), ada()).await.map(drop);
    let watched = sessions.watch(id, "ada").await.map(drop);
    let followed = sessions.follow(id, "ada", 0).await.map(drop);
    let viewed = sessions.view(id, "ada").await.map(drop);
    let cancelled = sessions.cancel_own(id, "ada").await;
    for found in [answered, watched, followed, viewed, cancelled] {
        let error = found.unwrap_err();
        assert!(matches!(error, CallError::UnknownSession(_)), "{error}");
    }
    assert!(sessions.summary(id).await.unwrap().is_none());
    scope.halt().await;
}

async fn pays_once(ctx: ToolContext, _: Value) -> ToolResult<String> {
    ctx.step_once("pay", || async { Ok::<_, String>("paid".to_owned()) }).await
}

async fn sleeps(ctx: ToolContext, _: Value) -> ToolResult<String> {
    ctx.sleep("nap", Duration::from_secs(1)).await?;
    Ok("slept".into())
}

async fn answers_at_once(_: ToolContext, _: Value) -> ToolResult<String> {
    Ok("at once".into())
}

/// A tool without arguments.
macro_rules! plain {
    ($handler:ident) => {
        Tool::raw(
            stringify!($handler),
            json!({ "type": "object" }).as_object().unwrap().clone(),
            $handler,
        )
    };
}

fn without_arguments(name: &str) -> Call {
    Call::tool(name, &json!({}))
}

#[tokio::test(start_paused = true)]
async fn what_needs_a_store_ends_the_call_and_says_what_it_was() {
    let scope = Scope::root("test").open().unwrap();
    let sessions = sealed(&scope, Tools::new().tool(plain!(pays_once)).tool(plain!(sleeps)));
    for (name, used) in [("pays_once", "`step_once`"), ("sleeps", "`sleep`")] {
        let reply = sessions.call(without_arguments(name), ada()).await.unwrap();
        let Reply::Failed(Failure::NeedsStore { what }) = reply else { panic!("{reply:?}") };
        assert_eq!(what, used);
    }
    let origin = Origin { client: ClientId::unique(), request: Json::from(&json!(1)) };
    let error = sessions.launch(without_arguments("sleeps").of(origin), ada()).await.unwrap_err();
    assert!(matches!(&error, CallError::NeedsStore { name, .. } if name == "sleeps"), "{error}");
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_has_to_be_a_task_is_refused_at_the_start_and_later_when_it_is_called() {
    let scope = Scope::root("test").open().unwrap();
    for policy in [TaskPolicy::Required, TaskPolicy::RequiredOnceAnswered] {
        let tools = || Tools::new().tool(plain!(answers_at_once).tasks(policy));
        let refused = Sessions::start_sealed(&scope, tools(), SessionsConfig::default()).unwrap_err();
        assert_eq!(refused, StartError::NeedsStore { tool: "answers_at_once".into() });
        let sessions = sealed(&scope, Tools::new());
        sessions.offer(tools());
        let knows_tasks = ada().with(Capabilities { tasks: true, ..Capabilities::ALL });
        let error = sessions.call(without_arguments("answers_at_once"), knows_tasks).await.unwrap_err();
        assert!(matches!(&error, CallError::NeedsStore { what: "a task", .. }), "{error}");
    }
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn clients_that_know_tasks_are_not_given_any() {
    let scope = Scope::root("test").open().unwrap();
    let knows_tasks = || ada().with(Capabilities { tasks: true, ..Capabilities::ALL });
    let always = Tools::new().tool(plain!(answers_at_once).tasks(TaskPolicy::Always));
    let sessions = sealed(&scope, keyed_tools(&Effects::default()).and(always));
    let reply = sessions.call(without_arguments("answers_at_once"), knows_tasks()).await.unwrap();
    assert_eq!(done(reply)["content"][0]["text"], "at once");
    let asked = input(sessions.call(to_rome(), knows_tasks()).await.unwrap());
    let own = answer(&asked, answers(&asked));
    input(sessions.answer_sealed(own, journal(&asked), knows_tasks()).await.unwrap());
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn a_round_that_is_dropped_ends_all_it_has_begun() {
    let scope = Scope::root("test").open().unwrap();
    let (alive, cancelled) = (Arc::new(()), Arc::new(Notify::new()));
    let effects = Effects::default();
    let (held, counted, told) = (Arc::clone(&alive), effects.clone(), Arc::clone(&cancelled));
    let stuck = move |ctx: ToolContext, _: Value| {
        let (held, counted, told) = (Arc::clone(&held), counted.clone(), Arc::clone(&told));
        async move {
            let cancelled = ctx.cancelled();
            tokio::spawn(async move {
                cancelled.await;
                told.notify_one();
            });
            ctx.step("begin", || async { Ok::<_, String>(()) }).await?;
            ctx.step("stuck", || async move {
                let _held = held;
                if counted.searched.fetch_add(1, Ordering::SeqCst) == 0 {
                    std::future::pending::<()>().await;
                }
                Ok::<_, String>("at last".to_owned())
            })
            .await
        }
    };
    let schema = json!({ "type": "object" }).as_object().unwrap().clone();
    let sessions = sealed(&scope, Tools::new().tool(Tool::raw("stuck", schema, stuck)));
    let kept = Arc::strong_count(&alive);
    let mut call = Box::pin(sessions.call(without_arguments("stuck"), ada()));
    assert!(call.as_mut().now_or_never().is_none());
    assert!(Arc::strong_count(&alive) > kept);
    drop(call);
    assert_eq!((Arc::strong_count(&alive), sessions.status().busy), (kept, 0));
    cancelled.notified().await;
    let reply = sessions.call(without_arguments("stuck"), ada()).await.unwrap();
    assert_eq!(done(reply)["content"][0]["text"], "at last");
    assert!(scope.halt().await.is_clean());
}
