//! What the controller keeps beside deployments: desired sets, the record of changes, and all of it as a backup.

use std::collections::BTreeMap;

use dcos_core::PackageSet;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `GET /deploy/desired`: what each group should run, as the last finished deployment over whole groups left it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DesiredSets {
    /// The sets by group.
    pub groups: BTreeMap<String, PackageSet>,
}

/// A changing request and what was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntry {
    /// Counts entries, from 1, without gaps.
    pub number: u64,
    /// When it was answered.
    pub at: Timestamp,
    /// The principal; absent where nobody needs to say who they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The request's method.
    pub method: String,
    /// The request's path.
    pub path: String,
    /// What it was about: the deployment, the halt and its reason, the node.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// The answer's status.
    pub status: u16,
    /// Why it was refused, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
}

/// `GET /deploy/audit?after=N`: the changes that were asked of the controller. The last thousand are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Audit {
    /// The entries after `after`, oldest first.
    pub entries: Vec<AuditEntry>,
    /// What to give as `after` for those that follow.
    pub next: u64,
}

/// `GET /deploy/backup`, and the request of `POST /deploy/restore`: everything that a controller knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// The format of this document.
    pub format: u32,
    /// When it was made.
    pub taken_at: Timestamp,
    /// The term of the controller that made it.
    pub term: u64,
    /// What the log would say, one document each. They are for a controller to read.
    pub facts: Vec<serde_json::Value>,
}

/// The answer of `POST /deploy/restore`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Restored {
    /// How many deployments are known now.
    pub deployments: usize,
    /// Those that were under way when the backup was made. They are paused: look at the nodes, then `start` or `abort`.
    pub paused: Vec<String>,
    /// The halts that stand, those of before the restore among them.
    pub halts: Vec<String>,
}
