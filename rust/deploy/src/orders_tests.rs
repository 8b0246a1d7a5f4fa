//! What people say, and what comes of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use dcos_api::types::deploy::DeploymentCommand::{Abort, Pause, Retry, Rollback, Start};
use dcos_api::types::deploy::{DeploymentState, NodeState, Targets};
use dcos_core::Role;
use dcos_core::attempt::{AttemptState, Ping};

use crate::bench::{Bench, refused, set, silent};
use crate::event::{Answer, Keep, Order, Outcome, Request};
use crate::state::DEPLOYMENTS;
use crate::view;

fn resume(bench: &mut Bench, halt: &str) -> Result<Outcome, dcos_core::Problem> {
    bench.order(Order::Resume { halt: halt.to_owned(), note: "looked at it".to_owned() }).unwrap()
}

#[test]
fn a_halt_is_acknowledged_at_once_if_no_node_was_told_to_go() {
    let mut bench = Bench::restarting(0, 2, "{}");
    assert!(matches!(bench.halt(), Some(Ok(Outcome::Halted(_)))));
    bench.begun("a0:5051");
    assert_eq!(bench.asked.last().unwrap().request, Request::Cancel("d1-0-1".to_owned()), "its ticket is given back");
    bench.pass(600);
    assert!(bench.open("Begin").is_empty() && bench.open("Go").is_empty());
    assert_eq!(bench.shown().state, DeploymentState::Halted);
    assert_eq!(bench.node("a1:5051").detail, "waits for halt `h1` to be cleared: an alert fires");
    resume(&mut bench, "h1").unwrap();
    assert_eq!(bench.open("Begin"), ["a0:5051"], "the time of the halt counts against nobody");
}

