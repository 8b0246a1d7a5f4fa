//! The rules that must hold, checked by what the nodes did and not by what the controller believes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use dcos_core::Role;

use super::Scenario;
use super::nodes::{Fate, Node};
use crate::state::{Ending, Member, Phase, Rollout, Stage};
use crate::strategy;

/// What happened so far, as far as the rules need it.
pub(super) struct Rules {
    scenario: Scenario,
    /// Halts that were acknowledged and not cleared.
    holding: BTreeSet<String>,
    cleared: BTreeSet<String>,
    /// The `go`s that nodes took, by node and direction, since they were last ordered to be tried again.
    starts: BTreeMap<(usize, bool), usize>,
    /// The nodes that ever took one into the new set.
    touched: BTreeSet<usize>,
    forward_starts: usize,
    /// The nodes that took a `go` and may still be under way: their deployments and their places in these.
    under_way: BTreeMap<usize, (u64, usize)>,
    /// Whether anything was tried again, or may have been.
    retried: bool,
    perhaps_retried: bool,
}

impl Rules {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            scenario: scenario.clone(),
            holding: BTreeSet::new(),
            cleared: BTreeSet::new(),
            starts: BTreeMap::new(),
            touched: BTreeSet::new(),
            forward_starts: 0,
            under_way: BTreeMap::new(),
            retried: false,
            perhaps_retried: false,
        }
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

    /// Nodes of a deployment are tried again: those that don't have the new set. Some may be found dead at once.
    pub(super) fn retried(&mut self, rollout: &Rollout, places: &HashMap<String, usize>) {
        self.retried = true;
        // Whatever is still under way was given up before the deployment ended.
        self.under_way.retain(|_, (deployment, _)| *deployment != rollout.header.number);
        for member in rollout.members.iter().filter(|member| member.stage != Stage::Settled || member.back) {
            if let Some(place) = places.get(&member.node) {
                self.starts.remove(&(*place, true));
                self.starts.remove(&(*place, false));
            }
        }
    }

    /// Whoever ordered a retry does not know whether it was taken in.
    pub(super) fn perhaps_retried(&mut self) {
        self.perhaps_retried = true;
        // If it was taken in, then what was given up before is under way no more.
        self.under_way.clear();
    }

    /// How many nodes took a `go` into the new set.
    pub(super) fn forward_starts(&self) -> usize {
        self.forward_starts
    }

    /// A node took a `go` of that deployment: what is wrong with that.
    pub(super) fn started(
        &mut self,
        place: usize,
        which: (u64, usize),
        nodes: &[Node],
        rollout: &Rollout,
    ) -> Vec<String> {
        let node = &nodes[place];
        let forward = node.last_goal() == Some(&node.new);
        let mut problems = Vec::new();
        if let Some(halt) = self.holding.first() {
            problems.push(format!("{} starts though halt {halt} holds", node.name));
        }
        let count = self.starts.entry((place, forward)).or_default();
        *count += 1;
        if *count > 1 && !self.perhaps_retried {
            problems.push(format!("{} is done twice", node.name));
        }
        if !forward && node.role == Role::Master && !self.scenario.demands.is_empty() {
            problems.push(format!("{} goes back below what its registry demands", node.name));
        }
        if forward {
            self.forward_starts += 1;
            self.touched.insert(place);
        }
        self.under_way.insert(place, which);
        self.under_way.retain(|place, _| nodes[*place].is_under_way());
        // A node that hung or died on its way and was given up counts no more, also while its old set is put back in vain.
        let counts = |place: usize, index: usize| {
            let member = &rollout.members[index];
            !member.stage.is_over() && nodes[place].last_goal() == Some(member.goal())
        };
        let of_this = self.under_way.iter().filter(|(_, (deployment, _))| *deployment == which.0);
        let under_way: Vec<&Node> =
            of_this.filter(|(place, (_, index))| counts(**place, *index)).map(|(place, _)| &nodes[*place]).collect();
        let masters = under_way.iter().filter(|node| node.role == Role::Master).count();
        let limit = if masters > 0 { 1 } else { self.limit(rollout) };
        if under_way.len() > limit {
            let names: Vec<&str> = under_way.iter().map(|node| node.name.as_str()).collect();
            problems.push(format!("{} are under way and {limit} may be", names.join(", ")));
        }
        problems.extend(self.order(place, forward, nodes, rollout));
        problems
    }

    /// How many agents may be away at once.
    fn limit(&self, rollout: &Rollout) -> usize {
        strategy::limit(self.scenario.strategy.max_unavailable, agents(rollout))
    }

    /// Masters come first on the way forward, and last on the way back.
    fn order(&self, place: usize, forward: bool, nodes: &[Node], rollout: &Rollout) -> Option<String> {
        let node = &nodes[place];
        match (node.role, forward) {
            (Role::Agent, true) => planned(rollout, Role::Master)
                .find(|master| !nodes.iter().any(|node| node.name == master.node && node.set == node.new))
                .map(|master| format!("{} starts before the master {}", node.name, master.node)),
            (Role::Master, false) => planned(rollout, Role::Agent)
                .find(|agent| agent.back && !agent.stage.is_over())
                .map(|agent| format!("{} goes back before the agent {}", node.name, agent.node)),
            (Role::Master, true) if !self.perhaps_retried => self
                .starts
                .keys()
                .find(|(place, forward)| *forward && nodes[*place].role == Role::Agent)
                .map(|(agent, _)| format!("{} starts after the agent {}", node.name, nodes[*agent].name)),
            (Role::Master, true) | (Role::Agent, false) => None,
        }
    }

    /// What is wrong with how a deployment ended.
    pub(super) fn at_the_end(&self, rollout: &Rollout, nodes: &[Node]) -> Vec<String> {
        let mut problems = Vec::new();
        let Phase::Ended(ending) = rollout.header.phase else {
            return vec![format!("{} does not end: {:?}", rollout.id(), rollout.header.phase)];
        };
        // Waves are ranges of the plan, which all else relies on.
        let planned: Vec<usize> = rollout.header.waves.iter().flatten().copied().collect();
        if rollout.header.waves.iter().any(Vec::is_empty) || !planned.is_sorted() {
            problems.push(format!("the waves of {} are not in the order of the plan", rollout.id()));
        }
        let members: HashMap<&str, usize> =
            rollout.members.iter().enumerate().map(|(index, member)| (member.node.as_str(), index)).collect();
        for (node, index) in nodes.iter().filter_map(|node| Some((node, *members.get(node.name.as_str())?))) {
            let (name, member) = (&node.name, &rollout.members[index]);
            if member.stage.is_in_flight() {
                problems.push(format!("{name} is still under way"));
            }
            if member.stage == Stage::Settled && node.set != *member.goal() {
                problems.push(format!("{name} counts as settled and has another set"));
            }
            if node.role == Role::Master && member.stage == Stage::Skipped && member.from != member.to {
                problems.push(format!("the master {name} was passed over"));
            }
            if matches!(node.fate, Fate::DeadBefore { back: None }) && member.stage != Stage::Skipped && !self.retried {
                problems.push(format!("{name} was dead all along and is {:?}", member.stage));
            }
            if matches!(node.fate, Fate::DiesEarly { .. }) && !member.touched && member.stage.is_failure() {
                problems.push(format!("{name} was dead before its turn and counts as a failure: {}", member.detail));
            }
            if ending == Ending::Done && !member.stage.is_over() {
                problems.push(format!("{name} has no outcome: {:?}", member.stage));
            }
        }
        if rollout.header.number == 1 && !self.retried && !self.perhaps_retried {
            problems.extend(self.damage(rollout, nodes));
        }
        problems
    }

    /// A version that breaks every node touches one master, or else the canary, and no more.
    fn damage(&self, rollout: &Rollout, nodes: &[Node]) -> Option<String> {
        let broken = |fate: Fate| matches!(fate, Fate::FallsBack | Fate::Lost);
        let touched = || self.touched.iter().map(|place| &nodes[*place]);
        if self.scenario.broken < 1_000 || !touched().all(|node| broken(node.fate)) {
            return None;
        }
        let count = touched().count();
        if self.scenario.with_masters {
            return (count > 1).then(|| format!("{count} nodes were touched after a master broke"));
        }
        // By the strategy that was asked for, not by what became of it.
        let ends = strategy::wave_ends(&self.scenario.strategy.waves, agents(rollout)).unwrap_or_default();
        match ends.as_slice() {
            [canary, _, ..] if count > *canary => {
                Some(format!("{count} nodes were touched, and the canary is {canary}"))
            }
            [_, _, ..] => {
                let canary = rollout.header.waves.first()?;
                touched()
                    .find(|node| !canary.iter().any(|index| rollout.members[*index].node == node.name))
                    .map(|node| format!("{} was touched, which is no canary", node.name))
            }
            [_] | [] => {
                let most = self.limit(rollout) + self.scenario.strategy.max_failures as usize;
                (count > most).then(|| format!("{count} nodes were touched, and {most} might be"))
            }
        }
    }
}

/// The nodes of a role that have their turn. Masters come first, so that few are looked at for them.
fn planned(rollout: &Rollout, role: Role) -> impl Iterator<Item = &Member> {
    let (masters, agents) = rollout.header.waves.split_at(rollout.header.master_waves);
    let waves = if role == Role::Master && !masters.is_empty() { masters } else { agents };
    waves.iter().flatten().map(|index| &rollout.members[*index]).filter(move |member| member.role == role)
}

/// How many agents have their turn.
fn agents(rollout: &Rollout) -> usize {
    rollout.header.waves.iter().skip(rollout.header.master_waves).map(Vec::len).sum()
}
