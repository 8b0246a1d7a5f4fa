//! The rules that must hold, checked by what the nodes did and not by what the controller believes.

use std::collections::{BTreeMap, BTreeSet};

use dcos_core::Role;

use super::Scenario;
use super::nodes::{Fate, Node};
use crate::rollout;
use crate::state::{Ending, Phase, Rollout, Stage};

/// What happened so far, as far as the rules need it.
pub(super) struct Rules {
    scenario: Scenario,
    /// Halts that were acknowledged and not cleared.
    holding: BTreeSet<String>,
    cleared: BTreeSet<String>,
    /// The `go`s that nodes took, by node and direction.
    starts: BTreeMap<(usize, bool), usize>,
}

impl Rules {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let scenario = scenario.clone();
        Self { scenario, holding: BTreeSet::new(), cleared: BTreeSet::new(), starts: BTreeMap::new() }
    }

    /// A halt was acknowledged.
    pub(super) fn halt_holds(&mut self, id: &str) {
        if !self.cleared.contains(id) {
            self.holding.insert(id.to_owned());
        }
    }

    /// A halt is about to be cleared.
    pub(super) fn halt_ends(&mut self, id: &str) {
        self.holding.remove(id);
        self.cleared.insert(id.to_owned());
    }

    /// How many nodes took a `go` into the new set.
    pub(super) fn forward_starts(&self) -> usize {
        self.starts.iter().filter(|((_, forward), _)| *forward).map(|(_, count)| count).sum()
    }

    /// A node took a `go`: what is wrong with that.
    pub(super) fn started(&mut self, place: usize, nodes: &[Node], rollout: &Rollout) -> Vec<String> {
        let node = &nodes[place];
        let forward = node.last_goal() == Some(&node.new);
        let mut problems = Vec::new();
        if let Some(halt) = self.holding.first() {
            problems.push(format!("{} starts though halt {halt} holds", node.name));
        }
        let count = self.starts.entry((place, forward)).or_default();
        *count += 1;
        if *count > 1 {
            problems.push(format!("{} is done twice", node.name));
        }
        // A node that hung or died on its way and was given up counts no more, also while its old set is put back in vain.
        let counts = |node: &&Node| {
            let member = rollout.members.iter().find(|member| member.node == node.name);
            let given_up = member.is_some_and(|it| it.stage.is_over() || node.last_goal() != Some(it.goal()));
            node.is_under_way() && !given_up
        };
        let under_way: Vec<&Node> = nodes.iter().filter(counts).collect();
        let masters = under_way.iter().filter(|node| node.role == Role::Master).count();
        let limit = if masters > 0 { 1 } else { rollout::limit(rollout) };
        if under_way.len() > limit {
            let names: Vec<&str> = under_way.iter().map(|node| node.name.as_str()).collect();
            problems.push(format!("{} are under way and {limit} may be", names.join(", ")));
        }
        problems.extend(self.order(place, forward, nodes, rollout));
        problems
    }

    /// Masters come first on the way forward, and last on the way back.
    fn order(&self, place: usize, forward: bool, nodes: &[Node], rollout: &Rollout) -> Option<String> {
        let node = &nodes[place];
        let planned = |role: Role| {
            let members = rollout.header.waves.iter().flatten().map(|index| &rollout.members[*index]);
            members.filter(move |member| member.role == role)
        };
        match (node.role, forward) {
            (Role::Agent, true) => planned(Role::Master)
                .find(|master| !nodes.iter().any(|node| node.name == master.node && node.set == node.new))
                .map(|master| format!("{} starts before the master {}", node.name, master.node)),
            (Role::Master, false) => planned(Role::Agent)
                .find(|agent| agent.back && !agent.stage.is_over())
                .map(|agent| format!("{} goes back before the agent {}", node.name, agent.node)),
            (Role::Master, true) => planned(Role::Agent)
                .find(|agent| agent.touched)
                .map(|agent| format!("{} starts after the agent {}", node.name, agent.node)),
            (Role::Agent, false) => None,
        }
    }

    /// What is wrong with how it ended.
    pub(super) fn at_the_end(&self, rollout: &Rollout, nodes: &[Node]) -> Vec<String> {
        let mut problems = Vec::new();
        let Phase::Ended(ending) = rollout.header.phase else {
            return vec![format!("it does not end: {:?}", rollout.header.phase)];
        };
        for (node, member) in
            nodes.iter().filter_map(|node| Some((node, rollout.members.iter().find(|it| it.node == node.name)?)))
        {
            let name = &node.name;
            if member.stage.is_in_flight() {
                problems.push(format!("{name} is still under way"));
            }
            if member.stage == Stage::Settled && node.set != *member.goal() {
                problems.push(format!("{name} counts as settled and has another set"));
            }
            if node.role == Role::Master && member.stage == Stage::Skipped && member.from != member.to {
                problems.push(format!("the master {name} was passed over"));
            }
            if matches!(node.fate, Fate::DeadBefore { back: None }) && member.stage != Stage::Skipped {
                problems.push(format!("{name} was dead all along and is {:?}", member.stage));
            }
            if matches!(node.fate, Fate::DiesEarly { .. }) && !member.touched && member.stage.is_failure() {
                problems.push(format!("{name} was dead before its turn and counts as a failure: {}", member.detail));
            }
            if ending == Ending::Done && !member.stage.is_over() {
                problems.push(format!("{name} has no outcome: {:?}", member.stage));
            }
        }
        problems.extend(self.damage(rollout, nodes));
        problems
    }

    /// A version that breaks every node touches one master, or else the canary, and no more.
    fn damage(&self, rollout: &Rollout, nodes: &[Node]) -> Option<String> {
        let broken = |fate: Fate| matches!(fate, Fate::FallsBack | Fate::Lost);
        let touched = || self.starts.keys().filter(|(_, forward)| *forward).map(|(place, _)| &nodes[*place]);
        if self.scenario.broken < 1_000 || !touched().all(|node| broken(node.fate)) {
            return None;
        }
        let (header, count) = (&rollout.header, touched().count());
        if header.master_waves > 0 {
            return (count > 1).then(|| format!("{count} nodes were touched after a master broke"));
        }
        let canary = header.waves.first().filter(|_| header.waves.len() > 1);
        match canary {
            Some(canary) => touched()
                .find(|node| !canary.iter().any(|index| rollout.members[*index].node == node.name))
                .map(|node| format!("{} was touched, which is no canary", node.name)),
            None => {
                let most = rollout::limit(rollout) + self.scenario.strategy.max_failures as usize;
                (count > most).then(|| format!("{count} nodes were touched, and {most} might be"))
            }
        }
    }
}
