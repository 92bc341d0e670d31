//! Which sockets have a TCP port of this network namespace, as inodes that `/proc/<pid>/fd` shows again.

mod diag;
mod table;

use std::collections::HashSet;
use std::io;

/// Which sockets are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those that listen.
    Listening,
    /// Those that listen or are connected from there: as long as one does, it may keep a server from the port.
    Any,
}

/// The inodes of the sockets on `port`, on whatever address. What no process has open any more, such as a connection the kernel only
/// remembers, is not among them.
///
/// Asks the kernel for just these. Its readable tables would do as well, but printing them means a walk through all its buckets for
/// established connections: 5 ms measured where this takes a fiftieth of one. They remain for where the question is not allowed.
///
/// # Errors
/// Neither way is open.
pub(crate) fn on_port(port: u16, which: Which) -> io::Result<HashSet<u64>> {
    diag::on_port(port, which).or_else(|_| table::on_port(port, which))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn both_ways_find_the_same_listeners_and_we_hold_them() {
        let v4 = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = v4.local_addr().unwrap().port();
        let v6 = TcpListener::bind(("::1", port)).ok();
        // A connection of the same port is not a listener.
        let _connection = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut found = table::on_port(port, Which::Listening).unwrap();
        assert_eq!(found.len(), 1 + usize::from(v6.is_some()));
        if let Ok(asked) = diag::on_port(port, Which::Listening) {
            assert_eq!(asked, found);
        }
        crate::procfs::claim_sockets(std::process::id(), &mut found);
        assert!(found.is_empty());
    }

    #[test]
    fn both_ways_find_a_connection_from_the_port_while_somebody_has_it_open() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = std::net::TcpStream::connect(server.local_addr().unwrap()).unwrap();
        let port = connection.local_addr().unwrap().port();
        // Connections of others may be from the same port to somewhere else.
        let ours = |mut found: HashSet<u64>| {
            let all = found.len();
            crate::procfs::claim_sockets(std::process::id(), &mut found);
            all - found.len()
        };
        assert_eq!(ours(table::on_port(port, Which::Listening).unwrap()), 0);
        assert_eq!(ours(table::on_port(port, Which::Any).unwrap()), 1);
        if let Ok(asked) = diag::on_port(port, Which::Any) {
            assert_eq!(ours(asked), 1);
        }
        drop(connection);
        assert_eq!(ours(on_port(port, Which::Any).unwrap()), 0);
    }
}
