//! A WebSocket that is opened over HTTP/2 (RFC 8441) and goes on over HTTP/1.1 (RFC 6455).

use data_encoding::BASE64;
use http::header::{HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY};
use http::{Method, Request, Response, StatusCode, Version};
use hyper::ext::Protocol;
use sha1::{Digest, Sha1};

use crate::hop;

/// What every key is joined with before it is hashed.
const SALT: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What the upgrade is for.
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// The handshake with a server on behalf of a client that has none over HTTP/2.
#[derive(Debug)]
pub(crate) struct Handshake {
    /// What the server has to answer.
    accept: String,
}

/// Whether a request over HTTP/2 asks for a WebSocket.
pub(crate) fn is_asked<B>(request: &Request<B>) -> bool {
    request.version() == Version::HTTP_2
        && request.method() == Method::CONNECT
        && request.extensions().get::<Protocol>().is_some_and(|protocol| protocol.as_str() == "websocket")
}

impl Handshake {
    /// A handshake with a key of its own.
    pub(crate) fn new() -> (Self, HeaderValue) {
        // It shows that the server understands WebSockets, and is no secret.
        let key = BASE64.encode(&fastrand::u128(..).to_be_bytes());
        let accept = accept(key.as_bytes());
        let key = HeaderValue::try_from(key).expect("base64 is visible ASCII");
        (Self { accept }, key)
    }

    /// Asks the server for it.
    pub(crate) fn ask<B>(request: &mut Request<B>, key: HeaderValue) {
        *request.method_mut() = Method::GET;
        request.headers_mut().insert(SEC_WEBSOCKET_KEY, key);
        hop::set_upgrade(request.headers_mut(), WEBSOCKET);
    }

    /// Whether the server's answer can be passed on: it has understood, or it refuses.
    pub(crate) fn fits<B>(&self, response: &Response<B>) -> bool {
        match response.status() {
            StatusCode::SWITCHING_PROTOCOLS => self.is_answered_by(response),
            // Over HTTP/2 any success would open the tunnel.
            status => !status.is_success(),
        }
    }

    fn is_answered_by<B>(&self, response: &Response<B>) -> bool {
        let mut accepts = response.headers().get_all(SEC_WEBSOCKET_ACCEPT).iter();
        let accept = accepts.next().map(HeaderValue::as_bytes);
        accept == Some(self.accept.as_bytes()) && accepts.next().is_none()
    }

    /// Makes the server's answer the one of HTTP/2.
    pub(crate) fn finish<B>(response: &mut Response<B>) {
        *response.status_mut() = StatusCode::OK;
        response.headers_mut().remove(SEC_WEBSOCKET_ACCEPT);
    }
}

/// What a server answers to `key`.
fn accept(key: &[u8]) -> String {
    BASE64.encode(&Sha1::new().chain_update(key).chain_update(SALT).finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_a_key_is_the_one_of_the_rfc() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn only_the_answer_to_its_own_key_finishes_a_handshake() {
        let (handshake, key) = Handshake::new();
        let answered = |accepts: &[&str]| {
            let mut response = Response::new(());
            for accept in accepts {
                response.headers_mut().append(SEC_WEBSOCKET_ACCEPT, HeaderValue::from_str(accept).unwrap());
            }
            handshake.is_answered_by(&response)
        };
        let right = accept(key.as_bytes());
        assert!(answered(&[&right]));
        assert!(
            !answered(&[]) && !answered(&["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]) && !answered(&[&right, &right])
        );
        assert_eq!(BASE64.decode(key.as_bytes()).unwrap().len(), 16);
    }
}
