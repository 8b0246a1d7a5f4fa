//! New agents: one pure step of an operation.
//!
//! The step looks at what there is and says what to do next; it never counts on what was done before having worked. That
//! makes it the same after a lost answer, a crash and a change of leader:
//!
//! - A launch is written down before it is made, and repeated with the same client token until its answer is known. The
//!   provider makes one machine of one token, however often it is asked.
//! - A machine is also found by its tags. One that belongs to a slot and is not the slot's own is one too many.
//! - A slot that is given up stays in [`Stage::Abandoning`] until everything that it may have made was seen to be gone:
//!   a provider may show a new machine some time after it was made, so silence counts only after `horizon`.
//! - An agent that is registered is never terminated from here, late as it may be: it may run tasks.
//!
//! Deadlines are told by the wall clock, since they span restarts. A clock that jumps forward gives a slot up early, which
//! costs a machine and leaks none.

use jiff::{SignedDuration, Timestamp};

use crate::operation::{Add, Operation, Slot, Stage, Work};
use crate::provider::{LaunchError, Launched};
use crate::world::{Agent, Machine, World};

/// How many machines of one slot may be lost before they join, until it is given up.
pub const MAX_LOST: u32 = 3;

/// The longest pause before the provider is asked again, in seconds.
const MAX_PAUSE: i64 = 60;

/// Times that matter to an operation.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long after its launch a machine may stay invisible.
    pub horizon: SignedDuration,
    /// How long after its launch an agent may take to register.
    pub join: SignedDuration,
    /// How long asking the provider for one machine may go on in vain.
    pub launch: SignedDuration,
}

/// What is to be done. Each may be done twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Have a machine made.
    Launch {
        /// The slot.
        slot: usize,
        /// The client token.
        token: String,
        /// Which of the class's choices.
        choice: u32,
    },
    /// Have a machine terminated.
    Terminate {
        /// The provider's name for it.
        machine: String,
    },
}

/// Takes an operation one step on. `launches` is how many machines may still be asked for now, and is used up.
pub fn next(
    operation: &mut Operation,
    world: &World,
    patience: Patience,
    launches: &mut usize,
    now: Timestamp,
) -> Vec<Action> {
    let Operation { id, work: Work::Add(add), cancelled, end: None, asked_at, .. } = operation else {
        return Vec::new();
    };
    let machines = match &world.machines {
        Ok(machines) => machines,
        Err(why) => {
            // Nothing is asked for while it can't be seen what is there.
            for slot in add.slots.iter_mut().filter(|slot| !slot.is_over()) {
                slot.detail = format!("the machines can't be listed: {why}");
            }
            return Vec::new();
        }
    };
    let agents = world.agents.as_deref().unwrap_or_default();
    let mut actions = Vec::new();
    for (number, slot) in add.slots.iter_mut().enumerate() {
        if let Some(by) = cancelled
            && matches!(slot.stage, Stage::Waiting | Stage::Launching | Stage::Launched)
        {
            abandon(slot, format!("withdrawn by {by}"));
        }
        let own: Vec<&Machine> =
            machines.iter().filter(|machine| machine.operation == *id && machine.slot == number).collect();
        let token = slot.token(id, number);
        step(slot, &own, agents, (&token, patience, *asked_at, now));
        match slot.stage {
            Stage::Launching if slot.not_before.is_none_or(|due| due <= now) => {
                // A launch that may have happened is asked about again in any case: that makes no new machine.
                if slot.launched_at.is_some() || *launches > 0 {
                    *launches -= usize::from(slot.launched_at.is_none());
                    slot.launched_at.get_or_insert(now);
                    actions.push(Action::Launch { slot: number, token, choice: slot.choice });
                } else {
                    slot.detail = "waits for its turn: the configuration limits launches per minute".to_owned();
                }
            }
            Stage::Waiting
            | Stage::Launching
            | Stage::Launched
            | Stage::Registered
            | Stage::Abandoning
            | Stage::Gone => {}
        }
        let token = slot.token(id, number);
        actions.extend(surplus(slot, &token, &own).map(|machine| Action::Terminate { machine: machine.id.clone() }));
    }
    if add.slots.iter().all(Slot::is_over) {
        let (done, reason) = outcome(add);
        operation.finish(done, reason, now);
    }
    actions
}

