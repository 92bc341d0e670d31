//! What children write.

use futures::StreamExt;
use ostler_process::{LogLimits, Stream};

use crate::stable::{Stable, fake};
use crate::traces::eventually;

#[tokio::test]
async fn a_character_written_in_two_halves_is_read_as_one() {
    let stable = Stable::open().await;
    let stall = stable.serve(&["--half-character"]).await.unwrap();
    let logs = stall.child.logs();
    eventually("a line", || !logs.lines().is_empty()).await;
    assert_eq!(&*logs.lines()[0].text, "€");
    assert_eq!(logs.lines()[0].stream, Stream::Stdout);
    stable.close().await;
}

#[tokio::test]
async fn a_line_of_ten_megabytes_is_cut_and_the_next_one_is_whole() {
    let stable = Stable::open().await;
    let stall = stable.serve(&["--long-line=10000000"]).await.unwrap();
    let logs = stall.child.logs();
    eventually("two lines", || logs.lines().len() == 2).await;
    let lines = logs.lines();
    assert_eq!(lines[0].text.len() + lines[0].dropped, 10_000_000);
    assert_eq!(lines[0].text.len(), LogLimits::default().line_bytes);
    assert_eq!(&*lines[1].text, "after the long line");
    stable.close().await;
}

#[tokio::test]
async fn a_flood_on_stderr_neither_blocks_the_child_nor_grows_the_ring() {
    let stable = Stable::open().await;
    let limits = LogLimits { lines: 10, ..LogLimits::default() };
    // Far more than fits into a pipe: a child that is not read from would never get to listen.
    let stall = stable.start(&fake(&["--flood-stderr=20000"]).logs(limits)).await.unwrap();
    let logs = stall.child.logs();
    let is_last = || logs.lines().last().is_some_and(|line| &*line.text == "line 19999 of a flood");
    eventually("the last line", is_last).await;
    assert_eq!(logs.lines().len(), 10);
    assert_eq!(logs.tail(2).to_string(), ": line 19998 of a flood | line 19999 of a flood");
    stable.close().await;
}

#[tokio::test]
async fn a_follower_sees_what_comes_and_ends_with_the_child() {
    let stable = Stable::open().await;
    let stall = stable.serve(&["--die-after=100"]).await.unwrap();
    let mut follower = stall.child.logs().follow(16);
    assert_eq!(&*follower.next().await.unwrap().unwrap().text, "dying as told");
    assert!(follower.next().await.is_none());
    stable.close().await;
}
