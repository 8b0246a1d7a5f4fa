//! What a machine is to Mesos, and what a package is to a set.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a node is in its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It runs `mesos-master`.
    Master,
    /// It runs `mesos-agent`.
    Agent,
}

impl Role {
    /// The program in a mesos package's `bin` that a node of this role runs.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Master => "mesos-master",
            Self::Agent => "mesos-agent",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Master => "master",
            Self::Agent => "agent",
        })
    }
}

/// A word that is neither `master` nor `agent`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a role: `master` or `agent` is needed")]
pub struct InvalidRole(pub String);

impl FromStr for Role {
    type Err = InvalidRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "master" => Ok(Self::Master),
            "agent" => Ok(Self::Agent),
            other => Err(InvalidRole(other.to_owned())),
        }
    }
}

/// What a package is to a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Mesos itself; exactly one in a set.
    Mesos,
    /// The configuration of master or agent; exactly one in a set.
    MesosConfig,
    /// Libraries that Mesos loads.
    Module,
    /// Anything else that others may require.
    Plain,
}

impl Kind {
    /// Whether a site's own repository may offer packages of this kind. Whoever holds a site's keys may configure Mesos,
    /// but neither replace it nor take it away.
    pub const fn is_for_sites(self) -> bool {
        matches!(self, Self::MesosConfig | Self::Plain)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Mesos => "mesos",
            Self::MesosConfig => "mesos-config",
            Self::Module => "module",
            Self::Plain => "plain",
        })
    }
}
