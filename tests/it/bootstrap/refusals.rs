//! What a restart refuses: each with its code and its reason, and nothing on the node is another than before.

use std::ffi::OsString;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::program::dcos;
use crate::harness::served::Served;
use crate::harness::until;
use crate::pkg::server::Hostile;
use crate::restart::machine::{Machine, NEW, OLD, set};

/// All that must not change.
#[derive(Debug, PartialEq, Eq)]
struct Standing {
    mesos: u64,
    active: Option<PathBuf>,
    packages: Vec<OsString>,
    journal: String,
}

fn all(machine: &Machine) -> Standing {
    let packages = std::fs::read_dir(machine.root().join("packages")).unwrap();
    let mut packages: Vec<_> = packages.map(|entry| entry.unwrap().file_name()).collect();
    packages.sort();
    let mesos = std::fs::read_to_string(machine.state("mesos.json")).unwrap();
    Standing {
        mesos: serde_json::from_str::<Value>(&mesos).unwrap()["pid"].as_u64().unwrap(),
        active: std::fs::read_link(machine.root().join("active")).ok(),
        packages,
        journal: std::fs::read_to_string(machine.state("journal.json")).unwrap_or_default(),
    }
}

fn run(machine: &Machine, ids: &[&str], code: i32) -> Value {
    let arguments: Vec<&str> = ["run", "--json", "--set"].iter().chain(ids).copied().collect();
    machine.helper(&arguments).expect(code).json()
}

#[test]
fn what_exists_nowhere_is_4_and_what_is_only_not_here_is_3() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("extra");
    std::fs::create_dir(&tree).unwrap();
    std::fs::write(tree.join("pkginfo.json"), r#"{"format": 1, "name": "extra", "version": "1", "kind": "plain"}"#)
        .unwrap();
    let (repository, archive) = (folder.path().join("repository"), folder.path().join("extra--1.tar.zst"));
    let machine = Machine::started();
    machine.pkg(&["build", tree.to_str().unwrap(), "--output", archive.to_str().unwrap()]).expect(0);
    dcos(&["repo", "init", repository.to_str().unwrap()]).expect(0);
    dcos(&["repo", "publish", repository.to_str().unwrap(), archive.to_str().unwrap()]).expect(0);
    let server = Hostile::start(&repository);
    machine.write_node(&format!("[repositories.release]\nurl = \"{}\"\n", server.url()));
    let before = all(&machine);
    let wanted = set(NEW);
    let with = |id: &'static str| wanted.iter().map(String::as_str).chain([id]).collect::<Vec<_>>();

    let nowhere = run(&machine, &with("nonsense--1"), 4);
    assert_eq!(nowhere["type"], "urn:dcos-bits:no-such-package", "{nowhere}");
    assert!(
        nowhere["detail"].as_str().unwrap().starts_with("`nonsense--1`: neither here nor in a repository"),
        "{nowhere}"
    );
    let absent = run(&machine, &with("extra--1"), 3);
    assert_eq!(
        (&absent["type"], &absent["problems"][0]["code"]),
        (&json!("urn:dcos-bits:invalid-set"), &json!("not-local"))
    );
    assert_eq!(all(&machine), before);
}

#[test]
fn a_spent_or_stale_ticket_is_a_conflict() {
    let machine = Machine::started();
    machine.write_node("[limits]\ninsecure_allow_anonymous = true\n");
    let served = Served::start(&machine.node(), &[]);
    let begin = |attempt: &str, version: &str| {
        let body = json!({"set": set(version), "attempt": attempt, "term": 0});
        let (status, answer) = served.post("/restart/begin", &body);
        assert_eq!(status, 202, "{answer}");
        answer["ticket"].as_str().unwrap().to_owned()
    };
    let go = |ticket: &str| {
        let (status, answer) = served.post("/restart/go", &json!({"ticket": ticket}));
        (status, answer["type"].as_str().unwrap_or_default().to_owned())
    };
    let stale = begin("first", NEW);
    // Another attempt takes the place of one whose ticket was withdrawn.
    assert_eq!(served.ask("DELETE", "/restart/attempts/first", None).0, 200);
    let before = all(&machine);
    assert_eq!(go(&stale), (409, "urn:dcos-bits:stale-ticket".to_owned()));
    assert_eq!(go("made up"), (409, "urn:dcos-bits:stale-ticket".to_owned()));
    assert_eq!(all(&machine), before);
    let spent = begin("second", NEW);
    assert_eq!(go(&spent).0, 202);
    machine.ended();
    // What follows the end of an attempt is written down a little later.
    until("the attempt is closed", 30, || all(&machine).journal.contains("\"closed\": true").then_some(()));
    let before = all(&machine);
    assert_eq!(go(&spent), (409, "urn:dcos-bits:spent-ticket".to_owned()));
    assert_eq!(all(&machine), before);
}

