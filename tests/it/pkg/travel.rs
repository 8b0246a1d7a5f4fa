//! Packages on their way over a network that fails, from servers that do.

use dcos_core::Sha256;
use serde_json::json;

use super::machine::{Machine, noise};
use super::server::{Hostile, Mood};
use crate::harness::until;

/// Large enough to arrive in many pieces.
const SIZE: usize = 3 << 20;

/// A machine whose repository has the package `big--1`; the archive's bytes.
fn machine_and_server() -> (Machine, Hostile, Vec<u8>) {
    let machine = Machine::new(None);
    let archive = machine.build_plain("big--1", &[("share/noise", &noise(SIZE))]);
    let bytes = std::fs::read(&archive).unwrap();
    let server = Hostile::start(&machine.publish(&[archive]));
    machine.write_node(&format!("[repositories.release]\nurl = \"{}\"\n", server.url()));
    (machine, server, bytes)
}

fn assert_fetched(machine: &Machine) {
    machine.pkg(&["verify", "big--1"]).expect(0);
    assert_eq!(std::fs::read(machine.root().join("packages/big--1/share/noise")).unwrap(), noise(SIZE));
    assert!(machine.names("staging/partial").is_empty());
    assert_eq!(machine.names("staging"), ["partial"]);
}

#[test]
fn a_fetch_that_is_killed_goes_on_where_it_was() {
    let (machine, server, bytes) = machine_and_server();
    let sent = bytes.len() / 2;
    server.set(Mood::Stall(sent));
    let mut killed = machine.start_pkg(&["fetch", "big--1"]);
    let partial = machine.root().join("staging/partial").join(Sha256::of(&bytes).to_string());
    until("all that was sent is kept", 20, || {
        std::fs::metadata(&partial).is_ok_and(|partial| partial.len() == sent as u64).then_some(())
    });
    killed.kill().unwrap();
    killed.wait().unwrap();
    machine.pkg(&["show", "big--1"]).expect(4);
    assert_eq!(server.offsets(), [0]);

    server.set(Mood::Well);
    machine.pkg(&["fetch", "big--1"]).expect(0);
    assert_eq!(server.offsets(), [sent]);
    assert_fetched(&machine);
}

#[test]
fn a_server_that_dies_in_the_middle_is_tried_again() {
    let (machine, server, _) = machine_and_server();
    server.set(Mood::HangUp { after: 100_000, times: 3 });
    let fetched = machine.pkg(&["fetch", "big--1"]).expect(0);
    assert_eq!(fetched.stdout, "fetched big--1\n");
    assert_eq!(fetched.stderr.lines().filter(|line| line.ends_with("trying again")).count(), 3, "{fetched}");
    assert_eq!(server.offsets(), [0, 100_000, 200_000, 300_000]);
    assert_fetched(&machine);
}

#[test]
fn a_busy_server_is_waited_for() {
    let (machine, server, _) = machine_and_server();
    server.set(Mood::Busy(2));
    machine.pkg(&["fetch", "big--1"]).expect(0);
    assert_eq!(server.offsets(), [0, 0, 0]);
    assert_fetched(&machine);
}

#[test]
fn other_bytes_leave_nothing_behind() {
    let (machine, server, _) = machine_and_server();
    server.set(Mood::Lie);
    machine.pkg(&["fetch", "big--1", "--json"]).expect(3);
    assert_eq!(machine.pkg(&["list", "--json"]).expect(0).json(), json!([]));
    assert!(machine.names("packages").is_empty());
    assert_eq!(machine.names("staging"), ["partial"]);
    assert!(machine.names("staging/partial").is_empty());
    // The server is well again, and so is the fetch.
    server.set(Mood::Well);
    machine.pkg(&["fetch", "big--1"]).expect(0);
    assert_fetched(&machine);
}

#[test]
fn another_digest_than_promised_leaves_nothing_behind() {
    let (machine, server, bytes) = machine_and_server();
    let url = format!("{}packages/big/big--1.tar.zst", server.url());
    let wrong = Sha256::of(b"other").to_string();
    let refused = machine.pkg(&["fetch", "big--1", "--url", &url, "--sha256", &wrong, "--json"]).expect(3);
    assert_eq!(refused.json()["type"], "urn:dcos-bits:digest-mismatch");
    assert!(machine.names("packages").is_empty());
    assert!(machine.names("staging/partial").is_empty());
    let right = Sha256::of(&bytes).to_string();
    machine.pkg(&["fetch", "big--1", "--url", &url, "--sha256", &right]).expect(0);
    assert_fetched(&machine);
}

