//! What a request must be so that nobody reads it in another way: stricter than any server has to be.

/// A request's head.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) framing: Framing,
    pub(super) upgrade: Option<String>,
    /// Whether the client waits for a 100.
    pub(super) expects: bool,
    pub(super) doubts: Vec<String>,
}

/// How long a body is.
#[derive(Debug)]
pub(super) enum Framing {
    None,
    Length(usize),
    Chunked,
}

/// Reads a head, and takes down whatever is in it that has no place there.
pub(super) fn head(bytes: &[u8]) -> Head {
    let mut doubts = Vec::new();
    let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
    let mut lines = text.trim_end_matches("\r\n").split("\r\n");
    let line = lines.next().unwrap_or_default();
    let words: Vec<&str> = line.split(' ').collect();
    let [method, target, version] =
        words.get(..3).map_or(["", "", ""], |words| [words[0], words[1], words[2]]);
    if words.len() != 3
        || !matches!(version, "HTTP/1.0" | "HTTP/1.1")
        || !is_token(method)
        || !target.chars().all(|c| c.is_ascii_graphic())
    {
        doubts.push(format!("the line {:?}", line.chars().take(60).collect::<String>()));
    }
    let mut fields = Vec::new();
    for line in lines {
        if let Some((name, value)) = field(line, &mut doubts) {
            fields.push((name, value));
        }
    }
    let values = |wanted: &str| -> Vec<&str> {
        fields.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value.as_str()).collect()
    };
    let hosts = values("host").len();
    if hosts > 1 || (hosts == 0 && version == "HTTP/1.1") {
        doubts.push(format!("{hosts} hosts"));
    }
    let (lengths, codings) = (values("content-length"), values("transfer-encoding"));
    let framing = match (&*lengths, &*codings) {
        ([], []) => Framing::None,
        ([length], []) if length.bytes().all(|byte| byte.is_ascii_digit()) && length.len() < 10 => {
            Framing::Length(length.parse().unwrap_or_default())
        }
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") && version == "HTTP/1.1" => Framing::Chunked,
        (lengths, codings) => {
            doubts.push(format!("{version} with lengths {lengths:?}, codings {codings:?}"));
            match (lengths.first().and_then(|length| length.parse().ok()), codings) {
                (Some(length), []) => Framing::Length(length),
                (_, []) => Framing::None,
                _ => Framing::Chunked,
            }
        }
    };
    for (name, alike) in [("transfer_encoding", "transfer-encoding"), ("content_length", "content-length")] {
        if !values(name).is_empty() {
            doubts.push(format!("`{name}`, which some take for `{alike}`"));
        }
    }
    let upgrade = values("upgrade").first().map(|upgrade| (*upgrade).to_owned());
    let expects = values("expect").iter().any(|expectation| expectation.eq_ignore_ascii_case("100-continue"));
    Head { method: method.to_owned(), target: target.to_owned(), framing, upgrade, expects, doubts }
}

/// The size that stands in the first line of a chunk.
pub(super) fn chunk_size(line: &[u8], doubts: &mut Vec<String>) -> usize {
    let line = String::from_utf8_lossy(line);
    let line = line.trim_end_matches("\r\n");
    if line.is_empty() || line.len() > 8 || !line.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        doubts.push(format!("the chunk size {line:?}"));
    }
    let digits: String = line.chars().take_while(char::is_ascii_hexdigit).collect();
    usize::from_str_radix(&digits, 16).unwrap_or_default()
}

/// A line behind the last chunk.
pub(super) fn trailer(line: &[u8], doubts: &mut Vec<String>) {
    let line: String = line.iter().map(|byte| char::from(*byte)).collect();
    if let Some((name, _)) = field(line.trim_end_matches("\r\n"), doubts)
        && matches!(&*name, "content-length" | "transfer-encoding" | "host" | "trailer")
    {
        doubts.push(format!("the trailer `{name}`"));
    }
}

fn field(line: &str, doubts: &mut Vec<String>) -> Option<(String, String)> {
    let field = line.split_once(':').filter(|(name, value)| {
        is_token(name) && value.chars().all(|c| c == '\t' || (c >= ' ' && c != '\u{7f}'))
    });
    if field.is_none() {
        doubts.push(format!("the field {:?}", line.chars().take(60).collect::<String>()));
    }
    field.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
}

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    let is_sign = |byte| b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_sign(byte))
}
