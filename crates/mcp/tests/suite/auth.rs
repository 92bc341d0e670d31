//! Who may use the endpoint, and what becomes of everybody else.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use ostler_mcp::{Audit, AuthConfig, Authorizer, EndpointConfig, JwksSource, KeyRing, Limits};
use ostler_tools::MemoryStorage;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::session::Session;
use crate::stage::{Reply, Request, Stage};

const ISSUER: &str = "https://login.example";
const AUDIENCE: &str = "https://mcp.example/mcp";

/// A key of the authorization server.
pub(crate) struct Key {
    id: &'static str,
    algorithm: Algorithm,
    secret: EncodingKey,
    public: Value,
}

impl Key {
    fn ec(id: &'static str, kind: &'static rcgen::SignatureAlgorithm, algorithm: Algorithm) -> Self {
        let pair = rcgen::KeyPair::generate_for(kind).unwrap();
        let secret = EncodingKey::from_ec_der(&pair.serialize_der());
        Self::of(id, algorithm, secret)
    }

    pub(crate) fn es256(id: &'static str) -> Self {
        Self::ec(id, &rcgen::PKCS_ECDSA_P256_SHA256, Algorithm::ES256)
    }

    fn ed25519(id: &'static str) -> Self {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let x = data_encoding::BASE64URL_NOPAD.encode(pair.public_key_raw());
        let secret = EncodingKey::from_ed_der(&pair.serialize_der());
        let public = json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": id });
        Self { id, algorithm: Algorithm::EdDSA, secret, public }
    }

    /// Of tests alone. It takes too long to make one each time.
    fn rsa(id: &'static str, algorithm: Algorithm) -> Self {
        Self::of(id, algorithm, EncodingKey::from_rsa_der(include_bytes!("../keys/rsa.der")))
    }

    fn of(id: &'static str, algorithm: Algorithm, secret: EncodingKey) -> Self {
        let mut public = Jwk::from_encoding_key(&secret, algorithm).unwrap();
        public.common.key_id = Some(id.into());
        Self { id, algorithm, public: serde_json::to_value(public).unwrap(), secret }
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.id.into()), ..Header::new(self.algorithm) };
        encode(&header, claims, &self.secret).unwrap()
    }
}

fn set(keys: &[&Key]) -> String {
    json!({ "keys": keys.iter().map(|key| &key.public).collect::<Vec<_>>() }).to_string()
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// The claims of a good token of Ada's, with some changed; those that are null are left out.
pub(crate) fn claims(changed: Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": now() + 600, "scope": "mcp"
    });
    for (name, value) in changed.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

pub(crate) fn config(jwks: JwksSource) -> AuthConfig {
    AuthConfig {
        issuer: ISSUER.into(),
        audience: AUDIENCE.into(),
        jwks,
        skew: Duration::from_secs(60),
        scopes: vec!["mcp".into()],
        tools: BTreeMap::from([("test_error_handling".into(), vec!["errors".into()])]),
    }
}

async fn stage(jwks: JwksSource) -> Stage {
    let auth = Some(Arc::new(Authorizer::open(config(jwks)).await.unwrap()));
    let config = EndpointConfig { auth, ..EndpointConfig::default() };
    Stage::with(MemoryStorage::new(), KeyRing::ephemeral(), config).await
}

/// A file with the public halves of `keys`.
pub(crate) fn file(folder: &TempDir, keys: &[&Key]) -> PathBuf {
    let path = folder.path().join("jwks.json");
    std::fs::write(&path, set(keys)).unwrap();
    path
}

fn call(tool: &str) -> Request {
    Request::new("tools/call", json!({ "name": tool, "arguments": {} }))
}

pub(crate) async fn with(stage: &Stage, request: Request, token: &str) -> Reply {
    request.header("authorization", &format!("Bearer {token}")).send(stage.address).await
}

