//! The process dies after each entry of the journal, and the client tries again.

use futures::FutureExt;
use ostler_scope::Scope;
use ostler_tools::{Answer, MemoryStorage, Reply};
use serde_json::Value;

use crate::dying::{Dying, LastWrite};
use crate::flight::{Effects, ada, answers, start, to_rome, tools};

/// Books, with a process that dies after `batches` writes, and others that do not. Gives the booking, or why there is none.
async fn book_with_a_death_after(
    batches: usize,
    last: LastWrite,
    effects: &Effects,
) -> Result<Value, String> {
    let storage = MemoryStorage::new();
    let mut left = batches;
    let (mut known, mut answer) = (None, None);
    loop {
        let scope = Scope::root("process").open().expect("a root opens");
        let dying = Dying::after(left, last, &storage);
        let sessions = start(&scope, tools(effects), dying);
        let reply = loop {
            let request = match &answer {
                None => sessions.call(to_rome(), ada()).left_future(),
                Some(answer) => sessions.answer(Answer::clone(answer), ada()).right_future(),
            };
            // Long enough for everything but a store that hangs.
            let Ok(reply) = tokio::time::timeout(std::time::Duration::from_secs(1), request).await else {
                break None;
            };
            match reply.expect("the answer is taken") {
                Reply::Input(asked) => {
                    assert!(
                        !asked.questions.is_empty(),
                        "a round without a question, {last:?} after {batches}"
                    );
                    let session = *known.get_or_insert(asked.session);
                    assert_eq!(session, asked.session);
                    let answers = answers(&asked);
                    answer = Some(Answer { session, round: asked.round, call: None, answers });
                }
                other => break Some(other),
            }
        };
        // The death: nothing is drained, nothing is told.
        std::mem::forget(scope);
        left = usize::MAX;
        match reply {
            Some(Reply::Done(result)) => return Ok(result.read().expect("a result is an object")),
            Some(Reply::Failed(failure)) => return Err(failure.to_string()),
            Some(Reply::Input(_) | Reply::Task(_)) | None => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_booking_survives_a_death_after_every_write() {
    for last in [LastWrite::Lost, LastWrite::Durable] {
        let mut deaths = 0;
        loop {
            let effects = Effects::default();
            let booked = book_with_a_death_after(deaths, last, &effects).await;
            let ran =
                [&effects.searched, &effects.held, &effects.charged].map(|counter| Effects::count(counter));
            // What ran when the process died may have run again, but only that.
            assert!(ran[0] <= 2 && ran[1] <= 2 && ran[0] + ran[1] <= 3, "{ran:?} after {deaths} writes");
            assert!(ran[2] <= 1, "the charge, after {deaths} writes");
            match booked {
                Ok(booking) => {
                    assert_eq!(booking["structuredContent"]["flight"], "Rome-2");
                    assert_eq!(booking["structuredContent"]["row"], 12);
                    assert_eq!(ran[2], 1, "the charge, after {deaths} writes");
                }
                // It had begun to charge, and nobody knows whether it did.
                Err(reason) => assert_eq!(reason, "whether `charge` has happened is not known"),
            }
            if ran[0] + ran[1] == 2 && deaths > 20 {
                break;
            }
            deaths += 1;
        }
    }
}
