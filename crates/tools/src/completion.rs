//! Suggestions for arguments while the user types
//! ([specification](https://modelcontextprotocol.io/specification/2026-07-28/server/utilities/completion)).

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

/// Values that are suggested at most, as the specification has it.
const SUGGESTED: usize = 100;

/// Suggests values: a function of what has been typed so far and of the arguments that are known already.
pub trait Complete: Send + Sync + 'static {
    /// The suggestions, the best first.
    fn complete(&self, typed: String, known: HashMap<String, String>) -> BoxFuture<'static, Vec<String>>;
}

impl<C, F> Complete for C
where
    C: Fn(String, HashMap<String, String>) -> F + Send + Sync + 'static,
    F: Future<Output = Vec<String>> + Send + 'static,
{
    fn complete(&self, typed: String, known: HashMap<String, String>) -> BoxFuture<'static, Vec<String>> {
        self(typed, known).boxed()
    }
}

/// Suggestions for one argument.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Completion {
    /// The best ones, 100 at most.
    pub values: Vec<String>,
    /// How many there are in all.
    pub total: usize,
}

/// What suggests values for the arguments of a prompt or a template.
#[derive(Clone, Default)]
pub(crate) struct Completer(BTreeMap<String, Arc<dyn Complete>>);

impl Completer {
    pub(crate) fn add(&mut self, argument: &str, complete: impl Complete) {
        self.0.insert(argument.to_owned(), Arc::new(complete));
    }

    pub(crate) async fn complete(
        &self,
        argument: &str,
        typed: String,
        known: HashMap<String, String>,
    ) -> Completion {
        let Some(complete) = self.0.get(argument) else { return Completion::default() };
        let mut values = complete.complete(typed, known).await;
        let total = values.len();
        values.truncate(SUGGESTED);
        Completion { values, total }
    }
}

impl fmt::Debug for Completer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
