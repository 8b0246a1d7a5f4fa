//! How attempts end, and what is told of it.

use super::machine::{Machine, NEW, OLD, set};
use crate::harness::until;

#[test]
fn a_good_set_is_confirmed_and_its_helper_takes_over() {
    let machine = Machine::started();
    let worker = machine.holder("helper.lock").unwrap();
    let report = machine.restart(NEW, &[]).expect(0).json();
    assert_eq!(report["state"], "confirmed", "{report}");
    assert!(report["absence_ms"].as_u64().is_some_and(|absence| absence < 5_000), "{report}");
    let mesos = machine.runs(NEW);
    assert_eq!(machine.starts(), [OLD, NEW]);
    machine.never_ran_two();
    // The new set's helper is another file; the worker becomes it without leaving its child.
    until("the new helper is at work", 20, || {
        let command = std::fs::read(format!("/proc/{worker}/cmdline")).unwrap_or_default();
        let current = std::fs::canonicalize(machine.root().join("helper/current")).ok()?;
        String::from_utf8_lossy(&command).contains(current.to_str()?).then_some(())
    });
    assert_eq!(machine.runs(NEW), mesos);
    assert_eq!(machine.restart(OLD, &[]).expect(0).json()["state"], "confirmed", "and back again");
}

#[test]
fn bad_sets_are_rolled_back_with_a_reason_and_remembered() {
    for (behaviour, reason, check) in [
        ("exits", "Mesos has ended: it exited with status 1", "process"),
        ("crashes:0.5", "Mesos has ended: it exited with status 9", "process"),
        ("silent", "`version`: `/version` does not answer", "version"),
        ("sick", "`/pkg/health`: it answers 503: it has a cold", "/pkg/health"),
    ] {
        let machine = Machine::started();
        machine.behave(NEW, behaviour);
        let outcome = machine.restart(NEW, &[]).expect(6);
        let report = outcome.json();
        assert_eq!(report["state"], "rolled_back", "{behaviour}");
        assert!(report["detail"].as_str().unwrap().contains(reason), "{behaviour}: {report}");
        let unwell = report["checks"].as_array().unwrap().iter().find(|found| found["name"] == check).unwrap();
        assert_ne!(unwell["answer"], "yes", "{behaviour}: {report}");
        let first = report["log"][0].as_str().unwrap();
        assert_eq!(first, format!("this is the fake of Mesos 1.11.0, which is {behaviour}"));
        assert_eq!(machine.starts(), [OLD, NEW, OLD], "{behaviour}");
        machine.never_ran_two();

        let refused = machine.restart(NEW, &[]).expect(3);
        assert_eq!(refused.json()["type"], "urn:dcos-bits:failed-before");
        machine.behave(NEW, "good");
        machine.restart(NEW, &["--retry-failed"]).expect(0);
    }
}

#[test]
fn a_stubborn_mesos_is_killed_at_the_deadline() {
    let machine = Machine::new();
    machine.behave(OLD, "stubborn");
    machine.helper(&["start"]).expect(0);
    let report = machine.restart(NEW, &[]).expect(0).json();
    let absence = report["absence_ms"].as_u64().unwrap();
    assert!(absence < 5_000, "the absence begins when it is gone, not when it is told to go: {absence}");
    machine.never_ran_two();
}

#[test]
fn a_node_with_two_bad_sets_is_lost_until_the_old_one_works() {
    let machine = Machine::started();
    machine.behave(NEW, "exits");
    machine.behave(OLD, "exits");
    let outcome = machine.restart(NEW, &[]).expect(7);
    assert_eq!(outcome.json()["state"], "lost");
    let detail = outcome.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("the previous set does not come up either"), "{detail}");
    // The helper goes on trying: a set that was made active under its hands would not stay.
    let refused = machine.pkg(&["rollback", "--json"]).expect(5).json();
    assert_eq!(refused["type"], "urn:dcos-bits:attempt-under-way");
    machine.behave(OLD, "good");
    machine.runs(OLD);
    until("it is found well", 30, || (machine.ended()["state"] == "rolled_back").then_some(()));
    machine.never_ran_two();
}

