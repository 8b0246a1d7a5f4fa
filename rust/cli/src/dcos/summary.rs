//! What a deployment comes to, in words: pure functions of what the master answers.

use std::collections::BTreeMap;

use dcos_api::types::deploy::{
    Change, ClusterNodes, DeploymentNode, DeploymentState, DeploymentSummary, Halt, NodeState, VersionCount,
};
use dcos_core::{ExitCode, PackageId, PackageName, PackageSet};

/// How many nodes are named one by one; more are counted.
const NAMED_AT_MOST: usize = 4;

/// How many characters of a reason have a place in one line; `dcos deploy explain` says the rest.
const REASON: usize = 160;

/// The states of nodes that went wrong, the worst first.
pub(super) const ILL: [NodeState; 4] =
    [NodeState::Lost, NodeState::Failed, NodeState::RolledBack, NodeState::Unconfirmed];

/// The change in a few words, such as `upgrade to mesos 1.11.0`.
pub(super) fn change(change: &Change) -> String {
    match change {
        Change::Upgrade(upgrade) => format!("upgrade to mesos {}", upgrade.mesos),
        Change::Install(install) if install.modules.is_empty() => {
            format!("config of {}", install.configs.keys().map(String::as_str).collect::<Vec<_>>().join(", "))
        }
        Change::Install(install) => format!("install {}", join(&install.modules)),
        Change::Uninstall(uninstall) => format!("uninstall {}", join(&uninstall.modules)),
        Change::Keep(_) => "chores".to_owned(),
        Change::Set(groups) => {
            format!("set the packages of {}", groups.keys().map(String::as_str).collect::<Vec<_>>().join(", "))
        }
    }
}

fn join<T: ToString>(words: &[T]) -> String {
    words.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// A state in the words of its JSON.
pub(super) fn state<T: serde::Serialize>(state: T) -> String {
    match serde_json::to_value(state) {
        Ok(serde_json::Value::String(word)) => word.replace('_', " "),
        _ => String::new(),
    }
}

/// Nodes by name, or their number if they are many.
pub(super) fn nodes<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    if names.len() <= NAMED_AT_MOST { names.join(", ") } else { format!("{} nodes", names.len()) }
}

