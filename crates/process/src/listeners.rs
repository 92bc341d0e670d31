//! Who listens on a TCP port: the listening lines of `/proc/<pid>/net/tcp` and `tcp6`.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// `TCP_LISTEN` as the table spells it.
const LISTEN: &str = "0A";

/// One listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listener {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) inode: u64,
}

/// The listening sockets on `port` in the network namespace of `pid`.
///
/// # Errors
/// The process is gone, or its tables cannot be read.
pub(crate) fn on_port(pid: u32, port: u16) -> io::Result<Vec<Listener>> {
    let mut found = read(&format!("/proc/{pid}/net/tcp"), port)?;
    match read(&format!("/proc/{pid}/net/tcp6"), port) {
        Ok(more) => found.extend(more),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {} // a kernel without IPv6
        Err(error) => return Err(error),
    }
    Ok(found)
}

fn read(path: &str, port: u16) -> io::Result<Vec<Listener>> {
    let mut found = Vec::new();
    for line in BufReader::with_capacity(4096, File::open(path)?).lines().skip(1) {
        let line = line?;
        // The kernel walks its listening table before the established one, which may hold thousands: having found what
        // listens, stop there. Having found nothing, read on, in case a kernel does it the other way round.
        if state(&line) != Some(LISTEN) {
            if !found.is_empty() {
                break;
            }
            continue;
        }
        found.extend(parse(&line).filter(|listener| listener.port == port));
    }
    Ok(found)
}

fn state(line: &str) -> Option<&str> {
    line.split_ascii_whitespace().nth(3)
}

fn parse(line: &str) -> Option<Listener> {
    let mut fields = line.split_ascii_whitespace();
    let (address, port) = fields.nth(1)?.split_once(':')?;
    let inode = fields.nth(7)?.parse().ok()?;
    Some(Listener { address: parse_address(address)?, port: u16::from_str_radix(port, 16).ok()?, inode })
}

/// Addresses are printed as 32-bit words in the byte order of the machine.
fn parse_address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut octets = [0; 16];
            for (index, chunk) in octets.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(index * 8)?);
            }
            Some(Ipv6Addr::from(octets).to_canonical())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listening_line_gives_address_port_and_inode() {
        let line = "   0: 0100007F:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 71345 1 0";
        assert_eq!(state(line), Some(LISTEN));
        let listener = parse(line).unwrap();
        assert_eq!((listener.port, listener.inode), (9000, 71345));
        if cfg!(target_endian = "little") {
            assert_eq!(listener.address, IpAddr::from([127, 0, 0, 1]));
        }
    }

    #[test]
    fn an_ipv6_address_is_read_word_by_word() {
        if cfg!(target_endian = "little") {
            assert_eq!(parse_address("00000000000000000000000001000000"), Some(Ipv6Addr::LOCALHOST.into()));
            assert_eq!(parse_address("0000000000000000FFFF00000100007F"), Some(Ipv4Addr::LOCALHOST.into()));
        }
    }

    #[test]
    fn our_own_listener_is_found() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let found = on_port(std::process::id(), port).unwrap();
        assert_eq!(found.len(), 1);
        let mut unclaimed = [found[0].inode].into();
        crate::procfs::claim_sockets(std::process::id(), &mut unclaimed);
        assert!(unclaimed.is_empty());
    }
}
