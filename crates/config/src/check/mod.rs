//! What no key says alone: contradictions between keys.

mod listeners;
mod values;

use std::collections::HashMap;
use std::fmt;

use ostler_net::HostPattern;

use crate::config::Config;
use crate::problem::Problem;
use crate::report::Report;
use crate::server::Server;
use crate::words::nearest;

/// One `[[server]]` as far as it could be read.
pub(crate) struct Rule {
    /// `server[0]`.
    pub(crate) path: String,
    pub(crate) host: Option<HostPattern>,
    pub(crate) server: Option<Server>,
}

/// Reports everything that contradicts something else. The servers of `config` are not there yet: `rules` has them.
pub(crate) fn check(config: &Config, rules: &[Rule], report: &mut Report) {
    listeners::check(config, rules, report);
    values::check(config, report);
    equal_hosts(rules, report);
    default_host(config, rules, report);
}

/// One of two keys that contradict each other.
struct Side<'a> {
    key: &'a str,
    /// What it has to do with it.
    label: &'a str,
    /// Its value, to be told if it is the default.
    value: &'a dyn fmt::Display,
}

/// Points at both keys, as far as somebody has set them.
fn between(mut problem: Problem, report: &Report, sides: [Side<'_>; 2]) -> Problem {
    for side in sides {
        problem = match report.set(side.key) {
            Some(set) if problem.place.is_none() => problem.at(&set.value, side.label),
            Some(set) => problem.also_at(&set.value, side.label),
            None => problem.note(format!("`{}` is {} by default", side.key, side.value)),
        };
    }
    problem
}

/// Points at the value of `key`.
fn at(problem: Problem, key: &str, label: &str, report: &Report) -> Problem {
    match report.set(key) {
        Some(set) => problem.at(&set.value, label),
        None => problem,
    }
}

fn equal_hosts(rules: &[Rule], report: &mut Report) {
    let mut first = HashMap::new();
    for Rule { path, host, .. } in rules {
        let (Some(host), key) = (host, format!("{path}.host")) else { continue };
        let Some(earlier) = first.get(host) else {
            first.insert(host, key);
            continue;
        };
        let problem = Problem::new(&key, format!("two servers have the host `{host}`"))
            .help("remove one, or give it another host");
        let sides = [
            Side { key: &key, label: "requests cannot go to both", value: host },
            Side { key: earlier, label: "the first one", value: host },
        ];
        let problem = between(problem, report, sides);
        report.add(problem);
    }
}

fn default_host(config: &Config, rules: &[Rule], report: &mut Report) {
    const KEY: &str = "switchboard.default_host";
    let Some(host) = &config.switchboard.default_host else { return };
    // A server whose host could not be read may be the one.
    let served =
        rules.iter().any(|rule| rule.host.as_ref().is_none_or(|pattern| pattern.matches(host.as_str())));
    if served {
        return;
    }
    let problem = Problem::new(KEY, format!("no server has the default host `{host}`"));
    let problem = at(problem, KEY, "matches no `[[server]]`", report);
    let hosts: Vec<_> =
        rules.iter().filter_map(|rule| rule.host.as_ref()).map(HostPattern::to_string).collect();
    report.add(match nearest(host.as_str(), hosts.iter().map(String::as_str)) {
        Some(near) => problem.help(format!("did you mean \"{near}\"?")),
        None => problem,
    });
}
