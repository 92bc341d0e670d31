//! The messaging rules: bounded, backpressure or a counted lag, close remembered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use futures::{FutureExt, StreamExt};
use ostler_scope::{Channel, ChannelClosed, Lagged, Overflow, Signal};

use crate::support::settle;

#[tokio::test]
async fn every_subscriber_gets_every_value_in_order_from_when_it_subscribed() {
    let signal = Signal::new();
    signal.emit(0);
    let early = signal.subscribe(8);
    signal.emit(1);
    let late = signal.subscribe(8);
    signal.emit(2);
    drop(signal);
    assert_eq!(early.collect::<Vec<_>>().await, [Ok(1), Ok(2)]);
    assert_eq!(late.collect::<Vec<_>>().await, [Ok(2)]);
}

#[tokio::test]
async fn a_slow_subscriber_of_a_signal_keeps_the_newest_and_is_told_what_it_lost() {
    let signal = Signal::new();
    let mut slow = signal.subscribe(2);
    let mut wide = signal.subscribe(5);
    (1..=5).for_each(|number| signal.emit(number));
    assert_eq!(slow.next().await, Some(Err(Lagged(3))));
    assert_eq!(slow.next().await, Some(Ok(4)));
    signal.emit(6);
    signal.emit(7);
    assert_eq!(slow.next().await, Some(Err(Lagged(1))));
    assert_eq!(slow.next().await, Some(Ok(6)));
    assert_eq!(slow.next().await, Some(Ok(7)));
    assert_eq!(wide.next().await, Some(Err(Lagged(2))));
}

#[tokio::test]
async fn a_close_is_remembered_for_late_subscribers_and_keeps_what_is_queued() {
    let signal = Signal::new();
    let mut early = signal.subscribe(1);
    signal.emit("last words");
    signal.close();
    signal.emit("too late");
    assert_eq!(early.next().await, Some(Ok("last words")));
    assert_eq!(early.next().await, None);
    assert_eq!(early.next().await, None);
    assert_eq!(signal.subscribe(1).next().await, None);

    let channel = Channel::new();
    channel.close();
    assert_eq!(channel.subscribe(1, Overflow::Block).next().await, None);
    assert_eq!(channel.send("too late").await, Err(ChannelClosed));
}

#[tokio::test(start_paused = true)]
async fn a_waiting_subscriber_is_woken_by_a_value_and_by_the_close() {
    let signal = Signal::new();
    let mut subscriber = signal.subscribe(1);
    let waiting = tokio::spawn(async move { (subscriber.next().await, subscriber.next().await) });
    settle().await;
    signal.emit(1);
    settle().await;
    signal.close();
    assert_eq!(waiting.await.unwrap(), (Some(Ok(1)), None));
}

#[tokio::test(start_paused = true)]
async fn a_blocking_subscriber_holds_the_sender_back_and_loses_nothing() {
    let channel = Channel::new();
    let mut careful = channel.subscribe(2, Overflow::Block);
    let mut hasty = channel.subscribe(1, Overflow::Count);
    let sender = channel.clone();
    let sending = tokio::spawn(async move {
        for number in 1..=4 {
            sender.send(number).await.unwrap();
        }
    });
    settle().await;
    assert!(!sending.is_finished());
    for number in 1..=4 {
        assert_eq!(careful.next().await, Some(Ok(number)));
        settle().await;
    }
    assert!(sending.is_finished());
    assert_eq!(hasty.next().await, Some(Err(Lagged(3))));
    assert_eq!(hasty.next().await, Some(Ok(4)));
}

#[tokio::test(start_paused = true)]
async fn a_send_that_is_dropped_while_it_waits_reached_nobody() {
    let channel = Channel::new();
    let mut full = channel.subscribe(1, Overflow::Block);
    let mut roomy = channel.subscribe(8, Overflow::Block);
    channel.send(1).await.unwrap();
    assert!(channel.send(2).now_or_never().is_none());
    assert_eq!(full.next().await, Some(Ok(1)));
    channel.send(3).await.unwrap();
    assert_eq!(roomy.next().await, Some(Ok(1)));
    assert_eq!(roomy.next().await, Some(Ok(3)));
}

#[tokio::test(start_paused = true)]
async fn a_waiting_send_is_settled_when_its_subscriber_goes_or_the_channel_closes() {
    let channel = Channel::new();
    let subscriber = channel.subscribe(1, Overflow::Block);
    channel.send(1).await.unwrap();
    let waiting = {
        let channel = channel.clone();
        tokio::spawn(async move { channel.send(2).await })
    };
    settle().await;
    assert!(!waiting.is_finished());
    drop(subscriber);
    assert_eq!(waiting.await.unwrap(), Ok(()));

    let _subscriber = channel.subscribe(1, Overflow::Block);
    channel.send(3).await.unwrap();
    let waiting = {
        let channel = channel.clone();
        tokio::spawn(async move { channel.send(4).await })
    };
    settle().await;
    channel.close();
    assert_eq!(waiting.await.unwrap(), Err(ChannelClosed));
}

#[tokio::test]
async fn sending_without_subscribers_neither_fails_nor_waits() {
    Signal::new().emit(1);
    assert_eq!(Channel::new().send(1).now_or_never(), Some(Ok(())));
}

/// A queue that looks through its backlog takes quadratic time: seconds for this many.
#[tokio::test]
async fn a_long_backlog_costs_no_more_for_each_value_than_a_short_one() {
    const VALUES: usize = 1_000_000;
    let signal = Signal::new();
    let backlog = signal.subscribe(VALUES);
    (0..VALUES).for_each(|number| signal.emit(number));
    drop(signal);
    // Quadratic time would make this take minutes.
    assert_eq!(backlog.filter(|value| std::future::ready(value.is_ok())).count().await, VALUES);
}

#[test]
#[should_panic(expected = "room for one value")]
fn a_subscriber_without_room_is_refused() {
    drop(Signal::<()>::new().subscribe(0));
}

/// Knows whether it was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn what_is_there_is_taken_without_waiting_and_who_waits_is_woken_all_the_same() {
    let signal = Signal::new();
    let mut subscriber = signal.subscribe(2);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    assert!(subscriber.poll_next_unpin(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(subscriber.take_ready(), None);
    (1..=3).for_each(|number| signal.emit(number));
    assert!(woken.0.load(Ordering::SeqCst));
    assert_eq!(subscriber.take_ready(), Some(Err(Lagged(1))));
    assert_eq!(subscriber.take_ready(), Some(Ok(2)));
    signal.close();
    assert_eq!(subscriber.take_ready(), Some(Ok(3)));
    assert_eq!(subscriber.take_ready(), None);
}
