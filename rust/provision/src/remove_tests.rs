//! A removal, stage by stage, and from any stage again.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::{SignedDuration, Timestamp};

use super::{Action, told};
use crate::operation::{FORMAT, Operation, Remove, RemoveStage, Work};
use crate::world::{Agent, Drain, Machine, MachineState, World};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn asked(stage: RemoveStage, keep_machine: bool) -> Operation {
    Operation {
        format: FORMAT,
        id: "o2".to_owned(),
        asked_at: at(0),
        by: None,
        key: None,
        work: Work::Remove(Remove {
            agent_id: "a-1".to_owned(),
            node: "10.0.0.1:5051".to_owned(),
            machine: Some("i1".to_owned()),
            keep_machine,
            grace: 600,
            stage,
            since: at(0),
            away_since: None,
            marked: false,
            detail: String::new(),
        }),
        warnings: Vec::new(),
        cancelled: None,
        end: None,
    }
}

fn world(agent: Option<(bool, Drain)>, machine: MachineState) -> World {
    let agent = agent.map(|(deactivated, drain)| Agent {
        id: "a-1".to_owned(),
        node: "10.0.0.1:5051".to_owned(),
        address: None,
        registered: true,
        active: !deactivated,
        deactivated,
        drain,
        settled: None,
    });
    let machine = Machine {
        id: "i1".to_owned(),
        state: machine,
        token: "o1-0-0-0".to_owned(),
        operation: "o1".to_owned(),
        slot: 0,
        address: None,
        port: None,
        kind: String::new(),
    };
    World { machines: Ok(vec![machine]), agents: Ok(agent.into_iter().collect()) }
}

/// The same for an agent that is not registered: awaited since the master's restart, or in none of the master's lists.
fn away(awaited: bool, machine: MachineState) -> World {
    let mut seen = world(awaited.then_some((false, Drain::No)), machine);
    for agent in seen.agents.iter_mut().flatten() {
        (agent.registered, agent.active) = (false, false);
    }
    seen
}

/// One step, whose call works.
fn next(operation: &mut Operation, seen: &World, now: Timestamp) -> Option<Action> {
    let action = super::next(operation, seen, SignedDuration::from_secs(900), now);
    if let Some(action) = &action {
        told(operation, action, Ok(()));
    }
    action
}

fn gone() -> Option<Action> {
    Some(Action::MarkGone { agent: "a-1".to_owned() })
}

fn terminated() -> Option<Action> {
    Some(Action::Terminate { machine: "i1".to_owned() })
}

fn stage(operation: &Operation) -> RemoveStage {
    let Work::Remove(remove) = &operation.work else { unreachable!("it removes") };
    remove.stage
}

const RUNNING: MachineState = MachineState::Running;

#[test]
fn an_agent_is_deactivated_drained_marked_gone_and_terminated_in_this_order() {
    let mut operation = asked(RemoveStage::Waiting, false);
    let agent = || "a-1".to_owned();
    let mut step = |seen: World, seconds| next(&mut operation, &seen, at(seconds));
    assert_eq!(step(world(Some((false, Drain::No)), RUNNING), 1), Some(Action::Deactivate { agent: agent() }));
    assert_eq!(step(world(Some((true, Drain::No)), RUNNING), 2), Some(Action::Drain { agent: agent(), grace: 600 }));
    assert_eq!(step(world(Some((true, Drain::Draining)), RUNNING), 3), None);
    assert_eq!(step(world(Some((true, Drain::Drained)), RUNNING), 60), Some(Action::MarkGone { agent: agent() }));
    assert_eq!(step(world(None, RUNNING), 61), None);
    assert_eq!(step(world(None, RUNNING), 62), Some(Action::Terminate { machine: "i1".to_owned() }));
    assert_eq!(step(world(None, MachineState::Stopping), 63), Some(Action::Terminate { machine: "i1".to_owned() }));
    assert_eq!(step(world(None, MachineState::Gone), 64), None);
    assert!(operation.end.unwrap().done);
}

#[test]
fn tasks_that_do_not_end_hold_it_until_the_deadline_and_no_longer() {
    let mut operation = asked(RemoveStage::Draining, false);
    let draining = || world(Some((true, Drain::Draining)), RUNNING);
    assert_eq!(next(&mut operation, &draining(), at(629)), None);
    assert_eq!(next(&mut operation, &draining(), at(630)), Some(Action::MarkGone { agent: "a-1".to_owned() }));
}

#[test]
fn the_deadline_runs_from_the_draining() {
    let mut operation = asked(RemoveStage::Deactivating, false);
    next(&mut operation, &world(Some((true, Drain::No)), RUNNING), at(5_000));
    let draining = world(Some((true, Drain::Draining)), RUNNING);
    assert_eq!(next(&mut operation, &draining, at(5_600)), None);
    assert_eq!(stage(&operation), RemoveStage::Draining);
}

#[test]
fn every_stage_can_be_repeated_and_an_agent_that_is_gone_is_done() {
    for from in [
        RemoveStage::Waiting,
        RemoveStage::Deactivating,
        RemoveStage::Draining,
        RemoveStage::MarkingGone,
        RemoveStage::Terminating,
    ] {
        let mut operation = asked(from, false);
        let first = next(&mut operation.clone(), &world(Some((true, Drain::No)), RUNNING), at(1));
        assert_eq!(next(&mut operation.clone(), &world(Some((true, Drain::No)), RUNNING), at(1)), first);
        for seconds in 1..5 {
            next(&mut operation, &world(None, MachineState::Gone), at(seconds));
        }
        assert!(operation.end.unwrap().done, "{from:?}");
    }
}

