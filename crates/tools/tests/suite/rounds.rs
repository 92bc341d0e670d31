//! Questions, answers, and what is asked again.

use std::sync::Arc;

use ostler_scope::Scope;
use ostler_tools::{Answer, Attempt, CallError, Capabilities, ListQuery, MemoryStorage, Reply, SessionState};
use serde_json::json;

use crate::flight::{Effects, accept, ada, answers, done, given, input, keys, says, start, to_rome, tools};

#[tokio::test(start_paused = true)]
async fn a_tool_asks_over_two_rounds_and_each_step_runs_once() {
    let scope = Scope::root("test").open().unwrap();
    let effects = Effects::default();
    let sessions = start(&scope, tools(&effects), MemoryStorage::new());

    let first = input(sessions.call(to_rome(), ada()).await.unwrap());
    assert_eq!((first.round, keys(&first)), (1, vec!["pickFlight"]));
    let asked: serde_json::Value = first.questions[0].request.read().unwrap();
    assert_eq!(asked["method"], "elicitation/create");
    assert_eq!(asked["params"]["requestedSchema"]["properties"]["flight"]["oneOf"][1]["const"], "Rome-2");

    let answer = Answer { session: first.session, round: 1, call: Some(to_rome()), answers: answers(&first) };
    let second = input(sessions.answer(answer, ada()).await.unwrap());
    // Both at once: one round for what is asked at the same time.
    assert_eq!((second.round, keys(&second)), (2, vec!["pickSeat", "tip"]));

    let answer = Answer { session: first.session, round: 2, call: None, answers: answers(&second) };
    let booking = done(sessions.answer(answer, ada()).await.unwrap());
    assert_eq!(booking["structuredContent"]["flight"], "Rome-2");
    assert_eq!(booking["structuredContent"]["row"], 12);
    assert_eq!(booking["structuredContent"]["tip"], "take a coat");
    let ran = [&effects.searched, &effects.held, &effects.charged].map(|counter| Effects::count(counter));
    assert_eq!(ran, [1, 1, 1]);
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_answered_is_asked_again_in_a_round_of_its_own() {
    let scope = Scope::root("test").open().unwrap();
    let sessions = start(&scope, tools(&Effects::default()), MemoryStorage::new());
    let first = input(sessions.call(to_rome(), ada()).await.unwrap());
    let nothing =
        Answer { session: first.session, round: 1, call: None, answers: given(&[("other", json!(1))]) };
    assert_eq!(input(sessions.answer(nothing, ada()).await.unwrap()), first);

    let answer = Answer { session: first.session, round: 1, call: None, answers: answers(&first) };
    let second = input(sessions.answer(answer, ada()).await.unwrap());
    let tip =
        Answer { session: first.session, round: 2, call: None, answers: given(&[("tip", says("a coat"))]) };
    let third = input(sessions.answer(tip, ada()).await.unwrap());
    assert_eq!((third.round, keys(&third)), (3, vec!["pickSeat"]));
    let seat = Answer { session: second.session, round: 3, call: None, answers: answers(&third) };
    assert_eq!(done(sessions.answer(seat, ada()).await.unwrap())["structuredContent"]["tip"], "a coat");
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn an_invalid_answer_is_asked_for_again_with_the_reason_and_then_given_up() {
    let scope = Scope::root("test").open().unwrap();
    let sessions = start(&scope, tools(&Effects::default()), MemoryStorage::new());
    let mut asked = input(sessions.call(to_rome(), ada()).await.unwrap());
    for (round, key) in [(1, "pickFlight"), (2, "pickFlight#2"), (3, "pickFlight#3"), (4, "pickFlight#4")] {
        assert_eq!((asked.round, keys(&asked)), (round, vec![key]));
        let wrong = given(&[(key, accept(json!({ "flight": "Rome-9" })))]);
        let reply = sessions
            .answer(Answer { session: asked.session, round, call: None, answers: wrong }, ada())
            .await;
        match reply.unwrap() {
            Reply::Input(again) => {
                let message: serde_json::Value = again.questions[0].request.read().unwrap();
                assert!(message["params"]["message"].as_str().unwrap().contains("Rome-9"), "{message}");
                asked = again;
            }
            Reply::Failed(failure) => {
                assert_eq!(round, 4);
                assert!(
                    failure.to_string().starts_with("no valid answer to `pickFlight` in 4 tries"),
                    "{failure}"
                );
            }
            other @ (Reply::Done(_) | Reply::Task(_)) => panic!("{other:?}"),
        }
    }
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn the_same_answers_lead_to_the_same_reply_and_others_to_an_error() {
    let scope = Scope::root("test").open().unwrap();
    let effects = Effects::default();
    let storage = MemoryStorage::new();
    let sessions = start(&scope, tools(&effects), storage.clone());
    let first = input(sessions.call(to_rome(), ada()).await.unwrap());
    let same = || Answer { session: first.session, round: 1, call: None, answers: answers(&first) };
    let mut other = same();
    other.answers = given(&[("pickFlight", accept(json!({ "flight": "Rome-1" })))]);

    let (one, two) = tokio::join!(sessions.answer(same(), ada()), sessions.answer(same(), ada()));
    let (one, two) = (input(one.unwrap()), input(two.unwrap()));
    assert_eq!(one, two);
    assert_eq!(Effects::count(&effects.held), 1);
    assert_eq!(input(sessions.answer(same(), ada()).await.unwrap()), one);
    let error = sessions.answer(other.clone(), ada()).await.unwrap_err();
    assert!(matches!(error, CallError::Settled { round: 1 }), "{error}");

    let last = || Answer { session: first.session, round: 2, call: None, answers: answers(&one) };
    let booked = done(sessions.answer(last(), ada()).await.unwrap());
    // The reply was lost: it is given again, by another process too, and nothing runs twice.
    assert_eq!(done(sessions.answer(last(), ada()).await.unwrap()), booked);
    let others = start(&scope, tools(&effects), storage);
    assert_eq!(done(others.answer(last(), ada()).await.unwrap()), booked);
    let error = others.answer(same(), ada()).await.unwrap_err();
    assert!(matches!(error, CallError::RoundOver { round: 1, current: 2 }), "{error}");
    assert_eq!(Effects::count(&effects.charged), 1);
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn somebody_else_finds_no_session_and_another_call_none_of_its_own() {
    let scope = Scope::root("test").open().unwrap();
    let storage = MemoryStorage::new();
    let sessions = start(&scope, tools(&Effects::default()), storage.clone());
    let first = input(sessions.call(to_rome(), ada()).await.unwrap());
    let answer = Answer { session: first.session, round: 1, call: Some(to_rome()), answers: answers(&first) };
    let eve = Attempt { principal: Arc::from("eve"), ..ada() };
    let fresh = start(&scope, tools(&Effects::default()), storage);
    for sessions in [&sessions, &fresh] {
        let error = sessions.answer(answer.clone(), eve.clone()).await.unwrap_err();
        assert!(matches!(error, CallError::UnknownSession(_)), "{error}");
        let to_paris = ostler_tools::Call::tool("book", &json!({ "to": "Paris" }));
        let other = Answer { call: Some(to_paris), ..answer.clone() };
        assert!(matches!(sessions.answer(other, ada()).await.unwrap_err(), CallError::OtherCall));
    }
    input(sessions.answer(answer, ada()).await.unwrap());
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_answers_nothing_is_not_asked() {
    let scope = Scope::root("test").open().unwrap();
    let sessions = start(&scope, tools(&Effects::default()), MemoryStorage::new());
    let attempt = Attempt { capabilities: Capabilities::default(), ..ada() };
    let Reply::Failed(failure) = sessions.call(to_rome(), attempt).await.unwrap() else {
        panic!("it has to ask")
    };
    assert_eq!(failure.to_string(), "the client does not answer elicitation");
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn answers_that_come_before_their_questions_are_used() {
    let scope = Scope::root("test").open().unwrap();
    let sessions = start(&scope, tools(&Effects::default()), MemoryStorage::new());
    let early = given(&[
        ("pickFlight", accept(json!({ "flight": "Rome-1" }))),
        ("pickSeat", accept(json!({ "row": 3 }))),
        ("tip", says("none")),
    ]);
    let booking = done(sessions.call(to_rome().answers(early), ada()).await.unwrap());
    assert_eq!(booking["structuredContent"]["flight"], "Rome-1");
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn a_session_expires_and_a_cancelled_one_ends_at_once() {
    let scope = Scope::root("test").open().unwrap();
    let storage = MemoryStorage::new();
    let sessions = start(&scope, tools(&Effects::default()), storage.clone());
    let one = input(sessions.call(to_rome(), ada()).await.unwrap());
    let two = input(sessions.call(to_rome(), ada()).await.unwrap());
    sessions.cancel(two.session).await.unwrap();
    let summary = sessions.summary(two.session).await.unwrap().unwrap();
    assert_eq!(summary.state, SessionState::Cancelled);
    assert!(sessions.cancel(two.session).await.is_err());
    assert_eq!(sessions.status().parked, 1);

    tokio::time::sleep(std::time::Duration::from_hours(25)).await;
    assert_eq!(sessions.status().parked, 0);
    assert_eq!(sessions.list(ListQuery::default()).await.unwrap(), []);
    let answer = Answer { session: one.session, round: 1, call: None, answers: answers(&one) };
    assert!(matches!(sessions.answer(answer, ada()).await.unwrap_err(), CallError::UnknownSession(_)));
    scope.halt().await;
}
