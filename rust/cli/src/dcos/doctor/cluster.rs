//! The checks of a cluster: what its leading master says of deployments, halts and nodes.

use dcos_api::types::deploy::{ClusterNode, ClusterNodes, DeploymentState, DeploymentSummary, Summary};
use dcos_core::Problem;
use dcos_core::attempt::AttemptState;

use super::Finding;
use crate::client::Client;
use crate::dcos::{deploy, summary};

/// How many nodes get a line of their own for the same thing; the others are counted.
const NAMED: usize = 10;

/// Asks, and judges.
///
/// # Errors
/// If the masters can't be asked at all.
pub(super) async fn examine(client: &Client) -> Result<Vec<Finding>, Problem> {
    let cluster: ClusterNodes = client.get("/deploy/nodes").await?;
    let Summary { deployment: newest, halts } = deploy::summary(client, None).await?;
    let mut findings = vec![Finding::ok("master", format!("{}: its deploy module answers", client.url()))];
    for halt in &halts {
        findings.push(Finding::problem(
            format!("halt {}", halt.id),
            format!("stands since {:.0}: {}", halt.at, halt.reason),
            format!("nothing starts before `dcos deploy resume {}`", halt.id),
        ));
    }
    findings.push(newest.as_ref().map_or_else(|| Finding::ok("deployment", "none so far"), deployment));
    findings.extend(nodes(&cluster.nodes));
    Ok(findings)
}

fn deployment(newest: &DeploymentSummary) -> Finding {
    let check = format!("deployment {}", newest.id);
    let detail = format!("{}: {}", summary::change(&newest.change), summary::state(newest.state));
    let because = |detail: String| match newest.reason.as_str() {
        "" => detail,
        reason => format!("{detail}: {}", summary::short(reason, 160)),
    };
    match newest.state {
        DeploymentState::Failed | DeploymentState::Halted | DeploymentState::Paused => {
            let next = summary::next_command(newest, &[]);
            Finding::problem(check, because(detail), format!("`{next}`"))
        }
        DeploymentState::Planning
        | DeploymentState::Fetching
        | DeploymentState::Staged
        | DeploymentState::Validating
        | DeploymentState::Restarting
        | DeploymentState::RollingBack
        | DeploymentState::Done
        | DeploymentState::Aborted
        | DeploymentState::RolledBack => Finding::ok(check, detail),
    }
}

/// What is wrong with nodes, the worst first; each node is named for one thing only.
fn nodes(nodes: &[ClusterNode]) -> Vec<Finding> {
    let kinds = ["lost", "unreachable", "not registered", "unconfirmed", "drift"];
    let mut findings = Vec::new();
    for kind in kinds {
        let ill: Vec<&ClusterNode> = nodes.iter().filter(|node| wrong(node) == Some(kind)).collect();
        for node in ill.iter().take(NAMED) {
            let detail = match node.detail.as_str() {
                "" => kind.to_owned(),
                detail => format!("{kind}: {detail}"),
            };
            let hint = format!("`dcos deploy explain {}`", node.node);
            findings.push(Finding::problem(format!("{} {}", node.role, node.node), detail, hint));
        }
        if ill.len() > NAMED {
            let detail = format!("{} more are {kind}", ill.len() - NAMED);
            findings.push(Finding::problem("nodes", detail, "`dcos deploy nodes` lists them all"));
        }
    }
    let well = nodes.iter().filter(|node| wrong(node).is_none()).count();
    findings.push(match (well, nodes.len()) {
        (_, 0) => Finding::problem("nodes", "the master knows none", "has any agent registered? `dcos slave list`"),
        (well, all) => Finding::ok("nodes", format!("{well} of {} are well", summary::count(all))),
    });
    findings
}

fn wrong(node: &ClusterNode) -> Option<&'static str> {
    match node.last_attempt.as_ref().map(|attempt| attempt.state) {
        Some(AttemptState::Lost) => Some("lost"),
        _ if !node.reachable => Some("unreachable"),
        _ if !node.registered => Some("not registered"),
        Some(AttemptState::Unconfirmed) => Some("unconfirmed"),
        _ if node.drift => Some("drift"),
        _ => None,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use dcos_api::types::deploy::ClusterNode;
    use serde_json::json;

    #[test]
    fn each_ill_node_is_named_once_with_its_worst_and_many_are_counted() {
        let node = |port: u16, reachable: bool, drift: bool| -> ClusterNode {
            serde_json::from_value(json!({"node": format!("a:{port}"), "url": "http://a", "role": "agent",
                "group": "agents", "registered": reachable, "reachable": reachable, "drift": drift}))
            .unwrap()
        };
        let mut nodes: Vec<ClusterNode> = (1..=12).map(|port| node(port, false, true)).collect();
        nodes.extend([node(20, true, true), node(21, true, false)]);
        let findings = super::nodes(&nodes);
        let count = |word: &str| findings.iter().filter(|finding| finding.detail.contains(word)).count();
        assert_eq!((count("unreachable"), count("2 more are unreachable"), count("drift")), (11, 1, 1));
        assert_eq!(findings.last().unwrap().detail, "1 of 14 nodes are well");
        assert!(!super::nodes(&[])[0].ok);
    }
}
