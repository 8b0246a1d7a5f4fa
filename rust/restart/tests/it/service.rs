//! `begin`, `go`, `cancel` and `status` on a node whose helper listens, or does not.

use std::path::PathBuf;
use std::sync::Arc;

use dcos_core::attempt::AttemptState;
use dcos_core::node::NodeConfig;
use dcos_restart::journal::{Journal, NAME};
use dcos_restart::kick::Listener;
use dcos_restart::phase::Phase;
use dcos_restart::{Request, Restart};

use crate::world::{Behaviour, NEW, OLD, Shared, node, set, set_of};

struct Setting {
    world: Shared,
    node: NodeConfig,
    restart: Restart,
    _listener: Option<Listener>,
    _root: tempfile::TempDir,
}

fn setting(helper: bool) -> Setting {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("state")).unwrap();
    let node = node(root.path());
    let world = Shared::new(Behaviour::Good, Behaviour::Good);
    let restart = Restart::new(Arc::new(world.clone()), node.clone(), PathBuf::from("/nowhere/node.toml"));
    let listener = helper.then(|| Listener::bind(root.path()).unwrap());
    Setting { world, node, restart, _listener: listener, _root: root }
}

fn request(attempt: &str) -> Request {
    Request { set: set_of(NEW), attempt: attempt.to_owned(), term: 3, ..Request::default() }
}

impl Setting {
    /// The name of the problem that `begin` answers with.
    fn refused(&self, request: &Request) -> String {
        self.restart.begin(request).unwrap_err().name().to_owned()
    }

    /// Lets the time of the ticket be over.
    fn expire(&self) {
        let mut journal = self.world.journal(&self.node);
        journal.ticket.as_mut().unwrap().expires.ms = 0;
        journal.write(&self.world).unwrap();
    }
}

#[test]
fn a_ticket_is_spent_once() {
    let setting = setting(true);
    let begun = setting.restart.begin(&request("a1")).unwrap();
    assert_eq!((begun.generation, begun.expires_in_ms), (Some(NEW), Some(10_000)));
    let ticket = begun.ticket.unwrap();
    assert_eq!(ticket.len(), 32, "128 bits");
    let text = String::from_utf8(setting.world.get().documents[NAME].clone()).unwrap();
    assert!(!text.contains(&ticket), "who reads the journal does not learn the ticket");
    assert_eq!(setting.restart.status().unwrap().attempt.unwrap().state, AttemptState::Staged);

    let gone = setting.restart.go(&ticket).unwrap();
    assert_eq!((gone.attempt.as_str(), gone.state), ("a1", AttemptState::Staged));
    assert_eq!(setting.world.journal(&setting.node).phase, Phase::Ordered);
    assert_eq!(setting.restart.go(&ticket).unwrap_err().name(), "spent-ticket");
    assert_eq!(setting.restart.cancel("a1").unwrap_err().name(), "attempt-started");
    assert_eq!(setting.refused(&request("a2")), "attempt-running");
}

#[test]
fn a_ticket_goes_stale_with_its_time_its_attempt_and_its_boot() {
    let setting = setting(true);
    let ticket = || setting.restart.begin(&request(&format!("a{}", jiff::Timestamp::now()).replace('+', "-")));
    let late = ticket().unwrap().ticket.unwrap();
    assert_eq!(setting.refused(&request("other")), "attempt-running");
    setting.expire();
    assert_eq!(setting.restart.status().unwrap().last_attempts[0].state, AttemptState::Cancelled);
    assert_eq!(setting.restart.go(&late).unwrap_err().name(), "stale-ticket");

    let withdrawn = ticket().unwrap();
    assert_eq!(setting.restart.cancel(&withdrawn.attempt).unwrap().state, AttemptState::Cancelled);
    assert_eq!(setting.restart.cancel(&withdrawn.attempt).unwrap().state, AttemptState::Cancelled, "twice is once");
    assert_eq!(setting.restart.go(&withdrawn.ticket.unwrap()).unwrap_err().name(), "stale-ticket");

    let rebooted = ticket().unwrap().ticket.unwrap();
    let mut journal = setting.world.journal(&setting.node);
    journal.ticket.as_mut().unwrap().expires.boot = "another".to_owned();
    journal.write(&setting.world).unwrap();
    assert_eq!(setting.restart.go(&rebooted).unwrap_err().name(), "stale-ticket");
    assert_eq!(setting.restart.go("never given out").unwrap_err().name(), "stale-ticket");
    assert_eq!(setting.restart.cancel("nobody").unwrap_err().name(), "no-such-attempt");
}

