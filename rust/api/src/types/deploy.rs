//! What `/deploy` is asked and answers. Operators' requests refuse unknown fields, so that a typo never silently means
//! nothing; answers may gain fields in later releases, and their readers ignore what they don't know.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use dcos_core::attempt::AttemptReport;
use dcos_core::role::Role;
use dcos_core::set::PackageSet;
use dcos_core::validate::Finding;
use dcos_core::{PackageId, Problem};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use dcos_core::attempt::Ping;
pub use dcos_core::resolve::{Change, Install, Keep, Uninstall, Upgrade};

/// `POST /deploy/deployments`: a change, where to, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateDeployment {
    /// What shall become different.
    pub change: Change,
    /// The nodes that are meant; every node that the change fits, if nothing is named.
    #[serde(default)]
    pub targets: Targets,
    /// How the change goes over the nodes.
    #[serde(default)]
    pub strategy: Strategy,
    /// Whether only the plan is wanted.
    #[serde(default)]
    pub dry_run: bool,
}

/// A choice of nodes: what is named narrows it down, empty lists don't.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Targets {
    /// Nodes of these roles only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    /// Nodes of these groups only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// These nodes only, by name (`host:port`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
    /// Agents with all of these attributes only, as Mesos lists them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

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

/// A number of nodes: `3`, or a part of them: `"10%"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Amount {
    /// So many.
    Count(u32),
    /// That part, in hundredths.
    Percent(u32),
}

impl fmt::Display for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(formatter, "{count}"),
            Self::Percent(percent) => write!(formatter, "{percent}%"),
        }
    }
}

/// A text that is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an amount: a whole number or a percentage such as `10%` is needed")]
pub struct InvalidAmount(pub String);

impl std::str::FromStr for Amount {
    type Err = InvalidAmount;

    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        let (digits, amount): (_, fn(u32) -> Self) = match text.strip_suffix('%') {
            Some(percent) => (percent, Self::Percent),
            None => (text, Self::Count),
        };
        // `parse` alone would take a sign.
        let number = digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
        number.map(amount).ok_or_else(|| InvalidAmount(text.to_owned()))
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of nodes, or a part of them in percent",
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": u32::MAX},
                {"type": "string", "pattern": "^[0-9]+%?$", "maxLength": 10},
            ],
        })
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => serializer.serialize_u32(*count),
            Self::Percent(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Amount;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a whole number or a percentage such as \"10%\"")
            }

            fn visit_u64<E: de::Error>(self, count: u64) -> Result<Amount, E> {
                let invalid = |_| E::invalid_value(de::Unexpected::Unsigned(count), &self);
                u32::try_from(count).map(Amount::Count).map_err(invalid)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Visitor)
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

/// What a deployment would do: the answer to a dry run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeploymentPlan {
    /// The change that was asked for.
    pub change: Change,
    /// The strategy, with defaults filled in.
    pub strategy: Strategy,
    /// The nodes of each wave, in order: masters one by one, then agents.
    pub waves: Vec<Vec<String>>,
    /// Every node that was looked at because of the targets.
    pub nodes: Vec<PlannedNode>,
}

/// What a deployment would do to one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedNode {
    /// The node's name.
    pub node: String,
    /// Its role.
    pub role: Role,
    /// Its group; empty if it could not be asked.
    pub group: String,
    /// The set that it has.
    pub from: PackageSet,
    /// The set that it would get; the same set if it is left alone.
    pub to: PackageSet,
    /// The packages that it would fetch first.
    pub fetch: Vec<PackageId>,
    /// Its wave, from 0; absent if it is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<usize>,
    /// Why it is left alone, if it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The tasks that would die, where the node can tell already: it can once everything is local.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks_lost: Option<Vec<String>>,
    /// How long its Mesos would be absent, in milliseconds, where the node can tell already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absence_estimate_ms: Option<u64>,
    /// What else the node says of it, where it can tell already: that there will be no way back, say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
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

/// The refusal of a plan: `plan-refused` with every finding.
pub fn plan_refused(findings: Vec<Finding>) -> Problem {
    let first = findings.first().map_or_else(String::new, |finding| finding.message.clone());
    let more = match findings.len() {
        0 | 1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    let mut problem =
        Problem::new(dcos_core::ExitCode::Refused, "plan-refused", format!("no deployment is possible: {first}{more}"));
    problem.problems = findings;
    problem
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Amount, CreateDeployment, DeploymentState, Strategy};

    #[test]
    fn amounts_are_numbers_or_percentages() {
        for (json, amount) in [("3", Amount::Count(3)), ("\"10%\"", Amount::Percent(10)), ("\"7\"", Amount::Count(7))] {
            assert_eq!(serde_json::from_str::<Amount>(json).unwrap(), amount);
        }
        for json in ["-1", "1.5", "\"%\"", "\"ten\"", "null", "4294967296", "\"-1%\"", "\"+1\"", "\"+1%\""] {
            assert!(serde_json::from_str::<Amount>(json).is_err(), "{json}");
        }
        assert_eq!(serde_json::to_string(&[Amount::Count(1), Amount::Percent(50)]).unwrap(), r#"[1,"50%"]"#);
    }

    #[test]
    fn a_request_needs_a_change_only_and_refuses_typos() {
        let request: CreateDeployment =
            serde_json::from_str(r#"{"change":{"upgrade":{"mesos":"1.11.0"}},"strategy":{"soak":5}}"#).unwrap();
        assert_eq!(request.strategy, Strategy { soak: 5, ..Strategy::default() });
        assert!(!request.dry_run);
        for json in [
            r#"{"change":{"upgrade":{"mesos":"1.11.0"}},"dryrun":true}"#,
            r#"{"change":{"upgrade":{"mesos":"1.11.0"}},"strategy":{"max_failure":1}}"#,
            r#"{"change":{"upgrade":{"mesos":"1.11.0","to":"x"}}}"#,
            r#"{"change":{"upgrade":{"mesos":"1.11.0"},"set":{}}}"#,
            r#"{"change":{"downgrade":{"mesos":"1.10.0"}}}"#,
            r#"{"change":{"upgrade":{"mesos":"1.11.0"}},"targets":{"group":["a"]}}"#,
        ] {
            assert!(serde_json::from_str::<CreateDeployment>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn states_are_snake_case() {
        assert_eq!(serde_json::to_string(&DeploymentState::RolledBack).unwrap(), "\"rolled_back\"");
    }
}
