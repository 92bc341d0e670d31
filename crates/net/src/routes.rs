//! Which rule serves a host: the exact one, else the wildcard with the longest suffix.

use std::collections::HashMap;

use crate::HostPattern;

/// Rules by host pattern. `T` is whatever a rule leads to.
#[derive(Clone, Debug)]
pub struct Routes<T> {
    exact: HashMap<String, T>,
    /// By suffix.
    wildcards: HashMap<String, T>,
}

impl<T> Default for Routes<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), wildcards: HashMap::new() }
    }
}

impl<T> Routes<T> {
    /// No rules: every host is unknown.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a rule. Returns the one that had the same pattern.
    pub fn insert(&mut self, pattern: HostPattern, rule: T) -> Option<T> {
        match pattern {
            HostPattern::Exact(name) => self.exact.insert(name.as_str().to_owned(), rule),
            HostPattern::Wildcard(suffix) => self.wildcards.insert(suffix.as_str().to_owned(), rule),
        }
    }

    /// The rule for a host in its [normal form](crate::HostName).
    pub fn find(&self, host: &str) -> Option<&T> {
        if let Some(rule) = self.exact.get(host) {
            return Some(rule);
        }
        // Suffixes from the longest to the shortest: a host has at most 127 labels.
        let mut rest = host;
        while let Some((_, suffix)) = rest.split_once('.') {
            if let Some(rule) = self.wildcards.get(suffix) {
                return Some(rule);
            }
            rest = suffix;
        }
        None
    }
}

impl<T> FromIterator<(HostPattern, T)> for Routes<T> {
    fn from_iter<I: IntoIterator<Item = (HostPattern, T)>>(rules: I) -> Self {
        let mut routes = Self::new();
        for (pattern, rule) in rules {
            routes.insert(pattern, rule);
        }
        routes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(patterns: &[&'static str]) -> Routes<&'static str> {
        patterns.iter().map(|text| (text.parse().unwrap(), *text)).collect()
    }

    #[test]
    fn the_exact_rule_wins_then_the_longest_wildcard() {
        let routes = routes(&["*.localhost", "*.preview.localhost", "shop.preview.localhost"]);
        for (host, rule) in [
            ("shop.preview.localhost", Some("shop.preview.localhost")),
            ("cart.preview.localhost", Some("*.preview.localhost")),
            ("a.b.preview.localhost", Some("*.preview.localhost")),
            ("preview.localhost", Some("*.localhost")),
            ("localhost", None),
            ("example.com", None),
            ("xlocalhost", None),
        ] {
            assert_eq!(routes.find(host).copied(), rule, "{host}");
        }
    }
}
