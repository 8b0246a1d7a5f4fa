//! Agents that were dead during a deployment and are back are brought to where the others are.
//!
//! For each change one deployment at a time does that, since every deployment counts its own nodes only: a rack that comes
//! back agent by agent would else restart all at once, each within a limit of its own. Who comes back while others are
//! caught up goes with the next ones.
//!
//! An agent stays noted down as late until its catch-up was created, or was refused for good: a controller that dies in
//! between, or a plan that could not be made just then, loses nobody.

use std::collections::{BTreeMap, HashMap, HashSet};

use dcos_core::resolve::Change;

use crate::desk::Desk;
use crate::event::{Action, Now, Outcome};
use crate::state::{Ending, Phase, Rollout, Stage};

/// For how long nothing is heard of a catch-up before it is tried again, in milliseconds: longer than any plan takes.
const PATIENCE: u64 = 30 * 60_000;

/// When one that was not possible just then is tried again, in milliseconds: a plan asks every node of the cluster.
pub(crate) const PAUSE: u64 = 5 * 60_000;

/// Has those who are back caught up.
pub(crate) fn begin(rollouts: &mut BTreeMap<u64, Rollout>, desk: &mut Desk, now: Now) {
    desk.catching.retain(|_, until| *until > now.mono);
    if !desk.halts.is_empty() {
        return;
    }
    let back = |name: &str| {
        let presence = desk.inventory.as_ref().and_then(|inventory| inventory.nodes.get(name));
        presence.is_some_and(|presence| presence.missing_since.is_none())
    };
    let mut held: Vec<&Change> = rollouts
        .iter()
        .filter(|(number, rollout)| !rollout.is_over() || desk.catching.contains_key(number))
        .map(|(_, rollout)| &rollout.header.change)
        .collect();
    let late: Vec<(u64, usize, &str)> = rollouts
        .values()
        .filter(|rollout| rollout.header.phase == Phase::Ended(Ending::Done))
        .flat_map(|rollout| rollout.members.late().iter().map(move |index| (rollout, *index)))
        .map(|(rollout, index)| (rollout, index, rollout.members[index].node.as_str()))
        .filter(|(rollout, _, node)| back(node) && !held.contains(&&rollout.header.change))
        .map(|(rollout, index, node)| (rollout.header.number, index, node))
        .collect();
    if late.is_empty() {
        return;
    }
    let under_way = rollouts.values().filter(|other| !other.is_over());
    let busy: HashSet<&str> =
        under_way.flat_map(|other| other.members.iter()).map(|member| member.node.as_str()).collect();
    // The newest deployment that gave each node its turn.
    let mut newest: HashMap<&str, u64> = HashMap::new();
    for (number, rollout) in rollouts.iter() {
        let had_turn = rollout.members.iter().filter(|member| member.stage != Stage::Skipped);
        newest.extend(had_turn.map(|member| (member.node.as_str(), *number)));
    }
    let mut overtaken = Vec::new();
    let mut to_catch_up: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for (number, index, node) in late.into_iter().filter(|(_, _, node)| !busy.contains(node)) {
        match newest.get(node) {
            Some(newest) if *newest > number => overtaken.push((number, index)),
            _ => to_catch_up.entry(number).or_default().push(node.to_owned()),
        }
    }
    // Two deployments of the same change catch up one after the other, too.
    to_catch_up.retain(|number, _| {
        let change = rollouts.get(number).map(|rollout| &rollout.header.change);
        let free = change.filter(|change| !held.contains(change));
        held.extend(free);
        free.is_some()
    });
    for (number, index) in overtaken {
        no_longer_late(rollouts, desk, number, index);
    }
    for (deployment, nodes) in to_catch_up {
        desk.catching.insert(deployment, now.mono + PATIENCE);
        desk.actions.push(Action::CatchUp { deployment, nodes });
    }
}

/// Takes in that a deployment of this change was created: from here on it is what others wait for.
pub(crate) fn created(rollouts: &BTreeMap<u64, Rollout>, desk: &mut Desk, change: &Change) {
    desk.catching.retain(|number, _| rollouts.get(number).is_some_and(|other| other.header.change != *change));
}

/// Takes in what came of a catch-up: nothing more to do for these nodes, or, `again`, that it was not possible just then.
pub(crate) fn ended(
    rollouts: &mut BTreeMap<u64, Rollout>,
    desk: &mut Desk,
    (number, nodes, again): (u64, &[String], bool),
    now: Now,
) -> Outcome {
    if again {
        desk.catching.insert(number, now.mono + PAUSE);
    } else {
        desk.catching.remove(&number);
    }
    let members = rollouts.get(&number).map(|rollout| &rollout.members);
    let late = members.into_iter().flat_map(|members| members.late().iter().map(|index| (*index, &members[*index])));
    // What was pinned meanwhile is left as it is.
    let settled = late.filter(|(_, member)| {
        nodes.contains(&member.node) && (!again || desk.pinned(&member.node, &member.group).is_some())
    });
    let settled: Vec<usize> = settled.map(|(index, _)| index).collect();
    for index in settled {
        no_longer_late(rollouts, desk, number, index);
    }
    Outcome::Done
}

fn no_longer_late(rollouts: &mut BTreeMap<u64, Rollout>, desk: &mut Desk, number: u64, index: usize) {
    if let Some(rollout) = rollouts.get_mut(&number) {
        rollout.members.edit(index).late = false;
        desk.changed_members.insert((number, index));
    }
}

/// Whether a plan that has this finding may be possible a little later, without anybody doing anything about it.
pub(crate) fn may_pass(code: &str) -> bool {
    const PASSING: [&str; 5] =
        ["no-targets", "unknown-target", "master-unreachable", "attempt-running", "repositories-unreachable"];
    PASSING.contains(&code)
}
