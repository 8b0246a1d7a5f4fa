//! The states of a restart and what is reported of it, to the deploy module and to whoever asks the node.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::set::PackageSet;

/// Where an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// It was asked for and found possible.
    Planned,
    /// The new generation is on disk; a ticket is out.
    Staged,
    /// Mesos was told to stop.
    Stopping,
    /// Mesos is gone.
    Stopped,
    /// `active` names the new generation.
    Switched,
    /// Mesos was started from the new generation.
    Starting,
    /// It runs; the checks are being asked.
    Watching,
    /// Every check said yes.
    Confirmed,
    /// Some check could not tell by its deadline; the new set stays and is watched on.
    Unconfirmed,
    /// A check said no: the old set is being put back.
    RollingBack,
    /// The old set is running again and well.
    RolledBack,
    /// Neither set comes up: a person is needed; the old set is tried again and again.
    Lost,
    /// The ticket was not spent in time, or the attempt was cancelled before anything was stopped.
    Cancelled,
}

impl AttemptState {
    /// Whether nothing more will happen without a new order.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Confirmed | Self::Unconfirmed | Self::RolledBack | Self::Lost | Self::Cancelled)
    }

    /// The state in words, for a sentence.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Staged => "staged",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Switched => "switched",
            Self::Starting => "starting",
            Self::Watching => "watching",
            Self::Confirmed => "confirmed",
            Self::Unconfirmed => "unconfirmed",
            Self::RollingBack => "rolling back",
            Self::RolledBack => "rolled back",
            Self::Lost => "lost",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What a check of health said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is well.
    Yes,
    /// It is not, and the new set is to blame.
    No,
    /// It can't be told yet, or not from here.
    CannotTell,
}

/// The last answer of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckReport {
    /// The check's name, such as `version` or `registered`.
    pub name: String,
    /// What it said.
    pub answer: Answer,
    /// Why, in words.
    pub detail: String,
}

/// An attempt as the node tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AttemptReport {
    /// The attempt's id, chosen by whoever asked for it.
    pub attempt: String,
    /// Where it stands.
    pub state: AttemptState,
    /// Why it stands there, for an operator: the check that said no, the last lines of a dead Mesos.
    pub detail: String,
    /// The set that was wanted.
    pub set: PackageSet,
    /// The generation of the wanted set, once staged.
    pub generation: Option<u64>,
    /// The generation that was active before.
    pub previous_generation: Option<u64>,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// When the state was entered.
    pub changed_at: Timestamp,
    /// The last answers of the checks.
    #[serde(default)]
    pub checks: Vec<CheckReport>,
    /// How long Mesos was absent, in milliseconds, once it is known: from its end to the next one's first answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absence_ms: Option<u64>,
    /// The last lines that a Mesos of the wanted set logged, where it failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}

/// A status ping: one state change of one attempt, told to the deploy module until it is acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ping {
    /// The version of the protocol between nodes: 1. Unknown fields are ignored.
    pub protocol: u32,
    /// The node's name, `host:port`.
    pub node: String,
    /// The attempt's id.
    pub attempt: String,
    /// Counts the pings of the node, from 1, without gaps.
    pub sequence: u64,
    /// The state that was entered.
    pub state: AttemptState,
    /// Why, for an operator.
    pub detail: String,
    /// When it was entered.
    pub time: Timestamp,
    /// The port on which the node's helper answers `GET /restart/status` while no Mesos does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_port: Option<u16>,
}