#[test]
fn a_halt_is_acknowledged_only_when_every_go_is_answered() {
    let mut bench = Bench::restarting(0, 3, r#"{"waves":["100%"],"max_unavailable":2}"#);
    bench.begun("a0:5051");
    bench.begun("a1:5051");
    assert_eq!(bench.halt(), None);
    bench.answer("a0:5051", Answer::Went(Ok(())));
    assert!(bench.replies.values().all(|reply| !matches!(reply, Ok(Outcome::Halted(_)))));
    bench.answer("a1:5051", Answer::Went(Err(refused("stale-ticket"))));
    assert!(bench.replies.values().any(|reply| matches!(reply, Ok(Outcome::Halted(_)))));
    bench.settles("a0:5051");
    bench.answer("a1:5051", Answer::Status(Ok(None)));
    bench.pass(60);
    assert!(bench.open("Begin").is_empty(), "neither the one that did not go nor the next");
}

#[test]
fn a_halt_is_acknowledged_when_the_ticket_of_an_unanswered_go_is_dead() {
    let mut bench = Bench::restarting(0, 2, "{}");
    bench.begun("a0:5051");
    assert_eq!(bench.halt(), None);
    bench.answer("a0:5051", Answer::Went(Err(silent())));
    bench.pass(9);
    assert!(!bench.replies.values().any(|reply| matches!(reply, Ok(Outcome::Halted(_)))));
    bench.pass(1);
    assert!(bench.replies.values().any(|reply| matches!(reply, Ok(Outcome::Halted(_)))));
}

#[test]
fn a_halt_after_a_restart_of_the_controller_waits_for_the_go_of_the_one_before() {
    let mut bench = Bench::restarting(0, 2, "{}");
    bench.begun("a0:5051");
    bench.successor();
    assert_eq!(bench.halt(), None, "its predecessor may have sent it just before its end");
    bench.pass(10);
    assert!(bench.replies.values().any(|reply| matches!(reply, Ok(Outcome::Halted(_)))));
}

#[test]
fn a_halt_stands_across_restarts_until_it_is_cleared_by_its_id() {
    let mut bench = Bench::restarting(0, 2, "{}");
    bench.halt();
    assert!(matches!(bench.halt(), Some(Ok(Outcome::Halted(halt))) if halt.id == "h1"), "said again, it is the same");
    bench.order(Order::Halt("another alert fires".to_owned()));
    bench.successor();
    bench.pass(30);
    assert!(bench.open("Begin").is_empty());
    assert_eq!(resume(&mut bench, "h3").unwrap_err().name(), "no-such-halt");
    resume(&mut bench, "h1").unwrap();
    assert_eq!(resume(&mut bench, "h1").unwrap_err().status, 404);
    assert_eq!(view::halts(&bench.state).halts.len(), 1);
    assert!(bench.open("Begin").is_empty(), "the other one stands");
    resume(&mut bench, "h2").unwrap();
    assert_eq!(bench.open("Begin"), ["a0:5051"]);
    bench.halt();
    assert_eq!(view::halts(&bench.state).halts[0].id, "h3", "an id is never used again");
}

#[test]
fn without_a_pulse_nothing_starts() {
    let mut bench = Bench::restarting(0, 2, r#"{"pulse":30}"#);
    assert_eq!(bench.node("a0:5051").detail, "waits for a pulse: none came within 30 s");
    bench.order(Order::Pulse);
    bench.pass(1);
    assert_eq!(bench.open("Begin"), ["a0:5051"]);
    bench.pass(30);
    bench.begun("a0:5051");
    assert_eq!(bench.asked.last().unwrap().request, Request::Cancel("d1-0-1".to_owned()), "it stopped meanwhile");
    assert!(bench.open("Go").is_empty());
    bench.order(Order::Pulse);
    bench.successor();
    bench.pass(5);
    assert!(bench.open("Begin").is_empty(), "a pulse is worth nothing to the next controller");
}

#[test]
fn restarts_begin_in_windows_only() {
    // The bench's clock starts on a Friday at 12:00.
    let mut bench = Bench::restarting(0, 1, r#"{"windows":[{"days":["fri"],"from":"12:05","to":"12:10"}]}"#);
    assert_eq!(bench.node("a0:5051").detail, "waits for the next window in which restarts may begin");
    bench.pass(299);
    assert!(bench.open("Begin").is_empty());
    bench.pass(1);
    assert_eq!(bench.open("Begin"), ["a0:5051"]);
}

#[test]
fn a_staged_deployment_waits_for_its_order() {
    let mut bench = Bench::deploying(0, 1, r#"{"stage_only":true}"#);
    assert!(bench.refusal(Start).contains("neither paused nor staged"));
    bench.prepare();
    assert_eq!(bench.shown().state, DeploymentState::Staged);
    bench.successor();
    assert_eq!(bench.node("a0:5051").detail, "waits for `start`");
    bench.command(Start).unwrap();
    assert_eq!(bench.open("Validate"), ["a0:5051"], "much may have changed since");
    bench.prepare();
    bench.succeeds("a0:5051");
    assert_eq!(bench.shown().state, DeploymentState::Done);
}

#[test]
fn a_paused_deployment_follows_what_is_under_way_and_starts_nothing() {
    let mut bench = Bench::restarting(0, 2, "{}");
    bench.goes("a0:5051");
    bench.command(Pause).unwrap();
    bench.successor();
    bench.settles("a0:5051");
    bench.pass(60);
    assert!(bench.open("Begin").is_empty());
    assert_eq!(bench.shown().state, DeploymentState::Paused);
    assert_eq!(bench.node("a1:5051").detail, "waits for `start`: paused by alice");
    bench.command(Start).unwrap();
    assert_eq!(bench.open("Begin"), ["a1:5051"]);
}

#[test]
fn an_aborted_deployment_ends_when_nothing_is_under_way() {
    let mut bench = Bench::restarting(0, 2, "{}");
    bench.goes("a0:5051");
    bench.command(Abort).unwrap();
    assert_eq!(bench.shown().reason, "aborted by alice; waits for a0:5051");
    bench.settles("a0:5051");
    let shown = bench.shown();
    assert_eq!((shown.state, shown.reason.as_str()), (DeploymentState::Aborted, "aborted by alice"));
    assert!(bench.refusal(Abort).contains("it is over"));
    assert!(bench.refusal(Pause).contains("it is over"));
    assert!(bench.refusal(Start).contains("neither paused nor staged"));
}

#[test]
fn a_rollback_goes_backwards_agents_first() {
    let mut bench = Bench::restarting(2, 2, "{}");
    for node in ["m1:5050", "m0:5050", "a0:5051"] {
        bench.succeeds(node);
    }
    bench.goes("a1:5051");
    bench.command(Rollback).unwrap();
    assert!(bench.open("Begin").is_empty(), "what is under way comes to its end first");
    bench.settles("a1:5051");
    for node in ["a1:5051", "a0:5051", "m0:5050", "m1:5050"] {
        assert_eq!(bench.open("Begin"), [node]);
        bench.succeeds(node);
    }
    let shown = bench.shown();
    assert_eq!((shown.state, shown.reason.as_str()), (DeploymentState::RolledBack, "rolled back by alice"));
    assert!(shown.nodes.iter().all(|node| node.state == NodeState::RolledBack));
    assert!(bench.refusal(Rollback).contains("its old sets are back"));
    assert!(bench.refusal(Retry).contains("ask for a new one"));
    assert_eq!(view::desired(&bench.state, "agents"), Some(&set("1.10.0", Role::Agent)));
}

#[test]
fn a_finished_deployment_can_be_rolled_back_unless_another_came_after() {
    let mut bench = Bench::restarting(0, 1, "{}");
    assert!(bench.refusal(Retry).contains("still under way"));
    bench.succeeds("a0:5051");
    assert!(bench.refusal(Retry).contains("no node of it failed"));
    bench.command(Rollback).unwrap();
    bench.succeeds("a0:5051");
    assert_eq!(bench.shown().state, DeploymentState::RolledBack);

    bench.create("{}", Targets::default()).unwrap();
    bench.prepare();
    bench.succeeds("a0:5051");
    bench.create("{}", Targets::default()).unwrap();
    bench.prepare();
    bench.succeeds("a0:5051");
    let problem = bench.order(Order::Command(2, Rollback)).unwrap().unwrap_err();
    assert!(problem.detail.contains("deployment `d3` came after it on a0:5051"), "{problem}");
}

#[test]
fn a_rollback_before_any_restart_is_just_an_end() {
    let mut bench = Bench::deploying(0, 1, "{}");
    bench.command(Rollback).unwrap();
    let shown = bench.shown();
    assert_eq!((shown.state, shown.changed), (DeploymentState::RolledBack, false));
    let mut bench = Bench::deploying(0, 1, "{}");
    bench.command(Abort).unwrap();
    assert!(bench.refusal(Rollback).contains("it has changed no node"));
}

#[test]
fn failures_are_handled_as_the_strategy_says() {
    let json = |policy: &str| format!(r#"{{"waves":[1,2,"100%"],"max_unavailable":2,"on_failure":"{policy}"}}"#);
    let fail_in_the_last_wave = |policy: &str| {
        let mut bench = Bench::restarting(0, 4, &json(policy));
        bench.succeeds("a0:5051");
        bench.succeeds("a1:5051");
        bench.goes("a2:5051");
        bench.falls_back("a3:5051");
        bench.settles("a2:5051");
        bench
    };
    let bench = fail_in_the_last_wave("stop");
    assert_eq!(bench.shown().state, DeploymentState::Failed);
    assert_eq!(bench.node("a2:5051").state, NodeState::Confirmed);

    let mut bench = fail_in_the_last_wave("roll_back_wave");
    assert_eq!(bench.open("Begin"), ["a2:5051"], "who fell back has the old set already");
    bench.succeeds("a2:5051");
    assert_eq!(bench.shown().state, DeploymentState::Failed);
    assert_eq!(bench.node("a1:5051").state, NodeState::Confirmed, "the waves before keep what they have");

    let mut bench = fail_in_the_last_wave("roll_back_all");
    for node in ["a2:5051", "a1:5051", "a0:5051"] {
        assert_eq!(bench.open("Begin"), [node]);
        bench.succeeds(node);
    }
    let shown = bench.shown();
    assert_eq!(shown.state, DeploymentState::RolledBack);
    assert!(shown.reason.starts_with("a3:5051 runs its old set again"), "{}", shown.reason);
    assert_eq!(view::desired(&bench.state, "agents"), Some(&set("1.10.0", Role::Agent)), "what it was is wanted again");
}

#[test]
fn a_rollback_that_fails_stops_there() {
    let mut bench = Bench::restarting(0, 2, r#"{"on_failure":"roll_back_all","waves":["100%"]}"#);
    bench.succeeds("a0:5051");
    bench.falls_back("a1:5051");
    bench.goes("a0:5051");
    bench.says("a0:5051", AttemptState::Lost);
    let shown = bench.shown();
    assert_eq!(shown.state, DeploymentState::Failed);
    assert!(
        shown.reason.contains("; the old set could not be put back: a0:5051 came up on neither set"),
        "{}",
        shown.reason
    );
}

#[test]
fn a_rollback_obeys_halts_but_neither_pulses_nor_windows() {
    let json = r#"{"pulse":5,"windows":[{"from":"12:00","to":"12:01"}]}"#;
    let mut bench = Bench::restarting(0, 2, json);
    bench.order(Order::Pulse);
    bench.pass(1);
    bench.succeeds("a0:5051");
    bench.pass(120);
    bench.command(Rollback).unwrap();
    bench.asked.retain(|asked| !matches!(asked.request, Request::Cancel(_)));
    if bench.open("Begin") == ["a1:5051"] {
        bench.begun("a1:5051");
    }
    assert_eq!(bench.open("Begin"), ["a0:5051"]);
    bench.halt();
    bench.begun("a0:5051");
    assert!(bench.open("Go").is_empty());
    resume(&mut bench, "h1").unwrap();
    bench.succeeds("a0:5051");
    assert_eq!(bench.shown().state, DeploymentState::RolledBack);
}

#[test]
fn a_retry_is_about_nodes_without_the_new_set_only() {
    let mut bench = Bench::restarting(0, 3, "{}");
    bench.succeeds("a0:5051");
    bench.falls_back("a1:5051");
    assert_eq!(bench.shown().state, DeploymentState::Failed);
    bench.command(Retry).unwrap();
    assert_eq!(bench.open("Fetch"), ["a1:5051", "a2:5051"]);
    bench.prepare();
    let retried = |request: &Request| matches!(request, Request::Begin { retry_failed: true, .. });
    assert!(
        bench.asked.iter().any(|asked| retried(&asked.request)),
        "the set failed there before, and may be tried again"
    );
    bench.succeeds("a1:5051");
    assert!(!bench.asked.iter().any(|asked| retried(&asked.request)), "not there");
    bench.succeeds("a2:5051");
    let shown = bench.shown();
    assert_eq!((shown.state, shown.reason.as_str()), (DeploymentState::Done, "3 nodes have the new set"));
    let attempts: Vec<String> = shown.nodes.into_iter().filter_map(|node| node.attempt).collect();
    assert_eq!(attempts, ["d1-0-1", "d1-1-2", "d1-2-1"]);
}

#[test]
fn two_deployments_at_once_must_not_meet() {
    let mut bench = Bench::new(0, 2);
    let only = |node: &str| Targets { nodes: vec![node.to_owned()], ..Targets::default() };
    bench.create("{}", only("a0:5051")).unwrap();
    let problem = bench.create("{}", Targets::default()).unwrap_err();
    assert_eq!((problem.name(), problem.status), ("deployment-running", 409));
    assert!(problem.detail.contains("`d1` is under way on a0:5051"), "{problem}");
    bench.create("{}", only("a1:5051")).unwrap();
    assert_eq!(bench.shown().id, "d2");
}

#[test]
fn a_ping_hastens_a_poll_and_is_not_believed() {
    let mut bench = Bench::restarting(0, 1, "{}");
    bench.goes("a0:5051");
    assert!(bench.open("Status").is_empty());
    let ping = |attempt: &str, node: &str| {
        let (attempt, node, detail) = (attempt.to_owned(), node.to_owned(), String::new());
        let time = "2026-11-20T12:00:00Z".parse().unwrap();
        Order::Ping(Ping {
            protocol: 1,
            node,
            attempt,
            sequence: 1,
            state: AttemptState::Confirmed,
            detail,
            time,
            status_port: None,
        })
    };
    for (attempt, node) in
        [("d1-0-1", "a9:5051"), ("d1-0-2", "a0:5051"), ("d1-0-0", "a0:5051"), ("d1-9-1", "a0:5051"), ("x", "")]
    {
        assert_eq!(bench.order(ping(attempt, node)).unwrap().unwrap_err().name(), "no-such-attempt", "{attempt}");
        assert!(bench.open("Status").is_empty());
    }
    assert_eq!(bench.order(ping("d1-0-1", "a0:5051")), Some(Ok(Outcome::Done)));
    assert_eq!(bench.open("Status"), ["a0:5051"]);
    assert_eq!(bench.node("a0:5051").state, NodeState::Restarting);
    bench.says("a0:5051", AttemptState::Watching);
    let Order::Ping(known) = ping("d1-0-1", "a0:5051") else { panic!("not a ping") };
    let known = Ping { state: AttemptState::Watching, ..known };
    assert_eq!(bench.order(Order::Ping(known)), Some(Ok(Outcome::Done)));
    assert!(bench.open("Status").is_empty(), "what is known already hastens nothing");
    bench.order(ping("d1-0-1", "a0:5051"));
    assert_eq!(bench.open("Status"), ["a0:5051"]);
}

#[test]
fn old_deployments_are_forgotten_and_numbers_go_on() {
    let mut bench = Bench::new(0, 1);
    for _ in 0..DEPLOYMENTS + 5 {
        bench.create("{}", Targets::default()).unwrap();
        bench.order(Order::Command(bench.shown().id[1..].parse().unwrap(), Abort)).unwrap().unwrap();
    }
    bench.successor();
    let kept = view::deployments(&bench.state, bench.clock()).deployments;
    assert_eq!((kept.len(), kept[0].id.as_str()), (DEPLOYMENTS, "d55"));
    let events = view::events(&bench.state, 0);
    assert_eq!(events.events[0].number, 1);
    let numbers: Vec<u64> = events.events.iter().map(|event| event.number).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1));
}

#[test]
fn a_document_of_another_part_is_kept_across_restarts_and_changed_only_by_who_saw_it_last() {
    let keep = |before: Option<&str>, after: Option<&str>| {
        let value = |text: Option<&str>| text.map(serde_json::Value::from);
        Order::Keep(Keep { kind: "operation", id: "o1".to_owned(), before: value(before), after: value(after) })
    };
    let mut bench = Bench::restarting(0, 1, "{}");
    bench.order(keep(None, Some("asked"))).unwrap().unwrap();
    bench.successor();
    assert_eq!(bench.order(keep(None, Some("again"))).unwrap().unwrap_err().name(), "changed-meanwhile");
    bench.order(keep(Some("asked"), Some("made"))).unwrap().unwrap();
    bench.order(keep(Some("made"), None)).unwrap().unwrap();
    bench.successor();
    assert_eq!(bench.order(keep(None, Some("anew"))).unwrap(), Ok(Outcome::Done));
}

#[test]
fn masters_are_not_put_back_below_an_agent_that_was_caught_up() {
    let mut bench = Bench::new(1, 2);
    bench.alive("a1:5051", false);
    bench.create("{}", Targets::default()).unwrap();
    bench.prepare();
    bench.succeeds("m0:5050");
    bench.succeeds("a0:5051");
    bench.alive("a1:5051", true);
    assert_eq!(bench.catch_ups, [(1, vec!["a1:5051".to_owned()])]);
    bench.create("{}", Targets { nodes: vec!["a1:5051".to_owned()], ..Targets::default() }).unwrap();
    bench.prepare();
    bench.succeeds("a1:5051");
    let why = bench.refusal(Rollback);
    assert_eq!(why, "can't rollback deployment `d1`: deployment `d2` came after it on a1:5051");
}

#[test]
fn a_rollback_that_was_aborted_can_be_ordered_again_for_the_rest() {
    let mut bench = Bench::restarting(0, 3, "{}");
    ["a0:5051", "a1:5051", "a2:5051"].into_iter().for_each(|node| bench.succeeds(node));
    bench.command(Rollback).unwrap();
    bench.goes("a2:5051");
    bench.command(Abort).unwrap();
    bench.settles("a2:5051");
    bench.command(Rollback).unwrap();
    for node in ["a1:5051", "a0:5051"] {
        assert_eq!(bench.open("Begin"), [node]);
        bench.succeeds(node);
    }
    assert_eq!(bench.shown().state, DeploymentState::RolledBack);
}

#[test]
fn a_rollback_that_failed_can_be_ordered_again_masters_too() {
    let mut bench = Bench::restarting(1, 2, "{}");
    ["m0:5050", "a0:5051", "a1:5051"].into_iter().for_each(|node| bench.succeeds(node));
    bench.command(Rollback).unwrap();
    bench.falls_back("a1:5051");
    assert_eq!(bench.shown().state, DeploymentState::Failed);
    let masters: Vec<String> = view::masters_to_go_back(&bench.state, 1).into_iter().map(|(node, ..)| node).collect();
    assert_eq!(masters, ["m0:5050"], "its registry is asked about first");
    bench.command(Rollback).unwrap();
    for node in ["a1:5051", "a0:5051", "m0:5050"] {
        assert_eq!(bench.open("Begin"), [node], "who came up on the new set again is one of the rest");
        bench.succeeds(node);
    }
    assert_eq!(bench.shown().state, DeploymentState::RolledBack);
    assert!(view::masters_to_go_back(&bench.state, 1).is_empty());
}

#[test]
fn a_set_that_failed_twice_may_be_tried_a_third_time() {
    let mut bench = Bench::restarting(0, 1, "{}");
    for _ in 0..2 {
        bench.falls_back("a0:5051");
        bench.command(Retry).unwrap();
        bench.prepare();
    }
    let retried = |request: &Request| matches!(request, Request::Begin { retry_failed: true, .. });
    assert!(bench.asked.iter().any(|asked| retried(&asked.request)));
}

#[test]
fn a_node_pings_by_its_name_or_by_its_address() {
    for name in ["a0:5051", "10.0.0.7:5051"] {
        let mut bench = Bench::new(0, 1);
        let mut draft = bench.plan("{}", Targets::default()).unwrap();
        draft.nodes[0].url = "http://10.0.0.7:5051".to_owned();
        bench.order(Order::Create(Box::new(draft))).unwrap().unwrap();
        bench.prepare();
        bench.goes("a0:5051");
        let ping = Ping {
            protocol: 1,
            node: name.to_owned(),
            attempt: "d1-0-1".to_owned(),
            sequence: 1,
            state: AttemptState::Confirmed,
            detail: String::new(),
            time: "2026-11-20T12:00:00Z".parse().unwrap(),
            status_port: None,
        };
        assert_eq!(bench.order(Order::Ping(ping)), Some(Ok(Outcome::Done)), "{name}");
        assert_eq!(bench.open("Status"), ["a0:5051"], "{name}");
    }
}
