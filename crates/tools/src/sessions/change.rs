//! Changes of what is offered.

use std::sync::Arc;

use ostler_journal::SessionId;

use crate::tools::{Offered, Tools};

/// Something that has changed, for clients that want to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The list of tools.
    Tools,
    /// The list of prompts.
    Prompts,
    /// The list of resources.
    Resources,
    /// What is in a resource.
    Resource(Arc<str>),
    /// What a session is doing.
    Session(SessionId),
}

impl Change {
    /// The lists that are not the same.
    pub(super) fn between(before: &Tools, after: &Tools) -> Vec<Self> {
        fn same<'t>(
            before: impl Iterator<Item = &'t Offered>,
            after: impl Iterator<Item = &'t Offered>,
        ) -> bool {
            before.map(Offered::definition).eq(after.map(Offered::definition))
        }
        let mut changes = Vec::new();
        if !same(before.tools(), after.tools()) {
            changes.push(Self::Tools);
        }
        if !same(before.prompts(), after.prompts()) {
            changes.push(Self::Prompts);
        }
        if !same(before.resources(), after.resources()) || !same(before.templates(), after.templates()) {
            changes.push(Self::Resources);
        }
        changes
    }
}
