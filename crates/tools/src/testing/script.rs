//! Answers, and whoever gives them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ostler_journal::{Json, MemoryStorage, Question};
use ostler_lease::Fence;
use ostler_scope::{Deadline, Scope};
use serde::Serialize;
use serde_json::{Value, json};

use super::Effects;
use super::mortal::{LastWrite, Mortal};
use super::run::{Failed, Run};
use crate::error::CallError;
use crate::sample::Root;
use crate::{Answer, Attempt, Call, Capabilities, InputRequired, Reply, Sessions, SessionsConfig, Tools};

/// More rounds than this are none of a tool that comes to an end.
const MOST_ROUNDS: usize = 1000;

/// What a client answers to each question. One that is asked again gets the next answer to its key.
#[derive(Debug, Clone, Default)]
pub struct Script {
    answers: HashMap<String, VecDeque<Value>>,
    capabilities: Option<Capabilities>,
    principal: Option<Arc<str>>,
}

impl Script {
    /// One without answers, of a client that can answer everything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The user fills in the form `key` with `content`.
    ///
    /// # Panics
    /// When that has no form in JSON.
    #[must_use]
    pub fn accept(self, key: &str, content: impl Serialize) -> Self {
        self.answer(key, json!({ "action": "accept", "content": content }))
    }

    /// The user opens the page that `key` asks for.
    #[must_use]
    pub fn opens(self, key: &str) -> Self {
        self.answer(key, json!({ "action": "accept" }))
    }

    /// The user says no to `key`.
    #[must_use]
    pub fn decline(self, key: &str) -> Self {
        self.answer(key, json!({ "action": "decline" }))
    }

    /// The user closes `key` without a word.
    #[must_use]
    pub fn cancel(self, key: &str) -> Self {
        self.answer(key, json!({ "action": "cancel" }))
    }

    /// The client's model says `text` to `key`.
    #[must_use]
    pub fn says(self, key: &str, text: &str) -> Self {
        let content = json!({ "type": "text", "text": text });
        self.answer(
            key,
            json!({ "role": "assistant", "content": content, "model": "script", "stopReason": "endTurn" }),
        )
    }

    /// The client works there.
    ///
    /// # Panics
    /// When that has no form in JSON.
    #[must_use]
    pub fn roots(self, key: &str, roots: &[Root]) -> Self {
        self.answer(key, json!({ "roots": roots }))
    }

    /// The client answers `key` with that, whatever it is.
    #[must_use]
    pub fn answer(mut self, key: &str, answer: Value) -> Self {
        self.answers.entry(key.to_owned()).or_default().push_back(answer);
        self
    }

    /// The client can answer that and no more.
    #[must_use]
    pub const fn client(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = Some(capabilities);
        self
    }

    /// It is `principal` who calls.
    #[must_use]
    pub fn principal(mut self, principal: &str) -> Self {
        self.principal = Some(Arc::from(principal));
        self
    }

    /// Calls, and answers to the end.
    ///
    /// # Panics
    /// When something is asked that the script has no answer to.
    #[track_caller]
    pub fn run(&self, tools: &Tools, call: Call) -> impl Future<Output = Run> {
        self.run_with_a_death_at(usize::MAX, LastWrite::Durable, tools, call)
    }

    /// The same in a process that dies at its write number `write`, counted from 0. The client then asks the next process again
    /// what it had asked last, and goes on with that one. If it had got no reply at all, it calls anew, as a client does: that is
    /// another session, and a step of the first one may run in it again.
    ///
    /// # Panics
    /// When something is asked that the script has no answer to.
    pub async fn run_with_a_death_at(&self, write: usize, last: LastWrite, tools: &Tools, call: Call) -> Run {
        let effects = Effects::counted();
        let client = Client { script: self.clone(), tools, call, effects: &effects };
        let (end, rounds, died) = client.run(write, last).await;
        Run { end, rounds, effects, died }
    }

    /// The same with a death at each write, lost and durable, one after another.
    ///
    /// # Panics
    /// When something is asked that the script has no answer to.
    pub async fn run_with_deaths(&self, tools: &Tools, call: &Call) -> Vec<Run> {
        let mut runs = Vec::new();
        for last in [LastWrite::Lost, LastWrite::Durable] {
            for write in 0.. {
                let run = self.run_with_a_death_at(write, last, tools, call.clone()).await;
                if !run.died {
                    break;
                }
                runs.push(run);
            }
        }
        runs
    }
}

