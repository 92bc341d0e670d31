//! One thing that is wrong with a configuration.

use crate::document::Place;

/// One thing that is wrong: which key, where, why, and what would be right.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    /// Path of the key, `pool.max_servers`; empty for the file as a whole.
    pub(crate) key: String,
    /// What is wrong, in one sentence that stands alone.
    pub(crate) message: String,
    /// Where the caret points, and what it says there.
    pub(crate) place: Option<Place>,
    pub(crate) label: String,
    /// A second place that explains the first: the other of two equal hosts.
    pub(crate) also: Option<(Place, String)>,
    /// Why the rule exists.
    pub(crate) note: Option<String>,
    /// What to write instead.
    pub(crate) help: Option<String>,
}

impl Problem {
    pub(crate) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            message: message.into(),
            place: None,
            label: String::new(),
            also: None,
            note: None,
            help: None,
        }
    }

    pub(crate) fn at(mut self, place: &Place, label: impl Into<String>) -> Self {
        self.place = Some(place.clone());
        self.label = label.into();
        self
    }

    pub(crate) fn also_at(mut self, place: &Place, label: impl Into<String>) -> Self {
        self.also = Some((place.clone(), label.into()));
        self
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
