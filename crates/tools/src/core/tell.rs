//! What a tool tells that is no question: progress and log messages.

use std::collections::VecDeque;

use ostler_journal::{Json, Telling};
use tokio::sync::mpsc::Sender;

use super::{AtWork, Core};
use crate::event::{SessionEvent, SessionEventKind, Told};
use crate::watch::KEPT_EVENTS;

/// What was told while nobody listened.
#[derive(Debug, Default)]
pub(super) struct Events {
    pub(super) last: u64,
    pub(super) kept: VecDeque<SessionEvent>,
    pub(super) dropped: u64,
}

impl Core {
    /// Tells whoever watches, and waits while they are not ready for it; or keeps it for whoever follows.
    pub(crate) async fn tell(&self, kind: SessionEventKind) {
        if self.cell().beginning.origin.is_some() {
            return self.tell_for_good(kind).await;
        }
        // It was told before.
        if self.begun(|journal| journal.is_replaying()).unwrap_or(false) {
            return;
        }
        // What it tells may follow from an outcome that a crash would undo.
        if let Some(place) = self.begun(|journal| journal.significant()) {
            self.durable(place).await;
        }
        let watched = self.cell().watched.clone();
        if let Some(watched) = watched {
            let _at_work = AtWork::begin(self);
            watched.tell(kind.clone()).await;
        }
        let (sender, event) = {
            let mut cell = self.cell();
            cell.events.last += 1;
            let event = SessionEvent { seq: cell.events.last, kind };
            match cell.attempt.events.clone() {
                Some(sender) => (sender, event),
                None => return cell.events.keep(event),
            }
        };
        if let Some(event) = self.send(sender, event).await {
            self.cell().events.keep(event);
        }
    }

    /// Tells something that is in the journal before anybody hears of it.
    async fn tell_for_good(&self, kind: SessionEventKind) {
        let Some(Ok(event)) = Told::of(&kind).map(|told| Json::of(&told)) else { return };
        let (step, most) = {
            let cell = self.cell();
            (cell.step, cell.beginning.max_events)
        };
        match self.journal(|journal| journal.tell(event, step, most)) {
            Telling::Noted(place) => {
                let _at_work = AtWork::begin(self);
                self.durable(place).await;
                let watched = self.cell().watched.clone();
                if let Some(watched) = watched {
                    watched.tell(kind).await;
                }
            }
            Telling::Again => {}
            Telling::TooMuch => self.cell().events.dropped += 1,
        }
    }

    /// How many things were not told of a call that has told too much, since this was last asked.
    pub(crate) fn take_untold(&self) -> u64 {
        let mut cell = self.cell();
        match cell.beginning.origin {
            Some(_) => std::mem::take(&mut cell.events.dropped),
            None => 0,
        }
    }

    async fn send(&self, sender: Sender<SessionEvent>, event: SessionEvent) -> Option<SessionEvent> {
        let event = match sender.try_send(event) {
            Ok(()) => return None,
            Err(tokio::sync::mpsc::error::TrySendError::Closed(event)) => return Some(event),
            Err(tokio::sync::mpsc::error::TrySendError::Full(event)) => event,
        };
        let _at_work = AtWork::begin(self);
        sender.send(event).await.err().map(|lost| lost.0)
    }
}

impl Events {
    /// Gives `sender` what has been kept, as far as it takes it.
    pub(super) fn tell(&mut self, sender: &Sender<SessionEvent>) {
        if self.dropped > 0 {
            tracing::debug!(dropped = self.dropped, "events of a session that nobody watched are gone");
            self.dropped = 0;
        }
        while let Some(event) = self.kept.pop_front() {
            if let Err(refused) = sender.try_send(event) {
                self.kept.push_front(refused.into_inner());
                break;
            }
        }
    }

    fn keep(&mut self, event: SessionEvent) {
        if self.kept.len() == KEPT_EVENTS {
            self.kept.pop_front();
            self.dropped += 1;
        }
        self.kept.push_back(event);
    }
}