/// `text` on one line and no longer than a reader's patience; what is left out is marked.
pub(super) fn short(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// What a node said of its new set that does not forbid it, and how many others said the same.
pub(super) fn note(text: &str, first: &str, nodes: usize) -> String {
    let others = match nodes {
        0 | 1 => String::new(),
        _ => format!(" and {} more", nodes - 1),
    };
    format!("note: {first}{others}: {text}")
}

/// `1 node`, `3 nodes`.
pub(super) fn count(number: usize) -> String {
    if number == 1 { "1 node".to_owned() } else { format!("{number} nodes") }
}

/// How a command that waited for the deployment ends.
pub(super) fn outcome(deployment: &DeploymentSummary) -> ExitCode {
    let any = |wanted: &[NodeState]| deployment.count(wanted) > 0;
    match deployment.state {
        DeploymentState::Done => ExitCode::Done,
        DeploymentState::Halted => ExitCode::Halted,
        DeploymentState::Failed | DeploymentState::Aborted if !deployment.changed => ExitCode::Refused,
        DeploymentState::Failed if any(&[NodeState::Lost, NodeState::Failed, NodeState::Unconfirmed]) => {
            ExitCode::NeedsPerson
        }
        DeploymentState::Failed | DeploymentState::RolledBack => ExitCode::RolledBack,
        DeploymentState::Aborted | DeploymentState::Paused => ExitCode::Conflict,
        // A staged deployment has done what it was asked to; the others are not at an end.
        DeploymentState::Staged
        | DeploymentState::Planning
        | DeploymentState::Fetching
        | DeploymentState::Validating
        | DeploymentState::Restarting
        | DeploymentState::RollingBack => ExitCode::Done,
    }
}

/// The packages whose nodes are counted: those that the change names. What is swapped beside them goes without saying.
fn headline(deployment: &DeploymentSummary) -> Vec<PackageName> {
    let mut names: Vec<PackageName> = match &deployment.change {
        Change::Upgrade(_) => "mesos".parse().into_iter().collect(),
        Change::Install(install) => named(&install.modules),
        Change::Uninstall(uninstall) => named(&uninstall.modules),
        Change::Keep(_) => Vec::new(),
        Change::Set(_) => deployment.running.iter().map(|running| running.name.clone()).collect(),
    };
    names.sort();
    names.dedup();
    names
}

/// `fizzbuzz` of `fizzbuzz` and of `fizzbuzz--1.2.0`.
fn named<T: ToString>(modules: &[T]) -> Vec<PackageName> {
    modules
        .iter()
        .filter_map(|module| module.to_string().split("--").next().and_then(|name| name.parse().ok()))
        .collect()
}

/// What runs now on the nodes of the deployment, such as `mesos--1.11.0 on 4 of 4 nodes`: by what the nodes say
/// themselves, where they were asked and the summary names all of them, and else as the controller last heard of them.
pub(super) fn running_now(deployment: &DeploymentSummary, cluster: Option<&ClusterNodes>) -> String {
    if deployment.running.is_empty() && deployment.total() == deployment.count(&[NodeState::Skipped]) {
        return "no node is concerned".to_owned();
    }
    let counted = match cluster {
        Some(cluster) if deployment.left_out == 0 => as_asked(deployment, cluster),
        Some(_) | None => as_told(deployment),
    };
    let said = counted.into_iter().enumerate().map(|(place, (what, number, total))| match place {
        0 => format!("{what} on {number} of {}", count(total)),
        _ => format!("{what} on {number}"),
    });
    said.collect::<Vec<_>>().join(", ")
}

/// What runs, on how many nodes, of how many: the most common first, by package.
type Counted = Vec<(String, usize, usize)>;

fn as_asked(deployment: &DeploymentSummary, cluster: &ClusterNodes) -> Counted {
    let concerned: Vec<&DeploymentNode> =
        deployment.nodes.iter().filter(|node| node.from != node.to || node.state != NodeState::Skipped).collect();
    let known = cluster.nodes.iter().filter(|node| node.reachable);
    let sets: BTreeMap<&str, &PackageSet> =
        known.filter_map(|node| Some((node.node.as_str(), node.set.as_ref()?))).collect();
    let mut counted = Counted::new();
    for name in headline(deployment) {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for node in &concerned {
            let set = sets.get(node.node.as_str());
            *counts.entry(what(&name, set.is_some(), set.and_then(|set| set.named(&name).next()))).or_default() += 1;
        }
        let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
        counts.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
        counted.extend(counts.into_iter().map(|(what, number)| (what, number, concerned.len())));
    }
    counted
}

fn as_told(deployment: &DeploymentSummary) -> Counted {
    let headline = headline(deployment);
    let running = deployment.running.iter().filter(|running| headline.contains(&running.name));
    let total = |name: &PackageName| -> usize {
        deployment.running.iter().filter(|running| running.name == *name).map(|running| running.nodes).sum()
    };
    let one = |running: &VersionCount| {
        (what(&running.name, running.known, running.id.as_ref()), running.nodes, total(&running.name))
    };
    running.map(one).collect()
}

fn what(name: &PackageName, known: bool, id: Option<&PackageId>) -> String {
    match id {
        Some(id) => id.to_string(),
        None if known => format!("no {name}"),
        None => format!("unknown ({name})"),
    }
}

/// What the deployment waits for.
pub(super) fn waiting_for(deployment: &DeploymentSummary) -> String {
    let of = |wanted: NodeState| -> Vec<&DeploymentNode> {
        deployment.nodes.iter().filter(|node| node.state == wanted).collect()
    };
    let busy = |wanted: NodeState| match (of(wanted).as_slice(), deployment.count(&[wanted])) {
        (_, 0) => None,
        ([one], 1) if !one.detail.is_empty() => Some(format!("{} ({})", one.node, one.detail)),
        (some, all) if some.len() == all => Some(nodes(some.iter().map(|node| node.node.as_str()))),
        (_, all) => Some(count(all)),
    };
    let or_reason = |text: Option<String>, otherwise: &str| match text {
        Some(text) => text,
        None if deployment.reason.is_empty() => otherwise.to_owned(),
        None => deployment.reason.clone(),
    };
    match deployment.state {
        DeploymentState::Planning => "the nodes to say what they have".to_owned(),
        DeploymentState::Fetching => or_reason(busy(NodeState::Fetching), "the packages to arrive"),
        DeploymentState::Validating => or_reason(None, "the nodes to check their new sets"),
        DeploymentState::Restarting | DeploymentState::RollingBack => {
            or_reason(busy(NodeState::Restarting), "the next node's turn")
        }
        DeploymentState::Staged => "the order to restart".to_owned(),
        DeploymentState::Paused => "the order to go on".to_owned(),
        DeploymentState::Halted => or_reason(None, "the halt to be cleared"),
        DeploymentState::Done | DeploymentState::Failed | DeploymentState::Aborted | DeploymentState::RolledBack => {
            "nothing".to_owned()
        }
    }
}

/// The node that an operator should look at first, if one went wrong: those that did stand at the front.
pub(super) fn first_failure(deployment: &DeploymentSummary) -> Option<&DeploymentNode> {
    deployment.nodes.first().filter(|node| ILL.contains(&node.state))
}

/// The command to type next.
pub(super) fn next_command(deployment: &DeploymentSummary, halts: &[Halt]) -> String {
    let id = &deployment.id;
    match deployment.state {
        DeploymentState::Planning
        | DeploymentState::Fetching
        | DeploymentState::Validating
        | DeploymentState::Restarting
        | DeploymentState::RollingBack => format!("dcos deploy watch {id}"),
        DeploymentState::Staged | DeploymentState::Paused => format!("dcos deploy start {id}"),
        DeploymentState::Halted => match halts.first() {
            Some(halt) => format!("dcos deploy resume {}", halt.id),
            None => format!("dcos deploy watch {id}"),
        },
        DeploymentState::Failed => match first_failure(deployment) {
            Some(node) => format!("dcos deploy explain {}", node.node),
            None => "dcos deploy nodes".to_owned(),
        },
        DeploymentState::Done | DeploymentState::Aborted | DeploymentState::RolledBack => {
            "dcos deploy nodes".to_owned()
        }
    }
}

/// The one line of `dcos deploy status`.
pub(super) fn status_line(deployment: &DeploymentSummary, cluster: Option<&ClusterNodes>, halts: &[Halt]) -> String {
    let because = match (deployment.state.is_final(), deployment.reason.as_str()) {
        (true, reason) if !reason.is_empty() => format!(" ({})", short(reason, REASON)),
        _ => String::new(),
    };
    format!(
        "{} {}: {}{because} · running now: {} · waiting for: {} · next: `{}`",
        deployment.id,
        change(&deployment.change),
        state(deployment.state),
        running_now(deployment, cluster),
        waiting_for(deployment),
        next_command(deployment, halts),
    )
}

/// What stands below that line, each on one of its own: what nodes said of their new sets, and the halts.
pub(super) fn below_the_line(deployment: Option<&DeploymentSummary>, halts: &[Halt]) -> String {
    let notes = deployment.into_iter().flat_map(|deployment| &deployment.notes);
    let notes = notes.map(|said| format!("\n{}", note(&said.text, &said.first, said.nodes)));
    let halts = halts.iter().map(|halt| {
        let by = halt.by.as_ref().map_or_else(String::new, |by| format!(" by {by}"));
        format!("\nhalt {}{by} since {}: {}", halt.id, halt.at, halt.reason)
    });
    notes.chain(halts).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
pub(super) mod tests {
    use super::{below_the_line, outcome, running_now, status_line, waiting_for};
    use dcos_api::types::deploy::{ClusterNodes, DeploymentSummary, NoteSummary};
    use dcos_core::ExitCode;
    use serde_json::{Value, json};

    const OLD: [&str; 2] = ["conf--1", "mesos--1.10.0"];
    const NEW: [&str; 2] = ["conf--1", "mesos--1.11.0"];

    /// An upgrade with nodes in these states.
    pub(in crate::dcos) fn upgrade(state: &str, nodes: &[(&str, &str)]) -> DeploymentSummary {
        let nodes: Vec<Value> = nodes
            .iter()
            .map(|(name, state)| {
                json!({"node": name, "role": "agent", "group": "agents", "from": OLD, "to": NEW, "state": state,
                    "updated_at": "1970-01-01T00:00:00Z"})
            })
            .collect();
        let deployment = serde_json::from_value(json!({
            "id": "d-1", "change": {"upgrade": {"mesos": "1.11.0"}}, "strategy": {}, "state": state, "changed": true,
            "waves": [], "nodes": nodes, "created_at": "1970-01-01T00:00:00Z",
        }));
        DeploymentSummary::of(&deployment.unwrap())
    }

    fn cluster(nodes: &[(&str, Option<&[&str]>)]) -> ClusterNodes {
        let nodes: Vec<Value> = nodes
            .iter()
            .map(|(name, set)| {
                json!({"node": name, "url": format!("http://{name}"), "role": "agent", "group": "agents",
                    "registered": true, "set": set, "reachable": set.is_some()})
            })
            .collect();
        serde_json::from_value(json!({ "nodes": nodes })).unwrap()
    }

    #[test]
    fn what_runs_is_counted_the_most_common_first() {
        let deployment = upgrade(
            "restarting",
            &[("a:1", "confirmed"), ("b:1", "restarting"), ("c:1", "waiting"), ("d:1", "waiting")],
        );
        let nodes = cluster(&[("a:1", Some(&NEW)), ("b:1", None), ("c:1", Some(&OLD)), ("d:1", Some(&OLD))]);
        assert_eq!(
            running_now(&deployment, Some(&nodes)),
            "mesos--1.10.0 on 2 of 4 nodes, mesos--1.11.0 on 1, unknown (mesos) on 1"
        );
        assert_eq!(running_now(&deployment, None), running_now(&deployment, Some(&nodes)), "nobody was asked");
        assert_eq!(waiting_for(&deployment), "b:1");
    }

    #[test]
    fn one_line_says_it_all() {
        let deployment = upgrade("done", &[("a:1", "confirmed")]);
        assert_eq!(
            status_line(&deployment, Some(&cluster(&[("a:1", Some(&NEW))])), &[]),
            "d-1 upgrade to mesos 1.11.0: done · running now: mesos--1.11.0 on 1 of 1 node · waiting for: nothing · \
             next: `dcos deploy nodes`"
        );
    }

    #[test]
    fn what_nodes_said_of_their_new_sets_and_halts_stand_below() {
        let mut deployment = upgrade("halted", &[("a:1", "waiting"), ("b:1", "waiting")]);
        let text = "once the agent has run with this set, generation 1 would not accept its checkpoint".to_owned();
        deployment.notes = vec![NoteSummary { text, nodes: 2, first: "a:1".to_owned() }];
        let halt = json!({"id": "h1", "reason": "errors", "by": "monitor", "at": "1970-01-01T00:00:00Z"});
        assert_eq!(
            below_the_line(Some(&deployment), &[serde_json::from_value(halt).unwrap()]),
            "\nnote: a:1 and 1 more: once the agent has run with this set, generation 1 would not accept its checkpoint\
             \nhalt h1 by monitor since 1970-01-01T00:00:00Z: errors"
        );
        assert_eq!(below_the_line(None, &[]), "");
    }

    #[test]
    fn the_worst_node_decides_how_a_failure_ends() {
        for (state, nodes, changed, code) in [
            ("done", &[("a:1", "confirmed")][..], true, ExitCode::Done),
            ("failed", &[("a:1", "rolled_back"), ("b:1", "waiting")], true, ExitCode::RolledBack),
            ("failed", &[("a:1", "rolled_back"), ("b:1", "lost")], true, ExitCode::NeedsPerson),
            ("failed", &[("a:1", "unconfirmed")], true, ExitCode::NeedsPerson),
            ("failed", &[("a:1", "failed")], false, ExitCode::Refused),
            ("rolled_back", &[("a:1", "rolled_back")], true, ExitCode::RolledBack),
            ("aborted", &[("a:1", "waiting")], true, ExitCode::Conflict),
            ("halted", &[("a:1", "waiting")], false, ExitCode::Halted),
        ] {
            let deployment = DeploymentSummary { changed, ..upgrade(state, nodes) };
            assert_eq!(outcome(&deployment), code, "{state} {nodes:?}");
        }
    }
}
