//! A `requestState` that is the session itself: its journal, compressed and sealed. Whoever has the keys can go on with it.
//!
//! A client cannot read it. But what the client has answered is compressed together with what it must not see, and the length is
//! there for all to see, so it tells a little about what is within. Padding blurs that.

use std::num::TryFromIntError;

use ostler_tools::{EntryEvent, Json, SessionId, Timestamp};

use super::{Binding, RequestState, StateError};
use crate::keys::KeyRing;
use crate::seal::Form;

/// Session, expiry, the length of the journal as text, the length of the compressed one.
const HEAD: usize = 16 + 8 + 4 + 4;

/// What is sealed has a multiple of so many bytes.
const PADDING: usize = 128;

/// As a journal says much the same again and again, more makes it slower and hardly shorter.
const LEVEL: i32 = 3;

/// How many times as long as what is sealed a journal may be. What repeats itself so much is no journal of a tool's that a client should
/// carry.
const MAX_RATIO: usize = 32;

/// A session that a client has brought back.
#[derive(Debug, PartialEq)]
pub(crate) struct Carried {
    pub(crate) state: RequestState,
    pub(crate) journal: Vec<EntryEvent>,
}

/// Why a session cannot be given to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SealError {
    #[error("{size} bytes, and at most {max} are allowed")]
    TooLarge { size: usize, max: usize },
}

impl KeyRing {
    /// Seals `journal`, that of `session`, if it is not longer than `max` characters then.
    pub(crate) fn seal_journal(
        &self,
        session: SessionId,
        expires: Timestamp,
        mut journal: Vec<EntryEvent>,
        binding: Binding<'_>,
        max: usize,
    ) -> Result<String, SealError> {
        // The client repeats the arguments, and the state is good for them alone.
        replace_arguments(&mut journal, binding.arguments, || Json::of(&()));
        let text = serde_json::to_vec(&journal).expect("a journal has a form in JSON");
        let too_large = |size| SealError::TooLarge { size, max };
        if text.len() > max.saturating_mul(MAX_RATIO) {
            return Err(too_large(text.len() / MAX_RATIO));
        }
        let compressed = zstd::bulk::compress(&text, LEVEL).expect("there is room for all of it");
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).map(u32::to_be_bytes);
        let lengths = |_: TryFromIntError| too_large(compressed.len());
        let mut plain = Vec::with_capacity((HEAD + compressed.len()).next_multiple_of(PADDING));
        plain.extend_from_slice(session.as_bytes());
        plain.extend_from_slice(&expires.as_millis().to_be_bytes());
        plain.extend_from_slice(&length(&text).map_err(lengths)?);
        plain.extend_from_slice(&length(&compressed).map_err(lengths)?);
        plain.extend_from_slice(&compressed);
        plain.resize(plain.len().next_multiple_of(PADDING), 0);
        let sealed = self.seal_bytes(Form::Journal, &plain, &binding.to_bytes());
        if sealed.len() > max { Err(too_large(sealed.len())) } else { Ok(sealed) }
    }

    /// Opens a state of at most `max` characters.
    pub(crate) fn open_journal(
        &self,
        state: &str,
        binding: Binding<'_>,
        now: Timestamp,
        max: usize,
    ) -> Result<Carried, StateError> {
        let plain = self.open_bytes(Form::Journal, state, &binding.to_bytes(), max);
        let plain = plain.ok_or(StateError::Invalid)?;
        let (session, rest) = plain.split_first_chunk::<16>().ok_or(StateError::Invalid)?;
        let (expires, rest) = rest.split_first_chunk::<8>().ok_or(StateError::Invalid)?;
        let (text, rest) = rest.split_first_chunk::<4>().ok_or(StateError::Invalid)?;
        let (compressed, rest) = rest.split_first_chunk::<4>().ok_or(StateError::Invalid)?;
        let expires = Timestamp::from_millis(i64::from_be_bytes(*expires));
        if expires <= now {
            return Err(StateError::Expired);
        }
        let length = |bytes: &[u8; 4]| usize::try_from(u32::from_be_bytes(*bytes)).ok();
        // Only we can have sealed more than we would: a server with other bounds.
        let text = length(text).filter(|length| *length <= max.saturating_mul(MAX_RATIO));
        let compressed = length(compressed).and_then(|length| rest.get(..length));
        let (text, compressed) = text.zip(compressed).ok_or(StateError::Invalid)?;
        let text = zstd::bulk::decompress(compressed, text).map_err(|_| StateError::Invalid)?;
        let mut journal: Vec<EntryEvent> =
            serde_json::from_slice(&text).map_err(|_| StateError::Unreadable)?;
        replace_arguments(&mut journal, "null", || Json::parse(binding.arguments.to_owned()));
        let round = journal.iter().rev().find_map(|entry| match entry {
            EntryEvent::Asked { round, .. } => Some(*round),
            EntryEvent::Started(_)
            | EntryEvent::Recorded { .. }
            | EntryEvent::Begun { .. }
            | EntryEvent::Completed { .. }
            | EntryEvent::Answered { .. }
            | EntryEvent::Detached
            | EntryEvent::Told { .. }
            | EntryEvent::Finished { .. } => None,
        });
        let round = round.ok_or(StateError::Invalid)?;
        let state = RequestState { session: SessionId::from_bytes(*session), round, expires };
        Ok(Carried { state, journal })
    }
}