fn challenge(reply: &Reply) -> &str {
    let line = reply.head.lines().find_map(|line| line.strip_prefix("www-authenticate: "));
    line.unwrap_or_else(|| panic!("{reply:?}"))
}

#[tokio::test]
async fn whoever_shows_a_good_token_is_served_and_nobody_else() {
    let (folder, key, other) = (TempDir::new().unwrap(), Key::es256("one"), Key::es256("one"));
    let stage = stage(JwksSource::File(file(&folder, &[&key]))).await;
    let reply = with(&stage, call("test_simple_text"), &key.sign(&claims(json!({})))).await;
    assert_eq!(reply.status, 200, "{reply:?}");

    let reply = call("test_simple_text").send(stage.address).await;
    assert_eq!(reply.status, 401);
    let document = "resource_metadata=\"https://mcp.example/.well-known/oauth-protected-resource/mcp\"";
    assert_eq!(challenge(&reply), format!("bearer {document}, scope=\"mcp\""));

    let signed = |changed: Value| key.sign(&claims(changed));
    let (head, rest) =
        key.sign(&claims(json!({}))).split_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let hs256 = {
        // As if the public key were a secret.
        let secret = EncodingKey::from_secret(set(&[&key]).as_bytes()).unwrap();
        encode(
            &Header { kid: Some("one".into()), ..Header::new(Algorithm::HS256) },
            &claims(json!({})),
            &secret,
        )
    };
    let unsigned = data_encoding::BASE64URL_NOPAD.encode(br#"{"alg":"none","kid":"one"}"#);
    let bad = [
        ("expired", signed(json!({ "exp": now() - 120 }))),
        ("no end", signed(json!({ "exp": null }))),
        ("not yet", signed(json!({ "nbf": now() + 120 }))),
        ("another issuer's", signed(json!({ "iss": "https://other.example" }))),
        ("for something else", signed(json!({ "aud": "https://other.example" }))),
        ("for nothing", signed(json!({ "aud": null }))),
        ("of nobody", signed(json!({ "sub": null }))),
        ("of another key with that id", other.sign(&claims(json!({})))),
        ("of a key that nobody has", Key::es256("two").sign(&claims(json!({})))),
        ("with a public key for a secret", hs256.unwrap()),
        ("without a signature", format!("{unsigned}.{}.", rest.split_once('.').unwrap().0)),
        ("cut off", format!("{head}.{}", &rest[..rest.len() - 4])),
        ("nonsense", "nonsense".into()),
        ("too long", "a".repeat(8_000)),
    ];
    for (what, token) in bad {
        let reply = with(&stage, call("test_simple_text"), &token).await;
        assert_eq!(reply.status, 401, "{what}: {reply:?}");
        assert!(challenge(&reply).contains("error=\"invalid_"), "{what}: {reply:?}");
        assert_eq!(reply.code(), -32600, "{what}");
    }
    // A clock may be a little off.
    assert_eq!(
        with(&stage, call("test_simple_text"), &signed(json!({ "exp": now() - 20 }))).await.status,
        200
    );
    // One in the address is none, since addresses are logged.
    let token = signed(json!({}));
    let path: &'static str = Box::leak(format!("/mcp?access_token={token}").into_boxed_str());
    let request = Request { path, ..call("test_simple_text") };
    assert_eq!(request.send(stage.address).await.status, 401);
    stage.close().await;
}

#[tokio::test]
async fn tokens_are_taken_by_each_kind_of_key() {
    let folder = TempDir::new().unwrap();
    let keys = [
        Key::es256("p256"),
        Key::ec("p384", &rcgen::PKCS_ECDSA_P384_SHA384, Algorithm::ES384),
        Key::ed25519("ed"),
        Key::rsa("rsa", Algorithm::RS256),
        Key::rsa("pss", Algorithm::PS256),
    ];
    let stage = stage(JwksSource::File(file(&folder, &keys.each_ref()))).await;
    for key in &keys {
        let reply = with(&stage, call("test_simple_text"), &key.sign(&claims(json!({})))).await;
        assert_eq!(reply.status, 200, "{}: {reply:?}", key.id);
    }
    stage.close().await;
}

#[tokio::test]
async fn a_tool_may_take_more_scopes_and_says_which() {
    let (folder, key) = (TempDir::new().unwrap(), Key::es256("one"));
    let stage = stage(JwksSource::File(file(&folder, &[&key]))).await;
    let none = key.sign(&claims(json!({ "scope": "other" })));
    let reply = with(&stage, call("test_simple_text"), &none).await;
    assert_eq!(reply.status, 403);
    assert!(challenge(&reply).contains("error=\"insufficient_scope\", scope=\"mcp\""), "{reply:?}");

    let few = key.sign(&claims(json!({})));
    let reply = with(&stage, call("test_error_handling"), &few).await;
    assert_eq!(reply.status, 403);
    assert!(challenge(&reply).contains("scope=\"mcp errors\""), "{reply:?}");
    // The same in a session.
    let session = Session::with_token(&stage, &few).await;
    let reply = session.ask("tools/call", json!({ "name": "test_error_handling" })).await;
    assert_eq!(reply.status, 403);
    assert!(challenge(&reply).contains("scope=\"mcp errors\""), "{reply:?}");

    // Step by step, and as a list under another name.
    for enough in [json!({ "scope": "errors mcp" }), json!({ "scope": null, "scp": ["mcp", "errors"] })] {
        let reply = with(&stage, call("test_error_handling"), &key.sign(&claims(enough))).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    stage.close().await;
}

#[tokio::test]
async fn everybody_is_told_where_tokens_are_to_be_had() {
    let (folder, key) = (TempDir::new().unwrap(), Key::es256("one"));
    let stage = stage(JwksSource::File(file(&folder, &[&key]))).await;
    for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"] {
        let request = Request { verb: "GET", path, ..Request::new("", json!({})).body("") };
        let reply = request.send(stage.address).await;
        assert_eq!(reply.status, 200);
        assert!(reply.head.contains("access-control-allow-origin: *"), "{reply:?}");
        let document = reply.json();
        assert_eq!(document["resource"], AUDIENCE);
        assert_eq!(document["authorization_servers"], json!([ISSUER]));
        assert_eq!(document["scopes_supported"], json!(["errors", "mcp"]));
    }
    stage.close().await;
}

#[tokio::test]
async fn sessions_and_states_are_their_principals_and_anothers_are_as_good_as_none() {
    let (folder, key) = (TempDir::new().unwrap(), Key::es256("one"));
    let stage = stage(JwksSource::File(file(&folder, &[&key]))).await;
    let ada = key.sign(&claims(json!({})));
    let eve = key.sign(&claims(json!({ "sub": "eve" })));

    // A state.
    let asking = || call("test_input_required_result_elicitation");
    let asked = with(&stage, asking(), &ada).await.result();
    let params = |state: &Value| {
        let mut params = json!({ "name": "test_input_required_result_elicitation", "arguments": {} });
        params["requestState"] = state.clone();
        params["inputResponses"] =
            json!({ "user_name": { "action": "accept", "content": { "name": "Eve" } } });
        Request::new("tools/call", params)
    };
    let stolen = with(&stage, params(&asked["requestState"]), &eve).await;
    let made_up = with(&stage, params(&json!("made up")), &eve).await;
    assert_eq!((stolen.status, &stolen.body), (made_up.status, &made_up.body));
    let own = with(&stage, params(&asked["requestState"]), &ada).await;
    assert_eq!(own.result()["content"][0]["text"], "Hello, Eve!");

    // A session, and the events of its calls.
    let session = Session::with_token(&stage, &ada).await;
    let mut events = session.call("test_input_required_result_elicitation", json!({})).await;
    let begin = events.event().await.id.unwrap();
    let ping = |id: &str| Session::named(&stage, id, &eve).request("ping", json!({}));
    let stolen = ping(&session.id).send(stage.address).await;
    let made_up = ping("made up").send(stage.address).await;
    assert_eq!((stolen.status, &stolen.body), (404, &made_up.body));
    let other = Session::with_token(&stage, &eve).await;
    let stolen = other.get(Some(&begin)).await.send(stage.address).await;
    let made_up = other.get(Some("made up")).await.send(stage.address).await;
    assert_eq!((stolen.status, &stolen.body), (400, &made_up.body));

    // A task.
    let task = |id: &str| {
        let capabilities = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
        let meta = json!({ "io.modelcontextprotocol/clientCapabilities": capabilities });
        Request::new("tasks/get", json!({ "taskId": id, "_meta": meta }))
    };
    let of_a_task = begin.split_once('.').unwrap().0.to_owned();
    let unknown = "01a2319a-0000-7000-8000-000000000000";
    let stolen = with(&stage, task(&of_a_task), &eve).await;
    let made_up = with(&stage, task(unknown), &eve).await;
    assert_eq!(stolen.status, made_up.status);
    assert_eq!(stolen.body.replace(&of_a_task, ""), made_up.body.replace(unknown, ""));
    stage.close().await;
}

#[tokio::test]
async fn keys_change_with_their_file_and_a_broken_file_changes_nothing() {
    let (folder, one, two) = (TempDir::new().unwrap(), Key::es256("one"), Key::es256("two"));
    let path = file(&folder, &[&one]);
    let stage = stage(JwksSource::File(path.clone())).await;
    let status =
        async |key: &Key| with(&stage, call("test_simple_text"), &key.sign(&claims(json!({})))).await.status;
    assert_eq!((status(&one).await, status(&two).await), (200, 401));
    // Each state of a file is told by its time.
    let write = |text: &str, second: u64| {
        std::fs::write(&path, text).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(second)).unwrap();
    };
    write(&set(&[&one, &two]), 1);
    assert_eq!((status(&one).await, status(&two).await), (200, 200));
    write("nonsense", 2);
    assert_eq!((status(&one).await, status(&two).await), (200, 200));
    write(&set(&[&two]), 3);
    // It is seen within a second, also for a token that was good.
    while status(&one).await != 401 {}
    assert_eq!(status(&two).await, 200);
    stage.close().await;
}

