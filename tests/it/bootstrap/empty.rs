//! Bootstrap by roots and a set.

use std::time::Duration;

use super::machine::{Machine, set};
use crate::pkg::server::Mood;

#[test]
fn an_empty_machine_becomes_a_node_and_a_second_time_is_once() {
    let machine = Machine::new();
    let outcome = machine.bootstrap(&["--json"]).expect(0);
    assert_eq!(outcome.json()["running"]["mesos_version"], "1.10.0", "{outcome}");
    machine.runs();
    assert_eq!(machine.starts(), 1);
    let again = machine.bootstrap(&[]).expect(0);
    assert!(again.stdout.contains("running now: generation 1"), "{again}");
    assert_eq!(machine.starts(), 1);
    // The node file may as well be taken as it is.
    let wanted = set();
    let by_file: Vec<&str> = ["bootstrap", "--set"].into_iter().chain(wanted.iter().map(String::as_str)).collect();
    machine.node(&by_file).expect(0);

    // What is there is not overwritten, and a node is no empty machine.
    let other = machine.bootstrap(&["--hostname", "other"]).expect(3);
    assert!(other.stderr.contains("is there and says something else"), "{other}");
    let refused = machine.node(&["bootstrap", "--set", "mesos--1.10.0"]).expect(3);
    assert!(refused.stderr.contains("this machine is a node already; running now"), "{refused}");
    assert_eq!(machine.starts(), 1);
}

#[test]
fn a_repository_that_stumbles_hangs_up_or_lies_for_a_while_is_outlasted() {
    let machine = Machine::new();
    // Three archives are asked for six times each before a round is given up: this takes more than one.
    machine.repository.set(Mood::Busy(20));
    let busy = machine.bootstrap(&[]).expect(0);
    assert!(busy.stderr.contains("asking again") && busy.stderr.contains("trying again in"), "{busy}");
    machine.runs();

    let machine = Machine::new();
    machine.repository.set(Mood::HangUp { after: 100, times: 5 });
    machine.bootstrap(&[]).expect(0);
    machine.runs();
}

#[test]
fn a_lie_is_told_from_the_truth_and_outlasted() {
    let machine = Machine::new();
    machine.repository.set(Mood::Lie);
    let mut child = machine.bootstrapping();
    // It goes on asking, and takes nothing.
    std::thread::sleep(Duration::from_millis(1500));
    assert!(child.try_wait().unwrap().is_none(), "it gave up");
    let packages = std::fs::read_dir(machine.path("root/packages"));
    assert!(packages.map_or(true, |mut packages| packages.next().is_none()), "it took something");
    machine.repository.set(Mood::Well);
    assert!(child.wait().unwrap().success());
    machine.runs();
}

#[test]
fn what_can_not_be_had_is_told_and_nothing_is_started() {
    let machine = Machine::new();
    let mut arguments = machine.arguments();
    arguments.push("nonsense--1".to_owned());
    let unknown = machine.helper(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).expect(4);
    assert!(unknown.stderr.contains("nonsense--1"), "{unknown}");
    assert!(unknown.stderr.contains("what was fetched and verified is kept"), "{unknown}");

    machine.repository.set(Mood::Lie);
    let place = arguments.iter().position(|word| word == "--deadline").unwrap() + 1;
    arguments[place] = "2".to_owned();
    arguments.pop();
    let mut other_root = arguments.clone();
    let place = other_root.iter().position(|word| word == "--root").unwrap() + 1;
    other_root[place] = machine.path("root2").display().to_string();
    let place = other_root.iter().position(|word| word == "--node").unwrap() + 1;
    other_root[place] = machine.path("etc2/node.toml").display().to_string();
    let lied = machine.helper(&other_root.iter().map(String::as_str).collect::<Vec<_>>()).expect(3);
    assert!(lied.stderr.contains("trying again"), "{lied}");
    assert_eq!(machine.starts(), 0);
    assert!(!machine.path("root/state/guard.lock").exists() && !machine.path("root2/state/guard.lock").exists());
}

#[test]
fn nothing_said_is_a_question_of_usage() {
    let machine = Machine::new();
    let outcome = machine.node(&["bootstrap", "--set", "mesos--1.10.0"]).expect(2);
    assert!(outcome.stderr.contains("nothing says what it should be"), "{outcome}");
    let outcome = machine.node(&["bootstrap", "--ip", "127.0.0.1", "--set", "mesos--1.10.0"]).expect(2);
    assert!(outcome.stderr.contains("`--master` or `--zk` is missing"), "{outcome}");
    let outcome = machine.node(&["bootstrap", "--join", "http://127.0.0.1:1"]).expect(2);
    assert!(outcome.stderr.contains("--token"), "{outcome}");
    assert!(!machine.path("etc").exists());
}

/// Killed after every so many milliseconds of a run that takes about a second, with the helper or without it, and run
/// again: it always ends as one node with one Mesos.
#[test]
fn killed_at_any_point_it_goes_on_when_it_is_run_again() {
    let (steps, machines) = if std::env::var_os("DCOS_BITS_LONG").is_some() { (25, 40) } else { (240, 4) };
    for round in 0..machines {
        let machine = Machine::new();
        let mut child = machine.bootstrapping();
        std::thread::sleep(Duration::from_millis(40 + round * steps));
        child.kill().unwrap();
        child.wait().unwrap();
        if round % 2 == 1 {
            kill_helpers(&machine);
        }
        machine.bootstrap(&[]).expect(0);
        machine.helper_runs();
        machine.runs();
        assert_eq!(machine.starts(), 1, "round {round}");
    }
}

/// Kills guard and worker, if they are there, as the kernel would.
fn kill_helpers(machine: &Machine) {
    for lock in ["guard.lock", "helper.lock"] {
        let pid = std::fs::read_to_string(machine.path("root/state").join(lock)).unwrap_or_default();
        let command = std::fs::read(format!("/proc/{}/cmdline", pid.trim())).unwrap_or_default();
        if !pid.trim().is_empty() && String::from_utf8_lossy(&command).contains("dcos-restart-helper") {
            crate::restart::machine::kill(pid.trim().parse().unwrap());
        }
    }
}
