//! Operations, agents and machines as others see them.

use std::collections::BTreeSet;

use dcos_api::types::provision as wire;

use crate::admit::{Known, lost, machine_of};
use crate::operation::{Operation, Work};
use crate::world::{Agent, Machine, World};

/// An operation.
pub fn operation(operation: &Operation) -> wire::Operation {
    let state = match &operation.end {
        None => wire::OperationState::Running,
        Some(end) if end.done => wire::OperationState::Done,
        Some(_) => wire::OperationState::Failed,
    };
    let (kind, class, group, slaves) = match &operation.work {
        Work::Add(add) => {
            let slaves = add.slots.iter().map(|slot| wire::OperationSlave {
                stage: word(&slot.stage),
                instance: slot.machine.clone(),
                node: slot.node.clone(),
                agent_id: slot.agent_id.clone(),
                detail: slot.detail.clone(),
            });
            let (class, group) = (Some(add.class.clone()), Some(add.group.clone()));
            (wire::OperationKind::AddSlave, class, group, slaves.collect())
        }
        Work::Remove(remove) => {
            let slave = wire::OperationSlave {
                stage: word(&remove.stage),
                instance: remove.machine.clone(),
                node: Some(remove.node.clone()),
                agent_id: Some(remove.agent_id.clone()),
                detail: remove.detail.clone(),
            };
            (wire::OperationKind::DecommissionSlave, None, None, vec![slave])
        }
    };
    wire::Operation {
        id: operation.id.clone(),
        kind,
        state,
        detail: operation.end.as_ref().map_or_else(|| waiting(operation), |end| end.reason.clone()),
        warnings: operation.warnings.clone(),
        class,
        group,
        slaves,
        asked_at: operation.asked_at,
        asked_by: operation.by.clone(),
        finished_at: operation.end.as_ref().map(|end| end.at),
    }
}

fn waiting(operation: &Operation) -> String {
    match &operation.work {
        Work::Add(add) => {
            let over = add.slots.iter().filter(|slot| slot.is_over()).count();
            format!("{over} of {} agents are settled", add.slots.len())
        }
        Work::Remove(remove) => remove.detail.clone(),
    }
}

/// A stage as its document spells it.
fn word<T: serde::Serialize>(stage: &T) -> String {
    // A unit variant is a string, always.
    serde_json::to_value(stage).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The master's view, the provider's and ours in one: what belongs together is one line, and what does not match says so.
/// What can't be listed now is not missing, and a machine is no orphan because of it.
pub fn slaves(world: &World, operations: &[Operation]) -> Vec<wire::Slave> {
    let agents = world.agents.as_deref().unwrap_or_default();
    let machines: Vec<&Machine> = world.machines.iter().flatten().filter(|machine| machine.is_live()).collect();
    let known = Known { agents, machines: world.machines.as_deref().unwrap_or_default(), operations };
    let mut carriers = BTreeSet::new();
    let mut slaves: Vec<wire::Slave> = agents
        .iter()
        .map(|agent| {
            let machine = machine_of(agent, &machines, known);
            carriers.extend(machine.map(|machine| &machine.id));
            let mismatch = match machine {
                Some(machine) if !machine.is_usable() => Some("its machine is going down, or stopped".to_owned()),
                Some(_) if !agent.registered => {
                    Some("its machine runs, and the agent has not come back to the master yet".to_owned())
                }
                Some(_) if !agent.active && !agent.deactivated => {
                    Some("its machine runs, and the agent is not active".to_owned())
                }
                Some(_) | None => None,
            };
            line(Some(agent), machine, mismatch, operations)
        })
        .collect();
    let homeless = agents.iter().any(|agent| !agent.registered && machine_of(agent, &machines, known).is_none());
    let lonely = machines.iter().copied().filter(|machine| !carriers.contains(&machine.id));
    slaves.extend(lonely.map(|machine| {
        let lost = lost(known, |name| name == machine.id).filter(|_| world.agents.is_ok());
        let is_orphan = world.agents.is_ok() && under_way(operations, lost.as_ref(), Some(machine)).is_none();
        let why = match &lost {
            Some(_) => "the master has lost sight of its agent",
            None if homeless => "a machine of ours without an agent, as far as agents have come back to the master",
            None => "a machine of ours without an agent",
        };
        line(lost.as_ref(), Some(machine), is_orphan.then(|| why.to_owned()), operations)
    }));
    slaves
}

fn line(
    agent: Option<&Agent>,
    machine: Option<&Machine>,
    mismatch: Option<String>,
    operations: &[Operation],
) -> wire::Slave {
    wire::Slave {
        node: agent.map(|agent| agent.node.clone()),
        agent_id: agent.map(|agent| agent.id.clone()),
        active: agent.is_some_and(|agent| agent.active),
        instance: machine.map(|machine| machine.id.clone()),
        instance_state: machine.map(|machine| word(&machine.state)),
        instance_kind: machine.map(|machine| machine.kind.clone()).filter(|kind| !kind.is_empty()),
        operation: under_way(operations, agent, machine),
        mismatch,
    }
}

/// The operation under way with an agent or a machine.
fn under_way(operations: &[Operation], agent: Option<&Agent>, machine: Option<&Machine>) -> Option<String> {
    let concerns = |operation: &&Operation| match &operation.work {
        Work::Add(_) => machine.is_some_and(|machine| machine.operation == operation.id),
        Work::Remove(remove) => {
            agent.is_some_and(|agent| agent.id == remove.agent_id)
                || machine.is_some_and(|machine| Some(&machine.id) == remove.machine.as_ref())
        }
    };
    operations.iter().filter(|operation| !operation.is_over()).find(concerns).map(|operation| operation.id.clone())
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
