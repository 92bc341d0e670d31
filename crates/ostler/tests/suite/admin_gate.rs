//! Pages in a browser on this machine do not reach the admin API.

use crate::binary::Ostler;
use crate::raw::{admin, send};

#[test]
fn a_request_must_name_a_host_of_the_admin_api() {
    let ostler = Ostler::serve("");
    let port = ostler.admin.port();
    for ours in [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("[::1]:{port}"),
        "LOCALHOST".to_owned(),
        "localhost.".to_owned(),
        "127.0.0.1".to_owned(),
    ] {
        send(ostler.admin, "GET", "/healthz", &format!("Host: {ours}\r\n")).with(200);
    }
    for theirs in [
        "rebound.example".to_owned(),
        format!("rebound.example:{port}"),
        format!("localhost.rebound.example:{port}"),
        format!("127.0.0.1.rebound.example:{port}"),
        format!("evil@localhost:{port}"),
        "localhost:1".to_owned(),
        "hello.localhost".to_owned(),
        String::new(),
    ] {
        let refused = send(ostler.admin, "GET", "/healthz", &format!("Host: {theirs}\r\n")).with(421);
        refused.is_problem("wrong-host");
    }
    send(ostler.admin, "GET", "/nothing", "Host: rebound.example\r\n").with(421);
    send(ostler.admin, "GET", "/healthz", "").with(400);
    send(ostler.admin, "GET", "/healthz", "Host: localhost\r\nHost: localhost\r\n").with(400);
    let elsewhere = send(ostler.admin, "GET", "http://rebound.example/healthz", "Host: localhost\r\n");
    elsewhere.with(421).is_problem("wrong-host");
}

#[test]
fn the_configuration_says_which_hosts_are_allowed() {
    let ostler = Ostler::serve_with("allowed_hosts = [\"ostler.internal\"]", "");
    send(ostler.admin, "GET", "/healthz", "Host: ostler.internal\r\n").with(200);
    send(ostler.admin, "GET", "/healthz", "Host: localhost\r\n").with(421);
    // The address itself is nobody's name, and what the commands send.
    ostler.ask(&["ps"]).with(0);
}

#[test]
fn a_page_of_another_origin_is_refused() {
    let ostler = Ostler::serve("");
    let port = ostler.admin.port();
    let ask = |header: &str| {
        send(ostler.admin, "GET", "/servers", &format!("Host: localhost:{port}\r\n{header}\r\n"))
    };
    for same in [
        format!("Origin: http://localhost:{port}"),
        "Sec-Fetch-Site: same-origin".to_owned(),
        "Sec-Fetch-Site: none".to_owned(),
    ] {
        ask(&same).with(200);
    }
    for other in [
        "Origin: http://evil.example".to_owned(),
        "Origin: null".to_owned(),
        "Origin:".to_owned(),
        format!("Origin: https://localhost:{port}"),
        format!("Origin: http://127.0.0.1:{port}"),
        "Origin: http://localhost:1".to_owned(),
        "Origin: http://localhost".to_owned(),
        "Sec-Fetch-Site: cross-site".to_owned(),
        "Sec-Fetch-Site: same-site".to_owned(),
        "Sec-Fetch-Site: something-new".to_owned(),
    ] {
        let refused = ask(&other);
        assert_eq!(refused.status, 403, "{other}: {refused:?}");
        refused.is_problem("cross-origin");
    }
}

#[test]
fn what_is_refused_changes_nothing() {
    let ostler = Ostler::serve("[[server]]\nhost = \"a.localhost\"\nbuiltin = \"echo\"\n");
    crate::raw::get(ostler.switchboard, "a.localhost", "/").with(200);
    let own = format!("Host: {}\r\n", ostler.admin);
    let page = "Origin: http://evil.example\r\n";
    send(ostler.admin, "DELETE", "/servers/a.localhost", &format!("{own}{page}")).with(403);
    send(ostler.admin, "POST", "/drain", &format!("{own}{page}")).with(403);
    // What a form can send without asking the browser's permission first.
    let form = "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}";
    send(ostler.admin, "POST", "/drain", &format!("{own}{form}")).with(415).is_problem("not-json");
    let chunked = "Transfer-Encoding: chunked\r\n\r\n0\r\n";
    send(ostler.admin, "POST", "/drain", &format!("{own}{chunked}")).with(415);
    admin(ostler.admin, "GET", "/readyz").with(200);
    admin(ostler.admin, "GET", "/servers/a.localhost").with(200);
}

#[test]
fn no_answer_lets_another_origin_read_it() {
    let ostler = Ostler::serve("");
    let preflight = "Origin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n";
    for (method, path, headers) in [
        ("OPTIONS", "/drain", preflight),
        ("OPTIONS", "/drain", ""),
        ("GET", "/servers", ""),
        ("GET", "/no", ""),
    ] {
        let reply = send(ostler.admin, method, path, &format!("Host: {}\r\n{headers}", ostler.admin));
        assert!(!reply.head.contains("access-control"), "{reply:?}");
        assert!(reply.head.contains("x-content-type-options: nosniff"), "{reply:?}");
        assert!(reply.head.contains("cross-origin-resource-policy: same-origin"), "{reply:?}");
        assert!(method == "GET" || reply.status >= 400, "{reply:?}");
    }
}
