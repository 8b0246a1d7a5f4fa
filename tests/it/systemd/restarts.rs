//! A real agent, restarted by a helper that systemd starts, kills and starts again.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::machine::{Machine, NEW, OLD, STAND_IN, UNIT};
use crate::harness::framework::Framework;
use crate::harness::until;

/// How long a new Mesos must live: longer than the bad module lets it.
const HOLD: f64 = 3.5;

#[test]
#[ignore = "needs root, real Mesos and built packages: make test"]
fn an_agent_under_systemd_is_upgraded_rolled_back_and_lost() {
    let machine = Machine::started(HOLD);
    let agent = machine.agent_id();
    let framework = Framework::start(&format!("127.0.0.1:{}", machine.master_port), &[]);
    let task = framework.task().unwrap();

    // Who answered before on that address is gone, and for good, whatever somebody enables.
    assert_eq!(machine.property(STAND_IN, "ActiveState"), "inactive");
    assert_eq!(machine.property(STAND_IN, "UnitFileState"), "disabled");
    machine.host.run(&["systemctl", "enable", "--now", STAND_IN]).expect(0);
    assert_eq!(machine.property(STAND_IN, "ConditionResult"), "no");

    // A set whose Mesos ends before systemd calls it started.
    let report = machine.restart(&["--json"], &machine.broken_set()).expect(6).json();
    assert!(report["detail"].as_str().unwrap().starts_with("Mesos has ended: it exited with status 1"), "{report}");
    assert!(report["log"].to_string().contains("no-such-isolator"), "what it said: {report}");
    machine.restart(&["--json"], &machine.broken_set()).expect(3);

    // An upgrade, with a helper that is ended in the middle, one way and the other: systemd starts it again. One that was
    // stopped on purpose is brought back by `start`.
    machine.restart(&["--no-wait"], &machine.set(NEW)).expect(0);
    let mut ended = String::new();
    for signal in ["-KILL", "-TERM"] {
        let helper = until("another helper runs", 30, || {
            main_pid(&machine, "dcos-restart-helper.service").filter(|pid| *pid != ended)
        });
        machine.host.run(&["kill", signal, &helper]).expect(0);
        ended = helper;
    }
    until("the second is replaced as well", 30, || {
        main_pid(&machine, "dcos-restart-helper.service").filter(|pid| *pid != ended)
    });
    machine.helper(&["stop", "--force"]).expect(0);
    machine.helper(&["start", "--no-wait"]).expect(0);
    assert_eq!(comes_to_an_end(&machine)["state"], "confirmed");
    assert_eq!(machine.version(), NEW);
    assert_eq!(framework.task(), Some(task.clone()), "the same process through the upgrade");

    // A set that crashes: systemd starts it again, which is no way to come up cleanly.
    let report = machine.restart(&["--json"], &machine.crashing_set()).expect(6).json();
    assert!(report["detail"].as_str().unwrap().starts_with("Mesos has ended: it "), "{report}");
    let log: Vec<&str> = report["log"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(log.iter().any(|line| line.contains("Main process exited")), "what systemd says of it: {log:#?}");
    assert!(log.iter().any(|line| line.contains("mesos")), "what it said itself: {log:#?}");
    assert_eq!(machine.version(), NEW);
    assert_eq!(framework.task(), Some(task), "the same process through the rollback");
    assert_eq!(machine.agent_id(), agent);
    assert_eq!(framework.states(), ["TASK_STARTING", "TASK_RUNNING"], "the framework was told nothing");
    until("the helper ends when there is nothing to do", 10, || {
        (machine.property("dcos-restart-helper.service", "ActiveState") == "inactive").then_some(())
    });

    // A crash out of season is systemd's business alone.
    let before = main_pid(&machine, UNIT).unwrap();
    machine.host.run(&["kill", "-KILL", &before]).expect(0);
    let now = until("systemd has started it again", 10, || main_pid(&machine, UNIT).filter(|pid| *pid != before));
    let now: u64 = now.parse().expect("a pid is a number");
    until("it is written down which process is Mesos", 10, || {
        (machine.status()["running"]["pid"] == now).then_some(())
    });

    // The machine is lost between two sets.
    machine.restart(&["--no-wait"], &machine.set(OLD)).expect(0);
    // Whoever looks may be kept waiting for so long that the new set runs already.
    lose_once(&machine, |phase| {
        ["stopped", "starting", "watching"].iter().any(|step| phase["moving"]["step"] == *step)
    });
    let report = comes_to_an_end(&machine);
    assert_eq!(report["state"], "confirmed", "{report}");
    assert_eq!(machine.version(), OLD);
    whole(&machine);

    // The machine is lost while it watches a set that is going to fail.
    machine.restart(&["--no-wait", "--retry-failed"], &machine.crashing_set()).expect(0);
    lose_once(&machine, |phase| phase["moving"]["step"] == "watching");
    let report = comes_to_an_end(&machine);
    assert_eq!(report["state"], "rolled_back", "{report}");
    assert_eq!(machine.version(), OLD);
    assert_eq!(machine.agent_id(), agent, "the same agent in all of it");
    whole(&machine);
}

fn main_pid(machine: &Machine, unit: &str) -> Option<String> {
    Some(machine.property(unit, "MainPID")).filter(|pid| pid != "0")
}

/// Waits for a phase of the attempt, pulls the cable, and switches the machine on again.
fn lose_once(machine: &Machine, condition: impl Fn(&Value) -> bool) {
    let root: PathBuf = machine.host.path("/");
    loop {
        let journal = machine.journal(Path::new(&root));
        if condition(&journal["phase"]) {
            break;
        }
        assert_ne!(journal["closed"], true, "the attempt ended before the machine was lost: {journal}");
    }
    machine.host.kill();
    machine.host.boot();
}

/// Waits until the attempt has ended on its own; answers its report.
fn comes_to_an_end(machine: &Machine) -> Value {
    until("the attempt ends", 60, || {
        let status = machine.status();
        let ended = status["attempt"].is_null() && !status["running"].is_null();
        ended.then(|| status["last_attempts"][0].clone())
    })
}

/// Mesos runs from the active generation, as one process of one whole set, and nothing has failed.
fn whole(machine: &Machine) {
    let status = machine.status();
    assert_eq!(status["running"]["generation"], status["active_generation"], "{status}");
    assert_eq!(machine.property(UNIT, "MainPID"), status["running"]["pid"].to_string());
    assert_eq!(machine.property(STAND_IN, "ActiveState"), "inactive", "its address is Mesos's");
    let failed = machine.host.run(&["systemctl", "--failed", "--no-legend", "--plain"]).stdout;
    assert_eq!(failed, "", "no unit has failed");
}
