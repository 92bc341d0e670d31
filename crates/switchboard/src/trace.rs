//! The request id and the trace context that go with a request to its server.

use bytes::{Bytes, BytesMut};
use fastrand::Rng;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::config::Identity;
use crate::fields::Fields;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Bytes of `00-<trace id>-<parent id>-<flags>` (W3C Trace Context, section 3.2).
const LENGTH: usize = 55;

/// Where the trace id stands in it.
const TRACE_ID: std::ops::Range<usize> = 3..35;

/// Longest request id taken over from a client, in bytes.
const LONGEST_REQUEST_ID: usize = 128;

/// Bytes that ids are cut from at a time: a page holds some seventy of them, and lives as long as the last of these.
const PAGE: usize = 4096;

/// Makes identities up.
#[derive(Debug, Default)]
pub(crate) struct Inventor {
    random: Rng,
    /// What is left of the last page, so that an id costs no allocation of its own.
    page: BytesMut,
}

/// What one client's requests are identified by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identities<'a> {
    pub(crate) request_id_header: &'a HeaderName,
    pub(crate) request_id: Identity,
    pub(crate) trace_context: Identity,
    /// Whether the request ids of this client are believed.
    pub(crate) trusted: bool,
}

impl Identities<'_> {
    /// Gives a request an id and a trace as the rules want it, and returns the id; `fields` are those it has. A new
    /// request id is the new trace's id, so that either finds the other.
    pub(crate) fn identify(
        self,
        headers: &mut HeaderMap,
        fields: Fields,
        inventor: &mut Inventor,
    ) -> Option<HeaderValue> {
        let header = self.request_id_header;
        let believed = match self.request_id {
            Identity::Keep => self.trusted,
            Identity::Replace => false,
            Identity::Pass => true,
        };
        let given = if believed { headers.get(header) } else { None };
        let kept = given.filter(|id| is_request_id(id.as_bytes())).cloned();
        let traced = match self.trace_context {
            Identity::Keep => {
                fields.has(Fields::TRACEPARENT)
                    && headers.get(TRACEPARENT).is_some_and(|value| is_traceparent(value.as_bytes()))
            }
            Identity::Replace => false,
            Identity::Pass => true,
        };
        let identified = kept.is_some() || self.request_id == Identity::Pass;
        if traced && identified {
            return kept;
        }
        let fresh = inventor.traceparent();
        let id = if identified {
            kept
        } else {
            let id = value(fresh.slice(TRACE_ID));
            headers.insert(header, id.clone());
            Some(id)
        };
        if !traced {
            headers.insert(TRACEPARENT, value(fresh));
            if fields.has(Fields::TRACESTATE) {
                headers.remove(TRACESTATE);
            }
        }
        id
    }
}

impl Inventor {
    fn traceparent(&mut self) -> Bytes {
        if self.page.capacity() < LENGTH {
            self.page = BytesMut::with_capacity(PAGE);
        }
        let text = &mut self.page;
        text.extend_from_slice(b"00-");
        // The random flag of level 2 would promise randomness fit for sampling; a fast generator does not.
        hex(text, self.random.u64(1..));
        hex(text, self.random.u64(..));
        text.extend_from_slice(b"-");
        hex(text, self.random.u64(1..));
        text.extend_from_slice(b"-01");
        text.split().freeze()
    }
}

fn hex(text: &mut BytesMut, number: u64) {
    let mut digits = [0; 16];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        pair.copy_from_slice(&HEX[usize::from(byte)]);
    }
    text.extend_from_slice(&digits);
}

