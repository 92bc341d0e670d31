//! `requestState`: which session and round a client comes back to. Sealed, so that clients can neither read nor make one, and
//! bound to who asked for what.

mod journal;

use ostler_tools::{SessionId, Timestamp};

pub(crate) use self::journal::{Carried, SealError, expiry};
use crate::keys::KeyRing;
use crate::seal::{Form, bound};

/// Where a client comes back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestState {
    pub(crate) session: SessionId,
    pub(crate) round: u32,
    pub(crate) expires: Timestamp,
}

/// What a state is bound to: it opens for the same principal and the same call alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Binding<'a> {
    pub(crate) principal: &'a str,
    pub(crate) method: &'a str,
    pub(crate) name: &'a str,
    pub(crate) arguments: &'a str,
}

/// Why a state is refused. Clients are told no more than that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StateError {
    #[error("the requestState is not one of this call")]
    Invalid,
    #[error("the requestState has expired")]
    Expired,
    #[error("the requestState is of another version of this server")]
    Unreadable,
}

/// Session, round, expiry.
const SEALED: usize = 16 + 4 + 8;

/// Characters of a sealed one at most.
const LONGEST: usize = 256;

impl KeyRing {
    pub(crate) fn seal(&self, state: RequestState, binding: Binding<'_>) -> String {
        let mut plain = [0; SEALED];
        plain[..16].copy_from_slice(state.session.as_bytes());
        plain[16..20].copy_from_slice(&state.round.to_be_bytes());
        plain[20..].copy_from_slice(&state.expires.as_millis().to_be_bytes());
        self.seal_bytes(Form::Session, &plain, &binding.to_bytes())
    }

    pub(crate) fn open(
        &self,
        state: &str,
        binding: Binding<'_>,
        now: Timestamp,
    ) -> Result<RequestState, StateError> {
        let plain = self.open_bytes(Form::Session, state, &binding.to_bytes(), LONGEST);
        let plain: [u8; SEALED] = plain.and_then(|plain| plain.try_into().ok()).ok_or(StateError::Invalid)?;
        let (session, rest) = plain.split_at(16);
        let (round, expires) = rest.split_at(4);
        let state = RequestState {
            session: SessionId::from_bytes(session.try_into().map_err(|_| StateError::Invalid)?),
            round: u32::from_be_bytes(round.try_into().map_err(|_| StateError::Invalid)?),
            expires: Timestamp::from_millis(i64::from_be_bytes(
                expires.try_into().map_err(|_| StateError::Invalid)?,
            )),
        };
        if state.expires <= now { Err(StateError::Expired) } else { Ok(state) }
    }
}

impl Binding<'_> {
    fn to_bytes(self) -> Vec<u8> {
        bound([self.principal, self.method, self.name, self.arguments])
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;

    use super::*;

    const BINDING: Binding<'static> =
        Binding { principal: "ada", method: "tools/call", name: "book", arguments: "{}" };

    fn state() -> RequestState {
        let expires = Timestamp::from_millis(1000);
        RequestState { session: SessionId::unique(), round: 3, expires }
    }

    #[test]
    fn a_state_opens_for_the_same_call_of_the_same_principal_until_it_expires() {
        let (ring, state) = (KeyRing::ephemeral(), state());
        let sealed = ring.seal(state, BINDING);
        assert_eq!(ring.open(&sealed, BINDING, Timestamp::from_millis(999)), Ok(state));
        assert_eq!(ring.open(&sealed, BINDING, Timestamp::from_millis(1000)), Err(StateError::Expired));
        let others = [
            Binding { principal: "eve", ..BINDING },
            Binding { method: "prompts/get", ..BINDING },
            Binding { name: "book2", ..BINDING },
            Binding { arguments: "{ }", ..BINDING },
        ];
        for other in others {
            assert_eq!(ring.open(&sealed, other, Timestamp::from_millis(0)), Err(StateError::Invalid));
        }
    }

    #[test]
    fn no_changed_byte_and_no_other_key_opens_a_state() {
        let ring = KeyRing::ephemeral();
        let sealed = ring.seal(state(), BINDING);
        assert_ne!(sealed, ring.seal(state(), BINDING));
        let mut bytes = BASE64URL_NOPAD.decode(sealed.as_bytes()).unwrap();
        for index in 0..bytes.len() {
            bytes[index] ^= 1;
            let changed = BASE64URL_NOPAD.encode(&bytes);
            assert_eq!(ring.open(&changed, BINDING, Timestamp::from_millis(0)), Err(StateError::Invalid));
            bytes[index] ^= 1;
        }
        let other = KeyRing::ephemeral();
        assert_eq!(other.open(&sealed, BINDING, Timestamp::from_millis(0)), Err(StateError::Invalid));
        for nothing in ["", "AAAA", "not base64!", &"A".repeat(5000)] {
            assert_eq!(ring.open(nothing, BINDING, Timestamp::from_millis(0)), Err(StateError::Invalid));
        }
    }
}
