//! An error and what lies behind it, in words.

use std::error::Error;

use ostler_process::{Exited, StartError, Tail};
use ostler_scope::ScopeError;

/// How deep a chain is followed. A longer one is a circle.
const DEEPEST: usize = 16;

/// Each link of the chain, outermost first, without those that the one before has quoted already.
pub(crate) fn links(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut links: Vec<String> = Vec::new();
    for error in each(error) {
        let text = error.to_string();
        if !links.last().is_some_and(|last| last.contains(&text)) {
            links.push(text);
        }
    }
    links
}

/// The whole chain in one line.
pub(crate) fn line(error: &(dyn Error + 'static)) -> String {
    links(error).join(": ")
}

/// The last lines of a child that are part of the error, if it is about a child.
pub(super) fn tail<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Tail> {
    each(error).find_map(|error| match error.downcast_ref::<ScopeError>() {
        Some(error) => tail_of_start(error.downcast_ref()).or_else(|| tail_of_exit(error.downcast_ref())),
        None => tail_of_start(error.downcast_ref()).or_else(|| tail_of_exit(error.downcast_ref())),
    })
}

fn tail_of_start(error: Option<&StartError>) -> Option<&Tail> {
    match error? {
        StartError::ExitedEarly { tail, .. }
        | StartError::ReadyTimeout { tail, .. }
        | StartError::PortTakenByOther { tail, .. } => Some(tail),
        _ => None,
    }
}

fn tail_of_exit(error: Option<&Exited>) -> Option<&Tail> {
    error.map(|exited| &exited.tail)
}

fn each<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let source =
        |error: &&'a (dyn Error + 'static)| -> Option<&'a (dyn Error + 'static)> { (*error).source() };
    std::iter::successors(Some(error), source).take(DEEPEST)
}
