//! Requests that are let through, and the names they give.

use http::{HeaderValue, Method, Request, Uri, Version};
use ostler_net::requested_host;
use ostler_switchboard::Naming;
use ostler_switchboard::fuzzing::{admit, names};

use crate::fields::read;

/// A request line and fields: what is let through has one host, no authority, and at most one coding; and would be let through again.
pub fn request(bytes: &[u8]) {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return };
    let (Ok(method), Ok(uri)) = (Method::from_bytes(method), Uri::try_from(target)) else { return };
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.version_mut() =
        if words.next() == Some(b"HTTP/1.0") { Version::HTTP_10 } else { Version::HTTP_11 };
    *request.headers_mut() = read(&bytes[line.len()..]);

    let Ok(host) = admit(&mut request) else { return };
    assert_ne!(request.method(), Method::CONNECT);
    assert!(request.uri().authority().is_none() && request.uri().scheme().is_none());
    assert!(request.headers().get_all("host").iter().eq([&host]));
    let codings: Vec<&HeaderValue> = request.headers().get_all("transfer-encoding").iter().collect();
    assert!(
        codings.len() <= 1 && codings.iter().all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
    );
    assert_eq!(admit(&mut request).as_ref(), Ok(&host));

    let app = request.headers().get("x-app");
    let naming = Naming { first_label: true, default_host: Some("default".to_owned()), ..Naming::default() };
    let Ok(names) = names(&host, app, &naming) else { return };
    assert!(host.is_empty() || crate::text(host.as_bytes()).is_some_and(|host| requested_host(host).is_ok()));
    assert!(names.last().is_some_and(|name| name == "default") && names.len() <= 4);
    for name in names {
        // The first label of a name can be a number, which is no host: no rule has it.
        let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
        assert!(is_number || requested_host(&name).is_ok_and(|host| host.as_str() == name), "{name}");
    }
}
