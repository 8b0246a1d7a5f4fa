//! Nodes and groups that are left as they are until somebody says otherwise.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a pin is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pinned {
    /// This node, by name (`host:port`).
    Node(String),
    /// Every node of this group, also one that comes later.
    Group(String),
}

impl std::fmt::Display for Pinned {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Node(name) => write!(formatter, "node `{name}`"),
            Self::Group(name) => write!(formatter, "group `{name}`"),
        }
    }
}

/// A standing order to leave nodes as they are: deployments pass them over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pin {
    /// What is pinned.
    pub what: Pinned,
    /// Why.
    pub reason: String,
    /// The principal that pinned it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// `GET /deploy/pins`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pins {
    /// The pins, groups after nodes, by name.
    pub pins: Vec<Pin>,
}

/// `POST /deploy/pin`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PinRequest {
    /// What is pinned.
    pub what: Pinned,
    /// Why, for whoever wonders later.
    pub reason: String,
}

/// `POST /deploy/unpin`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnpinRequest {
    /// What is not pinned any more.
    pub what: Pinned,
}
