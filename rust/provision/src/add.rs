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
//! - An agent that is registered is never terminated from here, late as it may be: it may run tasks. So nothing is given up
//!   for an agent that is missing while it can't be told whether it is: while the agents can't be listed, and while a master
//!   that was restarted waits for some of which it knows no address. One that has been seen registered counts as that.
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
    /// How long an agent that the master has lost sight of is waited for.
    pub away: SignedDuration,
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
    let Operation { id, work: Work::Add(add), cancelled, end: None, .. } = operation else {
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
    let mut actions = Vec::new();
    for (number, slot) in add.slots.iter_mut().enumerate() {
        let own: Vec<&Machine> =
            machines.iter().filter(|machine| machine.operation == *id && machine.slot == number).collect();
        let token = slot.token(id, number);
        let look = Look { own: &own, agents: &world.agents, token: &token, patience, now };
        if let Some(by) = cancelled {
            withdraw(slot, &look, by);
        }
        step(slot, &look);
        // Another one, if the machine of the last launch was lost just now.
        let token = slot.token(id, number);
        match slot.stage {
            Stage::Launching if slot.not_before.is_none_or(|due| due <= now) => {
                // A launch that may have happened is asked about again in any case: that makes no new machine.
                if slot.launched_at.is_some() || *launches > 0 {
                    *launches -= usize::from(slot.launched_at.is_none());
                    slot.launched_at.get_or_insert(now);
                    slot.launching_since.get_or_insert(now);
                    actions.push(Action::Launch { slot: number, token: token.clone(), choice: slot.choice });
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
        actions.extend(surplus(slot, &token, &own).map(|machine| Action::Terminate { machine: machine.id.clone() }));
    }
    if add.slots.iter().all(Slot::is_over) {
        let (done, reason) = outcome(add);
        operation.finish(done, reason, now);
    }
    actions
}

/// What there is for one slot.
struct Look<'a> {
    own: &'a [&'a Machine],
    agents: &'a Result<Vec<Agent>, String>,
    token: &'a str,
    patience: Patience,
    now: Timestamp,
}

/// What is known of the agent of a slot's machine.
enum Seen<'a> {
    Agent(&'a Agent),
    /// It was registered, and the master lists it no more.
    Away,
    /// There is none.
    Nothing,
    /// Whether there is one can't be told, and why.
    Unknown(String),
}

impl Look<'_> {
    /// How long ago the slot's machine was made.
    fn age(&self, slot: &Slot) -> SignedDuration {
        slot.launched_at.map_or(SignedDuration::ZERO, |at| self.now.duration_since(at))
    }

    /// The machine that the launch at hand has made.
    fn made(&self) -> Option<&Machine> {
        self.own.iter().copied().find(|machine| machine.token == self.token && machine.is_live())
    }

    fn machine(&self, slot: &Slot) -> Option<&Machine> {
        self.own.iter().copied().find(|machine| Some(&machine.id) == slot.machine.as_ref())
    }

    fn agent(&self, slot: &Slot) -> Seen<'_> {
        let agents = match self.agents {
            Ok(agents) => agents,
            Err(why) => return Seen::Unknown(format!("the agents can't be listed: {why}")),
        };
        let machine = self.machine(slot);
        let carried = |agent: &Agent| machine.is_some_and(|machine| machine.carries(agent.address));
        let there = agents.iter().find(|agent| agent.registered && carried(agent));
        let known = || agents.iter().find(|agent| slot.agent_id.as_ref() == Some(&agent.id));
        if let Some(agent) = there.or_else(known) {
            return Seen::Agent(agent);
        }
        if slot.agent_id.is_some() {
            return Seen::Away;
        }
        // One that registered and was not seen did so in time, so it is back or unreachable this long after that. An address
        // alone says less: that of a machine that is gone is given again.
        let may_be = |agent: &Agent| !agent.registered && (agent.address.is_none() || carried(agent));
        let may_come = self.age(slot) <= self.patience.join.saturating_add(self.patience.away);
        if may_come && agents.iter().any(may_be) {
            return Seen::Unknown("the master has not heard yet of every agent since it was restarted".to_owned());
        }
        Seen::Nothing
    }
}

/// Gives a slot up that is not registered, if that can be told.
fn withdraw(slot: &mut Slot, look: &Look<'_>, by: &str) {
    if slot.stage == Stage::Launching
        && let Some(machine) = look.made()
    {
        // Its answer was lost, and it may have joined since.
        launched(slot, machine.id.clone(), look.now);
    }
    match slot.stage {
        Stage::Waiting | Stage::Launching => abandon(slot, format!("withdrawn by {by}")),
        Stage::Launched if look.machine(slot).is_some_and(|machine| !machine.is_usable()) => {
            abandon(slot, format!("withdrawn by {by}"));
        }
        Stage::Launched => match look.agent(slot) {
            Seen::Agent(agent) => {
                note(slot, agent);
                keep(slot, "registered before it was withdrawn");
            }
            Seen::Away => keep(slot, "registered before it was withdrawn, and out of the master's sight now"),
            Seen::Nothing => abandon(slot, format!("withdrawn by {by}")),
            // The step that follows says why it waits.
            Seen::Unknown(_) => {}
        },
        Stage::Registered | Stage::Abandoning | Stage::Gone => {}
    }
}