#[test]
fn an_attempts_name_is_used_once_also_after_later_ones() {
    let setting = setting(true);
    for attempt in ["a1", "a2"] {
        setting.restart.begin(&request(attempt)).unwrap();
        setting.restart.cancel(attempt).unwrap();
    }
    assert_eq!(setting.refused(&request("a1")), "attempt-known");
    assert_eq!(setting.refused(&request("a2")), "attempt-known");
    let status = setting.restart.status().unwrap();
    let names: Vec<_> = status.last_attempts.iter().map(|report| report.attempt.as_str()).collect();
    assert_eq!(names, ["a2", "a1"]);
}

#[test]
fn an_older_term_is_refused_by_whoever_has_seen_a_newer_one() {
    let setting = setting(true);
    setting.restart.begin(&request("a1")).unwrap();
    setting.restart.cancel("a1").unwrap();
    assert_eq!(setting.refused(&Request { term: 2, ..request("a2") }), "old-term");
    setting.restart.begin(&Request { term: 0, ..request("a3") }).unwrap();
}

#[test]
fn a_dry_run_changes_nothing() {
    let setting = setting(true);
    let begun = setting.restart.begin(&Request { dry_run: true, ..request("a1") }).unwrap();
    assert_eq!((begun.ticket, begun.generation), (None, None));
    assert_eq!(begun.plan.to, set_of(NEW));
    assert!(setting.world.get().documents.is_empty());
    let invalid = Request { set: set(&["c--1"]), dry_run: true, ..request("a1") };
    let problem = setting.restart.begin(&invalid).unwrap_err();
    assert_eq!((problem.name(), problem.status, problem.problems.len()), ("invalid-set", 422, 1));
}

#[test]
fn a_set_that_can_not_be_staged_leaves_a_cancelled_attempt() {
    let setting = setting(true);
    let request = Request { set: set(&["mesos--1.11.0", "unstageable--1"]), ..request("a1") };
    assert_eq!(setting.refused(&request), "disk-full");
    let report = &setting.restart.status().unwrap().last_attempts[0];
    assert_eq!((report.state, report.detail.as_str()), (AttemptState::Cancelled, "no space left"));
}

#[test]
fn an_order_without_a_helper_is_taken_back() {
    let setting = setting(false);
    let ticket = setting.restart.begin(&request("a1")).unwrap().ticket.unwrap();
    assert_eq!(setting.restart.go(&ticket).unwrap_err().name(), "helper-missing");
    assert_eq!(setting.world.journal(&setting.node).phase, Phase::Cancelled);
    assert_eq!(setting.world.running(), Some(OLD));
}

#[test]
fn a_planner_that_was_killed_stands_in_nobodys_way() {
    let setting = setting(true);
    let mut journal = setting.world.order(&setting.node, Some(OLD));
    journal.phase = Phase::Planned;
    journal.write(&setting.world).unwrap();
    setting.restart.begin(&request("a2")).unwrap();
    let names: Vec<_> = setting.restart.status().unwrap().last_attempts.into_iter().map(|it| it.attempt).collect();
    assert_eq!(names, ["a1"]);
}

#[test]
fn a_journal_that_can_not_be_used_is_refused_and_told() {
    let setting = setting(true);
    setting.world.order(&setting.node, Some(OLD));
    setting.world.get().documents.insert(NAME.to_owned(), b"{\"format\": 1".to_vec());
    assert_eq!(setting.refused(&request("a1")), "journal-unreadable");
    assert_eq!(setting.restart.go("x").unwrap_err().name(), "journal-unreadable");
    let status = setting.restart.status().unwrap();
    assert_eq!(status.problem.unwrap().name(), "journal-unreadable");
    assert!(Journal::read(&setting.world, &setting.node.name()).is_err(), "it is kept as it is");
}
