//! Problems as pictures: the line, a caret, and what to write instead.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

use crate::document::Place;
use crate::error::Problems;
use crate::problem::Problem;
use crate::words::wrapped;

/// How many problems are shown; the rest is counted.
const SHOWN: usize = 30;

/// Draws every problem.
pub(crate) fn problems(problems: &Problems, color: bool) -> String {
    let mut parts: Vec<_> =
        problems.problems.iter().take(SHOWN).map(|problem| picture(problem, problems, color)).collect();
    let count = problems.problems.len();
    if count > 1 {
        let rest = if count > SHOWN { format!("; the first {SHOWN} are shown") } else { String::new() };
        parts.push(title(
            &format!("{count} problems with the configuration `{}`{rest}", problems.name),
            color,
        ));
    }
    parts.join("\n\n")
}

/// An error without a picture.
pub(crate) fn title(message: &str, color: bool) -> String {
    renderer(color).render(&[Group::with_title(Level::ERROR.primary_title(message))])
}

fn renderer(color: bool) -> Renderer {
    if color { Renderer::styled() } else { Renderer::plain() }
}

fn picture(problem: &Problem, problems: &Problems, color: bool) -> String {
    let mut group = Group::with_title(Level::ERROR.primary_title(problem.message.as_str()));
    match &problem.place {
        Some(Place::File(_)) => group = group.element(in_file(problem, problems)),
        Some(Place::Variable { .. }) => {
            group = group
                .elements(places(problem).filter_map(|(kind, place, label)| in_variable(kind, place, label)));
            if let Some((Place::File(_), _)) = &problem.also {
                group = group.element(in_file(problem, problems));
            }
        }
        None => group = group.element(Origin::path(problems.name.as_str())),
    }
    if let Some(Place::Variable { value: Some(_), .. }) = &problem.place {
        group = group.element(Level::NOTE.message("this variable is set in the environment"));
    }
    if let Some(note) = &problem.note {
        group = group.element(Level::NOTE.message(wrapped(note)));
    }
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(wrapped(help)));
    }
    renderer(color).render(&[group])
}

/// The places of a problem, the main one first.
fn places(problem: &Problem) -> impl Iterator<Item = (AnnotationKind, &Place, &str)> {
    let main = problem.place.as_ref().map(|place| (AnnotationKind::Primary, place, problem.label.as_str()));
    let also = problem.also.as_ref().map(|(place, label)| (AnnotationKind::Context, place, label.as_str()));
    main.into_iter().chain(also)
}

/// The lines of the file, with a mark below each place of the problem that is there. Of several lines only the first
/// is marked: a caret below twenty lines points at nothing.
fn in_file<'a>(problem: &'a Problem, problems: &'a Problems) -> Element<'a> {
    let text = problems.text.as_str();
    let marks: Vec<_> = places(problem)
        .filter_map(|(kind, place, label)| match place {
            Place::File(range) => Some((kind, one_line(text, range), label)),
            Place::Variable { .. } => None,
        })
        .collect();
    // Only the lines between the marks are handed on: the rest of a long file would be looked through for each problem.
    let first = marks.iter().map(|(_, range, _)| range.start).min().unwrap_or(0);
    let last = marks.iter().map(|(_, range, _)| range.end).max().unwrap_or(text.len());
    let from = text[..first].rfind('\n').map_or(0, |line| line + 1);
    let to = text[last..].find('\n').map_or(text.len(), |line| last + line);
    let marks = marks
        .into_iter()
        .map(|(kind, range, label)| kind.span(range.start - from..range.end - from).label(label));
    Snippet::source(&text[from..to])
        .path(problems.name.as_str())
        .line_start(problems.line(from))
        .annotations(marks)
        .into()
}

/// The first line of a range, on the boundaries of characters.
fn one_line(text: &str, range: &Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(range.start);
    let end = text.floor_char_boundary(range.end).max(start);
    start..text[start..end].find(['\r', '\n']).map_or(end, |line| start + line)
}

/// A variable as it would be set in a shell, with a mark below its value, or below its name if that is what is wrong.
fn in_variable<'a>(kind: AnnotationKind, place: &Place, label: &'a str) -> Option<Element<'a>> {
    let Place::Variable { name, value } = place else { return None };
    let (line, mark) = match value {
        None => (name.to_string(), 0..name.len()),
        Some(value) => {
            let shown: String = value.escape_debug().collect();
            let line = format!("{name}={shown}");
            let mark = name.len() + 1..line.len();
            (line, mark)
        }
    };
    Some(Snippet::source(line).line_numbering(false).annotation(kind.span(mark).label(label)).into())
}
