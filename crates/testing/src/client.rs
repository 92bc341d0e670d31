//! A client that sees every byte.

use std::io;

use ostler_net::{Address, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::PATIENCE;

/// A connection whose every byte a test sends and reads. It panics where a test should fail.
#[derive(Debug)]
pub struct Client {
    stream: Stream,
    read: Vec<u8>,
}

impl Client {
    /// Connects to `address`.
    ///
    /// # Panics
    /// When nobody accepts there.
    pub async fn connect(address: &Address) -> Self {
        Self { stream: Stream::connect(address).await.unwrap(), read: Vec::new() }
    }

    /// Sends `bytes` as they are.
    ///
    /// # Panics
    /// When the connection is broken.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Closes its side, and goes on reading.
    ///
    /// # Panics
    /// When the connection is broken.
    pub async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Resets the connection. The server's side knows when this returns.
    pub fn reset(self) {
        if let Stream::Tcp(stream) = &self.stream {
            stream.set_zero_linger().unwrap();
        }
    }

    /// Sends `bytes` as far as the server takes them, and says how many it took before the connection broke.
    pub async fn try_send(&mut self, bytes: &[u8]) -> usize {
        let mut sent = 0;
        while sent < bytes.len() {
            match self.stream.write(&bytes[sent..]).await {
                Ok(count) => sent += count,
                Err(_) => break,
            }
        }
        sent
    }

    /// Reads until `end` has come and returns everything up to it.
    ///
    /// # Panics
    /// When the server closes before, or says nothing for too long.
    pub async fn read_to(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = find(&self.read, end.as_bytes()) {
                let rest = self.read.split_off(at + end.len());
                let text = std::mem::replace(&mut self.read, rest);
                return String::from_utf8(text).unwrap();
            }
            let count = timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await;
            let count = count.expect("the server says nothing").unwrap();
            assert_ne!(count, 0, "closed after {:?}", String::from_utf8_lossy(&self.read));
        }
    }

    /// Reads exactly `count` bytes.
    ///
    /// # Panics
    /// When the server closes before, or says nothing for too long.
    pub async fn read_bytes(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await;
            assert_ne!(read.expect("the server says nothing").unwrap(), 0, "closed");
        }
        let rest = self.read.split_off(count);
        std::mem::replace(&mut self.read, rest)
    }

    /// Reads until the server closes: with a FIN (`Ok`) or a reset (`Err`).
    ///
    /// # Errors
    /// The connection was reset.
    ///
    /// # Panics
    /// When the server does not close.
    pub async fn read_to_close(&mut self) -> io::Result<String> {
        loop {
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await;
            if read.expect("the server does not close")? == 0 {
                return Ok(String::from_utf8(std::mem::take(&mut self.read)).unwrap());
            }
        }
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}
