//! Values that are right by themselves, and wrong next to another one.

use super::{Side, between};
use crate::config::Config;
use crate::problem::Problem;
use crate::report::Report;
use crate::setting::Limit;
use crate::tools::Resume;

pub(super) fn check(config: &Config, report: &mut Report) {
    ports(config, report);
    headers(config, report);
    backoff(config, report);
    lame_duck(config, report);
    state(config, report);
}

fn ports(config: &Config, report: &mut Report) {
    const BASE: &str = "pool.base_port";
    const MAX: &str = "pool.max_servers";
    let pool = &config.pool;
    let room = usize::from(u16::MAX - pool.base_port) + 1;
    if room >= pool.max_servers || !report.sound(&[BASE, MAX]) {
        return;
    }
    let message = format!("there are {room} ports from `{BASE}` on, and `{MAX}` is {}", pool.max_servers);
    let sides = [
        Side { key: BASE, label: "too high for so many servers", value: &pool.base_port },
        Side { key: MAX, label: "too many servers for so few ports", value: &pool.max_servers },
    ];
    let problem = between(Problem::new(BASE, message), report, sides);
    report.add(problem);
}

fn headers(config: &Config, report: &mut Report) {
    const APP: &str = "switchboard.app_header";
    const ID: &str = "switchboard.request_id_header";
    let switchboard = &config.switchboard;
    if switchboard.app_header.as_ref() != Some(&switchboard.request_id_header) || !report.sound(&[APP, ID]) {
        return;
    }
    let id = format!("`{}`", switchboard.request_id_header);
    let sides = [
        Side { key: APP, label: "names the host to serve", value: &id },
        Side { key: ID, label: "names the request", value: &id },
    ];
    let message = format!("one header cannot be both `{APP}` and `{ID}`");
    let problem = between(Problem::new(APP, message), report, sides);
    report.add(problem);
}

fn lame_duck(config: &Config, report: &mut Report) {
    const LAME_DUCK: &str = "switchboard.lame_duck";
    const DRAIN: &str = "switchboard.drain_timeout";
    let switchboard = &config.switchboard;
    if switchboard.lame_duck <= switchboard.drain_timeout || !report.sound(&[LAME_DUCK, DRAIN]) {
        return;
    }
    let lame_duck = humantime::format_duration(switchboard.lame_duck);
    let drain = humantime::format_duration(switchboard.drain_timeout);
    let sides = [
        Side { key: LAME_DUCK, label: "new requests are taken for so long", value: &lame_duck },
        Side { key: DRAIN, label: "all of them have to be finished by then", value: &drain },
    ];
    let message = format!("`{LAME_DUCK}` leaves nothing of `{DRAIN}` to finish requests in");
    let problem = between(Problem::new(LAME_DUCK, message), report, sides);
    report.add(problem);
}

/// What a client is given it has to be able to bring back.
fn state(config: &Config, report: &mut Report) {
    const STATE: &str = "tools.max_state";
    const BODY: &str = "mcp.bounds.max_body_size";
    let max_state = config.tools.max_state;
    let Limit::After(max_body) = config.mcp.bounds.max_body_size else { return };
    let fits = u64::try_from(max_state).is_ok_and(|max_state| max_state < max_body);
    if fits || config.tools.resume == Resume::Journal || !report.sound(&[STATE, BODY]) {
        return;
    }
    let sides = [
        Side { key: STATE, label: "clients are given so much", value: &max_state },
        Side { key: BODY, label: "a request that brings it back may have so much", value: &max_body },
    ];
    let message = format!("`{STATE}` leaves nothing of `{BODY}` for the rest of a request");
    let problem = between(Problem::new(STATE, message), report, sides);
    report.add(problem);
}

fn backoff(config: &Config, report: &mut Report) {
    const INITIAL: &str = "pool.backoff.initial";
    const MAX: &str = "pool.backoff.max";
    let backoff = &config.pool.backoff;
    if backoff.initial <= backoff.max || !report.sound(&[INITIAL, MAX]) {
        return;
    }
    let (initial, max) =
        (humantime::format_duration(backoff.initial), humantime::format_duration(backoff.max));
    let sides = [
        Side { key: INITIAL, label: "the first pause", value: &initial },
        Side { key: MAX, label: "the longest pause", value: &max },
    ];
    let problem =
        between(Problem::new(INITIAL, format!("`{INITIAL}` is longer than `{MAX}`")), report, sides);
    report.add(problem);
}
