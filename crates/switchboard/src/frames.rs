//! Where WebSocket frames begin and end (RFC 6455, section 5.2), without looking at what is in them.

/// Follows one direction of a WebSocket.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Frames {
    /// In a frame's head: so many bytes of it have come.
    Head { head: [u8; LONGEST_HEAD], length: usize },
    /// In a frame's payload: so many bytes are to come.
    Payload { left: u64, closes: bool },
    /// Behind a Close frame: no other may follow it (section 5.5.1).
    Closed,
}

/// Two bytes, eight of extended length, four of mask.
const LONGEST_HEAD: usize = 14;

/// The bits of the first byte that say what a frame is.
const OPCODE: u8 = 0x0f;

/// A Close frame.
const CLOSE: u8 = 0x08;

/// The bit that says that a mask follows.
const MASKED: u8 = 0x80;

/// A Close frame that says 1001, going away, as servers send it.
pub(crate) const GOING_AWAY: &[u8] = &[0x88, 0x02, 0x03, 0xe9];

/// The same as clients send it, masked with zeros: a mask protects from caches that take the payload for HTTP, which two
/// bytes cannot be.
pub(crate) const GOING_AWAY_MASKED: &[u8] = &[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9];

impl Default for Frames {
    fn default() -> Self {
        Self::Head { head: [0; LONGEST_HEAD], length: 0 }
    }
}

impl Frames {
    /// Whether the last frame has ended and the next has not begun.
    pub(crate) fn is_between(&self) -> bool {
        matches!(self, Self::Head { length: 0, .. } | Self::Closed)
    }

    /// Whether a Close frame has passed.
    pub(crate) fn has_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }

    /// Goes over all of `bytes`.
    pub(crate) fn pass(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = &rest[self.step(rest)..];
        }
    }

    /// Goes to the end of the frame that is under way, and says how many of `bytes` belong to it: all of them when it
    /// does not end there.
    pub(crate) fn finish(&mut self, bytes: &[u8]) -> usize {
        let mut passed = 0;
        while passed < bytes.len() && !self.is_between() {
            passed += self.step(&bytes[passed..]);
        }
        passed
    }

    /// Takes a byte of a head, or as much of a payload as there is. `bytes` is not empty.
    fn step(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::Head { head, length } => {
                head[*length] = bytes[0];
                *length += 1;
                if let Some(payload) = payload(&head[..*length]) {
                    let closes = head[0] & OPCODE == CLOSE;
                    *self = if payload == 0 {
                        Self::after(closes)
                    } else {
                        Self::Payload { left: payload, closes }
                    };
                }
                1
            }
            Self::Payload { left, closes } => {
                let taken = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= taken as u64;
                if *left == 0 {
                    *self = Self::after(*closes);
                }
                taken
            }
            Self::Closed => bytes.len(),
        }
    }

    fn after(closes: bool) -> Self {
        if closes { Self::Closed } else { Self::default() }
    }
}

/// The length of the payload behind `head`, once the head is complete.
fn payload(head: &[u8]) -> Option<u64> {
    let second = *head.get(1)?;
    let mask = if second & MASKED == 0 { 0 } else { 4 };
    let (extended, length) = match second & !MASKED {
        126 => (2, u64::from(u16::from_be_bytes(head.get(2..4)?.try_into().ok()?))),
        127 => (8, u64::from_be_bytes(head.get(2..10)?.try_into().ok()?)),
        length => (0, u64::from(length)),
    };
    (head.len() == 2 + extended + mask).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(masked: bool, payload: usize) -> Vec<u8> {
        let mask = if masked { MASKED } else { 0 };
        let mut frame = vec![0x82];
        match payload {
            0..126 => frame.push(mask | payload as u8),
            126..65536 => {
                frame.push(mask | 126);
                frame.extend((payload as u16).to_be_bytes());
            }
            _ => {
                frame.push(mask | 127);
                frame.extend((payload as u64).to_be_bytes());
            }
        }
        frame.extend(vec![0xff; if masked { 4 } else { 0 } + payload]);
        frame
    }

    #[test]
    fn the_end_of_a_frame_is_found_wherever_the_bytes_are_cut() {
        for masked in [false, true] {
            for payload in [0, 1, 125, 126, 65535, 65536] {
                let frame = frame(masked, payload);
                for cut in [1, 2, 3, 7, frame.len() - 1, frame.len()] {
                    let cut = cut.min(frame.len());
                    let mut frames = Frames::default();
                    frames.pass(&frame[..cut]);
                    assert_eq!(frames.is_between(), cut == frame.len(), "{masked} {payload} {cut}");
                    let rest = [&frame[cut..], &[0x81, 0x00]].concat();
                    assert_eq!(frames.finish(&rest), frame.len() - cut, "{masked} {payload} {cut}");
                    assert!(frames.is_between());
                }
            }
        }
    }

    #[test]
    fn our_own_frames_are_whole_ones() {
        for close in [GOING_AWAY, GOING_AWAY_MASKED] {
            let mut frames = Frames::default();
            frames.pass(close);
            assert!(frames.is_between() && frames.has_closed());
        }
    }
}
