//! Problems as pictures: the line, a caret, and what to write instead.

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::document::Place;
use crate::error::Problems;
use crate::problem::Problem;

/// How many problems are shown; the rest is counted.
const SHOWN: usize = 30;

/// Draws every problem.
pub(crate) fn problems(problems: &Problems, color: bool) -> String {
    let mut parts: Vec<_> =
        problems.problems.iter().take(SHOWN).map(|problem| picture(problem, problems, color)).collect();
    let count = problems.problems.len();
    if count > SHOWN {
        parts.push(title(&format!("{} more problems are not shown", count - SHOWN), color));
    }
    if count > 1 {
        parts.push(title(&format!("{count} problems with the configuration `{}`", problems.name), color));
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
    let mut annotations = Vec::new();
    for (kind, place, label) in places(problem) {
        match place {
            Place::File(_) => annotations.push(annotation(kind, place, label, &problems.text)),
            Place::Variable(name) => {
                group = group.element(Origin::path(format!("environment variable {name}")))
            }
        }
    }
    let annotations: Vec<_> = annotations.into_iter().flatten().collect();
    group = match annotations.is_empty() {
        true if problem.place.is_none() => group.element(Origin::path(problems.name.as_str())),
        true => group,
        false => group.element(
            Snippet::source(problems.text.as_str()).path(problems.name.as_str()).annotations(annotations),
        ),
    };
    if let Some(note) = &problem.note {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer(color).render(&[group])
}

/// The places of a problem, the main one first.
fn places(problem: &Problem) -> impl Iterator<Item = (AnnotationKind, &Place, &str)> {
    let main = problem.place.as_ref().map(|place| (AnnotationKind::Primary, place, problem.label.as_str()));
    let also = problem.also.as_ref().map(|(place, label)| (AnnotationKind::Context, place, label.as_str()));
    main.into_iter().chain(also)
}

/// The mark below a range of the text; only its first line, since a caret below twenty lines points at nothing.
fn annotation<'a>(kind: AnnotationKind, place: &Place, label: &'a str, text: &str) -> Option<Annotation<'a>> {
    let Place::File(range) = place else { return None };
    let start = floor(text, range.start);
    let end = floor(text, range.end.max(start));
    let end = text[start..end].find(['\r', '\n']).map_or(end, |line| start + line);
    Some(kind.span(start..end).label(label))
}

/// The last boundary between characters up to `index`.
fn floor(text: &str, index: usize) -> usize {
    text.floor_char_boundary(index.min(text.len()))
}