#[test]
fn a_damaged_leftover_is_fetched_anew() {
    let (machine, server, bytes) = machine_and_server();
    let partials = machine.root().join("staging/partial");
    std::fs::create_dir_all(&partials).unwrap();
    std::fs::write(partials.join(Sha256::of(&bytes).to_string()), vec![b'x'; 1000]).unwrap();
    machine.pkg(&["fetch", "big--1"]).expect(0);
    assert_eq!(server.offsets().last(), Some(&0));
    assert_fetched(&machine);
}

#[test]
fn two_fetches_of_one_package_bring_it_once() {
    let (machine, server, bytes) = machine_and_server();
    server.set(Mood::Stall(bytes.len() / 2));
    let mut first = machine.start_pkg(&["fetch", "big--1"]);
    until("the first one is under way", 20, || (!server.offsets().is_empty()).then_some(()));
    let mut second = machine.start_pkg(&["fetch", "big--1"]);
    // The second one waits for the first; with that gone it goes on with what is there.
    server.set(Mood::Well);
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(second.wait().unwrap().success());
    assert_fetched(&machine);
}

#[test]
fn a_job_is_worked_on_to_its_end_whoever_is_killed() {
    let (machine, server, bytes) = machine_and_server();
    let jobs = machine.root().join("state/jobs");
    std::fs::create_dir_all(&jobs).unwrap();
    let file = jobs.join("fetch-1.json");
    let job =
        dcos_core::job::Job::fetch("fetch-1", ["big--1".parse().unwrap()], "2026-01-01T00:00:00Z".parse().unwrap());
    std::fs::write(&file, serde_json::to_vec(&job).unwrap()).unwrap();
    let read = || serde_json::from_slice::<dcos_core::job::Job>(&std::fs::read(&file).unwrap()).unwrap();

    server.set(Mood::Stall(bytes.len() / 2));
    let mut killed = machine.start_pkg(&["job", "run", "fetch-1"]);
    until("it says who works on it, and on what", 20, || {
        let job = read();
        (job.worker.is_some_and(|worker| worker.pid == killed.id()) && job.packages[0].size > 0).then_some(())
    });
    // Nobody else may work on it meanwhile.
    machine.pkg(&["job", "run", "fetch-1"]).expect(5);
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(read().state, dcos_core::job::JobState::Running);

    server.set(Mood::Well);
    machine.pkg(&["job", "run", "fetch-1"]).expect(0);
    let done = read();
    assert_eq!(done.state, dcos_core::job::JobState::Done);
    assert_eq!(done.packages[0].state, dcos_core::job::JobPackageState::Present);
    assert_eq!(done.packages[0].bytes, bytes.len() as u64);
    assert_eq!((done.worker, done.problem.is_none(), done.finished_at.is_some()), (None, true, true));
    assert_fetched(&machine);
    // Whoever starts it once more learns that it is done.
    machine.pkg(&["job", "run", "fetch-1"]).expect(0);
}

#[test]
fn a_job_that_fails_says_why_in_its_file() {
    let (machine, _server, _) = machine_and_server();
    let jobs = machine.root().join("state/jobs");
    std::fs::create_dir_all(&jobs).unwrap();
    let ids = ["big--1", "big--2"].map(|id| id.parse().unwrap());
    let job = dcos_core::job::Job::fetch("fetch-2", ids, "2026-01-01T00:00:00Z".parse().unwrap());
    std::fs::write(jobs.join("fetch-2.json"), serde_json::to_vec(&job).unwrap()).unwrap();
    machine.pkg(&["job", "run", "fetch-2"]).expect(4);
    let done: serde_json::Value = serde_json::from_slice(&std::fs::read(jobs.join("fetch-2.json")).unwrap()).unwrap();
    assert_eq!(done["state"], "failed");
    assert_eq!(done["packages"][0]["state"], "present");
    assert_eq!(done["packages"][1]["state"], "failed");
    assert_eq!(done["problem"]["type"], "urn:dcos-bits:no-such-package");
    machine.pkg(&["job", "run", "fetch-3"]).expect(4);
}
