//! What a step concludes from what it can't see, and what it does not.

use super::{PATIENCE, asked, at};
use crate::add::{Action, leftovers, next, told};
use crate::operation::{Operation, Slot, Stage, Work};
use crate::provider::{LaunchError, Launched};
use crate::world::{Agent, Drain, Machine, MachineState, World};

/// One agent asked for, and the machine that was made for it at the beginning.
fn launched() -> Operation {
    let mut operation = asked(1);
    step(&mut operation, &world(None, None), 0);
    told(&mut operation, 0, Ok(Launched { machine: "i0".to_owned() }), at(0));
    operation
}

fn slot(operation: &Operation) -> &Slot {
    let Work::Add(add) = &operation.work else { unreachable!("it adds") };
    &add.slots[0]
}

fn step(operation: &mut Operation, seen: &World, seconds: i64) -> Vec<Action> {
    next(operation, seen, PATIENCE, &mut 1, at(seconds))
}

fn machine(state: MachineState) -> Machine {
    Machine {
        id: "i0".to_owned(),
        state,
        token: "o1-0-0-0".to_owned(),
        operation: "o1".to_owned(),
        slot: 0,
        address: Some([10, 0, 0, 1].into()),
        port: None,
        kind: String::new(),
    }
}

/// Its agent, that still runs another set than it should.
fn registered() -> Agent {
    Agent {
        id: "a-0".to_owned(),
        node: "agent-0.example:5051".to_owned(),
        address: Some(([10, 0, 0, 1], 5051).into()),
        registered: true,
        active: true,
        deactivated: false,
        drain: Drain::No,
        settled: Some(false),
    }
}

/// The same after a restart of the master, which knows no address of it then.
fn awaited() -> Agent {
    Agent { address: None, registered: false, active: false, settled: None, ..registered() }
}

fn world(state: Option<MachineState>, agent: Option<Agent>) -> World {
    World { machines: Ok(state.map(machine).into_iter().collect()), agents: Ok(agent.into_iter().collect()) }
}

fn running(agent: Option<Agent>) -> World {
    world(Some(MachineState::Running), agent)
}

fn silent() -> World {
    World { agents: Err("the master answered 401".to_owned()), ..running(None) }
}

fn terminate() -> Vec<Action> {
    vec![Action::Terminate { machine: "i0".to_owned() }]
}

#[test]
fn nothing_is_given_up_while_it_can_not_be_told_who_is_registered() {
    let mut operation = launched();
    for (seen, seconds, why) in [
        (silent(), 901, "the agents can't be listed: the master answered 401"),
        (silent(), 100_000, "the agents can't be listed: the master answered 401"),
        (running(Some(awaited())), 901, "the master has not heard yet of every agent since it was restarted"),
    ] {
        assert_eq!(step(&mut operation, &seen, seconds), []);
        assert_eq!((slot(&operation).stage, slot(&operation).detail.as_str()), (Stage::Launched, why));
    }
    // Whoever has not come back this long after is no agent of this machine, also where it had the same address once.
    for agent in [awaited(), Agent { address: registered().address, ..awaited() }] {
        let mut never = operation.clone();
        assert_eq!(step(&mut never, &running(Some(agent.clone())), 1800), []);
        assert_eq!(step(&mut never, &running(Some(agent)), 1801), terminate());
    }
    assert_eq!(step(&mut operation, &running(None), 901), terminate(), "it is known not to be there");
    assert_eq!(slot(&operation).detail, "its agent did not register within 900 s");
}

#[test]
fn an_agent_that_was_registered_once_keeps_its_machine() {
    let mut operation = launched();
    assert_eq!(step(&mut operation, &running(Some(registered())), 500), []);
    assert_eq!((slot(&operation).stage, slot(&operation).agent_id.as_deref()), (Stage::Launched, Some("a-0")));
    let inactive = || Agent { active: false, ..registered() };
    for seen in [silent(), running(Some(awaited())), running(Some(inactive())), running(None)] {
        for seconds in [901, 1800] {
            assert_eq!(step(&mut operation, &seen, seconds), []);
            assert_eq!(slot(&operation).stage, Stage::Launched, "{seen:?}");
        }
    }
    let mut back = operation.clone();
    assert_eq!(step(&mut back, &running(Some(registered())), 1801), []);
    assert_eq!(back.end.unwrap().reason, "1 of 1 agents are registered");
    // It is not for this operation to end what may run tasks.
    assert_eq!(step(&mut operation, &running(None), 1801), []);
    assert_eq!(slot(&operation).detail, "it was registered; the master has lost sight of it since");
    assert!(operation.end.unwrap().done);
    // Unless there is nothing any more.
    let mut nothing = launched();
    step(&mut nothing, &running(Some(registered())), 500);
    step(&mut nothing, &world(None, None), 1801);
    assert_eq!((slot(&nothing).stage, slot(&nothing).agent_id.as_deref()), (Stage::Launching, None));
}

