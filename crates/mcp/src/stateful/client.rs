//! A client and its session.
//!
//! All that has to be known of a client stands in the id of its session, sealed: an idle session takes no memory, and any process
//! with the same keys knows it.

use ostler_tools::{Capabilities, ClientId, Timestamp};

use super::revision::Revision;
use crate::auth::Caller;
use crate::keys::KeyRing;
use crate::seal::{Form, bound};

/// Who has a session.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) id: ClientId,
    pub(crate) caller: Caller,
    pub(crate) revision: Revision,
    /// What it declared to answer.
    pub(crate) capabilities: Capabilities,
}

/// Client, revision, capabilities, expiry.
const SEALED: usize = 16 + 1 + 1 + 8;

/// Characters of a session's id at most.
const LONGEST: usize = 256;

impl Client {
    /// The id of its session, good until `expires`.
    pub(crate) fn seal(&self, keys: &KeyRing, expires: Timestamp) -> String {
        let mut plain = [0; SEALED];
        plain[..16].copy_from_slice(self.id.as_bytes());
        plain[16] = self.revision.to_byte();
        plain[17] = to_bits(self.capabilities);
        plain[18..].copy_from_slice(&expires.as_millis().to_be_bytes());
        keys.seal_bytes(Form::Client, &plain, &bound([&self.caller.principal]))
    }

    /// The client that has the session `sealed`, if it is `caller`'s and not over.
    pub(crate) fn open(keys: &KeyRing, sealed: &str, caller: &Caller, now: Timestamp) -> Option<Self> {
        let plain = keys.open_bytes(Form::Client, sealed, &bound([&caller.principal]), LONGEST)?;
        let plain: [u8; SEALED] = plain.try_into().ok()?;
        let (id, rest) = plain.split_at(16);
        let expires = Timestamp::from_millis(i64::from_be_bytes(rest[2..].try_into().ok()?));
        let client = Self {
            id: ClientId::from_bytes(id.try_into().ok()?),
            caller: caller.clone(),
            revision: Revision::from_byte(rest[0])?,
            capabilities: of_bits(rest[1]),
        };
        (expires > now).then_some(client)
    }
}

const fn to_bits(capabilities: Capabilities) -> u8 {
    let Capabilities { elicit_form, elicit_url, sample, sample_tools, roots, tasks } = capabilities;
    (elicit_form as u8)
        | (elicit_url as u8) << 1
        | (sample as u8) << 2
        | (sample_tools as u8) << 3
        | (roots as u8) << 4
        | (tasks as u8) << 5
}

const fn of_bits(bits: u8) -> Capabilities {
    Capabilities {
        elicit_form: bits & 1 != 0,
        elicit_url: bits & 1 << 1 != 0,
        sample: bits & 1 << 2 != 0,
        sample_tools: bits & 1 << 3 != 0,
        roots: bits & 1 << 4 != 0,
        tasks: bits & 1 << 5 != 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Client {
        Client {
            id: ClientId::unique(),
            caller: Caller::anonymous(),
            revision: Revision::June2025,
            capabilities: Capabilities { sample: true, roots: true, ..Capabilities::default() },
        }
    }

    #[test]
    fn a_session_is_known_by_its_id_alone_until_it_expires_and_to_its_principal() {
        let (keys, client) = (KeyRing::ephemeral(), client());
        let at = Timestamp::from_millis;
        let sealed = client.seal(&keys, at(1000));
        let opened = Client::open(&keys, &sealed, &client.caller, at(999)).unwrap();
        assert_eq!((opened.id, opened.revision), (client.id, client.revision));
        assert_eq!(opened.capabilities, client.capabilities);
        assert!(Client::open(&keys, &sealed, &client.caller, at(1000)).is_none());
        let eve = Caller { principal: "eve".into(), ..client.caller.clone() };
        assert!(Client::open(&keys, &sealed, &eve, at(0)).is_none());
        assert!(Client::open(&KeyRing::ephemeral(), &sealed, &client.caller, at(0)).is_none());
        assert!(Client::open(&keys, &sealed[1..], &client.caller, at(0)).is_none());
    }

    #[test]
    fn every_capability_has_a_bit_of_its_own() {
        for bits in 0..64 {
            assert_eq!(to_bits(of_bits(bits)), bits);
        }
    }
}
