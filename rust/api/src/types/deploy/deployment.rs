//! A deployment, and where it and its nodes stand.

use std::fmt;

use dcos_core::role::Role;
use dcos_core::set::PackageSet;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Change, Strategy};

/// Where a deployment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentState {
    /// The nodes are being asked what they have.
    Planning,
    /// The packages are being fetched on all targets.
    Fetching,
    /// Everything is fetched; the restarts wait for `start`.
    Staged,
    /// The targets are asked whether the new sets can work.
    Validating,
    /// Nodes restart, wave by wave.
    Restarting,
    /// Nodes get their old sets back.
    RollingBack,
    /// Somebody paused it; `start` goes on.
    Paused,
    /// A halt stands; `resume` with its id goes on.
    Halted,
    /// Every node has the new set, or is accounted for.
    Done,
    /// It stopped because of a failure; `reason` says which.
    Failed,
    /// Somebody aborted it.
    Aborted,
    /// The old sets are back.
    RolledBack,
}

impl DeploymentState {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Planning,
        Self::Fetching,
        Self::Staged,
        Self::Validating,
        Self::Restarting,
        Self::RollingBack,
        Self::Paused,
        Self::Halted,
        Self::Done,
        Self::Failed,
        Self::Aborted,
        Self::RolledBack,
    ];

    /// Whether nothing more happens without a new order.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Aborted | Self::RolledBack)
    }
}

/// Where a node stands in a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "DeploymentNodeState")]
pub enum NodeState {
    /// Its turn has not come.
    Waiting,
    /// It fetches packages.
    Fetching,
    /// Everything it needs is local; its restart has not come.
    Fetched,
    /// It was told to restart, and has not settled.
    Restarting,
    /// It runs the new set, and is well.
    Confirmed,
    /// It runs the new set, and can't tell yet whether it is well.
    Unconfirmed,
    /// It refused, or did not come back in time.
    Failed,
    /// It did not come up on the new set and runs the old one again; or a rollback of the deployment put that back.
    RolledBack,
    /// It is left as it is.
    Skipped,
    /// It came up on neither set: a person is needed there.
    Lost,
}

/// A node in a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeploymentNode {
    /// The node's name.
    pub node: String,
    /// Its role.
    pub role: Role,
    /// Its group.
    pub group: String,
    /// The set that it had.
    pub from: PackageSet,
    /// The set that it shall have.
    pub to: PackageSet,
    /// Where it stands.
    pub state: NodeState,
    /// The id of its newest attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<String>,
    /// Why it waits, failed or is left alone, for an operator.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The last lines that its Mesos logged, where it failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
    /// What it said of its new set that does not forbid it: that there will be no way back from it, say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// When its state was entered.
    pub updated_at: Timestamp,
}

/// A deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deployment {
    /// Its id.
    pub id: String,
    /// What shall become different.
    pub change: Change,
    /// How it goes over the nodes.
    pub strategy: Strategy,
    /// Where it stands.
    pub state: DeploymentState,
    /// Why it stands there: what it waits for, which node and check made it fail, who paused it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Whether any node was restarted because of it: if not, nothing has changed.
    pub changed: bool,
    /// The nodes of each wave, in order.
    pub waves: Vec<Vec<String>>,
    /// Every node.
    pub nodes: Vec<DeploymentNode>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// The principal that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// When it came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

/// `GET /deploy/deployments`: newest first, at most the last 50. A finished one over more than 100 nodes, the newest aside,
/// is listed without them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deployments {
    /// The deployments.
    pub deployments: Vec<Deployment>,
}

/// What may be told to a deployment: the last segment of `POST /deploy/deployments/<id>/…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentCommand {
    /// Start no further node until `start`.
    Pause,
    /// Go on after `pause`, or begin the restarts of a staged deployment.
    Start,
    /// Start no further node, ever.
    Abort,
    /// Try the nodes again that failed.
    Retry,
    /// Put the old sets back, in the opposite order.
    Rollback,
}

impl fmt::Display for DeploymentCommand {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Pause => "pause",
            Self::Start => "start",
            Self::Abort => "abort",
            Self::Retry => "retry",
            Self::Rollback => "rollback",
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::DeploymentState;

    #[test]
    fn states_are_snake_case() {
        assert_eq!(serde_json::to_string(&DeploymentState::RolledBack).unwrap(), "\"rolled_back\"");
    }
}
