//! What there is: machines, as the provider lists them, and agents, as the leading master does.

use std::net::SocketAddr;

pub use dcos_core::provider::{Machine, MachineState};

/// What was seen in one look.
#[derive(Clone, Debug)]
pub struct World {
    /// The provider's machines that carry this cluster's tag, or why they are not known.
    pub machines: Result<Vec<Machine>, String>,
    /// The master's agents, or why they are not known.
    pub agents: Result<Vec<Agent>, String>,
}

/// An agent of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its id.
    pub id: String,
    /// Its name, `host:port`.
    pub node: String,
    /// Where it listens, as far as the master says.
    pub address: Option<SocketAddr>,
    /// Whether it is registered. One that is not is known to the master from before its restart or its election, and has not
    /// come back yet: it may run tasks all the same.
    pub registered: bool,
    /// Whether the master lists it as active.
    pub active: bool,
    /// Whether the master was told to offer nothing of it.
    pub deactivated: bool,
    /// How far its draining is.
    pub drain: Drain,
    /// Whether it runs what its group should; `None` if that can't be told, or nothing is desired.
    pub settled: Option<bool>,
}

/// How far an agent's draining is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// Nobody asked for it.
    No,
    /// Its tasks are ending.
    Draining,
    /// It has no task any more.
    Drained,
}
