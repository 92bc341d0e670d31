//! The endpoint of a whole Ostler that asks for tokens, and records who called what.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::binary::{Directory, Ostler};
use crate::tools::endpoint;

const ISSUER: &str = "https://login.example";
const AUDIENCE: &str = "https://mcp.example/mcp";

/// Sends a request to where the audience says, with what is in `more`, and gives the whole answer.
fn ask(address: SocketAddr, verb: &str, path: &str, more: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "{verb} {path} HTTP/1.1\r\nHost: mcp.example\r\nConnection: close\r\nContent-Type: application/json\r\n{more}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn echo(address: SocketAddr, token: Option<&str>) -> String {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({ "name": "echo", "arguments": { "text": "Ho" }, "_meta": meta });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let fields = "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: echo\r\n";
    ask(address, "POST", "/mcp", &format!("{fields}{token}"), &body.to_string())
}

#[test]
fn whoever_has_a_token_is_served_under_the_public_name_and_it_is_recorded() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let key = EncodingKey::from_ec_der(&pair.serialize_der());
    let public = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
    let directory = Directory::new();
    directory.write("jwks.json", &json!({ "keys": [public] }).to_string());
    let config = directory.write(
        "ostler.toml",
        &format!(
            r#"
[switchboard]
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
[store]
url = "memory:"
[mcp]
listen = "0.0.0.0:0"
tools = ["demo"]
audit = "audit.jsonl"
[mcp.auth]
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
jwks = "jwks.json"
tools = {{ echo = "talk" }}
"#
        ),
    );
    let ostler = Ostler::up(directory, &["up", "--config", &config], &[]);
    let address = SocketAddr::from(([127, 0, 0, 1], endpoint(&ostler).port()));
    let token = |scope: &str| {
        let claims =
            json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": 4_000_000_000_u64, "scope": scope });
        encode(&Header::new(Algorithm::ES256), &claims, &key).unwrap()
    };
    let document = ask(address, "GET", "/.well-known/oauth-protected-resource/mcp", "", "");
    assert!(document.contains(AUDIENCE) && document.contains(ISSUER), "{document}");
    let refused = echo(address, None);
    assert!(refused.starts_with("HTTP/1.1 401") && refused.contains("resource_metadata"), "{refused}");
    let few = echo(address, Some(&token("")));
    assert!(few.starts_with("HTTP/1.1 403") && few.contains(r#"scope="talk""#), "{few}");
    let served = echo(address, Some(&token("talk")));
    assert!(served.starts_with("HTTP/1.1 200") && served.contains("Ho"), "{served}");

    ostler.signal(Signal::TERM);
    let (_, _, directory) = ostler.end_with_directory();
    let text = std::fs::read_to_string(directory.path("audit.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [line] = &*lines else { panic!("{text}") };
    assert_eq!(
        [&line["principal"], &line["name"], &line["outcome"]],
        [&json!(format!("{ISSUER}#ada")), &json!("echo"), &json!("completed")]
    );
}

#[test]
fn an_audit_log_that_cannot_be_written_is_told_at_the_start() {
    let variables = [
        ("OSTLER_SWITCHBOARD__LISTEN", "127.0.0.1:0"),
        ("OSTLER_ADMIN__LISTEN", "127.0.0.1:0"),
        ("OSTLER_MCP__LISTEN", "127.0.0.1:0"),
        ("OSTLER_MCP__AUDIT", "/no/such/folder/audit.jsonl"),
    ];
    let ended = Directory::new().run(&["up"], &variables);
    ended.with(1).complains("the audit log /no/such/folder/audit.jsonl (`mcp.audit`) cannot be written");
}
