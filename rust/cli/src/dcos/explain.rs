//! `dcos deploy explain NODE`: why a node is as it is. One line says what runs now, what it waits for, and the next
//! command; below it stands what led there.

use dcos_api::types::deploy::{ClusterNode, ClusterNodes, Deployment, DeploymentNode, NodeState};
use dcos_core::attempt::{Answer, AttemptState};
use dcos_core::{ExitCode, Problem};
use serde::Serialize;

use super::{deploy, plan, summary};
use crate::client::Client;
use crate::output::Format;

/// How many of the last lines of a failed Mesos's log are shown; `--json` has all that were kept.
const LOG_LINES: usize = 12;

/// How many characters of each.
const LOG_WIDTH: usize = 160;

/// What `dcos deploy explain --json` prints.
#[derive(Debug, Serialize)]
struct Explanation<'a> {
    node: &'a ClusterNode,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_deployment: Option<&'a DeploymentNode>,
    running_now: String,
    waiting_for: String,
    next: String,
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
    let explanation = explain(node, deployment.as_ref());
    format.print(&explanation, text);
    Ok(ExitCode::Done)
}

fn explain<'a>(node: &'a ClusterNode, deployment: Option<&'a Deployment>) -> Explanation<'a> {
    let in_deployment = deployment.and_then(|deployment| deployment.nodes.iter().find(|each| each.node == node.node));
    let running_now = match (&node.mesos_version, &node.set) {
        (Some(version), _) => format!("mesos {version}"),
        (None, Some(_)) => "a set whose Mesos does not say its version".to_owned(),
        (None, None) => "unknown".to_owned(),
    };
    let (waiting_for, next) = match (deployment, in_deployment) {
        (Some(deployment), Some(part)) => steps(deployment, part),
        _ if !node.reachable => ("its endpoints to answer: look on that machine".to_owned(), "dcos doctor".to_owned()),
        _ => ("nothing".to_owned(), "dcos deploy status".to_owned()),
    };
    Explanation {
        node,
        deployment: deployment.filter(|_| in_deployment.is_some()).map(|deployment| deployment.id.as_str()),
        in_deployment,
        running_now,
        waiting_for,
        next,
    }
}

/// What the node waits for, and the next command.
fn steps(deployment: &Deployment, part: &DeploymentNode) -> (String, String) {
    let id = &deployment.id;
    let reason = |otherwise: &str| match part.detail.as_str() {
        "" => otherwise.to_owned(),
        detail => detail.to_owned(),
    };
    match part.state {
        NodeState::Waiting | NodeState::Fetched if deployment.state.is_final() => {
            ("nothing: its turn never came".to_owned(), format!("dcos deploy retry {id}"))
        }
        NodeState::Waiting | NodeState::Fetched => (reason("its turn"), summary::next_command(deployment, &[])),
        NodeState::Fetching => (reason("its packages to arrive"), format!("dcos deploy watch {id}")),
        NodeState::Restarting => (reason("its Mesos to come up"), format!("dcos deploy watch {id}")),
        NodeState::Unconfirmed => (reason("its checks to tell whether it is well"), format!("dcos deploy watch {id}")),
        NodeState::Confirmed | NodeState::Skipped => ("nothing".to_owned(), "dcos deploy status".to_owned()),
        NodeState::RolledBack => {
            ("its cause to be gone, or another package".to_owned(), format!("dcos deploy retry {id}"))
        }
        NodeState::Failed => ("the cause to be gone".to_owned(), format!("dcos deploy retry {id}")),
        NodeState::Lost => ("a person on that machine".to_owned(), "dcos doctor".to_owned()),
    }
}

fn text(explanation: &Explanation<'_>) -> String {
    let node = explanation.node;
    let state = match (explanation.in_deployment, explanation.deployment) {
        (Some(part), Some(id)) => format!("{} in {id}", summary::state(part.state)),
        _ if node.reachable => "no part of the newest deployment".to_owned(),
        _ => "does not answer".to_owned(),
    };
    let mut text = format!(
        "{} ({}): {state} · running now: {} · waiting for: {} · next: `{}`\n",
        node.node, node.role, explanation.running_now, explanation.waiting_for, explanation.next
    );
    let mut line = |what: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&format!("  {what:<13}{value}\n"));
        }
    };
    line("problem", &node.detail);
    if let Some(part) = explanation.in_deployment {
        line("cause", &part.detail);
        line("wanted", &plan::swaps(node.set.as_ref().unwrap_or(&part.from), &part.to));
    }
    if let Some(set) = &node.set {
        line("set", &set.to_string());
    }
    if let Some(attempt) = &node.last_attempt {
        line("last attempt", &format!("{} {}: {}", attempt.attempt, summary::state(attempt.state), attempt.detail));
        if attempt.state != AttemptState::Confirmed {
            for check in attempt.checks.iter().filter(|check| check.answer != Answer::Yes) {
                line("check", &format!("{}: {} ({})", check.name, summary::state(check.answer), check.detail));
            }
            let part_log = explanation.in_deployment.map_or(&[][..], |part| &part.log);
            let log = if attempt.log.is_empty() { part_log } else { &attempt.log };
            for logged in &log[log.len().saturating_sub(LOG_LINES)..] {
                line("log", &summary::short(logged, LOG_WIDTH));
            }
        }
    }
    text
}
