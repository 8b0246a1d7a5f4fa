//! What there is: machines, as the provider lists them, and agents, as the leading master does.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// What was seen in one look.
#[derive(Clone, Debug)]
pub struct World {
    /// The provider's machines that carry this cluster's tag, or why they are not known.
    pub machines: Result<Vec<Machine>, String>,
    /// The master's agents, or why they are not known.
    pub agents: Result<Vec<Agent>, String>,
}

/// A machine that we had made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The provider's name for it.
    pub id: String,
    /// Whether it runs.
    pub state: MachineState,
    /// The client token that it was made with.
    pub token: String,
    /// The operation that it was made for.
    pub operation: String,
    /// The slot in it.
    pub slot: usize,
    /// Its address, once it has one.
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// The agent's port, where machines share an address.
    #[serde(default)]
    pub port: Option<u16>,
    /// What kind of machine it is and where, in the provider's words.
    #[serde(default)]
    pub kind: String,
}

/// Whether a machine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MachineState {
    /// It is being made.
    Pending,
    /// It runs.
    Running,
    /// It is on its way out, or stopped.
    Stopping,
    /// It is no more.
    Gone,
}

/// An agent of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its id.
    pub id: String,
    /// Its name, `host:port`.
    pub node: String,
    /// Where it listens.
    pub address: Option<SocketAddr>,
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

impl Machine {
    /// Whether it is not known to be gone.
    pub const fn is_live(&self) -> bool {
        !matches!(self.state, MachineState::Gone)
    }

    /// Whether it is neither gone nor going.
    pub const fn is_usable(&self) -> bool {
        matches!(self.state, MachineState::Pending | MachineState::Running)
    }

    /// Whether an agent that listens there is this machine's.
    pub fn carries(&self, agent: &Agent) -> bool {
        agent.address.is_some_and(|address| {
            self.address == Some(address.ip()) && self.port.is_none_or(|port| port == address.port())
        })
    }
}
