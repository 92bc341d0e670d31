//! The table of cases, read from `cases.toml`.

use std::sync::LazyLock;

use serde::Deserialize;

/// All of `cases.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    pub(super) group: Vec<Group>,
}

/// Cases about one subject.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    pub(super) title: String,
    pub(super) case: Vec<Case>,
}

/// One request, or what pretends to be one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    /// What is odd about it, in Markdown.
    pub(super) about: String,
    send: String,
    /// The whole answer.
    pub(super) ostler: String,
    /// Why it is not that of nginx or HAProxy.
    #[serde(default)]
    pub(super) why: String,
}

impl Table {
    pub(super) fn get() -> &'static Self {
        static TABLE: LazyLock<Table> = LazyLock::new(|| toml::from_str(include_str!("cases.toml")).unwrap());
        &TABLE
    }

    pub(super) fn cases(&self) -> impl Iterator<Item = &Case> {
        self.group.iter().flat_map(|group| &group.case)
    }
}

impl Case {
    /// What goes over the wire.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in self.send.split_inclusive('\n') {
            let (line, end) = match line.strip_suffix('\n') {
                Some(line) => line.strip_suffix('\\').map_or((line, "\r\n"), |line| (line, "")),
                None => (line.strip_suffix('\\').unwrap_or(line), ""),
            };
            unescape(line, &mut bytes);
            bytes.extend(end.as_bytes());
        }
        bytes
    }
}

fn unescape(mut text: &str, bytes: &mut Vec<u8>) {
    while let Some((plain, escape)) = text.split_once('\\') {
        bytes.extend(plain.as_bytes());
        let (kind, rest) = escape.split_at(1);
        text = rest;
        match kind {
            "r" => bytes.push(b'\r'),
            "n" => bytes.push(b'\n'),
            "t" => bytes.push(b'\t'),
            "x" => {
                bytes.push(u8::from_str_radix(&rest[..2], 16).unwrap());
                text = &rest[2..];
            }
            "{" => {
                let (repeated, rest) = rest.split_once('}').unwrap();
                let (part, times) = repeated.rsplit_once('*').unwrap();
                let mut once = Vec::new();
                unescape(part, &mut once);
                bytes.extend(once.repeat(times.parse().unwrap()));
                text = rest;
            }
            other => panic!("an escape that does not exist: {other:?}"),
        }
    }
    bytes.extend(text.as_bytes());
}
