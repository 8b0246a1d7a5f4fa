//! A removal, stage by stage, and from any stage again.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::Timestamp;

use super::{Action, next};
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
        for seconds in 1..4 {
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
