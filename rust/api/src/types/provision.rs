//! What `/provision` is asked and answers. Requests refuse unknown fields; answers may gain some in later releases.

use dcos_core::Problem;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `POST /provision/add_slave`: new agents on machines that are made for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddSlave {
    /// How many, at least 1.
    #[serde(default = "one")]
    pub count: usize,
    /// The class of machines; may be left out where there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// A word of whoever asks, at most 64 bytes. The same request under the same word is begun once, however often it is
    /// made: it gets the operation that it began. Kept as long as that operation is remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whether it is only wanted to know whether it could work.
    #[serde(default)]
    pub dry_run: bool,
}

/// `POST /provision/decommission_slave`: one agent less.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecommissionSlave {
    /// The agent: its id, or its name `host:port`.
    pub agent: String,
    /// How long its tasks may take to end, in seconds; ten minutes if absent.
    #[serde(default = "ten_minutes")]
    pub grace: u64,
    /// Whether the machine stays.
    #[serde(default)]
    pub keep_instance: bool,
    /// Whether it is only wanted to know whether it could work.
    #[serde(default)]
    pub dry_run: bool,
}

/// An operation: the answer of both, and of `GET /provision/operations/<id>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Operation {
    /// Its id; empty for one that was only planned.
    pub id: String,
    /// What it is about.
    pub kind: OperationKind,
    /// Where it stands.
    pub state: OperationState,
    /// In words, why.
    pub detail: String,
    /// What the one who asked should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The class of the new machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The group of the new agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The agents to be, or the one to go.
    pub slaves: Vec<OperationSlave>,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// Who asked.
    pub asked_by: Option<String>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// What an operation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are named after the endpoints")]
pub enum OperationKind {
    AddSlave,
    DecommissionSlave,
}

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OperationState {
    /// Only planned.
    Planned,
    /// Under way.
    Running,
    /// Everything that was asked for is there.
    Done,
    /// It is not; what was made in vain is gone again.
    Failed,
}

/// One agent of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OperationSlave {
    /// Where it stands: `waiting`, `launching`, `launched`, `registered`, `abandoning`, `gone`, `deactivating`,
    /// `draining`, `marking_gone`, `terminating`.
    pub stage: String,
    /// The provider's name for its machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The agent's name, `host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The agent's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// Why it stands where it stands.
    pub detail: String,
}

/// Answer of `GET /provision/operations`, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Operations {
    /// Those under way and the last ones that ended.
    pub operations: Vec<Operation>,
}

/// Answer of `GET /provision/slaves`: the master's view, the provider's and ours in one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Slaves {
    /// Agents and machines, each once.
    pub slaves: Vec<Slave>,
    /// What could not be asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

/// An agent, a machine, or both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Slave {
    /// The agent's name, `host:port`.
    pub node: Option<String>,
    /// The agent's id.
    pub agent_id: Option<String>,
    /// Whether the master lists it as active.
    pub active: bool,
    /// The provider's name for its machine; `None` if we did not make it.
    pub instance: Option<String>,
    /// What the provider says of the machine: `pending`, `running`, `stopping` or `gone`.
    pub instance_state: Option<String>,
    /// What kind of machine it is and where.
    pub instance_kind: Option<String>,
    /// The operation under way with it.
    pub operation: Option<String>,
    /// What does not match, if something does not.
    pub mismatch: Option<String>,
}

const fn one() -> usize {
    1
}

const fn ten_minutes() -> u64 {
    600
}
