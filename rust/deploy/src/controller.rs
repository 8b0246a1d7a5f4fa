//! `next(state, event, now) -> (state, step)`: all of the controller's decisions, without I/O, randomness or a clock.
//!
//! A step is facts and actions. Whoever runs the controller puts the facts on stable storage first, then takes the
//! actions. Then it may die at any point: the next one rebuilds the state from the facts, is told that it took office,
//! and asks the nodes that were under way how far they are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::catch_up;
use crate::desk::Desk;
use crate::event::{Action, Event, Now, Outcome, Request, Seen, Step};
use crate::member::{self, TICKET_LIFE};
use crate::orders;
use crate::rollout;
use crate::state::{Fact, Inventory, Phase, Presence, Rollout, Stage, State, Work};

/// For how many questions a millisecond tokens are told apart across terms: two to the power of this.
const TOKEN_BITS: u32 = 16;

/// Takes in one event.
pub fn next(mut state: State, event: Event, now: Now) -> (State, Step) {
    let State { rollouts, desk } = &mut state;
    match event {
        Event::TookOffice => {
            take_office(rollouts, desk, now);
            advance_all(rollouts, desk, now);
        }
        Event::Tick => {
            desk.going.retain(|_, dead_at| *dead_at > now.mono);
            advance_all(rollouts, desk, now);
        }
        Event::Inventory(seen) => {
            take_inventory(desk, seen, now);
            // Who is there and who is not may have changed for every node.
            rollouts.values_mut().for_each(|rollout| rollout.swept = None);
            advance_all(rollouts, desk, now);
            catch_up::begin(rollouts, desk, now);
        }
        Event::Registry(demands) => {
            desk.registry_read(demands, now);
            advance_all(rollouts, desk, now);
        }
        Event::Answered { deployment, index, token, answer } => {
            if let Some(rollout) = rollouts.get_mut(&deployment)
                && rollout.members.get(index).is_some_and(|member| member.work.token == Some(token))
            {
                member::answered(rollout, index, answer, desk, now);
                // Most answers say that a node is where it was: then nothing else can be done than before.
                if !desk.changed_members.is_empty() || rollout.header.phase == Phase::Tidying {
                    rollout::advance(rollout, desk, now);
                }
            }
        }
        Event::Order { reply, by, order } => orders::carry_out(rollouts, desk, (reply, by, order), now),
    }
    answer_halts(desk, now);
    let step = finish_step(rollouts, desk);
    (state, step)
}

fn advance_all(rollouts: &mut BTreeMap<u64, Rollout>, desk: &mut Desk, now: Now) {
    rollouts.values_mut().filter(|rollout| !rollout.is_over()).for_each(|rollout| rollout::advance(rollout, desk, now));
}

fn take_office(rollouts: &mut BTreeMap<u64, Rollout>, desk: &mut Desk, now: Now) {
    // Seconds since 1970, unless the last term was later: so the term rises also when the log was lost.
    let seconds = u64::try_from(now.wall.as_second()).unwrap_or(0);
    desk.term = seconds.max(desk.term + 1);
    desk.office = now.mono;
    // A late answer to a question of an earlier term of this process must not be taken for one of these.
    desk.newest_token = desk.newest_token.max(now.mono << TOKEN_BITS);
    desk.facts.push(Fact::Term(desk.term));
    desk.tell("office", (None, None), format!("this controller took office for term {}", desk.term), now);
    for rollout in rollouts.values_mut().filter(|rollout| !rollout.is_over()) {
        rollout.phase_since = now.mono;
        for index in 0..rollout.members.len() {
            let since = rollout.members[index].stage.is_in_flight().then_some(now.mono);
            rollout.members.edit(index).work = Work { since, ..Work::default() };
            match rollout.members[index].stage {
                // No `go` was sent for this attempt: it would have been written down.
                Stage::Beginning => {
                    desk.cancel(rollout, index);
                    desk.enter(rollout, index, Stage::Ready, String::new(), now);
                    rollout.members.edit(index).work = Work::default();
                }
                // A `go` may have been sent just before the end of the last term.
                Stage::Going => {
                    desk.going.insert((rollout.header.number, index), now.mono + TICKET_LIFE);
                }
                Stage::Waiting
                | Stage::Fetching
                | Stage::Fetched
                | Stage::Ready
                | Stage::Watching(_)
                | Stage::Checking
                | Stage::Settled
                | Stage::Tidying
                | Stage::Doubtful
                | Stage::Refused
                | Stage::Failed
                | Stage::FellBack
                | Stage::Lost
                | Stage::Skipped => {}
            }
        }
    }
}

fn take_inventory(desk: &mut Desk, seen: Vec<Seen>, now: Now) {
    let (mut nodes, masters) = match desk.inventory.take() {
        Some(inventory) => (inventory.nodes, inventory.masters),
        None => (HashMap::new(), BTreeSet::new()),
    };
    for presence in nodes.values_mut() {
        presence.missing_since.get_or_insert(now.mono);
    }
    let mut inventory = Inventory { at: now.mono, nodes, masters, silent_master: None };
    for Seen { node, alive, master } in seen {
        if master && !inventory.masters.contains(&node) {
            inventory.masters.insert(node.clone());
        }
        match inventory.nodes.get_mut(&node) {
            Some(presence) if alive => *presence = Presence { was_there: true, missing_since: None },
            Some(_) => {}
            // Listed for the first time, and as dead: since when is not known, but not before this controller looked.
            None => {
                let missing_since = (!alive).then_some(desk.office);
                inventory.nodes.insert(node, Presence { was_there: alive, missing_since });
            }
        }
    }
    let is_silent = |name: &&String| inventory.nodes.get(*name).is_some_and(|it| it.missing_since.is_some());
    let silent = inventory.masters.iter().find(is_silent).cloned();
    inventory.silent_master = silent;
    desk.inventory = Some(inventory);
}

/// Answers those who gave a halt, once no `go` can be honoured any more.
fn answer_halts(desk: &mut Desk, now: Now) {
    if desk.halting.is_empty() {
        return;
    }
    desk.going.retain(|_, dead_at| *dead_at > now.mono);
    if desk.going.is_empty() {
        for (reply, halt) in std::mem::take(&mut desk.halting) {
            desk.actions.push(Action::Reply(reply, Ok(Outcome::Halted(halt))));
        }
    }
}

/// Collects what the event came to.
fn finish_step(rollouts: &mut BTreeMap<u64, Rollout>, desk: &mut Desk) -> Step {
    let mut facts = Vec::new();
    // A deployment is written before its nodes: they are read back in this order.
    for number in std::mem::take(&mut desk.changed_headers) {
        if let Some(rollout) = rollouts.get(&number) {
            facts.push(Fact::Deployment(Box::new(rollout.header.clone())));
        }
    }
    for (deployment, index) in std::mem::take(&mut desk.changed_members) {
        if let Some(member) = rollouts.get(&deployment).and_then(|rollout| rollout.members.get(index)) {
            facts.push(Fact::Node { deployment, index, member: Box::new(member.clone()) });
        }
    }
    facts.append(&mut desk.facts);
    let mut actions = std::mem::take(&mut desk.actions);
    // Withdrawals first: what they free may be asked for by what follows.
    actions.sort_by_key(|action| !matches!(action, Action::Ask { request: Request::Cancel(_), .. }));
    Step { facts, actions }
}

#[cfg(test)]
#[path = "controller_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "meanwhile_tests.rs"]
mod meanwhile_tests;
