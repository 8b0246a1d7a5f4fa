//! What a dry run prints: per node what would be swapped, in which order, and which nodes are left alone.

use dcos_api::types::deploy::{DeploymentPlan, PlannedNode};
use dcos_core::PackageSet;

use super::summary;
use crate::output::table;

/// The plan for people.
pub(super) fn text(plan: &DeploymentPlan) -> String {
    let (mut concerned, alone): (Vec<&PlannedNode>, Vec<&PlannedNode>) =
        plan.nodes.iter().partition(|node| node.wave.is_some());
    concerned.sort_by_key(|node| (node.wave, place(plan, node)));
    let mut text = format!("{}, as it would go:\n\n", summary::change(&plan.change));
    if concerned.is_empty() {
        text.push_str("no node would change\n");
    } else {
        let rows: Vec<Vec<String>> = concerned.iter().map(|node| row(node)).collect();
        text.push_str(&table(&["WAVE", "NODE", "ROLE", "SWAPPED", "TO FETCH", "TASKS LOST", "ABSENCE"], &rows));
    }
    let mut notes: Vec<(&str, &str, usize)> = Vec::new();
    for (node, said) in concerned.iter().flat_map(|node| node.notes.iter().map(|said| (&node.node, said))) {
        match notes.iter_mut().find(|(known, ..)| known == said) {
            Some((.., nodes)) => *nodes += 1,
            None => notes.push((said, node, 1)),
        }
    }
    for (said, first, nodes) in notes {
        text.push_str(&format!("{}\n", summary::note(said, first, nodes)));
    }
    if !alone.is_empty() {
        text.push('\n');
    }
    for node in alone {
        text.push_str(&format!("{} is left alone: {}\n", node.node, node.detail));
    }
    text.push_str(&format!(
        "\nat most {} of the agents away at once, {} may fail; nothing was changed: this was a dry run\n",
        plan.strategy.max_unavailable, plan.strategy.max_failures
    ));
    text
}

/// The place of a node within its wave.
fn place(plan: &DeploymentPlan, node: &PlannedNode) -> usize {
    plan.waves.iter().flatten().position(|name| *name == node.node).unwrap_or(usize::MAX)
}

fn row(node: &PlannedNode) -> Vec<String> {
    vec![
        node.wave.map_or_else(String::new, |wave| (wave + 1).to_string()),
        node.node.clone(),
        node.role.to_string(),
        swaps(&node.from, &node.to),
        match node.fetch.len() {
            0 => "nothing".to_owned(),
            1 => "1 package".to_owned(),
            count => format!("{count} packages"),
        },
        // Asked before everything is local, a node can't tell yet; that is not the same as none.
        match &node.tasks_lost {
            None => "not known yet".to_owned(),
            Some(tasks) if tasks.is_empty() => "none".to_owned(),
            Some(tasks) => tasks.join(", "),
        },
        node.absence_estimate_ms.map_or_else(|| "not known yet".to_owned(), |ms| format!("{ms} ms")),
    ]
}

/// What is different between two sets: `mesos 1.10.0 -> 1.11.0, +fizzbuzz 1.2.0, -tools 3`.
pub(super) fn swaps(from: &PackageSet, to: &PackageSet) -> String {
    let mut words = Vec::new();
    for id in to.iter().filter(|id| !from.contains(id)) {
        match from.named(id.name()).next() {
            Some(old) => words.push(format!("{} {} -> {}", id.name(), old.version(), id.version())),
            None => words.push(format!("+{} {}", id.name(), id.version())),
        }
    }
    for id in from.iter().filter(|id| to.named(id.name()).next().is_none()) {
        words.push(format!("-{} {}", id.name(), id.version()));
    }
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{swaps, text};
    use dcos_core::PackageSet;
    use serde_json::json;

    fn set(ids: &[&str]) -> PackageSet {
        ids.iter().map(|id| id.parse().unwrap()).collect()
    }

    #[test]
    fn what_nodes_say_of_their_new_set_stands_in_the_plan_once() {
        let node = |name: &str, notes: &[&str]| {
            json!({"node": name, "role": "agent", "group": "agents", "from": ["mesos--1.10.0"], "to": ["mesos--1.11.0"],
                "fetch": [], "wave": 0, "notes": notes})
        };
        let plan = |notes: [&[&str]; 3]| {
            let nodes = [node("a:1", notes[0]), node("b:1", notes[1]), node("c:1", notes[2])];
            text(
                &serde_json::from_value(json!({"change": {"upgrade": {"mesos": "1.11.0"}}, "strategy": {},
                "waves": [["a:1", "b:1", "c:1"]], "nodes": nodes}))
                .unwrap(),
            )
        };
        let said = plan([&["no way back: x"], &["no way back: x"], &["no way back: y"]]);
        let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("note: ")).collect();
        assert_eq!(lines, ["note: a:1 and 1 more: no way back: x", "note: c:1: no way back: y"]);
        assert!(!plan([&[], &[], &[]]).contains("note: "));
    }

    #[test]
    fn a_swap_names_what_changes_and_nothing_else() {
        let old = set(&["mesos--1.10.0", "conf--1", "tools--3"]);
        assert_eq!(
            swaps(&old, &set(&["mesos--1.11.0", "conf--1", "fizz--1"])),
            "+fizz 1, mesos 1.10.0 -> 1.11.0, -tools 3"
        );
        assert_eq!(swaps(&old, &old), "nothing");
    }
}
