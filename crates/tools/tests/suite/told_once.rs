//! What a call that goes on without its request tells over deaths of its process: everything, and nothing twice.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use ostler_scope::Scope;
use ostler_tools::{ClientId, LogLevel, MemoryStorage, Prompt, Reply, Tool, ToolContext, ToolResult, Tools};
use tokio::sync::Notify;

use crate::dying::{Dying, LastWrite};
use crate::flight::start;
use crate::follow::{Name, Nothing, ada, all, answer, call, to_the_end, told, tools};

/// Does two things at the same time, and tells what has become of each.
async fn beside(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
    let arm = async |name: &'static str| {
        ctx.step(name, async || Ok::<_, Infallible>(())).await?;
        ctx.log(LogLevel::Info, format!("{name} is over")).await;
        ctx.log(LogLevel::Info, format!("{name} is told")).await;
        ToolResult::Ok(())
    };
    futures::try_join!(arm("left"), arm("right"))?;
    ask(&ctx).await
}

/// Does something that takes long and tells how far it is, and something short beside it.
async fn long(ctx: ToolContext, _: Nothing, short: Arc<Notify>) -> ToolResult<String> {
    let within = ctx.clone();
    let work = async || {
        within.log(LogLevel::Info, "begun").await;
        short.notified().await;
        within.log(LogLevel::Info, "half").await;
        Ok::<_, Infallible>(())
    };
    let beside = async {
        ctx.step("short", async || Ok::<_, Infallible>(())).await?;
        ctx.log(LogLevel::Info, "short").await;
        short.notify_one();
        Ok(())
    };
    futures::try_join!(ctx.step("long", work), beside)?;
    // Not the one that was told within the step.
    ctx.log(LogLevel::Info, "half").await;
    ask(&ctx).await
}

async fn ask(ctx: &ToolContext) -> ToolResult<String> {
    let name = ctx.elicit::<Name>("name", Prompt::new("Who are you?")).await?.required("name")?.name;
    ctx.log(LogLevel::Info, "answered").await;
    Ok(name)
}

fn all_tools() -> Tools {
    let short = Arc::new(Notify::new());
    tools()
        .tool(Tool::new("beside", beside).elicits::<Name>("name"))
        .tool(Tool::new("long", move |ctx, none| long(ctx, none, Arc::clone(&short))).elicits::<Name>("name"))
}

/// Calls in a process that dies at the write behind so many, and follows to the end in another one. None if the call was not
/// known to go on before the death.
async fn follow_over_a_death(tool: &str, writes: usize, last: LastWrite) -> Option<(Vec<String>, bool)> {
    let storage = MemoryStorage::new();
    let scope = Scope::root("process").open().unwrap();
    let sessions = start(&scope, all_tools(), Dying::after(writes, last, &storage));
    let client = ClientId::unique();
    // Long enough for everything but a store that hangs.
    let moment = Duration::from_secs(1);
    let launched = tokio::time::timeout(moment, sessions.launch(call(tool, client), ada())).await;
    let Ok(Ok(Reply::Task(session))) = launched else {
        std::mem::forget(scope);
        return None;
    };
    let (mut heard, mut seen, mut died) = (Vec::new(), 0, true);
    let mut follower = sessions.follow(session, "ada", 0).await.unwrap();
    while let Ok(event) = tokio::time::timeout(moment, follower.next()).await {
        let Some(event) = event else {
            died = false;
            break;
        };
        heard.push(told(&event));
        seen = event.seq;
        let _ = tokio::time::timeout(moment, answer(&sessions, session, &event)).await;
    }
    // The death: nothing is drained, nothing is told.
    std::mem::forget(scope);
    if died {
        let scope = Scope::root("process").open().unwrap();
        let sessions = start(&scope, all_tools(), storage);
        // What the client was answering when the server died it answers again.
        let mut again = sessions.follow(session, "ada", 0).await.unwrap();
        while let Some(Some(event)) = again.next().now_or_never() {
            if event.seq <= seen {
                answer(&sessions, session, &event).await;
            }
        }
        let mut follower = sessions.follow(session, "ada", seen).await.unwrap();
        heard.extend(to_the_end(&sessions, session, &mut follower).await);
        scope.halt().await;
    }
    Some((heard, died))
}

/// What is told over a death at any write of `tool`, lost or durable, is the same as `without` one, by `form`.
async fn over_deaths(tool: &str, form: impl Fn(Vec<String>) -> Vec<String>) {
    let (expected, _) = follow_over_a_death(tool, usize::MAX, LastWrite::Lost).await.unwrap();
    let expected = form(expected);
    for last in [LastWrite::Lost, LastWrite::Durable] {
        let (mut writes, mut deaths) = (0, 0);
        loop {
            if let Some((heard, died)) = follow_over_a_death(tool, writes, last).await {
                assert_eq!(form(heard), expected, "{last:?} at write {writes}");
                if !died {
                    break;
                }
                deaths += 1;
            }
            writes += 1;
        }
        assert!(deaths >= 4, "{deaths} deaths");
    }
}

/// Without the numbers, which are those of the order, in an order that is always the same.
fn sorted(heard: Vec<String>) -> Vec<String> {
    let numbers = heard.iter().map(|event| event.split(' ').next().unwrap().parse::<usize>().unwrap());
    assert!(numbers.eq(1..=heard.len()), "{heard:?}");
    let mut events: Vec<_> = heard.iter().map(|event| event.split_once(' ').unwrap().1.to_owned()).collect();
    events.sort_unstable();
    events
}

#[tokio::test(start_paused = true)]
async fn no_event_is_lost_and_none_comes_twice_over_a_death_at_any_write() {
    assert_eq!(follow_over_a_death("greet", usize::MAX, LastWrite::Lost).await, Some((all(), false)));
    over_deaths("greet", |heard| heard).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_told_beside_something_else_is_not_lost_with_a_death() {
    over_deaths("beside", sorted).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_step_tells_is_told_once_whatever_ends_beside_it() {
    over_deaths("long", sorted).await;
}
