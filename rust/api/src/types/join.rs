//! `/deploy/tokens` and `/deploy/join`: how an empty machine becomes a node of the cluster.

use std::collections::BTreeMap;
use std::fmt;

use dcos_core::node::ApiRole;
use dcos_core::{PackageSet, Role};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `POST /deploy/tokens`: make a join token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// The group that the new node shall belong to.
    pub group: String,
    /// What the new node shall be.
    #[serde(default = "agent")]
    pub role: Role,
    /// What the new node shall run; what its group runs if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<PackageSet>,
    /// For how many seconds the token is good; an hour if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
}

/// Answer of `POST /deploy/tokens`: 201. The token itself is told this once and kept nowhere.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenAnswer {
    /// Its name, for messages and logs; not a secret.
    pub id: String,
    /// What the new node shows.
    pub token: String,
    /// The group that it leads into.
    pub group: String,
    /// What the new node will be.
    pub role: Role,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

/// `POST /deploy/join`: a new machine asks what it shall be.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JoinRequest {
    /// The version of the protocol between nodes: 1.
    pub protocol: u32,
    /// The token. It is the credential of this call.
    pub token: String,
    /// A random word that this machine made up and keeps: a token is used once, and whoever shows the same word again is
    /// the same machine, whose answer was lost.
    pub claim: String,
    /// What the node will be called, `host:port`; for the records.
    pub node: String,
}

/// Answer of `POST /deploy/join`: all that the new node has to know of its cluster.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JoinAnswer {
    /// The version of the protocol between nodes: 1.
    pub protocol: u32,
    /// What it is to be.
    pub role: Role,
    /// The group that it belongs to.
    pub group: String,
    /// What it shall run.
    pub set: PackageSet,
    /// For an agent without ZooKeeper: the master, `host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// The ensemble that elects masters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zk: Option<String>,
    /// The origins of all masters.
    pub masters: Vec<String>,
    /// Where packages of any kind come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<JoinRepository>,
    /// Where this site's packages come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<JoinRepository>,
    /// The text of the file with which the node proves who it is to its masters, where there is one for new nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<String>,
    /// The text of the file with the principals and secrets that the node's Mesos shall know, where there is one for new
    /// nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mesos_credentials: Option<String>,
    /// Which principal may do what on the node.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub roles: BTreeMap<String, ApiRole>,
    /// Whether nodes of this cluster let callers without a principal do everything, as the demo's do.
    #[serde(default)]
    pub insecure_allow_anonymous: bool,
}

/// A repository, with what it takes to trust it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JoinRepository {
    /// Its base URL.
    pub url: String,
    /// The text of the root of trust; absent for a repository without signatures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_json: Option<String>,
    /// The certificate authority of its server, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

const fn agent() -> Role {
    Role::Agent
}

// What is secret in these must not get into a log by way of `{:?}`.

impl fmt::Debug for TokenAnswer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TokenAnswer").field("id", &self.id).field("group", &self.group).finish_non_exhaustive()
    }
}

impl fmt::Debug for JoinRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("JoinRequest").field("node", &self.node).finish_non_exhaustive()
    }
}

impl fmt::Debug for JoinAnswer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("JoinAnswer").field("group", &self.group).field("set", &self.set).finish_non_exhaustive()
    }
}
