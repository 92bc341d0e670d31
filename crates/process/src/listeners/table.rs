//! The readable tables, `/proc/self/net/tcp` and `tcp6`.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};

use super::Which;

/// `TCP_LISTEN` as the table spells it.
const LISTEN: &str = "0A";

pub(super) fn on_port(port: u16, which: Which) -> io::Result<HashSet<u64>> {
    let mut found = HashSet::new();
    for path in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
        match File::open(path) {
            Ok(table) => read(table, port, which, &mut found)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {} // a kernel without IPv6
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn read(table: File, port: u16, which: Which, found: &mut HashSet<u64>) -> io::Result<()> {
    for line in BufReader::new(table).lines().skip(1) {
        let socket = parse(&line?, which).filter(|(local, inode)| *local == port && *inode != 0);
        found.extend(socket.map(|(_, inode)| inode));
    }
    Ok(())
}

/// Port and inode of a line, if it is one that is asked for.
fn parse(line: &str, which: Which) -> Option<(u16, u64)> {
    let mut fields = line.split_ascii_whitespace();
    let (_, port) = fields.nth(1)?.split_once(':')?;
    if fields.nth(1)? != LISTEN && which == Which::Listening {
        return None;
    }
    Some((u16::from_str_radix(port, 16).ok()?, fields.nth(5)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listening_line_gives_port_and_inode() {
        let line = "   0: 0100007F:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 71345 1 0";
        assert_eq!(parse(line, Which::Listening), Some((9000, 71345)));
        let connected = line.replace(" 0A ", " 01 ");
        assert_eq!(parse(&connected, Which::Listening), None);
        assert_eq!(parse(&connected, Which::Any), Some((9000, 71345)));
    }
}
