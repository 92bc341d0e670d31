//! The door for clients that have started this process: one message a line, over its standard streams
//! ([specification](https://modelcontextprotocol.io/specification/2026-07-28/basic/transports#stdio)).

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufWriter};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::codec::{FramedRead, LinesCodec, LinesCodecError};
use tokio_util::sync::CancellationToken;

use crate::auth::Caller;
use crate::endpoint::{Endpoint, Outcome};
use crate::error::RpcError;
use crate::methods::{self, Exchange};
use crate::reply;
use crate::stateful::{self, Client, Handled, Listening};
use crate::stream::{CallStream, Piece};
use crate::wire::{self, Incoming, Message};

/// Messages that wait for the client to read them.
const OUTGOING: usize = 64;

impl Endpoint {
    /// Answers the one client at the other end of `input` and `output`, in whichever revision it speaks, until it has closed its end.
    /// Calls that are under way then are cancelled. Messages are at most `max_message` bytes long.
    ///
    /// Dropped, everything that it has begun ends.
    ///
    /// # Errors
    /// What the streams say.
    pub async fn serve_stdio(
        self: Arc<Self>,
        input: impl AsyncRead + Unpin,
        output: impl AsyncWrite + Unpin,
        max_message: usize,
    ) -> io::Result<()> {
        let (sender, receiver) = channel(OUTGOING);
        let connection = Connection {
            endpoint: self,
            outgoing: sender,
            client: None,
            requests: HashMap::new(),
            work: JoinSet::new(),
            draining: CancellationToken::new(),
        };
        let reading = connection.read(FramedRead::new(input, LinesCodec::new_with_max_length(max_message)));
        let writing = write(output, receiver);
        tokio::pin!(reading, writing);
        tokio::select! {
            // What is written last is written after that.
            read = &mut reading => read.and(writing.await),
            written = &mut writing => written,
        }
    }
}

/// Writes each message as a line.
async fn write(output: impl AsyncWrite + Unpin, mut messages: Receiver<String>) -> io::Result<()> {
    let mut output = BufWriter::new(output);
    while let Some(message) = messages.recv().await {
        output.write_all(message.as_bytes()).await?;
        output.write_all(b"\n").await?;
        if messages.is_empty() {
            output.flush().await?;
        }
    }
    output.flush().await
}

/// What there is of the one client.
struct Connection {
    endpoint: Arc<Endpoint>,
    outgoing: Sender<String>,
    /// Once it has introduced itself as one of a revision with sessions.
    client: Option<Client>,
    /// Requests of the revision without sessions that are being answered, by their ids.
    requests: HashMap<String, AbortHandle>,
    work: JoinSet<()>,
    draining: CancellationToken,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cancelled {
    request_id: Value,
}

impl Connection {
    async fn read(mut self, mut lines: FramedRead<impl AsyncRead + Unpin, LinesCodec>) -> io::Result<()> {
        loop {
            let line = tokio::select! {
                line = lines.next() => line,
                Some(_) = self.work.join_next(), if !self.work.is_empty() => {
                    self.requests.retain(|_, request| !request.is_finished());
                    continue;
                }
            };
            match line {
                Some(Ok(line)) if line.trim().is_empty() => {}
                Some(Ok(line)) => self.take(line.as_bytes()).await,
                Some(Err(LinesCodecError::MaxLineLengthExceeded)) => {
                    let error = RpcError::invalid_request("the message is too long");
                    // It says once that it has failed before it goes on.
                    let _ = lines.next().await;
                    self.send(reply::error(None, &error).message).await;
                }
                Some(Err(LinesCodecError::Io(error))) => return Err(error),
                None => break,
            }
        }
        self.work.shutdown().await;
        if let Some(client) = &self.client {
            stateful::end(&self.endpoint, client).await;
        }
        Ok(())
    }

    async fn send(&self, message: String) {
        // The reader is gone only when the client is.
        let _ = self.outgoing.send(message).await;
    }

    async fn take(&mut self, line: &[u8]) {
        let message = match wire::read(line) {
            Ok(message) => message,
            Err((id, error)) => return self.send(reply::error(id, &error).message).await,
        };
        let introduces = matches!(&message, Message::Incoming(incoming) if incoming.method == "initialize");
        if (introduces || self.client.is_some()) && !stateful::names_later_revision(&message) {
            return self.take_stateful(message).await;
        }
        match message {
            Message::Incoming(Incoming { id: Some(id), method, params }) => {
                let key = id.get().to_owned();
                let incoming = Incoming { id: Some(id), method, params };
                let exchange = Exchange {
                    endpoint: Arc::clone(&self.endpoint),
                    headers: None,
                    draining: self.draining.clone(),
                    // Whoever has started this process may use it.
                    caller: Caller::anonymous(),
                };
                let pieces = match methods::dispatch(exchange, &incoming, id, true) {
                    Outcome::Stream(pieces) => pieces,
                    Outcome::Answer(call, told) => {
                        CallStream::new(call, told, None, self.endpoint.config.heartbeat).boxed()
                    }
                };
                let work = self.work.spawn(pass_on(pieces, self.outgoing.clone()));
                self.requests.insert(key, work);
            }
            Message::Incoming(Incoming { id: None, method, params }) => {
                let params = params.filter(|_| method == "notifications/cancelled");
                let cancelled =
                    params.and_then(|params| serde_json::from_str::<Cancelled>(params.get()).ok());
                if let Some(Cancelled { request_id }) = cancelled
                    && let Some(request) = self.requests.remove(&request_id.to_string())
                {
                    request.abort();
                }
            }
            Message::Response(response) => {
                let error = RpcError::invalid_request("responses are not taken here");
                self.send(reply::error(Some(response.id), &error).message).await;
            }
        }
    }

    async fn take_stateful(&mut self, message: Message<'_>) {
        let Some(client) = self.client.clone() else {
            if let Message::Incoming(Incoming { id: Some(id), params, .. }) = message {
                match stateful::introduce(&self.endpoint, Caller::anonymous(), id, params) {
                    Ok((client, answer)) => {
                        self.client = Some(client);
                        self.send(answer.message).await;
                    }
                    Err(error) => self.send(reply::error(Some(id), &error).message).await,
                }
            }
            return;
        };
        if let Message::Incoming(Incoming { id: None, method, .. }) = &message
            && method == "notifications/initialized"
        {
            let listening = Listening::open(&self.endpoint, client, true).await;
            self.work.spawn(listen(listening, self.outgoing.clone()));
            return;
        }
        match stateful::handle(&self.endpoint, &client, message, true).await {
            Handled::Nothing => {}
            Handled::Refused(error) => self.send(reply::error(None, &error).message).await,
            Handled::Answer(answer) => self.send(answer.message).await,
            Handled::Events(mut events) => {
                let outgoing = self.outgoing.clone();
                self.work.spawn(async move {
                    while let Some(event) = events.next().await {
                        if outgoing.send(event.message).await.is_err() {
                            return;
                        }
                    }
                });
            }
        }
    }
}

/// Sends what a request of the revision without sessions leads to.
async fn pass_on(mut pieces: BoxStream<'static, Piece>, outgoing: Sender<String>) {
    while let Some(piece) = pieces.next().await {
        if let Piece::Message(message) = piece
            && outgoing.send(message).await.is_err()
        {
            return;
        }
    }
}

async fn listen(mut listening: Listening, outgoing: Sender<String>) {
    while let Some(message) = listening.next().await {
        if outgoing.send(message).await.is_err() {
            return;
        }
    }
}