#[tokio::test]
async fn keys_are_fetched_once_for_any_number_of_tokens_and_again_for_a_new_key() {
    let (one, two) = (Key::es256("one"), Key::es256("two"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let fetched = Arc::new(AtomicUsize::new(0));
    let (count, text) = (Arc::clone(&fetched), set(&[&one]));
    let server = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await.unwrap();
            let head =
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", text.len());
            stream.write_all(format!("{head}{text}").as_bytes()).await.unwrap();
        }
    });
    let stage = stage(JwksSource::Url(url.parse().unwrap())).await;
    assert_eq!(fetched.load(Ordering::SeqCst), 0);
    let token = one.sign(&claims(json!({})));
    for _ in 0..20 {
        assert_eq!(with(&stage, call("test_simple_text"), &token).await.status, 200);
    }
    assert_eq!(fetched.load(Ordering::SeqCst), 1);
    // Tokens with keys that nobody has are easily made: they do not make a flood of fetches.
    for _ in 0..20 {
        assert_eq!(with(&stage, call("test_simple_text"), &two.sign(&claims(json!({})))).await.status, 401);
    }
    assert_eq!(fetched.load(Ordering::SeqCst), 1);
    server.abort();
    stage.close().await;
}

#[tokio::test]
async fn without_any_key_nobody_is_refused_for_good() {
    // Nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    drop(listener);
    let stage = stage(JwksSource::Url(url.parse().unwrap())).await;
    let reply = with(&stage, call("test_simple_text"), &Key::es256("one").sign(&claims(json!({})))).await;
    assert_eq!(reply.status, 503, "{reply:?}");
    stage.close().await;
}