type Times<'a> = (&'a str, Patience, Timestamp, Timestamp);

/// Moves one slot on by what there is. One arm for each stage.
fn step(slot: &mut Slot, own: &[&Machine], agents: &[Agent], (token, patience, asked_at, now): Times<'_>) {
    match slot.stage {
        Stage::Waiting => slot.stage = Stage::Launching,
        Stage::Launching => {
            if let Some(machine) = own.iter().find(|machine| machine.token == token && machine.is_live()) {
                // Its answer was lost, and here it is.
                launched(slot, machine.id.clone(), now);
            } else if now.duration_since(asked_at) > patience.launch {
                abandon(slot, format!("no machine could be had in {} s: {}", patience.launch.as_secs(), slot.detail));
            }
        }
        Stage::Launched => {
            let machine = own.iter().find(|machine| Some(&machine.id) == slot.machine.as_ref());
            let since = slot.launched_at.map_or(SignedDuration::ZERO, |at| now.duration_since(at));
            match machine {
                Some(machine) if machine.is_usable() => {
                    match agents.iter().find(|agent| machine.carries(agent.address)) {
                        Some(agent) => registered(slot, agent, since > patience.join),
                        None if since > patience.join => {
                            let waited = patience.join.as_secs();
                            abandon(slot, format!("its agent did not register within {waited} s"));
                        }
                        None => slot.detail = "its machine is there, its agent is not registered yet".to_owned(),
                    }
                }
                Some(_) => lose(slot, "its machine was terminated before it joined"),
                None if since > patience.horizon => lose(slot, "its machine was never seen"),
                None => slot.detail = "its machine is not visible yet".to_owned(),
            }
        }
        Stage::Abandoning => {
            // What the last launch made, if its answer came too late or never: one token makes one machine, so nothing
            // more can come to light once this one is gone.
            if slot.machine.is_none() {
                slot.machine = own.iter().find(|machine| machine.token == token).map(|machine| machine.id.clone());
            }
            let quiet = slot.launched_at.is_none_or(|at| now.duration_since(at) > patience.horizon);
            let seen_gone = own.iter().any(|machine| Some(&machine.id) == slot.machine.as_ref());
            if own.iter().all(|machine| !machine.is_live()) && (quiet || seen_gone) {
                slot.stage = Stage::Gone;
            }
        }
        Stage::Registered | Stage::Gone => {}
    }
}

/// The machines of a slot that should not be there.
fn surplus<'a>(slot: &'a Slot, token: &'a str, own: &'a [&'a Machine]) -> impl Iterator<Item = &'a &'a Machine> {
    own.iter().filter(move |machine| {
        machine.is_usable()
            && match slot.stage {
                Stage::Waiting | Stage::Launching => machine.token != token,
                Stage::Launched | Stage::Registered => Some(&machine.id) != slot.machine.as_ref(),
                Stage::Abandoning | Stage::Gone => true,
            }
    })
}

/// What came of a launch.
pub fn told(operation: &mut Operation, number: usize, answer: Result<Launched, LaunchError>, now: Timestamp) {
    let Work::Add(add) = &mut operation.work else { return };
    let Some(slot) = add.slots.get_mut(number).filter(|slot| slot.stage == Stage::Launching) else { return };
    match answer {
        Ok(machine) => launched(slot, machine.machine, now),
        Err(LaunchError::NoCapacity(why)) => {
            slot.choice += 1;
            slot.launched_at = None;
            slot.not_before = None;
            slot.vain = 0;
            slot.detail = format!("the provider has no capacity there, the next choice is tried: {why}");
        }
        Err(LaunchError::NoMoreChoices) => {
            nothing_made(slot);
            abandon(slot, format!("no subnet and type of its class had capacity; the last answer: {}", slot.detail));
        }
        Err(LaunchError::Refused(why)) => {
            nothing_made(slot);
            abandon(slot, format!("the provider refused: {why}"));
        }
        Err(LaunchError::Throttled(why)) => {
            // A throttled call was not carried out; an earlier one with the same token may have been.
            pause(slot, format!("the provider wants it slower: {why}"), now);
        }
        Err(LaunchError::Unknown(why)) => pause(slot, format!("whether a machine was made is not known: {why}"), now),
    }
}

