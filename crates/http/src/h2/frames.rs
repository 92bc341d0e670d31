//! Where HTTP/2 frames begin and end (RFC 9113, section 4.1), and what their first bytes are.

/// Follows one direction of a connection.
#[derive(Debug)]
pub(crate) struct Frames {
    /// The head of the frame that is under way, and the first bytes of its payload.
    begin: [u8; BEGIN],
    /// How many of them have come.
    have: usize,
    /// How many bytes are still to come that nobody looks at: of the preface, or of a payload.
    skip: usize,
}

/// A frame whose first bytes have passed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    /// Of the payload, in bytes.
    pub(crate) length: usize,
    /// As much of the payload as is looked at.
    pub(crate) payload: &'a [u8],
}

/// Frame types.
pub(crate) const DATA: u8 = 0x0;
pub(crate) const HEADERS: u8 = 0x1;
pub(crate) const RST_STREAM: u8 = 0x3;
pub(crate) const SETTINGS: u8 = 0x4;
pub(crate) const GOAWAY: u8 = 0x7;
pub(crate) const CONTINUATION: u8 = 0x9;

/// Flags.
pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;

/// Length, type, flags, stream.
const HEAD: usize = 9;

/// What is looked at: a head, and as much of the payload as a GOAWAY has of its own.
const BEGIN: usize = HEAD + 8;

impl Frames {
    /// Frames that come behind so many bytes of something else.
    pub(crate) fn behind(bytes: usize) -> Self {
        Self { begin: [0; BEGIN], have: 0, skip: bytes }
    }

    /// Whether the last frame has ended and the next has not begun.
    pub(crate) fn is_between(&self) -> bool {
        self.have == 0 && self.skip == 0
    }

    /// Goes over `bytes`, and shows each frame as soon as its first bytes are there.
    pub(crate) fn pass(&mut self, mut bytes: &[u8], mut show: impl FnMut(Frame<'_>)) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let wanted = self.wanted();
            let taken = (wanted - self.have).min(bytes.len());
            self.begin[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            // A whole head may want some payload besides.
            if self.have < self.wanted() {
                continue;
            }
            let length = self.length();
            let [_, _, _, kind, flags, a, b, c, d, ..] = self.begin;
            let stream = u32::from_be_bytes([a, b, c, d]) & 0x7fff_ffff;
            show(Frame { kind, flags, stream, length, payload: &self.begin[HEAD..self.have] });
            self.skip = length - (self.have - HEAD);
            self.have = 0;
        }
    }

    /// How many bytes of the frame under way are looked at.
    fn wanted(&self) -> usize {
        if self.have < HEAD { HEAD } else { BEGIN.min(HEAD + self.length()) }
    }

    fn length(&self) -> usize {
        let [a, b, c, ..] = self.begin;
        usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
    }
}

impl Frame<'_> {
    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The number at this place of the payload.
    pub(crate) fn number(&self, at: usize) -> Option<u32> {
        Some(u32::from_be_bytes(self.payload.get(at..at + 4)?.try_into().ok()?))
    }

    /// Whether its header block is whole and holds one field alone (RFC 7541, section 6).
    pub(crate) fn has_one_field(&self) -> bool {
        let block = self.payload;
        // A change of the table's size may come first.
        let resized = block.first().is_some_and(|byte| byte & 0xe0 == 0x20 && byte & 0x1f != 0x1f);
        let field = &block[usize::from(resized)..];
        let length = match field {
            [byte, ..] if byte & 0x80 != 0 && byte & 0x7f != 0x7f => 1,
            // A literal whose name is in a table; its value follows.
            [byte, value, ..] if matches!(byte & 0xc0, 0x40) && !matches!(byte & 0x3f, 0 | 0x3f) => {
                2 + usize::from(value & 0x7f)
            }
            [byte, value, ..] if byte & 0xe0 == 0 && !matches!(byte & 0x0f, 0 | 0x0f) => {
                2 + usize::from(value & 0x7f)
            }
            _ => return false,
        };
        self.has(END_HEADERS) && usize::from(resized) + length == self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    #[test]
    fn every_frame_is_shown_once_wherever_the_bytes_are_cut() {
        let bytes = [
            b"preface".to_vec(),
            frame(SETTINGS, 0, 0, &[]),
            frame(HEADERS, END_HEADERS | END_STREAM, 1, b"abc"),
            frame(DATA, 0, 0x8000_0003, &[7; 70_000]),
            frame(GOAWAY, 0, 0, &[0, 0, 0, 5, 0, 0, 0, 1, 9, 9]),
        ]
        .concat();
        let expected = [
            (SETTINGS, 0, 0, 0, vec![]),
            (HEADERS, 5, 1, 3, b"abc".to_vec()),
            (DATA, 0, 3, 70_000, vec![7; 8]),
            (GOAWAY, 0, 0, 10, vec![0, 0, 0, 5, 0, 0, 0, 1]),
        ];
        for piece in [1, 2, 5, 9, 16, 17, 1000, bytes.len()] {
            let mut frames = Frames::behind(7);
            let mut shown = Vec::new();
            for piece in bytes.chunks(piece) {
                frames.pass(piece, |it| {
                    shown.push((it.kind, it.flags, it.stream, it.length, it.payload.to_vec()));
                });
            }
            assert_eq!(shown, expected, "{piece}");
            assert!(frames.is_between());
        }
    }

    #[test]
    fn a_frame_that_is_not_whole_is_under_way() {
        let bytes = frame(HEADERS, END_HEADERS, 1, b"abcdefghijkl");
        for length in 1..bytes.len() {
            let mut frames = Frames::behind(0);
            frames.pass(&bytes[..length], |_| {});
            assert!(!frames.is_between(), "{length}");
        }
        let mut frames = Frames::behind(24);
        assert!(!frames.is_between());
        frames.pass(&[0; 24], |_| {});
        assert!(frames.is_between());
    }

    #[test]
    fn a_block_of_one_field_is_told_from_one_of_two() {
        let has_one = |block: &[u8]| {
            let (mut frames, mut one) = (Frames::behind(0), None);
            frames.pass(&frame(HEADERS, END_HEADERS, 1, block), |it| one = Some(it.has_one_field()));
            one.unwrap()
        };
        // Indexed; a literal with an indexed name, with and without a place in the table; behind a change of its size.
        for block in [
            &[0x88][..],
            b"\x48\x03431",
            b"\x08\x03431",
            b"\x48\x82\x68\x5f",
            b"\x20\x48\x03431",
            b"\x20\x88",
        ] {
            assert!(has_one(block), "{block:x?}");
        }
        for block in [&[0x88, 0xbe][..], b"\x48\x03431\xbe", b"\x88\x61\x03abc", &[]] {
            assert!(!has_one(block), "{block:x?}");
        }
    }
}
