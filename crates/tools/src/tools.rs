//! What a server offers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use indexmap::IndexMap;
use ostler_journal::Json;
use serde_json::Value;

use crate::callable::{Callable, CallableKind};
use crate::completion::{Completer, Completion};
use crate::prompt::PromptTemplate;
use crate::resource::Resource;
use crate::schema::Schema;
use crate::tool::{TaskPolicy, Tool};
use crate::uri::UriTemplate;

/// The tools, prompts and resources of a server. Listings are in the order in which they were
/// added, so they are the same each time.
#[derive(Debug, Clone, Default)]
pub struct Tools {
    tools: IndexMap<Arc<str>, Arc<Offered>>,
    prompts: IndexMap<Arc<str>, Arc<Offered>>,
    resources: IndexMap<Arc<str>, Arc<Offered>>,
    /// In the order in which they were added, which is that in which they are tried.
    templates: Vec<(UriTemplate, Arc<Offered>)>,
    /// By what the journal calls them and their version.
    callables: BTreeMap<(Arc<str>, u32), Arc<Callable>>,
}

/// A tool, prompt or resource as it is offered.
#[derive(Debug)]
pub struct Offered {
    callable: Arc<Callable>,
    definition: Value,
    input: Schema,
    completer: Completer,
}

impl Offered {
    /// What clients are told of it.
    #[must_use]
    pub const fn definition(&self) -> &Value {
        &self.definition
    }

    /// The questions it may ask, and the schemas of those that are forms.
    pub fn questions(&self) -> impl Iterator<Item = (&str, Option<&Schema>)> {
        self.callable.questions.list()
    }

    /// The schema of its arguments; empty for what is no tool.
    #[must_use]
    pub const fn input_schema(&self) -> &Schema {
        &self.input
    }

    /// When its calls become tasks.
    #[must_use]
    pub fn tasks(&self) -> TaskPolicy {
        self.callable.tasks
    }

    fn version(&self) -> u32 {
        self.callable.version
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
        let (definition, input) = (tool.definition(), tool.input);
        let callable = self.add(tool.callable);
        let name = Arc::clone(&callable.name);
        offer(
            &mut self.tools,
            name,
            Offered { callable, definition, input, completer: Completer::default() },
        );
        self
    }

    /// And `prompt`. Versions are as those of tools.
    ///
    /// # Panics
    /// If that version of that prompt is there already.
    #[must_use]
    pub fn prompt(mut self, prompt: PromptTemplate) -> Self {
        let (definition, completer) = (prompt.definition(), prompt.completer);
        let callable = self.add(prompt.callable);
        let name = Arc::clone(&callable.name);
        let offered = Offered { callable, definition, input: Schema::new(), completer };
        offer(&mut self.prompts, name, offered);
        self
    }

    /// And `resource`, or the resources of a form of addresses.
    ///
    /// # Panics
    /// If that address or that form is there already.
    #[must_use]
    pub fn resource(mut self, resource: Resource) -> Self {
        let (definition, completer, template) =
            (resource.definition(), resource.completer, resource.template);
        let callable = self.add(resource.callable);
        let name = Arc::clone(&callable.name);
        let offered = Offered { callable, definition, input: Schema::new(), completer };
        if template.is_plain() {
            offer(&mut self.resources, name, offered);
        } else {
            self.templates.push((template, Arc::new(offered)));
        }
        self
    }

