//! Operations: what was asked for, and how far it has come.
//!
//! An operation is one document in the controller's log. It is written before anything is done about it, and says enough
//! for another master to go on: which launches may have happened, under which tokens, and which machines came of them.
//! Nothing about it is kept elsewhere.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The format of the document.
pub const FORMAT: u32 = 1;

/// The kind under which operations are kept in the log.
pub const KIND: &str = "operation";

/// Something that was asked of provisioning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// [`FORMAT`].
    pub format: u32,
    /// Its id, never used twice in a cluster: client tokens are made from it.
    pub id: String,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// The principal that asked.
    pub by: Option<String>,
    /// The word under which it was asked for: the same request under it begins nothing more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What it is about.
    pub work: Work,
    /// What the one who asked should know.
    pub warnings: Vec<String>,
    /// Who withdrew it.
    pub cancelled: Option<String>,
    /// How it ended.
    pub end: Option<End>,
}

/// What an operation is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Work {
    /// New agents.
    Add(Add),
    /// One agent less.
    Remove(Remove),
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// When.
    pub at: Timestamp,
    /// Whether everything that was asked for is there.
    pub done: bool,
    /// In words.
    pub reason: String,
}

/// New agents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// Their class, a key of the configuration.
    pub class: String,
    /// The group that they join.
    pub group: String,
    /// One for each.
    pub slots: Vec<Slot>,
}

/// One agent to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// Where it stands.
    pub stage: Stage,
    /// Which of the class's choices (type and subnet) is being tried, from 0.
    pub choice: u32,
    /// How many machines of this slot were lost before they joined.
    pub lost: u32,
    /// The machine.
    pub machine: Option<String>,
    /// The agent's name in the master's list, `host:port`.
    pub node: Option<String>,
    /// The agent's id.
    pub agent_id: Option<String>,
    /// When a machine was last asked for that may have been made; what the provider does not show yet is waited for from
    /// then on.
    pub launched_at: Option<Timestamp>,
    /// Since when a machine has been asked for in vain, through every choice of the class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launching_since: Option<Timestamp>,
    /// When to ask the provider again.
    pub not_before: Option<Timestamp>,
    /// How often in a row the provider gave no good answer.
    pub vain: u32,
    /// Why it stands where it stands.
    pub detail: String,
}

/// Where a slot stands. What may happen in a stage is written down before the stage's first call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Nothing was done.
    Waiting,
    /// A machine is asked for, and may exist.
    Launching,
    /// There is a machine; its agent is awaited.
    Launched,
    /// Its agent is registered.
    Registered,
    /// It is given up: whatever machine there is, or still comes to light, is terminated.
    Abandoning,
    /// It was given up, and nothing is left of it.
    Gone,
}

/// One agent less.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    /// The agent's id.
    pub agent_id: String,
    /// Its name, `host:port`.
    pub node: String,
    /// Its machine, if the provider has one of ours for it.
    pub machine: Option<String>,
    /// Whether the machine stays.
    pub keep_machine: bool,
    /// How long its tasks may take to end, in seconds.
    pub grace: u64,
    /// Where it stands.
    pub stage: RemoveStage,
    /// When the stage was entered.
    pub since: Timestamp,
    /// Since when the agent has not been registered. The time of its tasks does not run meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away_since: Option<Timestamp>,
    /// Whether the master has taken it that the agent never comes back.
    #[serde(default)]
    pub marked: bool,
    /// Why it stands where it stands.
    pub detail: String,
}

/// Where a removal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemoveStage {
    /// Nothing was done.
    Waiting,
    /// The master is told to offer nothing of it.
    Deactivating,
    /// Its tasks are ending.
    Draining,
    /// The master is told that it is gone for good.
    MarkingGone,
    /// Its machine is being terminated.
    Terminating,
    /// Nothing is left of it.
    Gone,
}

impl Operation {
    /// Whether it has ended.
    pub const fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// Ends it.
    pub(crate) fn finish(&mut self, done: bool, reason: String, now: Timestamp) {
        self.end = Some(End { at: now, done, reason });
    }
}

impl Slot {
    /// A slot of which nothing is there yet.
    pub const fn new() -> Self {
        Self {
            stage: Stage::Waiting,
            choice: 0,
            lost: 0,
            machine: None,
            node: None,
            agent_id: None,
            launched_at: None,
            launching_since: None,
            not_before: None,
            vain: 0,
            detail: String::new(),
        }
    }

    /// The client token of the launch at hand: the same for every repetition of it, another for every other one, so that a
    /// repeated call never makes a second machine.
    pub fn token(&self, operation: &str, number: usize) -> String {
        format!("{operation}-{number}-{}-{}", self.choice, self.lost)
    }

    /// Whether its time is over, one way or the other.
    pub const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Registered | Stage::Gone)
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self::new()
    }
}