/// Every byte in two hexadecimal digits.
const HEX: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < pairs.len() {
        pairs[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    pairs
};

fn value(text: Bytes) -> HeaderValue {
    HeaderValue::from_maybe_shared(text).expect("hexadecimal digits and dashes are visible ASCII")
}

/// Whether a client's request id may be written into logs and headers as it is.
fn is_request_id(id: &[u8]) -> bool {
    (1..=LONGEST_REQUEST_ID).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

/// Whether it is a version 00 `traceparent`, or one of a later version that begins like one.
fn is_traceparent(text: &[u8]) -> bool {
    let lower_hex = |range: std::ops::Range<usize>| {
        text[range].iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let nonzero = |range: std::ops::Range<usize>| text[range].iter().any(|byte| *byte != b'0');
    let long_enough =
        text.len() == LENGTH || (text.len() > LENGTH && &text[..2] != b"00" && text[LENGTH] == b'-');
    long_enough
        && text[2] == b'-'
        && text[35] == b'-'
        && text[52] == b'-'
        && lower_hex(0..2)
        && &text[..2] != b"ff"
        && lower_hex(TRACE_ID)
        && nonzero(TRACE_ID)
        && lower_hex(36..52)
        && nonzero(36..52)
        && lower_hex(53..55)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

    fn identify(headers: &mut HeaderMap, rule: Identity, trusted: bool) -> Option<String> {
        let identities =
            Identities { request_id_header: &REQUEST_ID, request_id: rule, trace_context: rule, trusted };
        let fields = Fields::of(headers);
        let id = identities.identify(
            headers,
            fields,
            &mut Inventor { random: Rng::with_seed(1), ..Inventor::default() },
        );
        id.map(|id| id.to_str().unwrap().to_owned())
    }

    fn identified() -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, HeaderValue::from_static(VALID));
        headers.insert(TRACESTATE, HeaderValue::from_static("vendor=1"));
        headers.insert(REQUEST_ID, HeaderValue::from_static("order-17"));
        headers
    }

    #[test]
    fn a_request_without_a_trace_starts_one_under_its_request_id() {
        let mut headers = HeaderMap::new();
        let id = identify(&mut headers, Identity::Keep, false).unwrap();
        let trace = headers[TRACEPARENT].to_str().unwrap();
        assert!(is_traceparent(trace.as_bytes()), "{trace}");
        assert_eq!(&trace[TRACE_ID], id);
        assert_eq!(headers[REQUEST_ID], id);
    }

    #[test]
    fn a_trusted_proxys_request_id_and_trace_pass_untouched() {
        let mut headers = identified();
        assert_eq!(identify(&mut headers, Identity::Keep, true).as_deref(), Some("order-17"));
        assert_eq!(headers, identified());
    }

    #[test]
    fn a_strangers_request_id_is_replaced_and_its_trace_goes_on() {
        let mut headers = identified();
        let id = identify(&mut headers, Identity::Keep, false).unwrap();
        assert_eq!(headers[REQUEST_ID], id);
        assert_ne!(id, "order-17");
        assert_eq!(headers[TRACEPARENT], VALID);
    }

    #[test]
    fn replacing_begins_a_trace_without_the_old_ones_state() {
        let mut headers = identified();
        assert_ne!(identify(&mut headers, Identity::Replace, true).unwrap(), "order-17");
        assert_ne!(headers[TRACEPARENT], VALID);
        assert!(!headers.contains_key(TRACESTATE));
    }

    #[test]
    fn passing_makes_nothing_up() {
        let mut none = HeaderMap::new();
        assert_eq!(identify(&mut none, Identity::Pass, false), None);
        assert!(none.is_empty());
        let mut headers = identified();
        assert_eq!(identify(&mut headers, Identity::Pass, false).as_deref(), Some("order-17"));
        assert_eq!(headers, identified());
    }

    #[test]
    fn a_broken_trace_is_replaced() {
        for broken in [
            "",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-extra",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(TRACEPARENT, HeaderValue::from_static(broken));
            identify(&mut headers, Identity::Keep, false);
            assert!(is_traceparent(headers[TRACEPARENT].as_bytes()), "{broken}");
            assert_ne!(headers[TRACEPARENT], broken);
        }
    }

    #[test]
    fn a_later_version_may_be_longer() {
        assert!(is_traceparent(format!("cc{}-what", &VALID[2..]).as_bytes()));
        assert!(!is_traceparent(format!("cc{}.what", &VALID[2..]).as_bytes()));
    }

    #[test]
    fn a_request_id_that_does_not_fit_a_log_is_replaced() {
        for bad in ["", "two words", &"x".repeat(129)] {
            assert!(!is_request_id(bad.as_bytes()), "{bad}");
        }
    }
}
