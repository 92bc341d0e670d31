//! A server with everything that the conformance suite wants, in this process, and a client that says just what a test wants.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use ostler_http::{Discard, ServerConfig, serve};
use ostler_mcp::{Endpoint, EndpointConfig, KeyRing};
use ostler_net::{Address, Listener};
use ostler_scope::Scope;
use ostler_tools::{MemoryStorage, Sessions, SessionsConfig, Tools};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::offered;

/// A server, until it is ended.
pub(crate) struct Stage {
    scope: Scope,
    pub(crate) sessions: Sessions,
    pub(crate) address: SocketAddr,
}

impl Stage {
    pub(crate) async fn open() -> Self {
        Self::with(MemoryStorage::new(), KeyRing::ephemeral(), EndpointConfig::default()).await
    }

    pub(crate) async fn with(storage: MemoryStorage, keys: KeyRing, config: EndpointConfig) -> Self {
        let scope = Scope::root("test").open().unwrap();
        let sessions = Sessions::start(&scope, Tools::new(), storage, SessionsConfig::default()).unwrap();
        offered::offer(&sessions);
        Self::serve(scope, sessions, keys, config).await
    }

    /// One of `tools` that stores nothing.
    pub(crate) async fn sealed(tools: Tools, keys: KeyRing, config: EndpointConfig) -> Self {
        let scope = Scope::root("test").open().unwrap();
        let sessions = Sessions::start_sealed(&scope, tools, SessionsConfig::default()).unwrap();
        Self::serve(scope, sessions, keys, config).await
    }

    async fn serve(scope: Scope, sessions: Sessions, keys: KeyRing, config: EndpointConfig) -> Self {
        let endpoint = Arc::new(Endpoint::new(sessions.clone(), keys, config));
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
        let make = move |connection: &Arc<_>| endpoint.service(connection);
        let server = serve(&scope, "mcp", listener, ServerConfig::default(), Discard, make).unwrap();
        let Address::Tcp(address) = server.address().clone() else { panic!("a port") };
        Self { scope, sessions, address }
    }

    pub(crate) async fn close(self) {
        self.scope.halt().await;
    }

    /// Sends a request of `method` as a client of this revision does.
    pub(crate) async fn ask(&self, method: &str, params: Value) -> Reply {
        Request::new(method, params).send(self.address).await
    }
}

/// A request, to be made wrong in some way.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) verb: &'static str,
    pub(crate) path: &'static str,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    /// As it came.
    exact: String,
    pub(crate) body: String,
}

/// What a client declares that answers everything.
pub(crate) fn capabilities() -> Value {
    json!({ "elicitation": {}, "sampling": {}, "roots": {} })
}

impl Request {
    pub(crate) fn new(method: &str, mut params: Value) -> Self {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": capabilities(),
        });
        for (key, value) in meta.as_object().unwrap() {
            if params["_meta"].get(key).is_none() {
                params["_meta"][key] = value.clone();
            }
        }
        let name =
            ["name", "uri", "taskId"].into_iter().find_map(|key| params[key].as_str().map(str::to_owned));
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let headers = [
            ("content-type", Some("application/json".to_owned())),
            ("accept", Some("application/json, text/event-stream".to_owned())),
            ("mcp-protocol-version", Some("2026-07-28".to_owned())),
            ("mcp-method", Some(method.to_owned())),
            ("mcp-name", name),
        ];
        let headers =
            headers.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        Self { verb: "POST", path: "/mcp", headers, body: body.into_bytes() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    pub(crate) fn body(self, body: impl Into<String>) -> Self {
        self.bytes(body.into().into_bytes())
    }

    /// Its body, which is text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn bytes(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }

    /// Connects and sends it.
    pub(crate) async fn open(&self, address: SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut head = format!("{} {} HTTP/1.1\r\nconnection: close\r\n", self.verb, self.path);
        if !self.headers.contains_key("host") {
            head.push_str(&format!("host: {address}\r\n"));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", self.body.len()));
        stream.write_all(head.as_bytes()).await.unwrap();
        // The answer may come before the whole body is sent.
        let _ = stream.write_all(&self.body).await;
        stream
    }

    /// Sends it, and reads the whole answer.
    pub(crate) async fn send(&self, address: SocketAddr) -> Reply {
        let mut stream = self.open(address).await;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let exact = head.to_owned();
        let head = head.to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = if head.contains("transfer-encoding: chunked") { unchunk(body) } else { body.to_owned() };
        Reply { status, head, exact, body }
    }
}

fn unchunk(mut body: &str) -> String {
    let mut text = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        text.push_str(&rest[..size]);
        body = rest[size..].trim_start_matches("\r\n");
    }
    text
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The part of the head that is `lower` in lower case.
    pub(crate) fn exact(&self, lower: &str) -> &str {
        let place = self.head.find(lower).unwrap();
        &self.exact[place..place + lower.len()]
    }

    /// The result; it has to be one.
    pub(crate) fn result(&self) -> Value {
        let message = self.json();
        assert!(message.get("result").is_some(), "{message}");
        message["result"].clone()
    }

    /// The code of the error; it has to be one.
    pub(crate) fn code(&self) -> i64 {
        let message = self.json();
        message["error"]["code"].as_i64().unwrap_or_else(|| panic!("{message}"))
    }

    /// The messages of an event stream.
    pub(crate) fn messages(&self) -> Vec<Value> {
        let data = self.body.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| serde_json::from_str(data).unwrap()).collect()
    }
}
