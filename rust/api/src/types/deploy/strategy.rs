//! How a change goes over the nodes.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Amount;

/// How a change goes over the nodes. Durations are in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Strategy {
    /// How many agents have their turn by the end of each wave: rising, the last one all of them. The first is the canary.
    pub waves: Vec<Amount>,
    /// How many agents may be away because of the deployment at once.
    pub max_unavailable: Amount,
    /// How many nodes may fail over the whole deployment before it stops. A canary or a master may never.
    pub max_failures: u32,
    /// How long to wait after a wave before the next.
    pub soak: u64,
    /// How long a node may take from its `go` until it is well on the new set.
    pub node_timeout: u64,
    /// How long the fetching may take, on all nodes together.
    pub fetch_timeout: u64,
    /// The share of the living targets that must have fetched everything, in percent; masters must all.
    pub fetch_share: u8,
    /// What happens once too many nodes have failed.
    pub on_failure: OnFailure,
    /// If set, no further node starts when no pulse came for that long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pulse: Option<u64>,
    /// When restarts may begin; at any time if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    /// Nodes that are left as they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// What is done on the nodes that have the new set, once all of them had their turn.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Chore>,
    /// Fetch only; the restarts wait for `start`.
    pub stage_only: bool,
    /// Restart nodes also where tasks die of it.
    pub allow_task_loss: bool,
    /// Try sets again that failed on a node before.
    pub retry_failed: bool,
}

impl Default for Strategy {
    /// One canary, then one agent at a time, and the first failure stops everything. Ten minutes outlast the deadlines
    /// of a restart with its hold time and of a rollback after it (about three and a half minutes by default).
    fn default() -> Self {
        Self {
            waves: vec![Amount::Count(1), Amount::Percent(100)],
            max_unavailable: Amount::Count(1),
            max_failures: 0,
            soak: 0,
            node_timeout: 600,
            fetch_timeout: 3600,
            fetch_share: 100,
            on_failure: OnFailure::Stop,
            pulse: None,
            windows: Vec::new(),
            exclude: Vec::new(),
            after: Vec::new(),
            stage_only: false,
            allow_task_loss: false,
            retry_failed: false,
        }
    }
}

/// What happens once too many nodes have failed. In every case no further node starts on the new set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Nothing else; nodes that are done keep the new set.
    Stop,
    /// The nodes of the wave at hand get their old set back.
    RollBackWave,
    /// All nodes that are done get their old set back, in the opposite order.
    RollBackAll,
}

/// A step after the restarts. None of them restarts anything; one that fails is told, and fails no deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Chore {
    /// Packages that only the old set had are removed where nothing needs them any more: not while they can be gone
    /// back to.
    Remove,
    /// The packages of the new set are compared with what was added.
    Verify,
    /// Garbage is collected.
    Gc,
}

impl fmt::Display for Chore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Remove => "remove",
            Self::Verify => "verify",
            Self::Gc => "gc",
        })
    }
}

impl std::str::FromStr for Chore {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let chores = [Self::Remove, Self::Verify, Self::Gc];
        let found = chores.into_iter().find(|chore| chore.to_string() == text);
        found.ok_or_else(|| "`remove`, `verify` or `gc` is needed".to_owned())
    }
}

/// A part of the day in which restarts may begin, in UTC. A window whose end is not after its start goes over midnight,
/// and belongs to the day on which it starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The days on which it starts; every day if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Day>,
    /// When it starts, `HH:MM`.
    pub from: String,
    /// When it is over, `HH:MM`.
    pub to: String,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the days of the week need no more words")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}