/// A client that follows a script.
struct Client<'r> {
    script: Script,
    tools: &'r Tools,
    call: Call,
    effects: &'r Effects,
}

impl Client<'_> {
    async fn run(
        mut self,
        write: usize,
        last: LastWrite,
    ) -> (Result<Json, Failed>, Vec<Vec<Question>>, bool) {
        let storage = MemoryStorage::new();
        let (mut rounds, mut answer, mut died) = (Vec::<Vec<Question>>::new(), None, false);
        let mut writes = write;
        loop {
            let process = Mortal::new(storage.clone(), writes, last);
            let (scope, sessions) = self.start(&process);
            let end = loop {
                let death = process.death();
                let dying = async {
                    death.cancelled().await;
                    // Before the request goes, so that nothing of a dead process winds down.
                    drop(scope.halt_by(&Deadline::after(Duration::ZERO)));
                };
                let reply = tokio::select! {
                    biased;
                    reply = self.request(&sessions, answer.as_ref()) => reply,
                    () = dying => break None,
                };
                match reply {
                    Ok(Reply::Input(asked)) => {
                        assert!(rounds.len() < MOST_ROUNDS, "the tool asks for ever: {:?}", rounds.last());
                        let next = self.answer(&asked, &rounds);
                        rounds.push(asked.questions);
                        answer = Some(next);
                    }
                    Ok(Reply::Done(result)) => break Some(Ok(result)),
                    Ok(Reply::Failed(failure)) => break Some(Err(Failed::Failure(failure))),
                    Ok(Reply::Task(_)) => unreachable!("the client knows no tasks"),
                    Err(error) => break Some(Err(Failed::Refused(error))),
                }
            };
            drop(scope.halt_by(&Deadline::after(Duration::ZERO)).await);
            match end {
                Some(end) => return (end, rounds, died),
                None => (died, writes) = (true, usize::MAX),
            }
        }
    }

    fn start(&self, process: &Mortal) -> (Scope, Sessions) {
        let scope = Scope::root("process").grace(Duration::ZERO).open().expect("a root opens");
        let config = SessionsConfig { wind_down: Duration::ZERO, ..SessionsConfig::default() };
        let (tools, storage, effects) = (self.tools.clone(), Arc::new(process.clone()), self.effects.clone());
        let sessions = Sessions::start_counting(&scope, tools, storage, Fence::LOCAL, config, effects);
        (scope, sessions.expect("the scope is open"))
    }

    async fn request(&self, sessions: &Sessions, answer: Option<&Answer>) -> Result<Reply, CallError> {
        let capabilities =
            Capabilities { tasks: false, ..self.script.capabilities.unwrap_or(Capabilities::ALL) };
        let anonymous = Attempt::anonymous().with(capabilities);
        let attempt = match &self.script.principal {
            Some(principal) => Attempt { principal: Arc::clone(principal), ..anonymous },
            None => anonymous,
        };
        match answer {
            None => sessions.call(self.call.clone(), attempt).await,
            Some(answer) => sessions.answer(answer.clone(), attempt).await,
        }
    }

    /// What the script says to `asked`.
    fn answer(&mut self, asked: &InputRequired, rounds: &[Vec<Question>]) -> Answer {
        let answers = asked.questions.iter().map(|question| {
            let key = &question.key;
            // Asked again it is `key#2`.
            let asked_for = key.split_once('#').map_or(&**key, |(key, _)| key);
            let answer = self.script.answers.get_mut(asked_for).and_then(VecDeque::pop_front);
            let answer = answer.unwrap_or_else(|| {
                let before: Vec<_> = rounds.iter().flatten().map(|question| &question.key).collect();
                let request = question.request.as_str();
                panic!("the script has no answer to `{key}`, which the tool asks after {before:?}: {request}")
            });
            (key.clone(), Json::from(&answer))
        });
        let answers = answers.collect();
        Answer { session: asked.session, round: asked.round, call: Some(self.call.clone()), answers }
    }
}
