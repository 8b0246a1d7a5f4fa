//! Whether something that is asked for may begin: every refusal, before anything is written or done.

use dcos_api::types::provision::{AddSlave, DecommissionSlave};
use dcos_core::{ExitCode, Problem};

use crate::config::Config;
use crate::operation::{Add, Operation, Remove, RemoveStage, Slot, Work};
use crate::world::{Agent, Drain, Machine, MachineState};

/// The longest key of a request, in bytes.
const LONGEST_KEY: usize = 64;

/// The new agents that a request asks for.
///
/// # Errors
/// `no-such-class`, `bad-count` or `too-many`.
pub fn add(config: &Config, request: &AddSlave, machines: &[Machine], running: &[Operation]) -> Result<Add, Problem> {
    let names = || config.classes.keys().cloned().collect::<Vec<_>>().join(", ");
    let class = match (&request.class, config.classes.len()) {
        (Some(class), _) => class.clone(),
        (None, 1) => names(),
        (None, _) => {
            let text = "which class of machines is meant is not said, and there are several";
            return Err(Problem::new(ExitCode::Usage, "no-class", text).hint(format!("there are: {}", names())));
        }
    };
    let Some(settings) = config.classes.get(&class) else {
        let text = format!("there is no class of machines `{class}`");
        return Err(Problem::new(ExitCode::NotFound, "no-such-class", text).hint(format!("there are: {}", names())));
    };
    let limits = &config.limits;
    if request.count == 0 || request.count > limits.per_request {
        let text = format!("{} agents can't be asked for at once", request.count);
        return Err(Problem::new(ExitCode::Usage, "bad-count", text).hint(format!(
            "ask for 1 to {}: `limits.per_request` of the provisioning configuration",
            limits.per_request
        )));
    }
    let there = machines.iter().filter(|machine| machine.is_live()).count();
    let running = running.iter().filter(|operation| !operation.is_over());
    let coming: usize = running.map(|operation| awaited(&operation.work, machines)).sum();
    if there + coming + request.count > limits.machines {
        let text = format!(
            "{} more would be above the limit of {} machines: there are {there}, and {coming} are on their way",
            request.count, limits.machines
        );
        return Err(Problem::new(ExitCode::Refused, "too-many", text)
            .hint("raise `limits.machines` of the provisioning configuration, or remove agents first"));
    }
    Ok(Add { class, group: settings.group.clone(), slots: vec![Slot::new(); request.count] })
}

/// The operation that a request began before, if it is one that is made again.
///
/// # Errors
/// `bad-key`, or `key-used` by another request.
pub fn again<'a>(request: &AddSlave, known: &'a [Operation]) -> Result<Option<&'a Operation>, Problem> {
    let Some(key) = &request.key else { return Ok(None) };
    if key.is_empty() || key.len() > LONGEST_KEY {
        let text = format!("a key of {} bytes can't be kept", key.len());
        return Err(Problem::new(ExitCode::Usage, "bad-key", text)
            .hint(format!("a word of 1 to {LONGEST_KEY} bytes, another one for each request")));
    }
    let Some(operation) = known.iter().find(|operation| operation.key.as_ref() == Some(key)) else { return Ok(None) };
    match &operation.work {
        Work::Add(add)
            if add.slots.len() == request.count && request.class.as_ref().is_none_or(|class| *class == add.class) =>
        {
            Ok(Some(operation))
        }
        Work::Add(_) | Work::Remove(_) => {
            let text =
                format!("the key `{key}` is that of operation `{}`, which asked for something else", operation.id);
            Err(Problem::new(ExitCode::Conflict, "key-used", text).hint("another request needs another key"))
        }
    }
}

/// How many machines an operation will still have that are not listed yet.
pub(crate) fn awaited(work: &Work, listed: &[Machine]) -> usize {
    let is_listed = |id: &String| listed.iter().any(|machine| machine.id == *id);
    match work {
        Work::Add(add) => {
            let coming = |slot: &&Slot| !slot.is_over() && !slot.machine.as_ref().is_some_and(is_listed);
            add.slots.iter().filter(coming).count()
        }
        Work::Remove(_) => 0,
    }
}

/// What is known when an agent is to be removed.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The master's agents.
    pub agents: &'a [Agent],
    /// The provider's machines.
    pub machines: &'a [Machine],
    /// The operations.
    pub operations: &'a [Operation],
}

/// The agents that were brought by what is remembered: node, id and machine.
fn brought(operations: &[Operation]) -> impl Iterator<Item = (&String, &String, &String)> {
    let slots = operations.iter().filter_map(|operation| match &operation.work {
        Work::Add(add) => Some(&add.slots),
        Work::Remove(_) => None,
    });
    slots.flatten().filter_map(|slot| Some((slot.node.as_ref()?, slot.agent_id.as_ref()?, slot.machine.as_ref()?)))
}

/// The machine of an agent: the one at its address, or, of one that is not registered, the one that is known to have
/// brought it, unless somebody else is there now. Addresses are given again when their machine is gone.
pub(crate) fn machine_of<'a>(agent: &Agent, machines: &[&'a Machine], known: Known<'_>) -> Option<&'a Machine> {
    let mut machines = machines.iter().copied();
    if agent.registered {
        return machines.find(|machine| machine.carries(agent.address));
    }
    let (_, _, id) = brought(known.operations).find(|(_, id, _)| **id == agent.id)?;
    let is_taken =
        |machine: &Machine| known.agents.iter().any(|other| other.registered && machine.carries(other.address));
    machines.find(|machine| machine.id == *id && !is_taken(machine))
}

