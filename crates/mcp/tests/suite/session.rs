//! A client of the revisions with sessions that says just what a test wants.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::stage::{Reply, Request, Stage, capabilities};

static LAST_ID: AtomicU64 = AtomicU64::new(0);

/// A session, as its client has it.
pub(crate) struct Session {
    address: SocketAddr,
    pub(crate) id: String,
    revision: String,
    /// What is shown with every request.
    token: Option<String>,
}

impl Session {
    /// Of the newest of these revisions, with a client that answers everything.
    pub(crate) async fn open(stage: &Stage) -> Self {
        Self::of_revision(stage, "2025-11-25", capabilities()).await.0
    }

    /// With what the server says of itself.
    pub(crate) async fn of_revision(stage: &Stage, revision: &str, capabilities: Value) -> (Self, Value) {
        Self::introduce(stage, revision, capabilities, None).await
    }

    /// Of somebody who shows `token`.
    pub(crate) async fn with_token(stage: &Stage, token: &str) -> Self {
        Self::introduce(stage, "2025-11-25", capabilities(), Some(token.to_owned())).await.0
    }

    /// The session `id`, as somebody claims it who shows `token`.
    pub(crate) fn named(stage: &Stage, id: &str, token: &str) -> Self {
        let (id, token) = (id.to_owned(), Some(token.to_owned()));
        Self { address: stage.address, id, revision: "2025-11-25".into(), token }
    }

    async fn introduce(
        stage: &Stage,
        revision: &str,
        capabilities: Value,
        token: Option<String>,
    ) -> (Self, Value) {
        let info = json!({ "name": "test", "version": "0" });
        let params = json!({ "protocolVersion": revision, "capabilities": capabilities, "clientInfo": info });
        let reply = authorized(request("initialize", params), token.as_deref()).send(stage.address).await;
        let id = reply.head.lines().find_map(|line| line.strip_prefix("mcp-session-id: "));
        // Heads are read in lower case, which ids are not.
        let id = id.map(|lower| reply.exact(lower).to_owned()).unwrap_or_else(|| panic!("{reply:?}"));
        let introduction = reply.result();
        let revision = introduction["protocolVersion"].as_str().unwrap().to_owned();
        (Self { address: stage.address, id, revision, token }, introduction)
    }

    /// The same session, at another process.
    pub(crate) fn at(self, stage: &Stage) -> Self {
        Self { address: stage.address, ..self }
    }

    pub(crate) fn request(&self, method: &str, params: Value) -> Request {
        self.headers(request(method, params))
    }

    /// A request whose body is `message`.
    pub(crate) fn message(&self, message: &Value) -> Request {
        self.headers(request("", json!({})).body(message.to_string()))
    }

    fn headers(&self, request: Request) -> Request {
        let request = request.header("mcp-session-id", &self.id);
        authorized(request.header("mcp-protocol-version", &self.revision), self.token.as_deref())
    }

    pub(crate) async fn ask(&self, method: &str, params: Value) -> Reply {
        self.request(method, params).send(self.address).await
    }

    /// Sends what is no request, which has to be taken.
    pub(crate) async fn tell(&self, message: &Value) {
        let reply = self.message(message).send(self.address).await;
        assert_eq!(reply.status, 202, "{reply:?}");
    }

    /// Calls a tool, and reads its events.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Events {
        let id = LAST_ID.fetch_add(1, Ordering::Relaxed) + 1;
        let params = json!({ "name": tool, "arguments": arguments, "_meta": { "progressToken": id } });
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params });
        Events::of(self.message(&body), self.address, id).await
    }

    pub(crate) async fn resume(&self, last: &str) -> Events {
        Events::of(self.get(Some(last)).await, self.address, 0).await
    }

    pub(crate) async fn listen(&self) -> Events {
        Events::of(self.get(None).await, self.address, 0).await
    }

    #[expect(clippy::unused_async, reason = "it reads better among its like")]
    pub(crate) async fn get(&self, last: Option<&str>) -> Request {
        let request = Request { verb: "GET", ..self.request("", json!({})).body("") };
        match last {
            Some(last) => request.header("last-event-id", last),
            None => request,
        }
    }

    pub(crate) fn delete(&self) -> Request {
        Request { verb: "DELETE", ..self.request("", json!({})).body("") }
    }
}

fn authorized(request: Request, token: Option<&str>) -> Request {
    match token {
        Some(token) => request.header("authorization", &format!("Bearer {token}")),
        None => request,
    }
}

fn request(method: &str, params: Value) -> Request {
    let id = LAST_ID.fetch_add(1, Ordering::Relaxed) + 1;
    let body = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string();
    let request = Request::new(method, json!({})).body(body);
    request.without("mcp-protocol-version").without("mcp-method").without("mcp-name")
}

/// A stream of events, read one by one.
pub(crate) struct Events {
    stream: TcpStream,
    read: String,
    request: u64,
}

/// One of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: Option<String>,
    pub(crate) data: String,
}

impl Event {
    pub(crate) fn message(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Events {
    async fn of(request: Request, address: SocketAddr, id: u64) -> Self {
        let mut events = Self { stream: request.open(address).await, read: String::new(), request: id };
        let head = events.until("\r\n\r\n").await.unwrap().to_ascii_lowercase();
        assert!(head.contains("content-type: text/event-stream"), "{head}");
        assert!(head.contains("transfer-encoding: chunked"), "{head}");
        events
    }

    /// The id of the request that they answer, of a call.
    pub(crate) fn request_id(&self) -> Value {
        self.request.into()
    }

    /// The next one; there has to be one.
    pub(crate) async fn event(&mut self) -> Event {
        self.next().await.expect("the stream has ended")
    }

    /// All that come up to the end of the stream.
    pub(crate) async fn rest(&mut self) -> Vec<Event> {
        let mut rest = Vec::new();
        while let Some(event) = self.next().await {
            rest.push(event);
        }
        rest
    }

    /// The next one that is more than a comment. Each is sent in a chunk of its own.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let size = self.until("\r\n").await?;
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            if size == 0 {
                return None;
            }
            while self.read.len() < size + 2 {
                self.more().await?;
            }
            let chunk: String = self.read.drain(..size + 2).collect();
            let field = |name: &str| {
                chunk.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
            };
            if !chunk.starts_with(':') {
                return Some(Event { id: field("id:"), data: field("data:").unwrap_or_default() });
            }
        }
    }

    async fn until(&mut self, end: &str) -> Option<String> {
        loop {
            if let Some(place) = self.read.find(end) {
                return Some(self.read.drain(..place + end.len()).collect());
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Option<()> {
        let mut bytes = [0; 4096];
        let count = self.stream.read(&mut bytes).await.unwrap();
        self.read.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        (count > 0).then_some(())
    }
}
