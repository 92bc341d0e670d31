//! Header fields that are added, taken away, or written anew.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue};
use ostler_net::requested_host;
use ostler_switchboard::fuzzing::{identify, introduce, strip, upgrade};
use ostler_switchboard::{Forwarding, Identity, Trust};

/// What means one connection (RFC 9110, section 7.6.1). `TE` may say `trailers`.
const HOP_BY_HOP: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

/// What nobody may have taken away by naming it in `Connection`.
const KEPT: [&str; 9] = [
    "host",
    "content-length",
    "content-type",
    "authorization",
    "cookie",
    "x-forwarded-for",
    "traceparent",
    "tracestate",
    "x-request-id",
];

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Fields, one a line: what means one connection is gone, what must stay has stayed, nothing has come, and once is enough.
pub fn hop(bytes: &[u8]) {
    let before = read(bytes);
    let mut after = before.clone();
    strip(&mut after, &REQUEST_ID);
    for name in HOP_BY_HOP {
        assert!(!after.contains_key(name), "{name} has stayed");
    }
    let te: Vec<&HeaderValue> = after.get_all("te").iter().collect();
    assert!(te.is_empty() || te == ["trailers"], "{te:?}");
    for name in KEPT {
        assert!(all(&before, name).eq(all(&after, name)), "{name} has changed");
    }
    let named = |name: &str| {
        let options = before
            .get_all("connection")
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        options.into_iter().any(|option| option.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
    };
    for name in before.keys().filter(|name| !HOP_BY_HOP.contains(&name.as_str()) && *name != "te") {
        let stays = all(&before, name.as_str()).eq(all(&after, name.as_str()));
        assert!(stays || (named(name.as_str()) && !after.contains_key(name)), "{name} is gone unnamed");
    }
    assert!(after.keys().all(|name| before.contains_key(name)));
    let once = after.clone();
    strip(&mut after, &REQUEST_ID);
    assert_eq!(once, after);
    if let Some(protocol) = upgrade(&before) {
        assert!(named("upgrade") && all(&before, "upgrade").any(|value| value == protocol));
        assert!(
            !protocol.as_bytes().to_ascii_lowercase().windows(3).any(|part| part == b"h2c")
                || !is_listed(&protocol)
        );
    }
}

fn is_listed(protocol: &HeaderValue) -> bool {
    protocol.as_bytes().split(|byte| *byte == b',').any(|each| each.trim_ascii().eq_ignore_ascii_case(b"h2c"))
}

/// A rule (`a`, `r` or `-`), the client's address and the host, each on a line, then fields: a server learns who the client is, and
/// of what a stranger claims nothing.
pub fn forwarded(bytes: &[u8]) {
    let mut lines = bytes.splitn(4, |byte| *byte == b'\n');
    let (Some(rule), Some(peer), Some(host)) = (lines.next(), lines.next(), lines.next()) else { return };
    let forwarding = match rule {
        b"r" => Forwarding::Replace,
        b"-" => Forwarding::Remove,
        _ => Forwarding::Append,
    };
    let peer = crate::text(peer).and_then(|peer| peer.parse::<SocketAddr>().ok());
    let Ok(host) = HeaderValue::from_bytes(host) else { return };
    // Whatever is no host has been refused before.
    if !host.to_str().is_ok_and(|host| host.is_empty() || requested_host(host).is_ok()) {
        return;
    }
    let trust = Trust { networks: vec!["198.51.100.0/24".parse().unwrap()], unix: true };
    let trusted = trust.includes(peer.map(|peer| peer.ip()));
    let mut after = read(lines.next().unwrap_or_default());
    introduce(&mut after, &host, peer, forwarding, &trust);

    let single = |name: &str| {
        let mut values = all(&after, name);
        let first = values.next();
        assert!(values.next().is_none(), "{name} is there twice");
        first
    };
    let last = |name: &str| {
        single(name).map(|value| value.as_bytes().rsplit(|byte| *byte == b',').next().unwrap().trim_ascii())
    };
    assert_eq!(last("via"), Some(&b"1.1 ostler"[..]));
    if forwarding == Forwarding::Remove {
        for name in ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"] {
            assert!(!after.contains_key(name), "{name} has stayed");
        }
        return;
    }
    let client = peer.map_or_else(|| "unknown".to_owned(), |peer| peer.ip().to_canonical().to_string());
    assert_eq!(last("x-forwarded-for"), Some(client.as_bytes()));
    let element = last("forwarded").unwrap();
    let node = match peer.map(|peer| peer.ip().to_canonical()) {
        Some(IpAddr::V6(ip)) => format!("for=\"[{ip}]\";proto=http"),
        _ => format!("for={client};proto=http"),
    };
    let told = if host.is_empty() { node } else { format!("{node};host=\"{}\"", host.to_str().unwrap()) };
    assert_eq!(element, told.as_bytes());
    if !(trusted && forwarding == Forwarding::Append) {
        assert_eq!(single("x-forwarded-for").unwrap().as_bytes(), client.as_bytes());
        assert_eq!(single("forwarded").unwrap().as_bytes(), told.as_bytes());
        assert_eq!(single("x-forwarded-host"), Some(&host));
        assert_eq!(single("x-forwarded-proto").unwrap(), "http");
    }
}

