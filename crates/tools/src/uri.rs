//! Forms of addresses ([RFC 6570](https://www.rfc-editor.org/rfc/rfc6570), level 1), matched backwards.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// An address with places for variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UriTemplate {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Variable(String),
}

impl UriTemplate {
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some(open) = rest.find('{') {
            let (literal, behind) = rest.split_at(open);
            let close = behind.find('}').ok_or("a brace is not closed")?;
            let name = &behind[1..close];
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            if name.is_empty() || !name.bytes().all(is_name) {
                return Err(format!("`{name}` is no variable of level 1"));
            }
            match (literal.is_empty(), parts.last()) {
                (true, Some(Part::Variable(before))) => {
                    return Err(format!("nothing stands between `{before}` and `{name}`"));
                }
                (true, _) => {}
                (false, _) => parts.push(Part::Literal(literal.to_owned())),
            }
            parts.push(Part::Variable(name.to_owned()));
            rest = &behind[close + 1..];
        }
        if rest.contains('}') {
            return Err("a brace is not opened".into());
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// Whether there are no variables.
    pub(crate) fn is_plain(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Literal(_)))
    }

    /// The variables that make this form the address `uri`; None if none do. A variable is never empty and has no `/`.
    pub(crate) fn read(&self, uri: &str) -> Option<Map<String, Value>> {
        let (mut variables, mut rest) = (Map::new(), uri);
        let mut parts = self.parts.iter().peekable();
        while let Some(part) = parts.next() {
            match part {
                Part::Literal(literal) => rest = rest.strip_prefix(literal.as_str())?,
                Part::Variable(name) => {
                    let end = match parts.peek() {
                        Some(Part::Literal(literal)) => rest.find(literal.as_str())?,
                        Some(Part::Variable(_)) | None => rest.len(),
                    };
                    let (value, behind) = rest.split_at(end);
                    if value.is_empty() || value.contains('/') {
                        return None;
                    }
                    let decoded = percent_decode_str(value).decode_utf8().ok()?;
                    variables.insert(name.clone(), decoded.into_owned().into());
                    rest = behind;
                }
            }
        }
        rest.is_empty().then_some(variables)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(form: &str, uri: &str) -> Option<Value> {
        UriTemplate::new(form).unwrap().read(uri).map(Value::Object)
    }

    #[test]
    fn what_stands_in_the_braces_is_found() {
        let table = [
            ("test://{id}/data", "test://12/data", Some(json!({ "id": "12" }))),
            ("test://{id}/data", "test://a%20b/data", Some(json!({ "id": "a b" }))),
            ("test://{id}/data", "test:///data", None),
            ("test://{id}/data", "test://1/2/data", None),
            ("test://{id}/data", "test://1/data/more", None),
            ("a:{x}-{y}", "a:1-2-3", Some(json!({ "x": "1", "y": "2-3" }))),
            ("a:plain", "a:plain", Some(json!({}))),
            ("a:plain", "a:plainer", None),
        ];
        for (form, uri, expected) in table {
            assert_eq!(read(form, uri), expected, "{form} at {uri}");
        }
    }

    #[test]
    fn what_is_no_form_is_refused() {
        for form in ["a:{", "a:}", "a:{}", "a:{+path}", "a:{x}{y}"] {
            assert!(UriTemplate::new(form).is_err(), "{form}");
        }
    }
}
