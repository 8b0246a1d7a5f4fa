//! One agent less: one pure step of an operation.
//!
//! Every stage is left only when the master or the provider shows that it is over, so each call may be repeated. Draining
//! can't be taken back (Mesos has no call for it), so a removal can be withdrawn only before it.
//!
//! An agent that is not registered may run tasks all the same: after a restart of the master, or a change of leader, every
//! agent is away until it has come back, and one behind a broken network is unreachable. So it is waited for, and its tasks
//! keep the time that they were given. One whose machine is no more, or that stays away, is marked gone: only once the
//! master has taken that, and will send the agent away should it come back, is the machine terminated. Being listed no
//! more shows nothing of the kind.

use jiff::{SignedDuration, Timestamp};

use crate::operation::{Operation, Remove, RemoveStage, Work};
use crate::world::{Agent, Drain, World};

/// How long after its grace an agent may take to show that it is drained: its tasks are killed then, and their last
/// updates have to be acknowledged by their frameworks.
const DRAIN_SLACK: SignedDuration = SignedDuration::from_secs(30);

/// What is to be done. Each may be done twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Tell the master to offer nothing of the agent.
    Deactivate {
        /// Its id.
        agent: String,
    },
    /// Tell the master to end the agent's tasks.
    Drain {
        /// Its id.
        agent: String,
        /// How long they may take, in seconds.
        grace: u64,
    },
    /// Tell the master that the agent never comes back.
    MarkGone {
        /// Its id.
        agent: String,
    },
    /// Have its machine terminated.
    Terminate {
        /// The provider's name for it.
        machine: String,
    },
}

/// Takes a removal one step on. `away` is how long an agent that is not registered is waited for; one whose tasks may take
/// longer is waited for as long as they.
pub fn next(operation: &mut Operation, world: &World, away: SignedDuration, now: Timestamp) -> Option<Action> {
    let Operation { work: Work::Remove(remove), cancelled, end: None, .. } = operation else { return None };
    if let Some(by) = cancelled
        && remove.stage == RemoveStage::Waiting
    {
        let reason = format!("withdrawn by {by} before anything was done");
        operation.finish(false, reason, now);
        return None;
    }
    if remove.stage == RemoveStage::Terminating {
        return terminate(operation, world, now);
    }
    let agents = match &world.agents {
        Ok(agents) => agents,
        Err(why) => {
            remove.detail = format!("the agents can't be listed: {why}");
            return None;
        }
    };
    let listed = agents.iter().find(|agent| agent.id == remove.agent_id);
    let (stage, detail, action) = match listed.filter(|agent| agent.registered) {
        Some(agent) => {
            if let Some(since) = remove.away_since.take() {
                remove.since = remove.since.checked_add(now.duration_since(since)).unwrap_or(now);
            }
            decide(remove.stage, agent, drained_by(remove.since, remove.grace), now)
        }
        None => {
            let is_ended = world.machines.as_ref().is_ok_and(|machines| {
                let is_there = |id: &String| machines.iter().any(|machine| machine.id == *id && machine.is_live());
                remove.machine.as_ref().is_some_and(|id| !is_there(id))
            });
            missing(remove, listed.is_some(), is_ended, away, now)
        }
    };
    if stage != remove.stage {
        remove.stage = stage;
        remove.since = now;
    }
    remove.detail = detail;
    let (agent, grace) = (remove.agent_id.clone(), remove.grace);
    match action {
        Step::Deactivate => Some(Action::Deactivate { agent }),
        Step::Drain => Some(Action::Drain { agent, grace }),
        Step::MarkGone => Some(Action::MarkGone { agent }),
        Step::Wait => None,
    }
}

enum Step {
    Deactivate,
    Drain,
    MarkGone,
    Wait,
}

/// What came of a call.
pub fn told(operation: &mut Operation, action: &Action, answer: Result<(), String>) {
    let Work::Remove(remove) = &mut operation.work else { return };
    match answer {
        Ok(()) => remove.marked |= matches!(action, Action::MarkGone { .. }),
        // It is tried again in the next round; until then it is shown why.
        Err(why) => remove.detail = format!("{}; refused: {why}", remove.detail),
    }
}

fn seconds(grace: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(grace).unwrap_or(i64::MAX))
}

