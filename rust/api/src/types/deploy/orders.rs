//! Halts, pulses, pings and events: what monitors, operators and nodes tell the controller, and what it tells them.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A halt: a standing order to start nothing more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Halt {
    /// Its id, which clears it.
    pub id: String,
    /// Why it was given.
    pub reason: String,
    /// The principal that gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When it was given.
    pub at: Timestamp,
}

/// `POST /deploy/halt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HaltRequest {
    /// Why, for whoever wonders later.
    pub reason: String,
}

/// `GET /deploy/halt`: the halts that stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Halts {
    /// The halts, oldest first.
    pub halts: Vec<Halt>,
}

/// `POST /deploy/resume`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResumeRequest {
    /// The halt that is cleared.
    pub halt_id: String,
    /// Why it may be cleared.
    #[serde(default)]
    pub note: String,
}

/// `POST /deploy/pulse`: a monitor is alive and content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PulseRequest {}

/// The answer to a pulse or a command that has nothing else to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PulseAnswer {
    /// When the pulse was taken in.
    pub at: Timestamp,
}

/// The answer to a [`Ping`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Acknowledgement {
    /// The sequence number of the ping that need not be sent again.
    pub acknowledged: u64,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeployEvent {
    /// Counts events, from 1, without gaps.
    pub number: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What kind of thing, kebab-case: `deployment-created`, `node-confirmed`, `halt`, …
    pub kind: String,
    /// The node concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The deployment concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// What happened, for an operator.
    pub text: String,
}

/// `GET /deploy/events?after=N`: at most 500; the oldest ones are forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeployEvents {
    /// The events after `after`, oldest first.
    pub events: Vec<DeployEvent>,
    /// What to give as `after` for those that follow.
    pub next: u64,
}