/// An agent that the master lists no more, whose machine is there with nobody on it: it can be removed like any other, as long
/// as the operation that brought it is remembered.
pub(crate) fn lost(known: Known<'_>, is_wanted: impl Fn(&str) -> bool) -> Option<Agent> {
    let live: Vec<&Machine> = known.machines.iter().filter(|machine| machine.is_live()).collect();
    let wanted = brought(known.operations)
        .filter(|(node, id, machine)| is_wanted(node) || is_wanted(id) || is_wanted(machine))
        .filter(|(_, id, _)| known.agents.iter().all(|agent| agent.id != **id));
    let mut agents = wanted.map(|(node, id, _)| Agent {
        id: id.clone(),
        node: node.clone(),
        address: None,
        registered: false,
        active: false,
        deactivated: false,
        drain: Drain::No,
        settled: None,
    });
    agents.find(|agent| machine_of(agent, &live, known).is_some())
}

/// The agent that a request names.
///
/// # Errors
/// `no-such-agent`.
pub fn find<'a>(agents: &'a [Agent], wanted: &str) -> Result<&'a Agent, Problem> {
    agents.iter().find(|agent| agent.id == wanted || agent.node == wanted).ok_or_else(|| {
        let text = format!("the master lists no agent `{wanted}`");
        Problem::new(ExitCode::NotFound, "no-such-agent", text).hint("`dcos slave list` shows them: id or `HOST:PORT`")
    })
}

/// The removals under way.
fn removals(operations: &[Operation]) -> impl Iterator<Item = (&Operation, &Remove)> {
    operations.iter().filter(|operation| !operation.is_over()).filter_map(|operation| match &operation.work {
        Work::Remove(remove) => Some((operation, remove)),
        Work::Add(_) => None,
    })
}

/// The operation that removes an agent already, if there is one: whoever asks again gets it.
///
/// # Errors
/// `removal-running` if it does otherwise with the machine than is asked for now.
pub fn removing<'a>(
    agent: &Agent,
    request: &DecommissionSlave,
    operations: &'a [Operation],
) -> Result<Option<&'a Operation>, Problem> {
    let Some((operation, remove)) = removals(operations).find(|(_, remove)| remove.agent_id == agent.id) else {
        return Ok(None);
    };
    if remove.keep_machine == request.keep_instance {
        return Ok(Some(operation));
    }
    let machine = if remove.keep_machine { "keeps" } else { "ends" };
    let text = format!("operation `{}` removes {} already, and {machine} its machine", operation.id, agent.node);
    Err(Problem::new(ExitCode::Conflict, "removal-running", text)
        .hint(format!("follow it: `dcos slave operation {} --wait`", operation.id)))
}

/// The removal that a request asks for, with what the one who asks should know.
///
/// # Errors
/// `no-such-agent`, `too-few` or `not-ours`.
pub fn remove(
    config: &Config,
    request: &DecommissionSlave,
    known: Known<'_>,
    now: jiff::Timestamp,
) -> Result<(Remove, Vec<String>), Problem> {
    let agent = find(known.agents, &request.agent)?;
    // One whose removal has begun is as good as gone, also while the master lists it as active.
    let leaves = |id: &str| removals(known.operations).any(|(_, other)| other.agent_id == id);
    let stays = |other: &&Agent| other.active && other.id != agent.id && !leaves(&other.id);
    let left = known.agents.iter().filter(stays).count();
    if left < config.limits.minimum_agents {
        let text = format!(
            "without {} there would be {left} active agents, and at least {} must be left",
            agent.node, config.limits.minimum_agents
        );
        return Err(Problem::new(ExitCode::Refused, "too-few", text)
            .hint("add agents first, or lower `limits.minimum_agents` of the provisioning configuration"));
    }
    let live: Vec<&Machine> = known.machines.iter().filter(|machine| machine.is_live()).collect();
    let machine = machine_of(agent, &live, known);
    if machine.is_none() && !request.keep_instance {
        let text =
            format!("the machine of {} is not one that was made from here, so it is not ended from here", agent.node);
        return Err(Problem::new(ExitCode::Refused, "not-ours", text)
            .hint("`--keep-instance` removes the agent and leaves its machine alone"));
    }
    let mut warnings = vec![
        "draining can't be taken back, and while an agent is drained no master older than Mesos 1.9 can recover"
            .to_owned(),
    ];
    if let Some(machine) = machine
        && machine.state == MachineState::Stopping
    {
        warnings.push(format!("its machine {} is going down already", machine.id));
    }
    let remove = Remove {
        agent_id: agent.id.clone(),
        node: agent.node.clone(),
        machine: machine.map(|machine| machine.id.clone()),
        keep_machine: request.keep_instance,
        grace: request.grace,
        stage: RemoveStage::Waiting,
        since: now,
        away_since: None,
        marked: false,
        detail: String::new(),
    };
    Ok((remove, warnings))
}
