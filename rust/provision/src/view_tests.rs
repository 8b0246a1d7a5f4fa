//! What `dcos slave list` says of agents and machines, and of those that could not be listed.

use super::slaves;
use crate::operation::{Add, FORMAT, Operation, Slot, Stage, Work};
use crate::world::{Agent, Drain, Machine, MachineState, World};

fn agent(number: u8) -> Agent {
    Agent {
        id: format!("a-{number}"),
        node: format!("10.0.0.{number}:5051"),
        address: Some(([10, 0, 0, number], 5051).into()),
        registered: true,
        active: true,
        deactivated: false,
        drain: Drain::No,
        settled: None,
    }
}

fn machine(number: u8, state: MachineState) -> Machine {
    Machine {
        id: format!("i-{number}"),
        state,
        token: format!("o1-{number}-0-0"),
        operation: "o1".to_owned(),
        slot: number.into(),
        address: Some([10, 0, 0, number].into()),
        port: None,
        kind: String::new(),
    }
}

/// Node, machine and mismatch of each line.
fn lines(world: &World, operations: &[Operation]) -> Vec<(String, String, String)> {
    let lines = slaves(world, operations).into_iter();
    let text = Option::unwrap_or_default;
    lines.map(|line| (text(line.node), text(line.instance), text(line.mismatch))).collect()
}

fn line(node: &str, instance: &str, mismatch: &str) -> (String, String, String) {
    (node.to_owned(), instance.to_owned(), mismatch.to_owned())
}

const RUNNING: MachineState = MachineState::Running;

#[test]
fn what_belongs_together_is_one_line_and_what_does_not_match_says_so() {
    let machines = vec![
        machine(1, RUNNING),
        machine(2, MachineState::Stopping),
        machine(3, RUNNING),
        machine(4, RUNNING),
        machine(5, MachineState::Gone),
    ];
    let inactive = Agent { active: false, ..agent(3) };
    let world = World { machines: Ok(machines), agents: Ok(vec![agent(1), agent(2), inactive, agent(9)]) };
    assert_eq!(
        lines(&world, &[]),
        [
            line("10.0.0.1:5051", "i-1", ""),
            line("10.0.0.2:5051", "i-2", "its machine is going down, or stopped"),
            line("10.0.0.3:5051", "i-3", "its machine runs, and the agent is not active"),
            line("10.0.0.9:5051", "", ""),
            line("", "i-4", "a machine of ours without an agent"),
        ]
    );
}

#[test]
fn nothing_is_missing_that_could_not_be_listed() {
    let silent = || Err("401".to_owned());
    let without_agents = World { machines: Ok(vec![machine(1, RUNNING)]), agents: silent() };
    assert_eq!(lines(&without_agents, &[]), [line("", "i-1", "")]);
    let without_machines = World { machines: Err("403".to_owned()), agents: Ok(vec![agent(1)]) };
    assert_eq!(lines(&without_machines, &[]), [line("10.0.0.1:5051", "", "")]);
}

#[test]
fn an_agent_that_has_not_come_back_yet_has_its_machine_by_the_operation_that_made_it() {
    let slot = Slot {
        stage: Stage::Registered,
        machine: Some("i-1".to_owned()),
        agent_id: Some("a-1".to_owned()),
        node: Some("10.0.0.1:5051".to_owned()),
        ..Slot::new()
    };
    let operation = Operation {
        format: FORMAT,
        id: "o1".to_owned(),
        asked_at: jiff::Timestamp::UNIX_EPOCH,
        by: None,
        key: None,
        work: Work::Add(Add { class: "small".to_owned(), group: "agents".to_owned(), slots: vec![slot] }),
        warnings: Vec::new(),
        cancelled: None,
        end: Some(crate::operation::End {
            at: jiff::Timestamp::UNIX_EPOCH,
            done: true,
            reason: "1 of 1 agents are registered".to_owned(),
        }),
    };
    let awaited = Agent { address: None, registered: false, active: false, ..agent(1) };
    let of = |agents| World { machines: Ok(vec![machine(1, RUNNING)]), agents: Ok(agents) };
    let operations = [operation];
    let why = "its machine runs, and the agent has not come back to the master yet";
    assert_eq!(lines(&of(vec![awaited.clone()]), &operations), [line("10.0.0.1:5051", "i-1", why)]);
    let lost = "the master has lost sight of its agent";
    assert_eq!(lines(&of(Vec::new()), &operations), [line("10.0.0.1:5051", "i-1", lost)]);
    // It is not known which machine one has whose operation is forgotten, also where it has an address.
    let homeless = Agent { registered: false, active: false, ..agent(1) };
    let why = "a machine of ours without an agent, as far as agents have come back to the master";
    assert_eq!(lines(&of(vec![homeless]), &[]), [line("10.0.0.1:5051", "", ""), line("", "i-1", why)]);
    // The machine is that of whoever is there now.
    let other = Agent { id: "a-2".to_owned(), ..agent(1) };
    let both = [line("10.0.0.1:5051", "i-1", ""), line("10.0.0.1:5051", "", "")];
    assert_eq!(lines(&of(vec![other, awaited]), &operations), both);
}
