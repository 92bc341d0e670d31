//! What strangers must not tell a server, because it would take it for what we, or a proxy that we trust, have said.

use http::header::{HeaderMap, HeaderName};

use crate::spelling::{begins_like, is_spelling_of};

/// Fields that the switchboard writes, believes or ends itself. Those without a hyphen have one spelling only.
const OURS: [&str; 7] = [
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "transfer-encoding",
    REAL_IP,
];

/// A family of fields; some of it we write.
const FORWARDED: &str = "x-forwarded-";

/// What some proxies say in place of `X-Forwarded-For`. We do not write it.
const REAL_IP: &str = "x-real-ip";

/// Recognizes fields that make claims, for one header of request ids.
#[derive(Debug)]
pub(crate) struct Claims {
    request_id: HeaderName,
    /// The first letters of all that make claims, a bit each: what most names need not be looked at for.
    letters: u32,
}

/// What kind of claim a field makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// None.
    Nothing,
    /// One that a trusted proxy may make, and that we do not make ourselves.
    Another,
    /// One of ours in disguise. No proxy spells it like that, so whoever does is a stranger, perhaps behind a proxy that
    /// does not know.
    Disguised,
}

impl Claims {
    pub(crate) fn new(request_id: HeaderName) -> Self {
        let names = OURS.into_iter().chain([FORWARDED, request_id.as_str()]);
        let letters = names.fold(0, |letters, name| letters | bit(name));
        Self { request_id, letters }
    }

    /// Whether `name`, which is none that is looked for by its usual spelling, has to be [cleaned](Self::clean) out.
    #[inline]
    pub(crate) fn concern(&self, name: &str) -> bool {
        self.letters & bit(name) != 0 && self.of(name) != Claim::Nothing
    }

    /// Removes claims. Those that we do not make ourselves stay if the client is `trusted`.
    pub(crate) fn clean(&self, headers: &mut HeaderMap, trusted: bool) {
        let is_dropped = |name: &&HeaderName| match self.of(name.as_str()) {
            Claim::Nothing => false,
            Claim::Another => !trusted,
            Claim::Disguised => true,
        };
        let dropped: Vec<_> = headers.keys().filter(is_dropped).cloned().collect();
        for name in dropped {
            headers.remove(name);
        }
    }

    #[inline(never)]
    fn of(&self, name: &str) -> Claim {
        if begins_like(name, FORWARDED) {
            let usual = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            return match name {
                // Written, or added to, or removed with the rest of the introduction.
                "x-forwarded-for" | "x-forwarded-host" | "x-forwarded-proto" => Claim::Nothing,
                _ if usual => Claim::Another,
                _ => Claim::Disguised,
            };
        }
        let mut ours = OURS.into_iter().chain([self.request_id.as_str()]);
        match ours.find(|field| is_spelling_of(name, field)) {
            Some(REAL_IP) if name == REAL_IP => Claim::Another,
            Some(field) if name == field => Claim::Nothing,
            Some(_) => Claim::Disguised,
            None => Claim::Nothing,
        }
    }
}

fn bit(name: &str) -> u32 {
    name.as_bytes().first().map_or(0, |first| 1 << (first & 31))
}
