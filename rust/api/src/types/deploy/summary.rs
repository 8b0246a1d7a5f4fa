//! A deployment in short: what its line of status is made of, however many nodes it has.
//!
//! Ten thousand nodes are megabytes of JSON, and who looks at them wants to know how many stand where and which ones went
//! wrong. So nodes are counted here, and the few are named that somebody would look at first. [`Sum`] takes one look at
//! each node and copies none of them, since it runs on the controller's own thread.

use std::collections::{BTreeMap, HashMap};

use dcos_core::{PackageId, PackageName, PackageSet};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Change, Deployment, DeploymentNode, DeploymentState, Halt, NodeState};

/// How many nodes are named at most.
pub const NAMED: usize = 100;

/// How many different notes are told at most.
pub const NOTES: usize = 10;

/// `GET /deploy/summary`: the deployment that is asked for, the newest one otherwise, in short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// The deployment; absent if there was none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<DeploymentSummary>,
    /// The halts that stand, oldest first.
    pub halts: Vec<Halt>,
}

/// A deployment whose nodes are counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeploymentSummary {
    /// Its id.
    pub id: String,
    /// What shall become different.
    pub change: Change,
    /// Where it stands.
    pub state: DeploymentState,
    /// Why it stands there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Whether any node was restarted because of it.
    pub changed: bool,
    /// Its waves, in order.
    pub waves: Vec<WaveSummary>,
    /// How many nodes stand where.
    pub counts: BTreeMap<NodeState, usize>,
    /// What runs, as the nodes last said, of the packages that become different.
    pub running: Vec<VersionCount>,
    /// The nodes to look at first, those that went wrong before those under way, at most 100; without their logs.
    pub nodes: Vec<DeploymentNode>,
    /// How many nodes are not among `nodes`.
    pub left_out: usize,
    /// What nodes said of their new sets that does not forbid them, at most 10 different things.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<NoteSummary>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// The principal that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// When it came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

/// A wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaveSummary {
    /// How many nodes it has.
    pub nodes: usize,
    /// How many of them have had their turn, however it ended.
    pub over: usize,
}

/// On how many nodes a package is in a certain version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VersionCount {
    /// The package's name.
    pub name: PackageName,
    /// What of it runs; absent where none does, or where that can't be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<PackageId>,
    /// Whether it can be told: not of a node that restarts, failed or is lost.
    pub known: bool,
    /// On how many nodes.
    pub nodes: usize,
}

/// What nodes said of their new sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NoteSummary {
    /// What was said.
    pub text: String,
    /// How many nodes said so.
    pub nodes: usize,
    /// The first of them.
    pub first: String,
}

impl DeploymentSummary {
    /// What a deployment comes to that is at hand as a whole.
    pub fn of(deployment: &Deployment) -> Self {
        let nodes = &deployment.nodes;
        let places: HashMap<&str, usize> =
            nodes.iter().enumerate().map(|(place, node)| (node.node.as_str(), place)).collect();
        let mut sum = Sum::new(deployment.state);
        for node in nodes {
            sum.add(&Told {
                node: &node.node,
                from: &node.from,
                to: &node.to,
                state: node.state,
                attempted: node.attempt.is_some(),
                notes: &node.notes,
            });
        }
        let waves = deployment.waves.iter();
        let waves = waves.map(|wave| sum.wave(wave.iter().filter_map(|name| places.get(name.as_str()).copied())));
        let waves = waves.collect();
        let head = Head {
            id: deployment.id.clone(),
            change: deployment.change.clone(),
            reason: deployment.reason.clone(),
            changed: deployment.changed,
            waves,
            created_at: deployment.created_at,
            created_by: deployment.created_by.clone(),
            finished_at: deployment.finished_at,
        };
        sum.finish(head, |place| nodes[place].clone())
    }

    /// How many nodes are in one of these states.
    pub fn count(&self, states: &[NodeState]) -> usize {
        states.iter().filter_map(|state| self.counts.get(state)).sum()
    }

    /// How many nodes there are.
    pub fn total(&self) -> usize {
        self.counts.values().sum()
    }
}

/// What a node is counted by.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "these are the fields of a node of a deployment")]
pub struct Told<'a> {
    pub node: &'a str,
    pub from: &'a PackageSet,
    pub to: &'a PackageSet,
    pub state: NodeState,
    /// Whether it ever had an attempt.
    pub attempted: bool,
    pub notes: &'a [String],
}

/// What of a summary is not counted.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "these are the fields of the summary")]
pub struct Head {
    pub id: String,
    pub change: Change,
    pub reason: String,
    pub changed: bool,
    pub waves: Vec<WaveSummary>,
    pub created_at: Timestamp,
    pub created_by: Option<String>,
    pub finished_at: Option<Timestamp>,
}

