//! Placeholders inside arguments: `{port}`, `{socket}`, `{host}`, with `{{` and `}}` as the braces themselves.

use thiserror::Error;

/// The names an argument may use.
const NAMES: [(&str, Piece); 3] = [("port", Piece::Port), ("socket", Piece::Socket), ("host", Piece::Host)];

/// One argument, taken apart when the specification is built so that a start cannot meet a bad one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

/// A stretch of an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Port,
    Socket,
    Host,
}

/// What the placeholders stand for in one start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values<'a> {
    pub(crate) port: Option<u16>,
    pub(crate) socket: Option<&'a str>,
    pub(crate) host: &'a str,
}

/// Why an argument is not a template.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// The braces hold a name that means nothing.
    #[error(
        "unknown placeholder {{{name}}} in {argument:?}; did you mean {{{nearest}}}? (braces themselves are written {{{{ and }}}})"
    )]
    Unknown {
        /// The argument as written.
        argument: String,
        /// What stood between the braces.
        name: String,
        /// The valid name that looks most like it.
        nearest: &'static str,
    },
    /// An opening brace without a closing one, or the other way round.
    #[error("unmatched brace at byte {at} of {argument:?} (braces themselves are written {{{{ and }}}})")]
    Unmatched {
        /// The argument as written.
        argument: String,
        /// Offset of the brace in bytes.
        at: usize,
    },
}

impl Template {
    pub(crate) fn parse(argument: &str) -> Result<Self, TemplateError> {
        let unmatched = |at| TemplateError::Unmatched { argument: argument.to_owned(), at };
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut rest = argument;
        while let Some(at) = rest.find(['{', '}']) {
            let offset = argument.len() - rest.len() + at;
            text.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            let brace = rest.as_bytes()[at] as char;
            if after.starts_with(brace) {
                text.push(brace);
                rest = &after[1..];
                continue;
            }
            if brace == '}' {
                return Err(unmatched(offset));
            }
            let end = after.find('}').ok_or_else(|| unmatched(offset))?;
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
            }
            pieces.push(placeholder(argument, &after[..end])?);
            rest = &after[end + 1..];
        }
        text.push_str(rest);
        if !text.is_empty() || pieces.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Ok(Self(pieces))
    }

    /// Whether `{port}` occurs.
    pub(crate) fn uses_port(&self) -> bool {
        self.0.contains(&Piece::Port)
    }

    /// Whether `{socket}` occurs.
    pub(crate) fn uses_socket(&self) -> bool {
        self.0.contains(&Piece::Socket)
    }

    /// The argument with every placeholder filled in; a value that is absent is empty, which the specification rules out.
    pub(crate) fn render(&self, values: &Values<'_>) -> String {
        let mut argument = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => argument.push_str(text),
                Piece::Port => {
                    argument.push_str(&values.port.map(|port| port.to_string()).unwrap_or_default());
                }
                Piece::Socket => argument.push_str(values.socket.unwrap_or_default()),
                Piece::Host => argument.push_str(values.host),
            }
        }
        argument
    }
}

fn placeholder(argument: &str, name: &str) -> Result<Piece, TemplateError> {
    if let Some((_, piece)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Ok(piece.clone());
    }
    let likeness = |known: &str| strsim::jaro_winkler(&name.to_lowercase(), known);
    let mut nearest = NAMES[0].0;
    for (known, _) in &NAMES[1..] {
        if likeness(known) > likeness(nearest) {
            nearest = known;
        }
    }
    Err(TemplateError::Unknown { argument: argument.to_owned(), name: name.to_owned(), nearest })
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: Values<'_> =
        Values { port: Some(9001), socket: Some("/run/1.sock"), host: "shop.localhost" };

    fn rendered(argument: &str) -> String {
        Template::parse(argument).unwrap().render(&VALUES)
    }

    #[test]
    fn placeholders_are_filled_anywhere_inside_an_argument() {
        assert_eq!(rendered("--listen=127.0.0.1:{port}/{host}"), "--listen=127.0.0.1:9001/shop.localhost");
        assert_eq!(rendered("unix:{socket}"), "unix:/run/1.sock");
        assert_eq!(rendered("{port}{port}"), "90019001");
        assert_eq!(rendered(""), "");
    }

    #[test]
    fn doubled_braces_are_braces() {
        assert_eq!(rendered(r#"{{"port": {port}}}"#), r#"{"port": 9001}"#);
    }

    #[test]
    fn an_unknown_placeholder_names_the_nearest_valid_one() {
        for (name, expected) in [("prot", "port"), ("sock", "socket"), ("hostname", "host"), ("PORT", "port")]
        {
            let error = Template::parse(&format!("--x={{{name}}}")).unwrap_err();
            let TemplateError::Unknown { nearest, .. } = error else { panic!("{error}") };
            assert_eq!(nearest, expected, "{name}");
        }
    }

    #[test]
    fn an_unmatched_brace_is_located() {
        for (argument, at) in [("ab{port", 2), ("ab}c", 2), ("{", 0)] {
            let error = Template::parse(argument).unwrap_err();
            assert_eq!(error, TemplateError::Unmatched { argument: argument.to_owned(), at });
        }
    }
}