/// Machines that came to light after their operation had ended.
pub fn leftovers<'a>(operation: &'a Operation, machines: &'a [Machine]) -> Vec<&'a str> {
    let Work::Add(add) = &operation.work else { return Vec::new() };
    if !operation.is_over() {
        return Vec::new();
    }
    let unwanted = |machine: &&Machine| {
        machine.operation == operation.id
            && machine.is_usable()
            && add.slots.get(machine.slot).is_none_or(|slot| match slot.stage {
                Stage::Registered => slot.machine.as_ref() != Some(&machine.id),
                Stage::Waiting | Stage::Launching | Stage::Launched | Stage::Abandoning | Stage::Gone => true,
            })
    };
    machines.iter().filter(unwanted).map(|machine| machine.id.as_str()).collect()
}

fn launched(slot: &mut Slot, machine: String, now: Timestamp) {
    slot.stage = Stage::Launched;
    slot.machine = Some(machine);
    // The time to register runs from the answer: a slow provider is not the machine's fault.
    slot.launched_at = Some(now);
    slot.not_before = None;
    slot.vain = 0;
    slot.detail = "its machine is made".to_owned();
}

/// An agent that is there counts, whatever it runs: it may have tasks already. What it should run is the controller's to
/// see to, which catches it up.
fn registered(slot: &mut Slot, agent: &Agent, late: bool) {
    slot.node = Some(agent.node.clone());
    slot.agent_id = Some(agent.id.clone());
    if !agent.active {
        slot.detail = "its agent is known to the master, and not active".to_owned();
        return;
    }
    match agent.settled {
        Some(false) if !late => slot.detail = "its agent is registered, with another set than its group's".to_owned(),
        Some(false) => {
            slot.stage = Stage::Registered;
            slot.detail = "registered; it still runs another set than its group should".to_owned();
        }
        Some(true) => {
            slot.stage = Stage::Registered;
            slot.detail = "it runs its group's set".to_owned();
        }
        None => {
            slot.stage = Stage::Registered;
            slot.detail = String::new();
        }
    }
}

fn lose(slot: &mut Slot, why: &str) {
    slot.machine = None;
    slot.launched_at = None;
    slot.lost += 1;
    if slot.lost >= MAX_LOST {
        abandon(slot, format!("{why}, {MAX_LOST} times"));
    } else {
        slot.stage = Stage::Launching;
        slot.detail = format!("{why}; another one is asked for");
    }
}

fn abandon(slot: &mut Slot, why: String) {
    slot.stage = Stage::Abandoning;
    slot.not_before = None;
    slot.detail = why;
}

/// A call that was refused made nothing; one before it with the same token may have, if its answer was lost.
fn nothing_made(slot: &mut Slot) {
    if slot.vain == 0 {
        slot.launched_at = None;
    }
}

fn pause(slot: &mut Slot, why: String, now: Timestamp) {
    slot.vain += 1;
    let seconds = MAX_PAUSE.min(1 << slot.vain.min(6));
    slot.not_before = now.checked_add(SignedDuration::from_secs(seconds)).ok();
    slot.detail = why;
}

fn outcome(add: &Add) -> (bool, String) {
    let asked = add.slots.len();
    let there = add.slots.iter().filter(|slot| slot.stage == Stage::Registered).count();
    if there == asked {
        return (true, format!("{there} of {asked} agents are registered"));
    }
    let mut reasons: Vec<&str> =
        add.slots.iter().filter(|slot| slot.stage == Stage::Gone).map(|slot| slot.detail.as_str()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    (false, format!("{there} of {asked} agents are registered: {}", reasons.join("; ")))
}

#[cfg(test)]
#[path = "add_tests.rs"]
mod tests;
