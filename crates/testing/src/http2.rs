//! A client that says HTTP/2 frame by frame.

use std::io;

use ostler_net::{Address, Stream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::PATIENCE;

/// What every client says first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frame types and flags (RFC 9113, section 6).
pub mod frame {
    #![allow(missing_docs, reason = "named as in the RFC")]
    pub const DATA: u8 = 0x0;
    pub const HEADERS: u8 = 0x1;
    pub const RST_STREAM: u8 = 0x3;
    pub const SETTINGS: u8 = 0x4;
    pub const PING: u8 = 0x6;
    pub const GOAWAY: u8 = 0x7;
    pub const WINDOW_UPDATE: u8 = 0x8;
    pub const CONTINUATION: u8 = 0x9;
    pub const ACK: u8 = 0x1;
    pub const END_STREAM: u8 = 0x1;
    pub const END_HEADERS: u8 = 0x4;
}

/// A connection whose every frame a test sends and reads. It panics where a test should fail.
#[derive(Debug)]
pub struct Http2<S = Stream> {
    stream: S,
    read: Vec<u8>,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream.
    pub stream: u32,
    /// What is in it.
    pub payload: Vec<u8>,
}

impl Http2 {
    /// Connects to `address` and says nothing.
    ///
    /// # Panics
    /// When nobody accepts there.
    pub async fn connect(address: &Address) -> Self {
        Self::over(Stream::connect(address).await.unwrap())
    }

    /// Connects, and says and hears what comes before the first request.
    ///
    /// # Panics
    /// When nobody accepts there, or the server does not speak HTTP/2.
    pub async fn start(address: &Address) -> Self {
        let mut client = Self::connect(address).await;
        client.begin(&[]).await;
        client
    }

    /// Whether what is sent goes out at once, and the connection is reset when this is dropped.
    ///
    /// # Panics
    /// Over a Unix socket.
    pub fn reset_on_drop(&self) {
        match &self.stream {
            Stream::Tcp(stream) => stream.set_zero_linger().unwrap(),
            Stream::Unix(_) => panic!("a Unix socket has no reset"),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Http2<S> {
    /// Speaks over `stream`.
    pub fn over(stream: S) -> Self {
        Self { stream, read: Vec::new() }
    }

    /// Says the preface with these settings, and acknowledges the server's.
    ///
    /// # Panics
    /// When the server does not speak HTTP/2.
    pub async fn begin(&mut self, settings: &[(u16, u32)]) {
        self.send(PREFACE).await;
        let settings: Vec<u8> = settings
            .iter()
            .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        self.frame(frame::SETTINGS, 0, 0, &settings).await;
        self.wait_for(|it| it.kind == frame::SETTINGS && it.flags & frame::ACK == 0).await;
        self.frame(frame::SETTINGS, frame::ACK, 0, &[]).await;
    }

    /// Sends `bytes` as they are.
    ///
    /// # Panics
    /// When the connection is broken.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Sends `bytes`, if the server still reads.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await
    }

    /// Sends a frame.
    ///
    /// # Panics
    /// When the connection is broken.
    pub async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.send(Frame { kind, flags, stream, payload: payload.to_vec() }.bytes()).await;
    }

    /// Sends a GET on this stream.
    ///
    /// # Panics
    /// When the connection is broken.
    pub async fn get(&mut self, stream: u32, path: &str) {
        self.send(get(stream, path)).await;
    }

    /// The next frame, or None when the server has closed.
    ///
    /// # Errors
    /// The connection was reset.
    ///
    /// # Panics
    /// When the server says nothing for too long, or half a frame at its end.
    pub async fn next(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = Frame::take(&mut self.read) {
                return Ok(Some(frame));
            }
            let count = timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await;
            if count.expect("the server says nothing")? == 0 {
                assert!(self.read.is_empty(), "half a frame: {:x?}", self.read);
                return Ok(None);
            }
        }
    }

    /// Reads up to the frame that is `wanted`.
    ///
    /// # Panics
    /// When it does not come.
    pub async fn wait_for(&mut self, wanted: impl Fn(&Frame) -> bool) -> Frame {
        let mut others = Vec::new();
        loop {
            match self.next().await {
                Ok(Some(frame)) if wanted(&frame) => return frame,
                Ok(Some(frame)) => others.push(frame),
                end => panic!("{end:?} after {others:?}"),
            }
        }
    }

    /// Reads the status of the response on this stream.
    ///
    /// # Panics
    /// When it does not come.
    pub async fn status(&mut self, stream: u32) -> u16 {
        self.wait_for(|it| it.kind == frame::HEADERS && it.stream == stream).await.status()
    }

    /// Reads the response on this stream to its end, and says its status. Who is dropped with anything unread resets the
    /// connection instead of closing it.
    ///
    /// # Panics
    /// When it does not come.
    pub async fn whole(&mut self, stream: u32) -> u16 {
        let head = self.wait_for(|it| it.kind == frame::HEADERS && it.stream == stream).await;
        if head.flags & frame::END_STREAM == 0 {
            self.wait_for(|it| it.stream == stream && it.flags & frame::END_STREAM != 0).await;
        }
        head.status()
    }

    /// Reads what there is up to the server's close.
    ///
    /// # Errors
    /// The connection was reset.
    ///
    /// # Panics
    /// When the server does not close.
    pub async fn read_to_close(&mut self) -> io::Result<Vec<Frame>> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await? {
            frames.push(frame);
        }
        Ok(frames)
    }
}