fn drained_by(since: Timestamp, grace: u64) -> Timestamp {
    let grace = seconds(grace);
    grace.checked_add(DRAIN_SLACK).and_then(|time| since.checked_add(time).ok()).unwrap_or(Timestamp::MAX)
}

/// The same for an agent that is not registered: `awaited` if the master still lists it, `ended` if its machine is no more.
fn missing(
    remove: &mut Remove,
    awaited: bool,
    ended: bool,
    away: SignedDuration,
    now: Timestamp,
) -> (RemoveStage, String, Step) {
    let mark = |why: String| (RemoveStage::MarkingGone, why, Step::MarkGone);
    if remove.stage == RemoveStage::MarkingGone {
        return if remove.marked {
            (RemoveStage::Terminating, "the master has marked it gone".to_owned(), Step::Wait)
        } else {
            mark("the master is told that it is gone for good".to_owned())
        };
    }
    let since = *remove.away_since.get_or_insert(now);
    let limit = away.max(seconds(remove.grace));
    if ended {
        mark("it is not registered, and its machine is no more".to_owned())
    } else if now.duration_since(since) >= limit {
        mark(format!("it did not come back within {} s", limit.as_secs()))
    } else {
        let why = if awaited { "it has not come back to the master yet" } else { "the master has lost sight of it" };
        let until = limit.as_secs();
        (remove.stage, format!("{why}: it is waited for, {until} s at most, since it may run tasks"), Step::Wait)
    }
}

/// The next stage with its reason, and the call that belongs to it.
fn decide(stage: RemoveStage, agent: &Agent, deadline: Timestamp, now: Timestamp) -> (RemoveStage, String, Step) {
    match (stage, agent.deactivated, agent.drain) {
        (RemoveStage::Waiting, _, _) | (RemoveStage::Deactivating, false, Drain::No) => {
            (RemoveStage::Deactivating, "the master is told to offer nothing of it".to_owned(), Step::Deactivate)
        }
        (RemoveStage::Deactivating | RemoveStage::Draining, _, Drain::Drained) => {
            (RemoveStage::MarkingGone, "it has no task any more".to_owned(), Step::MarkGone)
        }
        (RemoveStage::Draining, _, _) if now >= deadline => {
            let text = "its tasks did not end in time, or a framework does not acknowledge their end";
            (RemoveStage::MarkingGone, text.to_owned(), Step::MarkGone)
        }
        (RemoveStage::Deactivating, _, _) | (RemoveStage::Draining, _, Drain::No) => {
            (RemoveStage::Draining, "its tasks are told to end".to_owned(), Step::Drain)
        }
        (RemoveStage::Draining, _, Drain::Draining) => {
            (RemoveStage::Draining, "its tasks are ending".to_owned(), Step::Wait)
        }
        (RemoveStage::MarkingGone, _, _) => {
            (RemoveStage::MarkingGone, "the master is told that it is gone for good".to_owned(), Step::MarkGone)
        }
        (RemoveStage::Terminating | RemoveStage::Gone, _, _) => (stage, String::new(), Step::Wait),
    }
}

fn terminate(operation: &mut Operation, world: &World, now: Timestamp) -> Option<Action> {
    let Work::Remove(remove) = &mut operation.work else { return None };
    let Some(machine) = remove.machine.clone().filter(|_| !remove.keep_machine) else {
        remove.stage = RemoveStage::Gone;
        let reason = match &remove.machine {
            Some(machine) => format!("the agent is gone; its machine {machine} was kept"),
            None => "the agent is gone".to_owned(),
        };
        operation.finish(true, reason, now);
        return None;
    };
    match &world.machines {
        Err(why) => {
            remove.detail = format!("the machines can't be listed: {why}");
            None
        }
        Ok(machines) if machines.iter().any(|it| it.id == machine && it.is_live()) => {
            remove.detail = "its machine is being terminated".to_owned();
            Some(Action::Terminate { machine })
        }
        Ok(_) => {
            remove.stage = RemoveStage::Gone;
            remove.detail.clear();
            operation.finish(true, format!("the agent and its machine {machine} are gone"), now);
            None
        }
    }
}

#[cfg(test)]
#[path = "remove_tests.rs"]
mod tests;
