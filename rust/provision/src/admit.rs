//! Whether something that is asked for may begin: every refusal, before anything is written or done.

use dcos_api::types::provision::{AddSlave, DecommissionSlave};
use dcos_core::{ExitCode, Problem};

use crate::config::Config;
use crate::operation::{Add, Operation, Remove, RemoveStage, Slot, Work};
use crate::world::{Agent, Machine, MachineState};

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
    let coming: usize = running.iter().filter(|operation| !operation.is_over()).map(awaited).sum();
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

/// How many machines an operation will still have that are not there yet.
fn awaited(operation: &Operation) -> usize {
    match &operation.work {
        Work::Add(add) => add.slots.iter().filter(|slot| slot.machine.is_none() && !slot.is_over()).count(),
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

/// The removal that a request asks for, with what the one who asks should know.
///
/// # Errors
/// `no-such-agent`, `removal-running`, `too-few` or `not-ours`.
pub fn remove(
    config: &Config,
    request: &DecommissionSlave,
    known: Known<'_>,
    now: jiff::Timestamp,
) -> Result<(Remove, Vec<String>), Problem> {
    let agent = find(known.agents, &request.agent)?;
    let running = known.operations.iter().filter(|operation| !operation.is_over());
    for operation in running {
        if let Work::Remove(other) = &operation.work
            && other.agent_id == agent.id
        {
            let text = format!("agent {} is being removed already, by operation `{}`", agent.node, operation.id);
            return Err(Problem::new(ExitCode::Conflict, "removal-running", text)
                .hint(format!("follow it: `dcos slave operation {}`", operation.id)));
        }
    }
    let left = known.agents.iter().filter(|other| other.active && other.id != agent.id).count();
    if left < config.limits.minimum_agents {
        let text = format!(
            "without {} there would be {left} active agents, and at least {} must be left",
            agent.node, config.limits.minimum_agents
        );
        return Err(Problem::new(ExitCode::Refused, "too-few", text)
            .hint("add agents first, or lower `limits.minimum_agents` of the provisioning configuration"));
    }
    let machine = known.machines.iter().find(|machine| machine.is_live() && machine.carries(agent.address));
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
        detail: String::new(),
    };
    Ok((remove, warnings))
}
