//! Helpers that are killed: the worker at any moment, the guard, both.

use std::time::{Duration, Instant};

use super::machine::{Machine, NEW, OLD, kill, moment};
use crate::harness::until;

#[test]
fn a_killed_worker_is_replaced_and_mesos_does_not_notice() {
    let machine = Machine::started();
    let mesos = machine.runs(OLD);
    for _ in 0..2 {
        let worker = machine.holder("helper.lock").unwrap();
        kill(worker);
        machine.other_holder("helper.lock", worker);
    }
    assert_eq!(machine.runs(OLD), mesos);
    // It is no child of the new worker, which notices its end all the same.
    kill(mesos);
    machine.started_times(2);
    machine.never_ran_two();
}

#[test]
fn a_killed_guard_is_brought_back_by_its_worker() {
    let machine = Machine::started();
    let (guard, worker) = (machine.holder("guard.lock").unwrap(), machine.holder("helper.lock").unwrap());
    kill(guard);
    machine.other_holder("guard.lock", guard);
    assert_eq!(machine.holder("helper.lock"), Some(worker), "the worker works on");
    // And the new guard does its duty.
    kill(worker);
    machine.other_holder("helper.lock", worker);
    assert_eq!(machine.starts(), [OLD]);
}

#[test]
fn a_killed_guard_and_worker_are_brought_back_by_the_next_order() {
    let machine = Machine::started();
    let mesos = machine.runs(OLD);
    kill(machine.holder("guard.lock").unwrap());
    kill(machine.holder("helper.lock").unwrap());
    until("both are gone", 10, || {
        (machine.holder("guard.lock").is_none() && machine.holder("helper.lock").is_none()).then_some(())
    });
    assert_eq!(machine.runs(OLD), mesos);
    machine.restart(NEW, &[]).expect(0);
    assert!(machine.holder("guard.lock").is_some());
    assert_eq!(machine.starts(), [OLD, NEW]);
    machine.never_ran_two();
}

#[test]
fn an_attempt_whose_worker_is_killed_again_and_again_ends_all_the_same() {
    let machine = Machine::started();
    let mut states = Vec::new();
    let mut target = NEW;
    for delay in [0, 15, 40, 80, 120, 200, 300, 500, 800] {
        machine.restart(target, &["--no-wait"]).expect(0);
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(delay) {
            moment();
        }
        if let Some(worker) = machine.holder("helper.lock") {
            kill(worker);
        }
        let status = machine.status();
        states.push(status["attempt"]["state"].as_str().unwrap_or("ended").to_owned());
        let report = machine.ended();
        assert_eq!(report["state"], "confirmed", "killed after {delay} ms: {report}");
        machine.runs(target);
        target = if target == NEW { OLD } else { NEW };
    }
    machine.never_ran_two();
    states.sort();
    states.dedup();
    assert!(states.len() >= 2, "all kills hit the same state: {states:?}");
}

#[test]
fn a_rollback_whose_worker_is_killed_ends_with_the_old_set() {
    let machine = Machine::started();
    machine.behave(NEW, "silent");
    machine.restart(NEW, &["--no-wait"]).expect(0);
    for state in ["watching", "rolling_back"] {
        until(&format!("the attempt is {state}"), 30, || (machine.status()["attempt"]["state"] == state).then_some(()));
        kill(machine.holder("helper.lock").unwrap());
    }
    assert_eq!(machine.ended()["state"], "rolled_back");
    machine.runs(OLD);
    assert_eq!(machine.starts(), [OLD, NEW, OLD]);
    machine.never_ran_two();
}

#[test]
fn an_attempt_that_was_stopped_by_force_is_gone_on_with() {
    let machine = Machine::started();
    machine.behave(NEW, "silent");
    machine.restart(NEW, &["--no-wait"]).expect(0);
    until("it is watched", 30, || (machine.status()["attempt"]["state"] == "watching").then_some(()));
    machine.helper(&["stop"]).expect(5);
    machine.helper(&["stop", "--mesos", "--force"]).expect(0);
    assert_eq!(machine.running(), None);
    machine.behave(NEW, "good");
    machine.helper(&["resume"]).expect(0);
    assert_eq!(machine.ended()["state"], "confirmed", "a stop on purpose is not the set's fault");
    machine.never_ran_two();
}