/// Nodes, counted one after the other.
#[derive(Debug)]
pub struct Sum<'a> {
    state: DeploymentState,
    states: Vec<NodeState>,
    /// How many nodes go from the one set to the other, and which of these they have now.
    sets: HashMap<(&'a PackageSet, &'a PackageSet, Has), usize>,
    notes: Vec<NoteSummary>,
}

/// Which of its two sets a node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Has {
    Old,
    New,
    Unknown,
}

impl<'a> Sum<'a> {
    /// Of a deployment in this state.
    pub fn new(state: DeploymentState) -> Self {
        Self { state, states: Vec::new(), sets: HashMap::new(), notes: Vec::new() }
    }

    /// Counts the next node.
    pub fn add(&mut self, told: &Told<'a>) {
        self.states.push(told.state);
        // Who is left as it is with the set that it shall have is not concerned.
        if told.from != told.to || told.state != NodeState::Skipped {
            *self.sets.entry((told.from, told.to, self.has(told))).or_default() += 1;
        }
        for text in told.notes {
            if let Some(note) = self.notes.iter_mut().find(|note| note.text == *text) {
                note.nodes += 1;
            } else if self.notes.len() < NOTES {
                self.notes.push(NoteSummary { text: text.clone(), nodes: 1, first: told.node.to_owned() });
            }
        }
    }

    fn has(&self, told: &Told<'_>) -> Has {
        match told.state {
            NodeState::Confirmed | NodeState::Unconfirmed => Has::New,
            // On the way back, those that were started wait for it on the new set.
            NodeState::Waiting if self.state == DeploymentState::RollingBack && told.attempted => Has::New,
            NodeState::Waiting
            | NodeState::Fetching
            | NodeState::Fetched
            | NodeState::RolledBack
            | NodeState::Skipped => Has::Old,
            NodeState::Restarting | NodeState::Failed | NodeState::Lost => Has::Unknown,
        }
    }

    /// A wave, by the places of its nodes.
    pub fn wave(&self, places: impl Iterator<Item = usize>) -> WaveSummary {
        let mut wave = WaveSummary { nodes: 0, over: 0 };
        for place in places {
            wave.nodes += 1;
            wave.over += usize::from(self.states.get(place).is_some_and(|state| is_over(*state)));
        }
        wave
    }

    /// The summary; `node` shows the node at a place in full.
    pub fn finish(self, head: Head, node: impl Fn(usize) -> DeploymentNode) -> DeploymentSummary {
        let mut counts = BTreeMap::new();
        for state in &self.states {
            *counts.entry(*state).or_default() += 1;
        }
        let mut places: Vec<usize> = (0..self.states.len()).collect();
        places.sort_by_key(|place| urgency(self.states[*place]));
        places.truncate(NAMED);
        let nodes: Vec<DeploymentNode> =
            places.into_iter().map(|place| DeploymentNode { log: Vec::new(), ..node(place) }).collect();
        DeploymentSummary {
            running: self.running(),
            id: head.id,
            change: head.change,
            state: self.state,
            reason: head.reason,
            changed: head.changed,
            waves: head.waves,
            counts,
            left_out: self.states.len() - nodes.len(),
            nodes,
            notes: self.notes,
            created_at: head.created_at,
            created_by: head.created_by,
            finished_at: head.finished_at,
        }
    }

    /// What runs of each package that is in one of a node's sets only: the most common first, by name.
    fn running(&self) -> Vec<VersionCount> {
        let differing = self.sets.keys().flat_map(|(from, to, _)| {
            let gone = from.iter().filter(|id| !to.contains(id));
            to.iter().filter(|id| !from.contains(id)).chain(gone).map(|id| id.name().clone())
        });
        let mut names: Vec<PackageName> = differing.collect();
        names.sort();
        names.dedup();
        let mut running = Vec::new();
        for name in names {
            let mut counts: BTreeMap<(bool, Option<PackageId>), usize> = BTreeMap::new();
            for ((from, to, has), number) in &self.sets {
                let set = match has {
                    Has::Old => Some(from),
                    Has::New => Some(to),
                    Has::Unknown => None,
                };
                let id = set.and_then(|set| set.named(&name).next().cloned());
                *counts.entry((set.is_none(), id)).or_default() += number;
            }
            let mut counts: Vec<_> = counts.into_iter().collect();
            counts.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
            running.extend(counts.into_iter().map(|((unknown, id), nodes)| VersionCount {
                name: name.clone(),
                id,
                known: !unknown,
                nodes,
            }));
        }
        running
    }
}

/// Whether a node has had its turn.
const fn is_over(state: NodeState) -> bool {
    matches!(
        state,
        NodeState::Confirmed
            | NodeState::Unconfirmed
            | NodeState::Failed
            | NodeState::RolledBack
            | NodeState::Skipped
            | NodeState::Lost
    )
}

