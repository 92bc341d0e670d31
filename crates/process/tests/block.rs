//! Ports for one test, which no other test has, in whatever process, and no outgoing connection is given.

use std::net::{Ipv4Addr, TcpListener};

/// How many ports a test gets.
pub(crate) const PORTS: u16 = 100;

/// Below the ports that the kernel gives to connections and to those who ask for any.
const FIRST: u16 = 10_000;
const BLOCKS: u16 = 99;

/// Some ports in a row, nobody else's while this value lives.
pub(crate) struct Block {
    pub(crate) base: u16,
    /// A listener on the port behind them is what keeps others from the block.
    _claim: TcpListener,
}

impl Block {
    pub(crate) fn claim() -> Self {
        (0..BLOCKS)
            .map(|block| FIRST + block * (PORTS + 1))
            .find_map(|base| {
                let listen = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
                let claim = listen(base + PORTS).ok()?;
                // What is no test may be there as well.
                (base..base + PORTS).all(|port| listen(port).is_ok()).then_some(Self { base, _claim: claim })
            })
            .expect("a block of free ports")
    }
}