/// A journal that was really written, damaged in each way.
#[test]
fn a_journal_that_is_cut_off_from_the_future_or_of_another_node_is_refused_by_name() {
    let machine = Machine::started();
    machine.restart(NEW, &[]).expect(0);
    machine.runs(NEW);
    until("the attempt is closed", 30, || all(&machine).journal.contains("\"closed\": true").then_some(()));
    let journal = std::fs::read_to_string(machine.state("journal.json")).unwrap();
    let node = machine.status()["node"].as_str().unwrap().to_owned();
    for (damaged, name) in [
        (journal[..journal.len() / 2].to_owned(), "journal-unreadable"),
        (journal.replacen("\"format\": 1", "\"format\": 2", 1), "journal-from-the-future"),
        (journal.replace(&node, "elsewhere:5051"), "journal-of-another-node"),
    ] {
        std::fs::write(machine.state("journal.json"), &damaged).unwrap();
        let before = all(&machine);
        let old = set(OLD);
        let refused = run(&machine, &old.iter().map(String::as_str).collect::<Vec<_>>(), 3);
        assert_eq!(refused["type"], format!("urn:dcos-bits:{name}"), "{refused}");
        assert!(refused["detail"].as_str().unwrap().ends_with("nothing was changed"), "{refused}");
        machine.helper(&["resume"]).expect(3);
        machine.helper(&["watch"]).expect(3);
        assert_eq!(all(&machine), before, "{name}");
    }
    std::fs::write(machine.state("journal.json"), &journal).unwrap();
    machine.restart(OLD, &[]).expect(0);
}

#[test]
fn a_dry_run_prints_the_plan_and_every_problem() {
    let machine = Machine::started();
    // A port that somebody else has, and a work directory that is a file: both are told, with what the set lacks.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let text = std::fs::read_to_string(machine.node()).unwrap();
    let file = machine.root().join("file");
    std::fs::write(&file, "").unwrap();
    let port = format!("port = {}", taken.local_addr().unwrap().port());
    let work = text.lines().find(|line| line.starts_with("work_dir")).unwrap();
    let changed =
        text.replace(&format!("port = {}", machine.port), &port).replace(work, &format!("work_dir = {file:?}"));
    std::fs::write(machine.node(), changed).unwrap();
    let before = all(&machine);
    let ids = set(NEW);
    let arguments = ["run", "--dry-run", "--set", &ids[0], &ids[1], &ids[2], "nonsense--1"];
    let outcome = machine.helper(&arguments).expect(4);
    std::fs::write(machine.node(), text).unwrap();
    assert!(outcome.stdout.contains("+ mesos--1.11.0") && outcome.stdout.contains("steps: stop, switch"), "{outcome}");
    for problem in ["[not-local]", "[directory]", "[port-taken]"] {
        assert!(outcome.stderr.contains(problem), "{problem}: {outcome}");
    }
    assert_eq!(all(&machine), before);
}

#[test]
fn where_neither_set_comes_up_the_helper_answers_for_mesos() {
    let machine = Machine::started();
    machine.helper(&["stop"]).expect(0);
    let status_port = crate::harness::free_ports(1)[0];
    let text = std::fs::read_to_string(machine.node()).unwrap();
    let text = text.replace("kind = \"process\"", &format!("kind = \"process\"\nstatus_port = {status_port}"));
    std::fs::write(machine.node(), format!("{text}\n[limits]\nanonymous_reader = true\n")).unwrap();
    machine.helper(&["start"]).expect(0);
    let url = format!("http://127.0.0.1:{status_port}/restart/status");
    assert_eq!(crate::harness::http::json(&url), Value::Null, "nobody needs it while Mesos answers");
    machine.behave(NEW, "exits");
    machine.behave(OLD, "exits");
    machine.restart(NEW, &[]).expect(7);
    let lost = crate::harness::http::json(&url);
    assert_eq!((&lost["last_attempts"][0]["state"], &lost["protocol"]), (&json!("lost"), &json!(1)), "{lost}");
    assert!(lost["last_attempts"][0]["log"].as_array().is_some_and(|log| !log.is_empty()), "{lost}");
    // The old set is tried again and again, and that ends it.
    machine.behave(OLD, "good");
    machine.runs(OLD);
    until("the helper is silent again", 30, || (crate::harness::http::json(&url) == Value::Null).then_some(()));
}