#[test]
fn what_has_registered_is_kept_also_when_it_is_withdrawn() {
    for (seen, stage) in [
        (running(Some(registered())), Stage::Registered),
        (running(Some(Agent { active: false, ..registered() })), Stage::Registered),
        (silent(), Stage::Launched),
        (running(Some(awaited())), Stage::Launched),
        (running(None), Stage::Abandoning),
        (world(Some(MachineState::Stopping), None), Stage::Abandoning),
    ] {
        let mut operation = launched();
        operation.cancelled = Some("ada".to_owned());
        let expected = if stage == Stage::Abandoning { terminate() } else { Vec::new() };
        assert_eq!(step(&mut operation, &seen, 60), expected, "{seen:?}");
        assert_eq!(slot(&operation).stage, stage, "{seen:?}");
    }
    // The answer to its launch was lost, and it has joined since.
    let mut operation = asked(1);
    step(&mut operation, &world(None, None), 0);
    operation.cancelled = Some("ada".to_owned());
    assert_eq!(step(&mut operation, &running(Some(registered())), 60), []);
    assert_eq!((slot(&operation).stage, slot(&operation).agent_id.as_deref()), (Stage::Registered, Some("a-0")));
    // One that was noted before is known as that, wherever it is now.
    let mut operation = launched();
    step(&mut operation, &running(Some(registered())), 50);
    operation.cancelled = Some("ada".to_owned());
    assert_eq!(step(&mut operation, &running(None), 60), []);
    assert_eq!(slot(&operation).stage, Stage::Registered);
}

#[test]
fn a_machine_that_is_stopped_is_ended_and_another_one_made() {
    let stopped = || world(Some(MachineState::Stopping), None);
    let mut operation = launched();
    let actions = step(&mut operation, &stopped(), 60);
    assert_eq!(slot(&operation).detail, "its machine ended or stopped before it joined; another one is asked for");
    let again = Action::Launch { slot: 0, token: "o1-0-0-1".to_owned(), choice: 0 };
    assert_eq!(actions, [&[again][..], &terminate()].concat());

    // Neither does one that is given up last for ever, nor one that stops after the end.
    let mut operation = launched();
    operation.cancelled = Some("ada".to_owned());
    for seconds in [60, 62, 100_000] {
        assert_eq!(step(&mut operation, &stopped(), seconds), terminate());
    }
    step(&mut operation, &world(Some(MachineState::Gone), None), 100_002);
    assert!(operation.is_over());
    assert_eq!(leftovers(&operation, &[machine(MachineState::Stopping)]), ["i0"]);
    assert!(leftovers(&operation, &[machine(MachineState::Gone)]).is_empty());
}

#[test]
fn the_time_to_ask_for_a_machine_runs_from_its_first_call() {
    // The second slot has to wait for its turn longer than anybody may ask in vain.
    let mut operation = asked(2);
    let nothing = world(None, None);
    assert_eq!(next(&mut operation, &nothing, PATIENCE, &mut 1, at(0)).len(), 1);
    let throttled = || Err(LaunchError::Throttled("RequestLimitExceeded".to_owned()));
    told(&mut operation, 0, Ok(Launched { machine: "i0".to_owned() }), at(0));
    assert_eq!(next(&mut operation, &running(None), PATIENCE, &mut 0, at(700)), []);
    let second = Action::Launch { slot: 1, token: "o1-1-0-0".to_owned(), choice: 0 };
    assert_eq!(step(&mut operation, &running(None), 701), [second]);
    told(&mut operation, 1, throttled(), at(701));

    // The first one's machine is lost late, and another one is asked for. That has its own time, and an end.
    let again = Action::Launch { slot: 0, token: "o1-0-0-1".to_owned(), choice: 0 };
    assert!(step(&mut operation, &world(Some(MachineState::Gone), None), 703).contains(&again));
    told(&mut operation, 0, throttled(), at(703));
    step(&mut operation, &nothing, 1303);
    assert_eq!(slot(&operation).stage, Stage::Launching);
    step(&mut operation, &nothing, 1304);
    assert_eq!(slot(&operation).stage, Stage::Abandoning);
    assert!(slot(&operation).detail.contains("no machine could be had in 600 s"), "{:?}", slot(&operation));
}

#[test]
fn an_operation_of_an_earlier_release_can_be_read() {
    let document = serde_json::to_value(asked(1)).unwrap();
    assert!(document["work"]["add"]["slots"][0].get("launching_since").is_none());
    assert_eq!(serde_json::from_value::<Operation>(document).unwrap(), asked(1));
}
