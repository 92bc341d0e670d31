//! CONNECT.

use ostler_http::EventKind;
use ostler_testing::http2::{Http2, frame, headers};

use super::Stage;
use super::exchanges::goes_on;

fn connect(stream: u32, path: &str) -> Vec<u8> {
    let fields = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":authority", "x"),
        (":path", path),
    ];
    headers(stream, frame::END_HEADERS, &fields)
}

#[tokio::test]
async fn a_tunnel_that_nobody_takes_over_is_told() {
    for path in ["/empty", "/looked-at"] {
        let mut stage = Stage::new().await;
        let mut client = Http2::start(stage.address()).await;
        client.send(connect(1, path)).await;
        assert_eq!(client.status(1).await, 200);
        assert_eq!(stage.told().await, EventKind::UpgradeFailed, "{path}");
        stage.release.notify_one();
        goes_on(stage, client).await;
    }
}
