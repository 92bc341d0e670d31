//! Texts that clients keep for the server: sealed, so that they can neither read nor make one, and bound to what they are for.

use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::{Aead, Generate, KeyInit, Nonce, Payload};
use data_encoding::BASE64URL_NOPAD;

use crate::keys::KeyRing;

/// What a sealed text is, so that none is taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Form {
    /// A `requestState` that names a session.
    Session = 1,
    /// A `requestState` that is a session.
    Journal = 2,
    /// The `MCP-Session-Id` of a client.
    Client = 3,
}

/// The form, the number of the key, the nonce.
const HEAD: usize = 1 + 4 + 24;

impl KeyRing {
    /// Seals `plain` with the newest key. It opens only together with the same `bound`.
    pub(crate) fn seal_bytes(&self, form: Form, plain: &[u8], bound: &[u8]) -> String {
        let keys = self.keys();
        let key = keys.first().expect("a ring has a key");
        let nonce = Nonce::<XChaCha20Poly1305>::generate();
        let mut sealed = Vec::with_capacity(HEAD + plain.len() + 16);
        sealed.push(form as u8);
        sealed.extend_from_slice(&key.id.to_be_bytes());
        sealed.extend_from_slice(&nonce);
        let text = XChaCha20Poly1305::new(&key.key).encrypt(&nonce, Payload { msg: plain, aad: bound });
        sealed.extend_from_slice(&text.expect("so little can be encrypted"));
        BASE64URL_NOPAD.encode(&sealed)
    }

    /// What was sealed, or None if it was not sealed here, as `form`, together with `bound`; or is longer than `longest`.
    pub(crate) fn open_bytes(
        &self,
        form: Form,
        sealed: &str,
        bound: &[u8],
        longest: usize,
    ) -> Option<Vec<u8>> {
        if sealed.len() > longest {
            return None;
        }
        let sealed = BASE64URL_NOPAD.decode(sealed.as_bytes()).ok()?;
        let (head, text) = sealed.split_at_checked(HEAD)?;
        let (found, id, nonce) = (head[0], &head[1..5], &head[5..]);
        let keys = self.keys();
        let key = keys.iter().find(|key| found == form as u8 && key.id.to_be_bytes() == *id)?;
        let nonce = Nonce::<XChaCha20Poly1305>::try_from(nonce).ok()?;
        XChaCha20Poly1305::new(&key.key).decrypt(&nonce, Payload { msg: text, aad: bound }).ok()
    }
}

/// Each part with its length, so that no two lists of parts run together.
pub(crate) fn bound<const N: usize>(parts: [&str; N]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}
