//! The controller's log in ZooKeeper, the ensemble that the cluster's masters elect their leader by.
//!
//! - [`address`]: `zk://…` as Mesos writes it
//! - [`wire`]: ZooKeeper's encoding of requests and answers
//! - [`session`]: one connection: requests out, answers in
//! - [`log`]: the log itself: records as znodes, a fence before each
//!
//! **Why a client of our own.** A controller blocks on its log, from one thread, with eight kinds of request, and it watches
//! nothing: who leads is asked of the Mesos around it, and who may write is decided by a version number at every write. The
//! known clients for Rust are built for the opposite (many tasks, watches, sessions that must live on), and bring a second
//! reactor with threads of its own and some forty crates into the address space of a Mesos. What is left without those is
//! small enough to read in one sitting.
//!
//! **Why no ephemeral znode.** A lock that goes away with its session says who *should* write, and a writer that was
//! stopped for a minute does not know that it lost it. The fence is checked by ZooKeeper together with the write itself.

mod address;
mod log;
mod session;
mod wire;

pub use address::{Address, InvalidAddress};
pub use log::ZooKeeperLog;

/// What went wrong with the log in ZooKeeper.
#[derive(Debug, thiserror::Error)]
pub enum ZooKeeperError {
    /// No server of the ensemble could be asked in time.
    #[error("no server of the ensemble `{servers}` serves: {why}")]
    Unreachable {
        /// The servers.
        servers: String,
        /// What the last one said.
        why: String,
    },
    /// A connection broke while an answer was awaited.
    #[error("the connection to the server `{server}` broke: {why}")]
    Broken {
        /// The server.
        server: String,
        /// Why.
        why: String,
    },
    /// ZooKeeper said no.
    #[error("ZooKeeper refuses to {what} `{path}`: {code}")]
    Refused {
        /// The request.
        what: &'static str,
        /// The znode.
        path: String,
        /// Its reason.
        code: wire::Code,
    },
    /// Another controller has opened the log since.
    #[error("another master has taken over the log `{path}`")]
    Fenced {
        /// The log.
        path: String,
    },
    /// What is there is no log, or one of another format.
    #[error("`{path}` is not a log that this release can read: {why}")]
    Foreign {
        /// The znode.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A record that was acknowledged is not there.
    #[error("record {number} of the log `{path}` is missing")]
    Missing {
        /// The log.
        path: String,
        /// Its number.
        number: u64,
    },
}

impl ZooKeeperError {
    /// Whether another server, or the same one a little later, may answer otherwise.
    const fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } => true,
            Self::Refused { code, .. } => code.may_pass(),
            Self::Fenced { .. } | Self::Foreign { .. } | Self::Missing { .. } => false,
        }
    }
}

#[cfg(test)]
#[path = "messages_tests.rs"]
mod messages_tests;
