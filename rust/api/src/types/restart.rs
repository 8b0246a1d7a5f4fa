//! `/restart`: tickets, plans and attempts.

use dcos_core::attempt::{AttemptReport, AttemptState};
use dcos_core::{PackageSet, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pkg::Running;

/// `POST /restart/begin`: stage a set and get a ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BeginRequest {
    /// The set that shall run.
    pub set: PackageSet,
    /// A name for the attempt, chosen by the caller and used once.
    pub attempt: String,
    /// The controller's term; an older one than the node has seen is refused. 0 from a caller that is no controller.
    #[serde(default)]
    pub term: u64,
    /// The origin that is told of every change of state; it must be one that the node's configuration names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_to: Option<String>,
    /// Answer the plan and change nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Try a set that failed here before.
    #[serde(default)]
    pub retry_failed: bool,
    /// Go on although tasks will die.
    #[serde(default)]
    pub allow_task_loss: bool,
    /// Wipe the work directory: every task dies and the agent gets a new id.
    #[serde(default)]
    pub clean: bool,
    /// The confirmation that `clean` needs.
    #[serde(default)]
    pub yes: bool,
}

/// Answer of `POST /restart/begin`: 202 with a ticket, or 200 without one after a dry run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BeginAnswer {
    /// The version of the protocol: 1.
    pub protocol: u32,
    /// The attempt's name.
    pub attempt: String,
    /// What `go` needs; absent after a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// How long the ticket is good, in milliseconds from the answer; absent after a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_ms: Option<u64>,
    /// The generation of the set; absent after a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// What `go` would do.
    pub plan: RestartPlan,
}

/// What a restart would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RestartPlan {
    /// The active set; empty on a new node.
    pub from: PackageSet,
    /// The wanted set.
    pub to: PackageSet,
    /// The steps in their order: `stop`, `wipe` (only if `clean`), `switch`, `start`, `watch`.
    pub steps: Vec<String>,
    /// The tasks that will die all the same, each as `<framework>/<task>`.
    pub tasks_lost: Vec<String>,
    /// How long Mesos will be absent, in milliseconds, as far as it can be told; absent if it can't.
    pub absence_estimate_ms: Option<u64>,
    /// What should be known beforehand and forbids nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// `POST /restart/go`: spend a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GoRequest {
    /// The ticket of `begin`.
    pub ticket: String,
}

/// Answer of `POST /restart/go`: 202.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GoAnswer {
    /// The attempt that goes.
    pub attempt: String,
    /// Where it stands.
    pub state: AttemptState,
}

/// Answer of `GET /restart/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RestartStatus {
    /// The version of the protocol: 1.
    pub protocol: u32,
    /// The node's name.
    pub node: String,
    /// What the live Mesos was started from; `null` if none runs or it can't be told.
    pub running: Option<Running>,
    /// The active generation; `null` on a new node.
    pub active_generation: Option<u64>,
    /// The attempt under way; `null` if there is none.
    pub attempt: Option<AttemptReport>,
    /// The attempts that ended, newest first, at most 20.
    pub last_attempts: Vec<AttemptReport>,
    /// What could not be told, and why: the rest of the answer is still true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}
