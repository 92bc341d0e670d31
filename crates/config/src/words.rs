//! The small change of error messages: quoting, listing, guessing what was meant.

/// How much of a wrong value an error repeats.
const SHOWN: usize = 60;

/// A text of the user's in backticks, with control characters escaped and the end of a long one left out.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    format!("`{}`", shown.replace("\\'", "'").replace("\\\"", "\""))
}

/// `"a"`, `"a" or "b"`, `"a", "b" or "c"`.
pub(crate) fn one_of(words: &[&str]) -> String {
    joined(words, "or", |word| format!("\"{word}\""))
}

/// `a`, `b` and `c`, in backticks.
pub(crate) fn all_of(words: &[&str]) -> String {
    joined(words, "and", |word| format!("`{word}`"))
}

fn joined(words: &[&str], last: &str, quote: impl Fn(&str) -> String) -> String {
    let words: Vec<_> = words.iter().map(|word| quote(word)).collect();
    match words.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., end] => format!("{} {last} {end}", most.join(", ")),
    }
}

/// A text in lines of at most 100 characters, as far as its words allow.
pub(crate) fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut width = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > 100 {
            lines.push('\n');
            width = 0;
        } else if width > 0 {
            lines.push(' ');
            width += 1;
        }
        lines.push_str(word);
        width += length;
    }
    lines
}

/// The one of `candidates` that was probably meant by `word`, if any is near enough.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase().replace('-', "_");
    let similar = |candidate: &str| strsim::damerau_levenshtein(&word, candidate);
    let (distance, candidate) = candidates
        .into_iter()
        .map(|candidate| (similar(candidate), candidate))
        .min_by_key(|(far, _)| *far)?;
    let allowed = word.chars().count().max(candidate.chars().count()).div_ceil(3).min(4);
    (distance <= allowed).then_some(candidate)
}

/// The text of doc comments as paragraphs.
pub(crate) fn prose(lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines.iter().map(|line| line.trim()) {
        match line {
            "" => text.push_str("\n\n"),
            _ if text.is_empty() || text.ends_with('\n') => text.push_str(line),
            _ => text.extend([" ", line]),
        }
    }
    text
}