#[tokio::test]
async fn every_call_is_recorded_with_who_made_it_and_what_came_of_it() {
    let (folder, key) = (TempDir::new().unwrap(), Key::es256("one"));
    let path = folder.path().join("audit.jsonl");
    let (audit, writer) = Audit::open(&path).await.unwrap();
    let auth = Authorizer::open(config(JwksSource::File(file(&folder, &[&key])))).await.unwrap();
    let settings = EndpointConfig {
        auth: Some(Arc::new(auth)),
        audit: Some(audit.clone()),
        ..EndpointConfig::default()
    };
    let stage = Stage::with(MemoryStorage::new(), KeyRing::ephemeral(), settings).await;
    let token = key.sign(&claims(json!({ "scope": "mcp errors" })));
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let traced = json!({ "name": "test_simple_text", "arguments": {}, "_meta": { "traceparent": trace } });
    with(&stage, Request::new("tools/call", traced), &token).await;
    with(&stage, call("test_error_handling"), &token).await;
    with(&stage, call("test_input_required_result_elicitation"), &token).await;
    with(&stage, call("nothing"), &token).await;
    let session = Session::with_token(&stage, &token).await;
    session.ask("tools/call", json!({ "name": "test_simple_text" })).await;
    stage.close().await;
    writer.run(std::future::ready(())).await;

    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let outcomes: Vec<_> = lines.iter().map(|line| line["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["completed", "tool_error", "input_required", "refused", "completed"]);
    for line in &lines {
        assert_eq!(line["principal"], format!("{ISSUER}#ada"));
        assert_eq!(line["method"], "tools/call");
        // Of `{}`.
        let digest = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(line["arguments"], digest);
        assert!(line["at"].as_str().unwrap().ends_with('Z') && line["ms"].is_u64(), "{line}");
    }
    assert_eq!((&lines[0]["name"], &lines[0]["trace"]), (&json!("test_simple_text"), &json!(trace)));
    assert!(lines[2]["session"].is_string() && lines[3]["error"].is_string(), "{text}");
    assert_eq!(audit.lost(), 0);
}

#[tokio::test]
async fn one_principal_cannot_have_it_all() {
    let (folder, key) = (TempDir::new().unwrap(), Key::es256("one"));
    let auth = Authorizer::open(config(JwksSource::File(file(&folder, &[&key])))).await.unwrap();
    let limits = Limits { requests_per_second: NonZeroU32::new(3), concurrent: None };
    let settings = EndpointConfig { auth: Some(Arc::new(auth)), limits, ..EndpointConfig::default() };
    let stage = Stage::with(MemoryStorage::new(), KeyRing::ephemeral(), settings.clone()).await;
    let ada = key.sign(&claims(json!({})));
    let eve = key.sign(&claims(json!({ "sub": "eve" })));
    let mut refused = None;
    for _ in 0..100 {
        let reply = with(&stage, call("test_simple_text"), &ada).await;
        if reply.status == 429 {
            refused = Some(reply);
            break;
        }
    }
    let refused = refused.unwrap();
    assert!(refused.head.contains("retry-after: 1"), "{refused:?}");
    assert_eq!(refused.code(), -32603);
    assert_eq!(with(&stage, call("test_simple_text"), &eve).await.status, 200);
    stage.close().await;

    let limits = Limits { requests_per_second: None, concurrent: NonZeroU32::new(1) };
    let settings = EndpointConfig { limits, ..settings };
    let stage = Stage::with(MemoryStorage::new(), KeyRing::ephemeral(), settings).await;
    let session = Session::with_token(&stage, &ada).await;
    let mut listening = session.listen().await;
    listening.event().await;
    assert_eq!(with(&stage, call("test_simple_text"), &ada).await.status, 429);
    assert_eq!(with(&stage, call("test_simple_text"), &eve).await.status, 200);
    drop(listening);
    // The server hears of it soon.
    while with(&stage, call("test_simple_text"), &ada).await.status != 200 {}
    stage.close().await;
}
