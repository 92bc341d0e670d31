//! A server that does byte for byte what a test wants.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ostler_net::{Address, Listener, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::PATIENCE;

/// A scripted server. It ends when it is dropped.
#[derive(Debug)]
pub struct Backend {
    /// Where it listens.
    pub address: Address,
    connections: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

/// A [`Backend`] that keeps its clients waiting.
#[derive(Debug)]
pub struct Held {
    /// The server.
    pub backend: Backend,
    /// Notified by each request head.
    pub arrived: Arc<Notify>,
    /// Notify it to let one request be answered.
    pub release: Arc<Notify>,
}

/// One connection to a [`Backend`].
#[derive(Debug)]
pub struct Peer {
    stream: Stream,
    read: Vec<u8>,
}

impl Backend {
    /// Runs `script` for each connection, with its number, counted from 0.
    ///
    /// # Panics
    /// When it cannot listen on a loopback port.
    pub async fn start<F, Fut>(script: F) -> Self
    where
        F: Fn(usize, Peer) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.address().clone();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut scripts = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = count.fetch_add(1, Ordering::SeqCst);
                scripts.spawn(script(number, Peer { stream, read: Vec::new() }));
            }
        });
        Self { address, connections, _serving: serving }
    }

    /// Answers every request head with `answer`.
    pub async fn answering(answer: &'static str) -> Self {
        Self::start(move |_number, mut peer| async move {
            while peer.head().await.is_some() {
                peer.send(answer).await;
            }
        })
        .await
    }

    /// Gives each connection one answer, once it is released.
    pub async fn holding(answer: &'static str) -> Held {
        let (arrived, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (arrive, released) = (Arc::clone(&arrived), Arc::clone(&release));
        let backend = Self::start(move |_number, mut peer| {
            let (arrive, released) = (Arc::clone(&arrive), Arc::clone(&released));
            async move {
                peer.head().await;
                arrive.notify_one();
                released.notified().await;
                peer.send(answer).await;
                peer.closed().await;
            }
        })
        .await;
        Held { backend, arrived, release }
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Peer {
    /// Sends `bytes` as they are.
    ///
    /// # Panics
    /// When the connection is broken.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// The next request head, or None when the proxy has closed the connection.
    pub async fn head(&mut self) -> Option<String> {
        self.read_to("\r\n\r\n").await
    }

    /// Everything up to `end`, or None when the proxy closes before.
    ///
    /// # Panics
    /// When it is not UTF-8.
    pub async fn read_to(&mut self, end: &str) -> Option<String> {
        loop {
            let found = self.read.windows(end.len()).position(|window| window == end.as_bytes());
            if let Some(at) = found {
                let rest = self.read.split_off(at + end.len());
                let text = std::mem::replace(&mut self.read, rest);
                return Some(String::from_utf8(text).unwrap());
            }
            if self.stream.read_buf(&mut self.read).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// Exactly `count` bytes, or None when the proxy closes before.
    pub async fn read_bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.read.len() < count {
            if self.stream.read_buf(&mut self.read).await.unwrap_or(0) == 0 {
                return None;
            }
        }
        let rest = self.read.split_off(count);
        Some(std::mem::replace(&mut self.read, rest))
    }

    /// What has been read and not been asked for.
    pub fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.read)
    }

    /// Waits until the proxy closes or resets the connection.
    ///
    /// # Panics
    /// When it keeps the connection for too long.
    pub async fn closed(&mut self) {
        let closing = async { while self.stream.read_buf(&mut self.read).await.unwrap_or(0) > 0 {} };
        timeout(PATIENCE, closing).await.expect("the proxy keeps the connection");
    }
}
