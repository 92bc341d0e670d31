//! The event stream of an Ostler, over as many connections as it takes.

use std::cell::Cell;
use std::time::Duration;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use ostler_net::Stream;
use tokio::time::{sleep, timeout};

use super::client::Client;
use super::failure::{Failure, remark};
use super::sse::{Decoder, Message};
use crate::admin::{EventDetail, EventView};

/// How long nothing may come: Ostler says something every 15 seconds.
const SILENCE: Duration = Duration::from_secs(45);

/// How often, and how far apart, a broken connection is tried again.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(200);

/// The longest refusal that is read, in bytes.
const LONGEST_REFUSAL: usize = 64 * 1024;

/// How a connection ended, when nothing is wrong with what was asked.
enum End {
    /// The stream came to its end, and so has Ostler.
    Complete,
    /// The connection broke.
    Broken(String),
}

/// Calls `take` with each event until Ostler ends, over to its successor if it is replaced. A broken connection is resumed behind the last event.
pub(super) async fn follow(
    client: &Client,
    after: Option<String>,
    mut take: impl FnMut(Message) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let replaced = Cell::new(false);
    let mut take = |message: Message| {
        replaced.set(replaced.get() || tells_of_a_successor(&message));
        take(message)
    };
    let mut last = after;
    let mut stream = connect(client).await.map_err(|error| client.absent(&error))?;
    let mut connected = "following";
    loop {
        let ended = read(client, stream, connected, &mut last, &mut take).await?;
        connected = "following again";
        match ended {
            End::Complete if !replaced.take() => return Ok(()),
            End::Complete => {
                stream = reconnect(client).await.ok_or_else(|| {
                    Failure::new(format!("the successor at {} does not answer", client.address))
                })?;
            }
            End::Broken(why) => {
                stream = reconnect(client).await.ok_or_else(|| {
                    Failure::new(format!("the events of {} broke off: {why}", client.address))
                        .help("nobody answers there any more: it was killed, or it crashed")
                })?;
            }
        }
    }
}

/// Whether another process answers at the same address from now on, and the end of the stream is not that of Ostler.
fn tells_of_a_successor(message: &Message) -> bool {
    serde_json::from_str::<EventView>(&message.data)
        .is_ok_and(|event| matches!(event.detail, EventDetail::Replaced { .. }))
}

async fn connect(client: &Client) -> std::io::Result<Stream> {
    Stream::connect(&client.address).await
}

async fn reconnect(client: &Client) -> Option<Stream> {
    for _ in 0..TRIES {
        if let Ok(stream) = connect(client).await {
            return Some(stream);
        }
        sleep(PAUSE).await;
    }
    None
}

/// Reads one connection to its end. `connected` is what is said once nothing can be missed any more; `last` follows the
/// ids.
async fn read(
    client: &Client,
    stream: Stream,
    connected: &str,
    last: &mut Option<String>,
    take: &mut impl FnMut(Message) -> Result<(), Failure>,
) -> Result<End, Failure> {
    let request = client.request(Method::GET, "/events")?.header(ACCEPT, "text/event-stream");
    let request = match last {
        Some(last) => request.header("last-event-id", &*last),
        None => request,
    };
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| {
        Failure::new(format!("this is no id of an event: {error}")).code(super::CONFIGURATION)
    })?;
    let broken = |error: hyper::Error| Ok(End::Broken(error.to_string()));
    let (mut sender, connection) = match http1::handshake(TokioIo::new(stream)).await {
        Ok(opened) => opened,
        Err(error) => return broken(error),
    };
    let reading = async {
        let response = match sender.send_request(request).await {
            Ok(response) => response,
            Err(error) => return broken(error),
        };
        let (parts, mut body) = response.into_parts();
        if parts.status != StatusCode::OK {
            let body = Limited::new(body, LONGEST_REFUSAL).collect().await;
            let body = body.map(|body| body.to_bytes()).unwrap_or_default();
            return Err(client.refused(&Response::from_parts(parts, body)));
        }
        remark(&format!("{connected} {}", client.address));
        let mut decoder = Decoder::default();
        loop {
            let frame = match timeout(SILENCE, body.frame()).await {
                Ok(None) => return Ok(End::Complete),
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => return broken(error),
                Err(_) => return Ok(End::Broken(format!("nothing came for {} seconds", SILENCE.as_secs()))),
            };
            let Ok(bytes) = frame.into_data() else { continue };
            let messages = decoder.feed(&bytes).map_err(|_too_long| {
                Failure::new(format!("what {} sends is no event stream of Ostler", client.address))
            })?;
            messages.into_iter().try_for_each(&mut *take)?;
            if let Some(id) = decoder.id() {
                *last = Some(id.to_owned());
            }
        }
    };
    // Driven here, not in a task: nothing is left when this future is.
    let mut reading = std::pin::pin!(reading);
    tokio::select! {
        end = &mut reading => end,
        _closed = connection => reading.await,
    }
}