/// How soon somebody would want to look at a node in that state: 0 first.
const fn urgency(state: NodeState) -> u8 {
    match state {
        NodeState::Lost => 0,
        NodeState::Failed => 1,
        NodeState::RolledBack => 2,
        NodeState::Unconfirmed => 3,
        NodeState::Restarting => 4,
        NodeState::Fetching => 5,
        NodeState::Waiting => 6,
        NodeState::Fetched => 7,
        NodeState::Skipped => 8,
        NodeState::Confirmed => 9,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use serde_json::{Value, json};

    use super::{DeploymentSummary, NAMED, NOTES};
    use crate::types::deploy::{Deployment, NodeState};

    /// An upgrade in `state` with so many nodes in each state, in that order.
    fn of(state: &str, nodes: &[(&str, usize)]) -> (Deployment, DeploymentSummary) {
        let states = nodes.iter().flat_map(|(state, number)| std::iter::repeat_n(*state, *number));
        let node = |(place, state): (usize, &str)| {
            json!({"node": format!("a{place}:5051"), "role": "agent", "group": "agents", "state": state,
                "from": ["mesos--1.10.0"], "to": ["fizz--2", "mesos--1.11.0"], "attempt": format!("d1-{place}-1"),
                "log": ["ended"], "notes": [format!("note {}", place % (NOTES + 1))], "updated_at": "1970-01-01T00:00:00Z"})
        };
        let nodes: Vec<Value> = states.enumerate().map(node).collect();
        let names: Vec<&Value> = nodes.iter().map(|node| &node["node"]).collect();
        let waves = json!([names[..1], names[1..]]);
        let deployment: Deployment = serde_json::from_value(json!({"id": "d1", "strategy": {}, "state": state,
            "change": {"upgrade": {"mesos": "1.11.0"}}, "changed": true, "waves": waves, "nodes": nodes,
            "created_at": "1970-01-01T00:00:00Z"}))
        .unwrap();
        let short = DeploymentSummary::of(&deployment);
        (deployment, short)
    }

    /// `mesos--1.10.0 9888`, …
    fn running(short: &DeploymentSummary) -> Vec<String> {
        let what = |is: &super::VersionCount| match (&is.id, is.known) {
            (Some(id), _) => id.to_string(),
            (None, true) => format!("no {}", is.name),
            (None, false) => format!("unknown {}", is.name),
        };
        short.running.iter().map(|is| format!("{} {}", what(is), is.nodes)).collect()
    }

    #[test]
    fn of_many_nodes_those_are_named_that_went_wrong_and_all_are_counted() {
        let nodes = [("confirmed", 10), ("waiting", 9_888), ("restarting", 100), ("failed", 1), ("lost", 1)];
        let (whole, short) = of("restarting", &nodes);
        assert_eq!((short.total(), short.nodes.len(), short.left_out), (10_000, NAMED, 10_000 - NAMED));
        let first: Vec<&str> = short.nodes[..3].iter().map(|node| node.node.as_str()).collect();
        assert_eq!(first, ["a9999:5051", "a9998:5051", "a9898:5051"], "lost, failed, the first that restarts");
        assert!(short.nodes.iter().all(|node| node.log.is_empty()));
        assert_eq!(short.count(&[NodeState::Failed, NodeState::Lost, NodeState::Skipped]), 2);
        let over: Vec<(usize, usize)> = short.waves.iter().map(|wave| (wave.nodes, wave.over)).collect();
        assert_eq!(over, [(1, 1), (9_999, 11)]);
        let expected = ["no fizz 9888", "unknown fizz 102", "fizz--2 10"];
        assert_eq!(running(&short)[..3], expected);
        assert_eq!(running(&short)[3..], ["mesos--1.10.0 9888", "unknown mesos 102", "mesos--1.11.0 10"]);
        assert_eq!(short.notes.len(), NOTES);
        assert_eq!((short.notes[1].nodes, short.notes[1].first.as_str()), (909, "a1:5051"));
        let (long, brief) = (serde_json::to_vec(&whole).unwrap().len(), serde_json::to_vec(&short).unwrap().len());
        assert!(brief * 50 < long, "{brief} of {long} bytes");
    }

    #[test]
    fn on_the_way_back_those_that_wait_with_an_attempt_still_have_the_new_set() {
        let (_, short) = of("rolling_back", &[("waiting", 3), ("rolled_back", 1)]);
        assert_eq!(running(&short)[2..], ["mesos--1.11.0 3", "mesos--1.10.0 1"]);
        let (_, short) = of("restarting", &[("waiting", 3), ("rolled_back", 1)]);
        assert_eq!(running(&short)[1..], ["mesos--1.10.0 4"]);
    }
}