/// Moves one slot on by what there is. One arm for each stage.
fn step(slot: &mut Slot, look: &Look<'_>) {
    let Look { own, token, patience, now, .. } = look;
    let age = look.age(slot);
    match slot.stage {
        Stage::Waiting => slot.stage = Stage::Launching,
        Stage::Launching => {
            if let Some(machine) = look.made() {
                // Its answer was lost, and here it is.
                launched(slot, machine.id.clone(), *now);
            } else if slot.launching_since.is_some_and(|since| now.duration_since(since) > patience.launch) {
                abandon(slot, format!("no machine could be had in {} s: {}", patience.launch.as_secs(), slot.detail));
            }
        }
        Stage::Launched => {
            let given_up = age > patience.join.saturating_add(patience.away);
            match (look.machine(slot), look.agent(slot)) {
                (Some(machine), _) if !machine.is_usable() => {
                    lose(slot, "its machine ended or stopped before it joined");
                }
                (_, Seen::Agent(agent)) if agent.active => registered(slot, agent, age > patience.join),
                (None, Seen::Away) if given_up => lose(slot, "its machine and its agent are there no more"),
                (_, Seen::Agent(_) | Seen::Away) if given_up => {
                    keep(slot, "it was registered; the master has lost sight of it since");
                }
                (_, Seen::Agent(agent)) => {
                    note(slot, agent);
                    slot.detail = "its agent is known to the master, and not active".to_owned();
                }
                (_, Seen::Away) => slot.detail = "its agent was registered; the master has lost sight of it".to_owned(),
                (None, _) if age > patience.horizon => lose(slot, "its machine was never seen"),
                (None, _) => slot.detail = "its machine is not visible yet".to_owned(),
                (Some(_), Seen::Unknown(why)) => slot.detail = why,
                (Some(_), Seen::Nothing) if age > patience.join => {
                    abandon(slot, format!("its agent did not register within {} s", patience.join.as_secs()));
                }
                (Some(_), Seen::Nothing) => {
                    slot.detail = "its machine is there, its agent is not registered yet".to_owned();
                }
            }
        }
        Stage::Abandoning => {
            // What the last launch made, if its answer came too late or never: one token makes one machine, so nothing
            // more can come to light once this one is gone.
            if slot.machine.is_none() {
                slot.machine = own.iter().find(|machine| machine.token == *token).map(|machine| machine.id.clone());
            }
            let quiet = slot.launched_at.is_none() || age > patience.horizon;
            let seen_gone = own.iter().any(|machine| Some(&machine.id) == slot.machine.as_ref());
            if own.iter().all(|machine| !machine.is_live()) && (quiet || seen_gone) {
                slot.stage = Stage::Gone;
            }
        }
        Stage::Registered | Stage::Gone => {}
    }
}

/// The machines of a slot that should not be there. One that is stopped is there, too: it can be started again, and its
/// disk costs money. To end one that is ending already does nothing.
fn surplus<'a>(slot: &'a Slot, token: &'a str, own: &'a [&'a Machine]) -> impl Iterator<Item = &'a &'a Machine> {
    own.iter().filter(move |machine| {
        machine.is_live()
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
            && machine.is_live()
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
    slot.launching_since = None;
    slot.not_before = None;
    slot.vain = 0;
    slot.detail = "its machine is made".to_owned();
}

fn note(slot: &mut Slot, agent: &Agent) {
    slot.node = Some(agent.node.clone());
    slot.agent_id = Some(agent.id.clone());
}

/// Counts a slot as registered.
fn keep(slot: &mut Slot, why: &str) {
    slot.stage = Stage::Registered;
    slot.detail = why.to_owned();
}

/// An agent that is there counts, whatever it runs: it may have tasks already. What it should run is the controller's to
/// see to, which catches it up.
fn registered(slot: &mut Slot, agent: &Agent, late: bool) {
    note(slot, agent);
    match agent.settled {
        Some(false) if !late => slot.detail = "its agent is registered, with another set than its group's".to_owned(),
        Some(false) => keep(slot, "registered; it still runs another set than its group should"),
        Some(true) => keep(slot, "it runs its group's set"),
        None => keep(slot, ""),
    }
}

fn lose(slot: &mut Slot, why: &str) {
    slot.machine = None;
    slot.node = None;
    slot.agent_id = None;
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