#[test]
fn a_machine_is_kept_when_that_was_asked_for() {
    let mut operation = asked(RemoveStage::Terminating, true);
    assert_eq!(next(&mut operation, &world(None, RUNNING), at(1)), None);
    assert_eq!(operation.end.unwrap().reason, "the agent is gone; its machine i1 was kept");
}

#[test]
fn it_can_be_withdrawn_before_anything_was_done_and_not_later() {
    let mut early = asked(RemoveStage::Waiting, false);
    early.cancelled = Some("ada".to_owned());
    assert_eq!(next(&mut early, &world(Some((false, Drain::No)), RUNNING), at(1)), None);
    assert!(!early.end.unwrap().done);
    let mut late = asked(RemoveStage::Draining, false);
    late.cancelled = Some("ada".to_owned());
    next(&mut late, &world(Some((true, Drain::Draining)), RUNNING), at(1));
    assert_eq!((late.end.clone(), stage(&late)), (None, RemoveStage::Draining));
}

const EARLY: [RemoveStage; 3] = [RemoveStage::Waiting, RemoveStage::Deactivating, RemoveStage::Draining];

#[test]
fn an_agent_that_is_not_registered_is_waited_for_and_its_machine_left_alone() {
    for (from, awaited) in EARLY.into_iter().flat_map(|from| [(from, true), (from, false)]) {
        let mut operation = asked(from, false);
        for seconds in [1, 100, 900] {
            assert_eq!(next(&mut operation, &away(awaited, RUNNING), at(seconds)), None, "{from:?} {awaited}");
            assert_eq!((stage(&operation), operation.is_over()), (from, false));
        }
        // It comes back, and is taken up where it was.
        let back = next(&mut operation, &world(Some((true, Drain::Draining)), RUNNING), at(905));
        assert!(!matches!(back, Some(Action::MarkGone { .. } | Action::Terminate { .. })), "{from:?}: {back:?}");
    }
}

#[test]
fn one_that_stays_away_is_marked_gone_before_its_machine_is_terminated() {
    for (from, awaited) in EARLY.into_iter().flat_map(|from| [(from, true), (from, false)]) {
        let mut operation = asked(from, false);
        let away = || away(awaited, RUNNING);
        assert_eq!(next(&mut operation, &away(), at(10)), None);
        assert_eq!(next(&mut operation, &away(), at(909)), None);
        assert_eq!(next(&mut operation, &away(), at(910)), gone(), "{from:?} {awaited}");
        // The master goes on listing one that was awaited when it was marked.
        assert_eq!(next(&mut operation, &away(), at(912)), None);
        assert_eq!(next(&mut operation, &away(), at(914)), terminated());
    }
}

#[test]
fn nothing_is_terminated_before_the_master_has_taken_the_mark() {
    let mut operation = asked(RemoveStage::MarkingGone, false);
    for seconds in 1..4 {
        let action = super::next(&mut operation, &away(false, RUNNING), SignedDuration::from_secs(900), at(seconds));
        assert_eq!(action, gone());
        told(&mut operation, &gone().unwrap(), Err("503".to_owned()));
        assert_eq!(stage(&operation), RemoveStage::MarkingGone);
        let Work::Remove(remove) = &operation.work else { unreachable!("it removes") };
        assert_eq!(remove.detail, "the master is told that it is gone for good; refused: 503");
    }
    assert_eq!(next(&mut operation, &away(false, RUNNING), at(5)), gone());
    // Also while the master's list is not up to date yet.
    assert_eq!(next(&mut operation, &world(Some((true, Drain::Drained)), RUNNING), at(6)), gone());
    next(&mut operation, &away(false, RUNNING), at(7));
    assert_eq!(next(&mut operation, &away(false, RUNNING), at(8)), terminated());
}

#[test]
fn an_agent_whose_machine_is_no_more_is_not_waited_for() {
    for from in EARLY {
        let mut operation = asked(from, false);
        let dead = || away(true, MachineState::Gone);
        assert_eq!(next(&mut operation, &dead(), at(1)), gone(), "{from:?}");
        next(&mut operation, &dead(), at(2));
        next(&mut operation, &dead(), at(3));
        assert!(operation.end.unwrap().done, "{from:?}");
    }
}

#[test]
fn the_time_of_tasks_does_not_run_while_their_agent_is_away() {
    let mut operation = asked(RemoveStage::Draining, false);
    let draining = || world(Some((true, Drain::Draining)), RUNNING);
    next(&mut operation, &away(true, RUNNING), at(100));
    assert_eq!(next(&mut operation, &draining(), at(700)), None, "600 of 700 s it was away");
    assert_eq!(next(&mut operation, &draining(), at(1229)), None);
    assert_eq!(next(&mut operation, &draining(), at(1230)), gone());

    // Tasks that may take an hour have it also where their agent is out of sight.
    let mut operation = asked(RemoveStage::Draining, false);
    if let Work::Remove(remove) = &mut operation.work {
        remove.grace = 3600;
    }
    next(&mut operation, &away(false, RUNNING), at(0));
    assert_eq!(next(&mut operation, &away(false, RUNNING), at(3599)), None);
    assert_eq!(next(&mut operation, &away(false, RUNNING), at(3600)), gone());
}

#[test]
fn an_operation_of_an_earlier_release_can_be_read() {
    let mut document = serde_json::to_value(asked(RemoveStage::MarkingGone, false)).unwrap();
    let remove = document["work"]["remove"].as_object_mut().unwrap();
    remove.remove("marked").unwrap();
    assert!(!remove.contains_key("away_since"));
    let operation: Operation = serde_json::from_value(document).unwrap();
    assert_eq!(operation, asked(RemoveStage::MarkingGone, false));
}
