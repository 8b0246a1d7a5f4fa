//! Starting and stopping the helper, and keeping Mesos running outside of attempts.

use super::machine::{Machine, NEW, OLD, gone, kill};

#[test]
fn start_answers_once_mesos_does_and_twice_is_once() {
    let machine = Machine::started();
    let (pid, version) = machine.running().unwrap();
    assert_eq!(version, OLD);
    let worker = machine.holder("helper.lock").unwrap();
    let again = machine.helper(&["start"]).expect(0);
    assert!(again.stdout.contains(&format!("running now: generation 1 with Mesos 1.10.0, process {pid}")), "{again}");
    assert_eq!(machine.holder("helper.lock"), Some(worker));
    assert_eq!(machine.starts(), [OLD]);
}

#[test]
fn stop_leaves_mesos_running_and_start_finds_it_again() {
    let machine = Machine::started();
    let (pid, _) = machine.running().unwrap();
    machine.helper(&["stop"]).expect(0);
    assert_eq!(machine.holder("helper.lock"), None);
    assert_eq!(machine.runs(OLD), pid);
    machine.helper(&["start"]).expect(0);
    assert_eq!(machine.runs(OLD), pid);

    let stopped = machine.helper(&["stop", "--mesos"]).expect(0);
    assert!(stopped.stdout.contains("no Mesos is running now"), "{stopped}");
    gone(pid);
    machine.helper(&["start"]).expect(0);
    assert_eq!(machine.starts(), [OLD, OLD]);
    machine.never_ran_two();
}

#[test]
fn a_crashed_mesos_is_started_again() {
    let machine = Machine::started();
    for times in 2..=4 {
        kill(machine.running().unwrap().0);
        machine.started_times(times);
    }
    machine.never_ran_two();
}

#[test]
fn start_says_why_mesos_does_not_answer() {
    let machine = Machine::new();
    machine.behave(OLD, "exits");
    let outcome = machine.helper(&["start"]).expect(9);
    assert!(outcome.stderr.contains("the flags are wrong"), "{outcome}");
    assert!(outcome.stderr.contains("no Mesos is running now"), "{outcome}");
    assert!(outcome.stderr.contains("hint: the helper goes on trying"), "{outcome}");
    // It does.
    machine.behave(OLD, "good");
    machine.runs(OLD);
}

#[test]
fn a_node_without_a_set_can_not_be_started() {
    let machine = Machine::new();
    std::fs::remove_file(machine.root().join("active")).unwrap();
    let outcome = machine.helper(&["start"]).expect(4);
    assert!(outcome.stderr.contains("no generation is active"), "{outcome}");
    assert_eq!(machine.holder("guard.lock"), None);
}

#[test]
fn a_bad_node_file_is_told_before_anything_is_started() {
    let machine = Machine::new();
    machine.write_node("colour = \"red\"\n");
    let outcome = machine.helper(&["start"]).expect(2);
    assert!(outcome.stderr.contains("unknown field `colour`"), "{outcome}");
    machine.write_node("");
}

#[test]
fn a_mesos_of_this_root_is_not_pulled_away_under_its_feet() {
    let machine = Machine::started();
    let set = super::machine::set(NEW);
    let activate: Vec<&str> = std::iter::once("activate").chain(set.iter().map(String::as_str)).collect();
    let outcome = machine.pkg(&activate);
    assert_ne!(outcome.code, Some(0), "{outcome}");
    assert_eq!(machine.runs(OLD), machine.running().unwrap().0);
}