#[test]
fn nobody_leaves_in_the_middle_of_a_restart() {
    let machine = Machine::started();
    machine.behave(NEW, "silent");
    machine.restart(NEW, &["--no-wait"]).expect(0);
    let refused = machine.helper(&["leave", "--json"]).expect(5).json();
    assert_eq!(refused["type"], "urn:dcos-bits:attempt-running");
    assert_eq!(machine.ended()["state"], "rolled_back", "its helper lived on");
}

#[test]
fn refusals_change_nothing() {
    let machine = Machine::started();
    let (pid, _) = machine.running().unwrap();
    let kind = |version, flags: &[&str], code| {
        machine.restart(version, flags).expect(code).json()["type"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(kind(OLD, &[], 3), "urn:dcos-bits:already-active");
    assert_eq!(kind("1.9.0", &[], 4), "urn:dcos-bits:no-such-package");
    assert_eq!(kind(NEW, &["--attempt", "a b"], 2), "urn:dcos-bits:invalid-attempt");
    let plan = machine.restart(NEW, &["--dry-run"]).expect(0).json();
    assert_eq!(plan["plan"]["steps"][1], "switch");
    machine.helper(&["watch"]).expect(4);
    assert_eq!(machine.running(), Some((pid, OLD.to_owned())));
    assert!(!machine.state("journal.json").exists());
}

#[test]
fn a_damaged_journal_stops_restarts_and_not_mesos() {
    let machine = Machine::started();
    let (pid, _) = machine.running().unwrap();
    std::fs::write(machine.state("journal.json"), "{\"format\": 7}").unwrap();
    let refused = machine.restart(NEW, &[]).expect(3);
    assert_eq!(refused.json()["type"], "urn:dcos-bits:journal-from-the-future");
    assert_eq!(machine.helper(&["status", "--json"]).expect(7).json()["problem"]["status"], 422);
    // A Mesos that crashes meanwhile is started again all the same.
    super::machine::kill(pid);
    until("it is started again", 30, || machine.running().filter(|(new, _)| *new != pid));
    machine.helper(&["resume"]).expect(3);
    machine.helper(&["resume", "--discard"]).expect(0);
    std::fs::write(machine.state("journal.json"), "{\"format\": 8}").unwrap();
    machine.helper(&["resume", "--discard"]).expect(0);
    let discarded = |name: &str| std::fs::read_to_string(machine.state(name)).unwrap();
    assert!(discarded("journal-discarded.json").contains('7'), "what was discarded first is kept");
    assert!(discarded("journal-discarded-2.json").contains('8'));
    machine.restart(NEW, &[]).expect(0);
    let kept = machine.helper(&["resume", "--discard"]).expect(3);
    assert!(kept.stderr.contains("can be used; it is kept"), "{kept}");
}

#[test]
fn a_helper_whose_log_has_no_room_works_on() {
    let machine = Machine::new();
    std::fs::create_dir_all(machine.state("log")).unwrap();
    std::os::unix::fs::symlink("/dev/full", machine.state("log/helper.log")).unwrap();
    machine.helper(&["start"]).expect(0);
    let (guard, worker) = (machine.holder("guard.lock"), machine.holder("helper.lock"));
    assert_eq!(machine.restart(NEW, &[]).expect(0).json()["state"], "confirmed");
    machine.behave(OLD, "exits");
    assert_eq!(machine.restart(OLD, &[]).expect(6).json()["state"], "rolled_back");
    assert_eq!(
        (machine.holder("guard.lock"), machine.holder("helper.lock")),
        (guard, worker),
        "neither has died of it"
    );
    machine.never_ran_two();
}

#[test]
fn watch_and_status_tell_how_it_ended() {
    let machine = Machine::started();
    machine.restart(NEW, &["--attempt", "mine"]).expect(0);
    let outcome = machine.helper(&["watch", "mine"]).expect(0);
    assert!(outcome.stdout.contains("attempt `mine`: confirmed, Mesos was absent for"), "{outcome}");
    assert!(outcome.stdout.trim_end().ends_with(&format!("process {}", machine.runs(NEW))), "{outcome}");
    let status = machine.status();
    assert_eq!(status["active_generation"], 2);
    assert_eq!(status["last_attempts"][0]["attempt"], "mine");
    assert_eq!(status["running"]["packages"].as_array().unwrap().len(), set(NEW).len());
    machine.helper(&["watch", "yours"]).expect(4);
}
