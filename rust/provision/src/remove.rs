//! One agent less: one pure step of an operation.
//!
//! Every stage is left only when the master or the provider shows that it is over, so each call may be repeated. Draining
//! can't be taken back (Mesos has no call for it), so a removal can be withdrawn only before it.

use jiff::{SignedDuration, Timestamp};

use crate::operation::{Operation, RemoveStage, Work};
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

/// Takes a removal one step on.
pub fn next(operation: &mut Operation, world: &World, now: Timestamp) -> Option<Action> {
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
    let agent = agents.iter().find(|agent| agent.id == remove.agent_id);
    let (stage, detail, action) = decide(remove.stage, agent, drained_by(remove.since, remove.grace), now);
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

fn drained_by(since: Timestamp, grace: u64) -> Timestamp {
    let grace = SignedDuration::from_secs(i64::try_from(grace).unwrap_or(i64::MAX));
    grace.checked_add(DRAIN_SLACK).and_then(|time| since.checked_add(time).ok()).unwrap_or(Timestamp::MAX)
}

/// The next stage with its reason, and the call that belongs to it.
fn decide(
    stage: RemoveStage,
    agent: Option<&Agent>,
    deadline: Timestamp,
    now: Timestamp,
) -> (RemoveStage, String, Step) {
    let Some(agent) = agent else {
        return (RemoveStage::Terminating, "the master lists it no more".to_owned(), Step::Wait);
    };
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
