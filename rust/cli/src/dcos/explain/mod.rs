//! `dcos deploy explain NODE`: why a node is as it is. One line says what runs now, what it waits for, and the next
//! command; below it stands what led there.
//!
//! - [`class`]: where a node stands; [`cause`]: why its attempt failed; both closed lists
//! - [`advice`]: what is said of each; [`text`]: how it is printed

mod advice;
mod cause;
mod class;
#[cfg(test)]
mod goldens;
mod listed;
mod text;

use dcos_api::types::deploy::{Change, ClusterNode, ClusterNodes, Deployment, DeploymentNode, Halt, Halts, NodeState};
use dcos_core::attempt::AttemptReport;
use dcos_core::{ExitCode, Problem};
use serde::Serialize;

use self::advice::{Advice, Situation, advise};
use self::cause::Cause;
use self::class::{Class, classify};
use super::{deploy, plan, summary};
use crate::client::Client;
use crate::output::Format;

/// What `dcos deploy explain --json` prints.
#[derive(Debug, Serialize)]
struct Explanation<'a> {
    node: &'a ClusterNode,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_deployment: Option<&'a DeploymentNode>,
    /// Where the node stands, of a closed list.
    class: Class,
    /// Why its attempt failed, of a closed list.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
    running_now: String,
    /// What differs between what is there and what is wanted; `nothing` if that is the same.
    differs: String,
    waiting_for: String,
    next: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// Runs the command.
pub(super) async fn run(client: &Client, format: Format, name: &str) -> Result<ExitCode, Problem> {
    let cluster: ClusterNodes = client.get("/deploy/nodes").await?;
    let Some(node) = cluster.nodes.iter().find(|node| node.node == name) else {
        let known = summary::nodes(cluster.nodes.iter().map(|node| node.node.as_str()));
        return Err(Problem::new(
            ExitCode::NotFound,
            "no-such-node",
            format!("there is no node `{name}` in this cluster"),
        )
        .hint(format!("`dcos deploy nodes` lists them: {known}")));
    };
    let deployment = deploy::newest(client).await?;
    let Halts { halts } = client.get("/deploy/halt").await?;
    let explanation = explain(node, deployment.as_ref(), &halts);
    format.print(&explanation, text::text);
    Ok(ExitCode::Done)
}

/// Everything that is said, from what the master answers: pure.
fn explain<'a>(node: &'a ClusterNode, deployment: Option<&'a Deployment>, halts: &'a [Halt]) -> Explanation<'a> {
    let part = deployment.and_then(|deployment| deployment.nodes.iter().find(|each| each.node == node.node));
    let deployment = deployment.filter(|_| part.is_some());
    let class = classify(node, deployment, part);
    let cause = failure(node, part, class).map(Cause::of);
    let situation = Situation {
        node: &node.node,
        deployment: deployment.map_or("", |deployment| &deployment.id),
        detail: part.map_or(&node.detail, |part| &part.detail),
        halt: halts.first().map(|halt| halt.id.as_str()),
        others_changed: deployment.is_some_and(|deployment| others_changed(deployment, &node.node)),
        again: deployment.map_or_else(String::new, again),
    };
    let Advice { waits_for, next, hint } = advise(class, cause, &situation);
    Explanation {
        node,
        deployment: deployment.map(|deployment| deployment.id.as_str()),
        in_deployment: part,
        class,
        cause,
        running_now: running_now(node, class),
        differs: differs(node, part),
        waiting_for: waits_for,
        next,
        hint,
    }
}

/// The report of the attempt that failed, where one did.
fn failure<'a>(node: &'a ClusterNode, part: Option<&DeploymentNode>, class: Class) -> Option<&'a AttemptReport> {
    let fits = |report: &&AttemptReport| {
        // The node may have restarted since, for somebody else.
        part.and_then(|part| part.attempt.as_ref()).is_none_or(|attempt| *attempt == report.attempt)
    };
    matches!(class, Class::RolledBack | Class::RollingBack | Class::Lost)
        .then_some(node.last_attempt.as_ref().filter(fits))
        .flatten()
}

fn running_now(node: &ClusterNode, class: Class) -> String {
    match (&node.mesos_version, &node.set, class) {
        (_, _, Class::Lost) => "nothing that is well: neither set comes up".to_owned(),
        (_, _, Class::Restarting | Class::RollingBack) if !node.reachable => "nothing: its Mesos is away".to_owned(),
        (Some(version), _, _) => format!("mesos {version}"),
        (None, Some(_), _) => "a set whose Mesos does not say its version".to_owned(),
        (None, None, _) => "unknown".to_owned(),
    }
}

/// What differs between the set that is there and the one that the deployment, or else the group, wants.
fn differs(node: &ClusterNode, part: Option<&DeploymentNode>) -> String {
    let wanted = match part {
        Some(part) if part.state != NodeState::Skipped => Some(&part.to),
        _ => node.desired.as_ref(),
    };
    let has = node.set.as_ref().or(part.map(|part| &part.from));
    match (has, wanted) {
        (Some(has), Some(wanted)) => plan::swaps(has, wanted),
        _ => "it can't be told".to_owned(),
    }
}

/// Whether another node of the deployment runs the new set.
fn others_changed(deployment: &Deployment, name: &str) -> bool {
    let has_it = |node: &DeploymentNode| matches!(node.state, NodeState::Confirmed | NodeState::Unconfirmed);
    deployment.nodes.iter().any(|node| node.node != name && has_it(node) && node.from != node.to)
}

/// The command that asks for the change of a deployment again.
fn again(deployment: &Deployment) -> String {
    let joined = |words: Vec<String>| words.join(" ");
    match &deployment.change {
        Change::Upgrade(upgrade) => format!("dcos upgrade mesos {}", upgrade.mesos),
        Change::Install(install) if install.modules.is_empty() => {
            let groups = install.configs.keys().map(|group| format!("--group {group}")).collect();
            format!("dcos config apply {}", joined(groups))
        }
        Change::Install(install) => {
            format!("dcos install module {}", joined(install.modules.iter().map(ToString::to_string).collect()))
        }
        Change::Uninstall(uninstall) => {
            format!("dcos uninstall module {}", joined(uninstall.modules.iter().map(ToString::to_string).collect()))
        }
        // No command of ours makes such a change: whoever posted it posts it again.
        Change::Set(_) | Change::Keep(_) => format!("dcos deploy status {}", deployment.id),
    }
}