impl Frame {
    /// As it is sent.
    pub fn bytes(&self) -> Vec<u8> {
        let length = (self.payload.len() as u32).to_be_bytes();
        let stream = self.stream.to_be_bytes();
        [&length[1..], &[self.kind, self.flags], &stream, &self.payload].concat()
    }

    /// The number that its payload has at this place: the code of a RST_STREAM at 0, of a GOAWAY at 4.
    ///
    /// # Panics
    /// When it has none there.
    pub fn number(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }

    /// The status of a response, which is the first field of its block.
    ///
    /// # Panics
    /// When it is written in another way than servers do.
    pub fn status(&self) -> u16 {
        match self.payload[..] {
            [indexed @ 0x88..=0x8e, ..] => [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)],
            [0x08 | 0x48, length, ref value @ ..] => {
                let value = &value[..usize::from(length & 0x7f)];
                let text = if length & 0x80 == 0 { value.to_vec() } else { digits(value) };
                String::from_utf8(text).unwrap().parse().unwrap()
            }
            _ => panic!("no status: {:x?}", self.payload),
        }
    }

    fn take(read: &mut Vec<u8>) -> Option<Self> {
        let [a, b, c, kind, flags, s0, s1, s2, s3, ..] = read[..] else { return None };
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        if read.len() < 9 + length {
            return None;
        }
        let rest = read.split_off(9 + length);
        let payload = std::mem::replace(read, rest).split_off(9);
        Some(Self { kind, flags, stream: u32::from_be_bytes([s0, s1, s2, s3]), payload })
    }
}

/// A GET for `x`, whole and without a body.
pub fn get(stream: u32, path: &str) -> Vec<u8> {
    let fields = [(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", path)];
    headers(stream, frame::END_STREAM | frame::END_HEADERS, &fields)
}

/// A HEADERS frame of these fields.
pub fn headers(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    Frame { kind: frame::HEADERS, flags, stream, payload: block(fields) }.bytes()
}

/// A header block in which every field is a literal that no table keeps (RFC 7541, section 6.2.2).
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            length(&mut block, text.len());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// A length of a text without Huffman coding (RFC 7541, section 5.1).
fn length(block: &mut Vec<u8>, length: usize) {
    if length < 0x7f {
        block.push(length as u8);
        return;
    }
    block.push(0x7f);
    let mut rest = length - 0x7f;
    while rest >= 0x80 {
        block.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    block.push(rest as u8);
}

/// Huffman-coded digits: 0 to 2 have five bits, the others six (RFC 7541, appendix B).
fn digits(coded: &[u8]) -> Vec<u8> {
    let bits: Vec<u8> = coded.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let number = |bits: &[u8]| bits.iter().fold(0, |number, bit| number << 1 | bit);
    let (mut at, mut text) = (0, Vec::new());
    while at + 5 <= bits.len() {
        let short = number(&bits[at..at + 5]);
        if short <= 2 {
            text.push(b'0' + short);
            at += 5;
        } else if at + 6 <= bits.len() && (0b01_1001..=0b01_1111).contains(&number(&bits[at..at + 6])) {
            text.push(b'3' + number(&bits[at..at + 6]) - 0b01_1001);
            at += 6;
        } else {
            break;
        }
    }
    text
}
