//! What has been confirmed survives the process.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use ostler_journal::contract::sample::{Writer, at_place, folded};
use ostler_journal::{Entry, EntryEvent, JournalStorage, Seq, SessionId};
use ostler_store::SqliteConfig;

use crate::support::{Inn, Open, child, given, runtime};

#[test]
fn what_was_confirmed_survives_kill_9() {
    let inn = Inn::new();
    let mut confirmed = HashMap::<SessionId, Seq>::new();
    for round in 0..6 {
        let mut appending = child("crash::appends_until_it_is_killed", &inn.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Killed behind the n-th word, wherever it is with the next.
        let lines = BufReader::new(appending.stdout.take().unwrap()).lines().map_while(Result::ok);
        let words = lines.filter_map(|line| {
            let (session, seq) = line.strip_prefix("confirmed ")?.split_once(' ')?;
            Some((session.parse::<SessionId>().unwrap(), Seq::new(seq.parse().unwrap())))
        });
        let mut words = words.peekable();
        for (session, seq) in words.by_ref().take(37 * (round + 1)) {
            confirmed.insert(session, seq);
        }
        appending.kill().unwrap();
        confirmed.extend(words);
        appending.wait().unwrap();
        runtime().block_on(check(&inn, &confirmed));
    }
    assert!(confirmed.len() >= 48, "{confirmed:?}");
}

async fn check(inn: &Inn, confirmed: &HashMap<SessionId, Seq>) {
    let open = Open::with(inn.config()).await;
    for (session, seq) in confirmed {
        let events = open.store.load(*session).await.unwrap();
        assert!(
            events.len() > seq.number() as usize,
            "{session}: {seq} was confirmed, {} are there",
            events.len()
        );
        assert!(matches!(events[0], EntryEvent::Started(_)));
        let entry = |(seq, event)| {
            let seq = Seq::new(seq);
            Entry { session: *session, seq, at: at_place(seq), wake: None, event }
        };
        let entries: Vec<_> = (0..).zip(events).map(entry).collect();
        assert_eq!(open.store.summary(*session).await.unwrap(), folded(&entries));
    }
    open.halt().await;
}

#[test]
fn appends_until_it_is_killed() {
    // Only what another test runs in a process of its own has a file.
    let Some(path) = given() else { return };
    runtime().block_on(async {
        let open = Open::with(SqliteConfig::at(&path)).await;
        let session = async |_| {
            let mut ada = Writer::of("ada");
            let mut batch = vec![ada.begin()];
            loop {
                let answers = open.store.append(batch).await.unwrap();
                let seq = answers.last().unwrap().unwrap();
                writeln!(std::io::stdout(), "confirmed {} {seq}", ada.session).unwrap();
                batch = vec![ada.step("a"), ada.ask(1), ada.answer(1)];
            }
        };
        let () = futures::future::join_all((0..8).map(session)).await.remove(0);
    });
}
