//! The whole configuration.

use ostler_tls::CertificateFiles;

use crate::admin::Admin;
use crate::builtin::Builtins;
use crate::certificate::CertificateTable;
use crate::log::Log;
use crate::mcp::Mcp;
use crate::pool::Pool;
use crate::section::section;
use crate::server::{Server, ServerTable};
use crate::store::Store;
use crate::switchboard::Switchboard;
use crate::tools::Tools;

section! {
    /// The configuration of Ostler, usually in a file `ostler.toml`.
    pub(crate) struct Document {
        /// Where requests come in, and how they are passed on to the servers.
        switchboard: Switchboard;

        /// The API through which Ostler is watched and told to stop things.
        admin: Admin;

        /// The servers that are part of Ostler.
        builtin: Builtins;

        /// How many servers there are, and how each is started, watched and stopped.
        pool: Pool;

        /// The servers.
        server: Vec<ServerTable>;

        /// The certificates of TLS listeners.
        certificate: Vec<CertificateTable>;

        /// The endpoint of the Model Context Protocol.
        mcp: Mcp;

        /// The bounds of tools that wait for answers.
        tools: Tools;

        /// Where journals are kept.
        store: Store;

        /// What Ostler says while it runs.
        log: Log;
    }
}

/// A configuration that has been checked as a whole.
///
/// Paths in it are absolute or begin where the file's own path begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Where requests come in, and how they are passed on.
    pub switchboard: Switchboard,
    /// The API through which Ostler is watched and told to stop things.
    pub admin: Admin,
    /// The servers that are part of Ostler.
    pub builtin: Builtins,
    /// How many servers there are, and how each is started, watched and stopped.
    pub pool: Pool,
    /// The servers, in the order of the file. No two have the same host.
    pub servers: Vec<Server>,
    /// The certificates of TLS listeners, in the order of the file. They could be read when it was.
    pub certificates: Vec<CertificateFiles>,
    /// The endpoint of the Model Context Protocol.
    pub mcp: Mcp,
    /// The bounds of tools that wait for answers.
    pub tools: Tools,
    /// Where journals are kept.
    pub store: Store,
    /// What Ostler says while it runs.
    pub log: Log,
}
