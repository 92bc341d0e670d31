//! The ways that one worker knows.

use std::collections::HashMap;
use std::rc::Rc;

use bytes::Bytes;

use crate::way::Way;

/// The ways that one worker knows. Strangers choose hosts and their spelling, so those that nobody goes are forgotten when
/// there are too many; it costs the others one lookup each.
#[derive(Debug)]
pub(crate) struct Ways {
    /// By name as it is written in requests, so that a warm request normalizes nothing.
    spelled: HashMap<Bytes, Rc<Way>>,
    /// By normalized name: two spellings share their connections.
    named: HashMap<String, Rc<Way>>,
    /// How many of each are known. Those in use may be more.
    limit: usize,
}

impl Ways {
    pub(crate) fn new(limit: usize) -> Self {
        Self { spelled: HashMap::new(), named: HashMap::new(), limit }
    }

    /// The way of a host spelled like this, if it is remembered.
    pub(crate) fn spelled(&self, host: &[u8]) -> Option<Rc<Way>> {
        self.spelled.get(host).cloned()
    }

    /// Remembers how the host of a way is spelled.
    pub(crate) fn remember(&mut self, host: &[u8], way: &Rc<Way>) {
        if self.spelled.len() >= self.limit {
            self.spelled.clear();
        }
        self.spelled.insert(Bytes::copy_from_slice(host), Rc::clone(way));
    }

    /// The way of that name, which `make` makes if it is new.
    pub(crate) fn named(&mut self, name: String, make: impl FnOnce(&str) -> Way) -> Rc<Way> {
        if self.named.len() >= self.limit && !self.named.contains_key(&name) {
            self.forget_unused();
        }
        let way = self.named.entry(name).or_insert_with_key(|name| Rc::new(make(name)));
        Rc::clone(way)
    }

    /// Closes connections unused for too long, and forgets the ways that nobody goes.
    pub(crate) fn sweep(&mut self) {
        for way in self.named.values() {
            way.sweep();
        }
        self.forget_unused();
    }

    fn forget_unused(&mut self) {
        self.spelled.retain(|_, way| !way.is_unused());
        self.named.retain(|_, way| Rc::strong_count(way) > 1 || !way.is_unused());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pooled(name: &str) -> Way {
        Way::pooled(name.into())
    }

    #[test]
    fn hosts_that_strangers_think_of_are_forgotten_and_those_in_use_are_not() {
        let mut ways = Ways::new(10);
        let used = ways.named("used".to_owned(), pooled);
        for number in 0..1000 {
            let name = format!("host-{number}");
            let way = ways.named(name.clone(), pooled);
            ways.remember(name.as_bytes(), &way);
            assert!(ways.named.len() <= 10 && ways.spelled.len() <= 10, "{}", ways.named.len());
        }
        assert!(Rc::ptr_eq(&used, &ways.named("used".to_owned(), pooled)));
    }
}
