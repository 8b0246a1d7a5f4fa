//! What is asked for, and what would become of it.

use std::collections::BTreeMap;

use dcos_core::role::Role;
use dcos_core::set::PackageSet;
use dcos_core::validate::Finding;
use dcos_core::{PackageId, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Change, Strategy};

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
    use super::{CreateDeployment, Strategy};

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
}
