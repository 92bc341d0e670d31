//! What a server offers.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::callable::{Callable, CallableKind};
use crate::tool::Tool;

/// The tools, prompts and resources of a server. Listings are in the order of their names, so they are the same each time.
#[derive(Debug, Clone, Default)]
pub struct Tools {
    tools: BTreeMap<Arc<str>, Arc<Offered>>,
    /// By what the journal calls them and their version.
    callables: BTreeMap<(Arc<str>, u32), Arc<Callable>>,
}

/// A tool as it is offered.
#[derive(Debug)]
pub struct Offered {
    callable: Arc<Callable>,
    definition: Value,
    questions: Vec<(String, Option<crate::schema::Schema>)>,
    long: bool,
}

impl Offered {
    /// What clients are told of it.
    #[must_use]
    pub const fn definition(&self) -> &Value {
        &self.definition
    }

    /// The questions it may ask, and the schemas of those that are forms.
    #[must_use]
    pub fn questions(&self) -> &[(String, Option<crate::schema::Schema>)] {
        &self.questions
    }

    /// Whether clients that know tasks are given one at once.
    #[must_use]
    pub const fn is_long(&self) -> bool {
        self.long
    }

    pub(crate) const fn callable(&self) -> &Arc<Callable> {
        &self.callable
    }
}

impl Tools {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// And `tool`. Of several versions of a tool the last is offered; the others go on with the sessions they began.
    ///
    /// # Panics
    /// If that version of that tool is there already.
    #[must_use]
    pub fn tool(mut self, tool: Tool) -> Self {
        let (definition, long) = (tool.definition(), tool.long);
        let questions = tool.questions().map(|(key, form)| (key.to_owned(), form.cloned())).collect();
        let callable = self.add(tool.callable);
        let newest =
            self.tools.get(&callable.name).is_none_or(|known| known.callable.version < callable.version);
        if newest {
            let name = Arc::clone(&callable.name);
            self.tools.insert(name, Arc::new(Offered { callable, definition, questions, long }));
        }
        self
    }

    pub(crate) fn add(&mut self, callable: Callable) -> Arc<Callable> {
        let callable = Arc::new(callable);
        let key = (Arc::clone(&callable.id), callable.version);
        let before = self.callables.insert(key, Arc::clone(&callable));
        assert!(before.is_none(), "{} is there twice in version {}", callable.id, callable.version);
        callable
    }

    /// The tools, in the order of their names.
    pub fn tools(&self) -> impl Iterator<Item = &Offered> {
        self.tools.values().map(|tool| &**tool)
    }

    /// The tool `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Offered> {
        self.tools.get(name).map(|tool| &**tool)
    }

    /// What has that name among those of its kind.
    pub(crate) fn find(&self, kind: CallableKind, name: &str) -> Option<&Arc<Callable>> {
        match kind {
            CallableKind::Tool => self.tools.get(name).map(|tool| tool.callable()),
            CallableKind::Prompt | CallableKind::Resource => None,
        }
    }

    pub(crate) fn any_version(&self, id: &Arc<str>) -> Option<&Arc<Callable>> {
        self.callables
            .range((Arc::clone(id), 0)..=(Arc::clone(id), u32::MAX))
            .next_back()
            .map(|(_, callable)| callable)
    }

    pub(crate) fn version(&self, id: &Arc<str>, version: u32) -> Option<&Arc<Callable>> {
        self.callables.get(&(Arc::clone(id), version))
    }
}