    /// And all that `others` are.
    ///
    /// # Panics
    /// If something is in both.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        for (key, callable) in others.callables {
            let before = self.callables.insert(key, callable);
            assert!(before.is_none(), "{before:?} is there twice");
        }
        self.tools.extend(others.tools);
        self.prompts.extend(others.prompts);
        self.resources.extend(others.resources);
        self.templates.extend(others.templates);
        self
    }

    fn add(&mut self, callable: Callable) -> Arc<Callable> {
        let callable = Arc::new(callable);
        let key = (Arc::clone(&callable.id), callable.version);
        let before = self.callables.insert(key, Arc::clone(&callable));
        assert!(before.is_none(), "{} is there twice in version {}", callable.id, callable.version);
        callable
    }

    /// The tools, in the order in which they were added.
    pub fn tools(&self) -> impl Iterator<Item = &Offered> {
        self.tools.values().map(|tool| &**tool)
    }

    /// The prompts, in the order in which they were added.
    pub fn prompts(&self) -> impl Iterator<Item = &Offered> {
        self.prompts.values().map(|prompt| &**prompt)
    }

    /// The resources that have one address, in the order in which they were added.
    pub fn resources(&self) -> impl Iterator<Item = &Offered> {
        self.resources.values().map(|resource| &**resource)
    }

    /// The resources that have a form of addresses.
    pub fn templates(&self) -> impl Iterator<Item = &Offered> {
        self.templates.iter().map(|(_, resource)| &**resource)
    }

    /// Whether there is something of that kind and name; of a resource, that address.
    #[must_use]
    pub fn offers(&self, kind: CallableKind, name: &str) -> bool {
        self.find(kind, name).is_some()
    }

    /// The tools whose calls have to be tasks, which takes a store. Other versions than those that are offered count too.
    pub(crate) fn tasks_only(&self) -> impl Iterator<Item = &str> {
        self.callables
            .values()
            .filter(|callable| callable.tasks.is_required())
            .map(|callable| &*callable.name)
    }

    /// The tool `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Offered> {
        self.tools.get(name).map(|tool| &**tool)
    }

    /// Suggestions for `argument` of the prompt or the form of addresses `name`; None if there is none of that name.
    pub async fn complete(
        &self,
        kind: CallableKind,
        name: &str,
        argument: &str,
        typed: String,
        known: HashMap<String, String>,
    ) -> Option<Completion> {
        let offered = match kind {
            CallableKind::Prompt => self.prompts.get(name)?,
            CallableKind::Resource => {
                &self.templates.iter().find(|(_, offered)| &*offered.callable.name == name)?.1
            }
            CallableKind::Tool => return None,
        };
        Some(offered.completer.complete(argument, typed, known).await)
    }

    /// What is called `name` among those of its kind, and the arguments that follow from the name.
    pub(crate) fn find(&self, kind: CallableKind, name: &str) -> Option<(Arc<Callable>, Option<Json>)> {
        let plain = match kind {
            CallableKind::Tool => &self.tools,
            CallableKind::Prompt => &self.prompts,
            CallableKind::Resource => &self.resources,
        };
        if let Some(offered) = plain.get(name) {
            return Some((Arc::clone(&offered.callable), None));
        }
        if kind != CallableKind::Resource {
            return None;
        }
        let read = |(template, offered): &'_ (UriTemplate, Arc<Offered>)| {
            Some((template.read(name)?, Arc::clone(offered)))
        };
        let (variables, offered) = self.templates.iter().find_map(read)?;
        Some((Arc::clone(&offered.callable), Some(Json::from(&Value::Object(variables)))))
    }

    pub(crate) fn any_version(&self, id: &Arc<str>) -> Option<Arc<Callable>> {
        let versions = self.callables.range((Arc::clone(id), 0)..=(Arc::clone(id), u32::MAX));
        versions.map(|(_, callable)| Arc::clone(callable)).next_back()
    }

    pub(crate) fn version(&self, id: &Arc<str>, version: u32) -> Option<Arc<Callable>> {
        self.callables.get(&(Arc::clone(id), version)).cloned()
    }
}

fn offer(among: &mut IndexMap<Arc<str>, Arc<Offered>>, name: Arc<str>, offered: Offered) {
    let newest = among.get(&name).is_none_or(|known| known.version() < offered.version());
    if newest {
        among.insert(name, Arc::new(offered));
    }
}
