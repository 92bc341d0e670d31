//! The kernel's socket diagnosis over netlink: one question a family, answered with the sockets of one port alone.

use std::collections::HashSet;
use std::io;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

use super::Which;

/// `SOCK_DIAG_BY_FAMILY`, the question and its answers.
const BY_FAMILY: u16 = 20;

/// `NLM_F_REQUEST | NLM_F_DUMP`: all that match.
const DUMP: u16 = 0x301;

/// `NLMSG_ERROR` and `NLMSG_DONE`.
const ERROR: u16 = 2;
const DONE: u16 = 3;

/// `1 << TCP_LISTEN`. With no other state asked for, the kernel does not look at connections.
const LISTENING: u32 = 1 << 10;

/// Every state.
const ANY: u32 = u32::MAX;

const TCP: u8 = 6;

/// Length of `nlmsghdr`, and of it with `inet_diag_req_v2`.
const HEADER: usize = 16;
const QUESTION: usize = HEADER + 56;

/// Where an answer has its inode: after the header, 52 bytes that identify the socket, and four counters.
const INODE: usize = HEADER + 52 + 16;

pub(super) fn on_port(port: u16, which: Which) -> io::Result<HashSet<u64>> {
    let flags = SocketFlags::CLOEXEC;
    let kernel =
        rustix::net::socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(netlink::SOCK_DIAG))?;
    let mut found = HashSet::new();
    for family in [AddressFamily::INET, AddressFamily::INET6] {
        rustix::net::send(&kernel, &question(family, port, which), SendFlags::empty())?;
        let mut buffer = [0_u8; 8192];
        loop {
            let (received, _) = rustix::net::recv(&kernel, &mut buffer, RecvFlags::empty())?;
            if collect(&buffer[..received], &mut found)? == Answers::Complete {
                break;
            }
        }
    }
    Ok(found)
}

fn question(family: AddressFamily, port: u16, which: Which) -> [u8; QUESTION] {
    let mut question = [0; QUESTION];
    question[0..4].copy_from_slice(&(QUESTION as u32).to_ne_bytes());
    question[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
    question[6..8].copy_from_slice(&DUMP.to_ne_bytes());
    question[HEADER] = family.as_raw() as u8;
    question[HEADER + 1] = TCP;
    let states = match which {
        Which::Listening => LISTENING,
        Which::Any => ANY,
    };
    question[HEADER + 4..HEADER + 8].copy_from_slice(&states.to_ne_bytes());
    question[HEADER + 8..HEADER + 10].copy_from_slice(&port.to_be_bytes());
    question
}

#[derive(Debug, PartialEq, Eq)]
enum Answers {
    MoreToCome,
    Complete,
}

/// Takes the inodes out of one datagram of messages.
fn collect(mut messages: &[u8], found: &mut HashSet<u64>) -> io::Result<Answers> {
    while let (Some(length), Some(kind)) = (word(messages, 0), half_word(messages, 4)) {
        let length = length as usize;
        let message = messages.get(..length).filter(|_| length >= HEADER).ok_or_else(unreadable)?;
        match kind {
            DONE => return Ok(Answers::Complete),
            ERROR => return Err(io::Error::from_raw_os_error(-(word(message, HEADER).unwrap_or(0) as i32))),
            BY_FAMILY => found.extend(word(message, INODE).filter(|inode| *inode != 0).map(u64::from)),
            _ => {}
        }
        messages = messages.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(Answers::MoreToCome)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn half_word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn unreadable() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "unreadable netlink message")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut message = vec![0; HEADER];
        message[0..4].copy_from_slice(&((HEADER + body.len()) as u32).to_ne_bytes());
        message[4..6].copy_from_slice(&kind.to_ne_bytes());
        message.extend_from_slice(body);
        message
    }

    #[test]
    fn inodes_are_collected_until_the_kernel_is_done() {
        let mut socket = [0; 72];
        socket[68..72].copy_from_slice(&71345_u32.to_ne_bytes());
        let mut found = HashSet::new();
        let first = collect(&message(BY_FAMILY, &socket), &mut found).unwrap();
        assert_eq!((first, found.contains(&71345)), (Answers::MoreToCome, true));
        assert_eq!(collect(&message(DONE, &[0; 4]), &mut found).unwrap(), Answers::Complete);
    }

    #[test]
    fn a_refusal_and_a_cut_message_are_errors() {
        let refusal = message(ERROR, &(-2_i32).to_ne_bytes());
        assert_eq!(collect(&refusal, &mut HashSet::new()).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(collect(&refusal[..18], &mut HashSet::new()).is_err());
    }
}