/// Two rules (`k`, `r` or `p` each), whether the client is trusted (`t`), then fields: an id that may be written into a log and a trace
/// that is one, and both stay from then on.
pub fn trace(bytes: &[u8]) {
    let [request_id, trace_context, trusted, fields @ ..] = bytes else { return };
    let rule = |letter: &u8| match letter {
        b'r' => Identity::Replace,
        b'p' => Identity::Pass,
        _ => Identity::Keep,
    };
    let (rules, trusted) = ([rule(request_id), rule(trace_context)], *trusted == b't');
    let before = read(fields);
    let mut after = before.clone();
    let id = identify(&mut after, &REQUEST_ID, rules, trusted);
    if let Some(id) = &id {
        assert!((1..=128).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic), "{id:?}");
        assert_eq!(after.get(&REQUEST_ID), Some(id));
    } else {
        assert_eq!(rules[0], Identity::Pass, "only who makes none has none");
    }
    if rules[0] == Identity::Keep && !trusted {
        assert_ne!(id.as_ref(), before.get(&REQUEST_ID), "a stranger's id is kept");
    }
    if rules[1] != Identity::Pass {
        let parent = after.get("traceparent").unwrap().as_bytes();
        assert!(is_traceparent(parent), "{parent:?}");
        if rules[1] == Identity::Replace || after.get("traceparent") != before.get("traceparent") {
            assert!(!after.contains_key("tracestate"), "the state of another trace");
        }
    }
    // What the next Ostler is told by this one, which it trusts, it keeps.
    let told = after.clone();
    let again = identify(&mut after, &REQUEST_ID, [Identity::Keep, Identity::Keep], true);
    if rules == [Identity::Keep, Identity::Keep] {
        assert_eq!((again, after), (id, told));
    }
}

/// W3C Trace Context, section 3.2, written another way than the code does.
fn is_traceparent(value: &[u8]) -> bool {
    let parts: Vec<&[u8]> = value.splitn(5, |byte| *byte == b'-').collect();
    let [version, trace, parent, flags, rest @ ..] = &*parts else { return false };
    let hexadecimal = |part: &[u8], length| {
        part.len() == length && part.iter().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase())
    };
    let is_zero = |part: &[u8]| part.iter().all(|byte| *byte == b'0');
    hexadecimal(version, 2)
        && *version != b"ff"
        && hexadecimal(trace, 32)
        && !is_zero(trace)
        && hexadecimal(parent, 16)
        && !is_zero(parent)
        && hexadecimal(flags, 2)
        && (rest.is_empty() || *version != b"00")
}

fn all<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a HeaderValue> {
    headers.get_all(name).iter()
}

/// Fields, `name: value` on each line. What is none is left out, as it is before requests come this far.
pub(crate) fn read(bytes: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}
