//! The nodes of the cluster, as the controller knows them.

use dcos_core::attempt::AttemptReport;
use dcos_core::role::Role;
use dcos_core::set::PackageSet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A node of the cluster, as the controller knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClusterNode {
    /// Its name.
    pub node: String,
    /// The origin of its endpoints.
    pub url: String,
    /// Its role.
    pub role: Role,
    /// Its group; empty while it could not be asked.
    pub group: String,
    /// For an agent: the id that the master knows it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// Whether the leading master lists it as active; for a master, whether it answers.
    pub registered: bool,
    /// The set that is active on it; absent if it could not be asked or has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<PackageSet>,
    /// The set that its group should have, as the last finished deployment left it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<PackageSet>,
    /// Whether its set is known and is not the desired one.
    #[serde(default)]
    pub drift: bool,
    /// Why deployments leave it as it is, if it is pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<String>,
    /// The version of the Mesos that runs on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mesos_version: Option<String>,
    /// Its last restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempt: Option<AttemptReport>,
    /// Whether its own endpoints answered.
    pub reachable: bool,
    /// Why it is not reachable or not registered, or what is wrong on it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// `GET /deploy/nodes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClusterNodes {
    /// The nodes, masters first, by name.
    pub nodes: Vec<ClusterNode>,
}
