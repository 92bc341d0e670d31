//! What costs the server more than the client is cut off.

use ostler_http::{EventKind, Http2Config, ServerConfig};
use ostler_testing::http2::{Http2, frame, get, headers};

use super::Stage;

const TOO_MUCH: &str = "too much of what costs us more than the client";

async fn is_served(stage: &Stage) {
    let mut client = Http2::start(stage.address()).await;
    client.get(1, "/hello").await;
    assert_eq!(client.whole(1).await, 200);
}

#[tokio::test]
async fn requests_taken_back_at_once_are_cut_off() {
    let http2 = Http2Config { max_resets: 8, ..Http2Config::default() };
    let mut stage = Stage::with(ServerConfig { http2, ..ServerConfig::default() }).await;
    let mut client = Http2::start(stage.address()).await;
    let mut flood = Vec::new();
    for stream in (1..20_000).step_by(2) {
        flood.extend(get(stream, "/hold"));
        flood.extend([0, 0, 4, frame::RST_STREAM, 0]);
        flood.extend(u32::to_be_bytes(stream));
        flood.extend([0, 0, 0, 8]);
    }
    // The server closes in the middle of it, and what it said last may be lost to that.
    let _ = client.try_send(flood).await;
    let _ = client.read_to_close().await;
    assert_eq!(stage.told().await, EventKind::RequestParseError { reason: TOO_MUCH.to_owned() });
    is_served(&stage).await;
    assert_eq!(stage.told().await, EventKind::ConnectionClosed);
    stage.close().await;
}

#[tokio::test]
async fn a_header_block_without_end_is_cut_off() {
    let mut stage = Stage::new().await;
    let mut client = Http2::start(stage.address()).await;
    client.send(headers(1, 0, &[(":method", "GET")])).await;
    let mut flood = Vec::new();
    for _ in 0..10_000 {
        flood.extend([0, 0, 3, frame::CONTINUATION, 0, 0, 0, 0, 1, 0, 0, 0]);
    }
    let _ = client.try_send(flood).await;
    let _ = client.read_to_close().await;
    let event = stage.told().await;
    assert_eq!(event.name(), "request_parse_error", "{event:?}");
    is_served(&stage).await;
    assert_eq!(stage.told().await, EventKind::ConnectionClosed);
    stage.close().await;
}

#[tokio::test]
async fn a_head_that_grows_when_it_is_unpacked_is_cut_off() {
    let mut stage = Stage::with(ServerConfig { max_head_size: 16 * 1024, ..ServerConfig::default() }).await;
    let mut client = Http2::start(stage.address()).await;
    // A field of 3 KiB goes into the table, and is then named a thousand times with a byte each.
    let mut block = vec![0x82, 0x86, 0x84, 0x01, 0x01, b'x', 0x40, 0x01, b'a', 0x7f, 0x81, 0x17];
    block.extend(vec![b'y'; 0x7f + 0x01 + (0x17 << 7)]);
    block.extend(vec![0xbe; 1000]);
    client.frame(frame::HEADERS, frame::END_STREAM | frame::END_HEADERS, 1, &block).await;
    let _ = client.read_to_close().await;
    assert_eq!(stage.told().await, EventKind::RequestParseError { reason: TOO_MUCH.to_owned() });
    is_served(&stage).await;
    assert_eq!(stage.told().await, EventKind::ConnectionClosed);
    stage.close().await;
}