/// When `journal` expires.
pub(crate) fn expiry(journal: &[EntryEvent]) -> Option<Timestamp> {
    match journal.first()? {
        EntryEvent::Started(started) => Some(started.expires),
        EntryEvent::Recorded { .. }
        | EntryEvent::Begun { .. }
        | EntryEvent::Completed { .. }
        | EntryEvent::Asked { .. }
        | EntryEvent::Answered { .. }
        | EntryEvent::Detached
        | EntryEvent::Told { .. }
        | EntryEvent::Finished { .. } => None,
    }
}

/// Puts `other` in the place of the arguments of a call, if they are `known`.
fn replace_arguments(
    journal: &mut [EntryEvent],
    known: &str,
    other: impl FnOnce() -> Result<Json, serde_json::Error>,
) {
    if let Some(EntryEvent::Started(started)) = journal.first_mut()
        && started.arguments.as_str() == known
        && let Ok(other) = other()
    {
        started.arguments = other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 4096;
    const BINDING: Binding<'static> =
        Binding { principal: "ada", method: "tools/call", name: "book", arguments: r#"{"to":"Rome"}"# };

    fn journal() -> Vec<EntryEvent> {
        let entries = serde_json::json!([
            { "started": {
                "schema": 1, "tool": "book", "version": 1, "arguments": { "to": "Rome" },
                "digest": "00112233445566778899aabbccddeeff", "principal": "ada", "client": {},
                "seed": 7, "at": 1, "expires": 1000,
            } },
            { "asked": { "round": 3, "questions": [] } },
        ]);
        Json::from(&entries).read().unwrap()
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_journal_opens_whole_for_the_same_call_of_the_same_principal_until_it_expires() {
        let (ring, session, journal) = (KeyRing::ephemeral(), SessionId::unique(), journal());
        assert_eq!(expiry(&journal), Some(at(1000)));
        let sealed = ring.seal_journal(session, at(1000), journal.clone(), BINDING, MAX).unwrap();
        let state = RequestState { session, round: 3, expires: at(1000) };
        let opened = ring.open_journal(&sealed, BINDING, at(999), MAX);
        assert_eq!(opened, Ok(Carried { state, journal }));
        assert_eq!(ring.open_journal(&sealed, BINDING, at(1000), MAX), Err(StateError::Expired));
        let others = [
            Binding { principal: "eve", ..BINDING },
            Binding { method: "prompts/get", ..BINDING },
            Binding { name: "book2", ..BINDING },
            Binding { arguments: "{}", ..BINDING },
        ];
        for other in others {
            assert_eq!(ring.open_journal(&sealed, other, at(0), MAX), Err(StateError::Invalid));
        }
        assert_eq!(ring.open_journal(&sealed, BINDING, at(0), sealed.len() - 1), Err(StateError::Invalid));
        assert_eq!(ring.open(&sealed, BINDING, at(0)), Err(StateError::Invalid));
    }

    #[test]
    fn nothing_is_sealed_or_opened_that_grows_beyond_all_bounds() {
        let (ring, session) = (KeyRing::ephemeral(), SessionId::unique());
        let mut journal = journal();
        let value = Json::of(&"a".repeat(MAX * MAX_RATIO)).unwrap();
        let EntryEvent::Started(started) = &mut journal[0] else { panic!("it begins so") };
        started.client = value;
        let sealed = ring.seal_journal(session, at(1000), journal.clone(), BINDING, MAX);
        assert!(matches!(sealed, Err(SealError::TooLarge { max: MAX, .. })), "{sealed:?}");
        // By one with a larger bound.
        let sealed = ring.seal_journal(session, at(1000), journal, BINDING, 2 * MAX).unwrap();
        assert!(sealed.len() < MAX, "it is short enough to be looked at");
        assert!(ring.open_journal(&sealed, BINDING, at(0), 2 * MAX).is_ok());
        assert_eq!(ring.open_journal(&sealed, BINDING, at(0), MAX), Err(StateError::Invalid));
    }

    #[test]
    fn the_length_of_a_state_does_not_change_with_every_byte_of_it() {
        let (ring, session) = (KeyRing::ephemeral(), SessionId::unique());
        let length = |secret: &str| {
            let mut journal = journal();
            let EntryEvent::Started(started) = &mut journal[0] else { panic!("it begins so") };
            started.client = Json::of(&secret).unwrap();
            ring.seal_journal(session, at(1000), journal, BINDING, MAX).unwrap().len()
        };
        assert_eq!(length("k3y"), length("k3y, and 4"));
        assert_eq!((length("") * 3 / 4 - 45) % PADDING, 0);
    }
}
