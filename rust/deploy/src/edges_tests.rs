//! Edges of the rules: what only shows just before or just after, found by changing the code in small ways
//! (`scripts/mutants`).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use dcos_api::types::deploy::DeploymentCommand::{Abort, Retry, Rollback};
use dcos_api::types::deploy::{DeploymentState, NodeState, Targets};
use dcos_core::attempt::{AttemptState, Ping};
use dcos_core::resolve::Change;
use dcos_core::{PackageSet, Role};

use crate::bench::{Bench, refused, set, silent};
use crate::event::{Answer, Event, Fetching, Order, Request};
use crate::view;

/// All agents in one wave, two at a time, any number of which may fail.
const BY_TWOS: &str = r#"{"waves":["100%"],"max_unavailable":2,"max_failures":9}"#;

fn only(node: &str) -> Targets {
    Targets { nodes: vec![node.to_owned()], ..Targets::default() }
}

/// The texts of the events of a kind, oldest first.
fn told(bench: &Bench, kind: &str) -> Vec<String> {
    let events = view::events(&bench.state, 0).events.into_iter();
    events.filter(|event| event.kind == kind).map(|event| event.text).collect()
}

#[test]
fn who_comes_back_is_not_caught_up_with_what_is_old_by_now() {
    let mut bench = Bench::new(0, 2);
    bench.alive("a1:5051", false);
    bench.create("{}", Targets::default()).unwrap();
    bench.prepare();
    bench.succeeds("a0:5051");
    bench.halt();
    bench.alive("a1:5051", true);
    assert!(bench.catch_ups.is_empty(), "nothing new begins while a halt stands");
    bench.create("{}", only("a1:5051")).unwrap();
    bench.order(Order::Resume { halt: "h1".to_owned(), note: String::new() }).unwrap().unwrap();
    bench.prepare();
    bench.succeeds("a1:5051");
    assert_eq!(bench.shown().state, DeploymentState::Done);
    bench.list();
    assert!(bench.catch_ups.is_empty(), "a later deployment gave it its turn");
}

#[test]
fn a_successor_withdraws_before_it_asks_and_its_questions_are_its_own() {
    let mut bench = Bench::new(0, 2);
    bench.pass(5);
    bench.create("{}", only("a0:5051")).unwrap();
    bench.prepare();
    assert!(matches!(&bench.asked[0].request, Request::Begin { .. }), "{:?}", bench.asked);
    bench.create("{}", only("a1:5051")).unwrap();
    let before = bench.asked.iter().map(|asked| asked.token).max().unwrap();
    bench.successor();
    // The second deployment fetches, and asks at once.
    assert_eq!(bench.asked[0].request, Request::Cancel("d1-0-1".to_owned()), "{:?}", bench.asked);
    assert!(matches!(&bench.asked[1].request, Request::Fetch(_)), "{:?}", bench.asked);
    let after = bench.asked.iter().map(|asked| asked.token).filter(|token| *token > 0);
    assert!(
        after.clone().count() > 0 && after.clone().all(|token| token > before),
        "an old answer fits no new question"
    );
}

#[test]
fn a_node_that_never_answered_was_never_started() {
    let mut bench = Bench::restarting(0, 1, r#"{"node_timeout":60}"#);
    bench.pass(60);
    assert_eq!(bench.node("a0:5051").detail, "did not answer within 60 s");
    assert!(!bench.shown().changed);
}

#[test]
fn many_nodes_are_polled_more_seldom() {
    let json = r#"{"waves":["100%"],"max_unavailable":"100%"}"#;
    let mut bench = Bench::restarting(0, 600, json);
    bench.goes("a0:5051");
    bench.says("a0:5051", AttemptState::Watching);
    bench.pass(1);
    assert!(bench.open("Status").is_empty(), "two milliseconds for each of the 600 that are under way");
    bench.pass(1);
    assert_eq!(bench.open("Status"), ["a0:5051"]);
}

#[test]
fn a_node_that_has_the_set_already_says_so_instead_of_beginning() {
    let mut bench = Bench::restarting(0, 1, "{}");
    bench.answer("a0:5051", Answer::Begun(Err(refused("already-active"))));
    assert_eq!(bench.open("Set"), ["a0:5051"]);
    bench.answer("a0:5051", Answer::Set(Ok(set("1.11.0", Role::Agent))));
    let shown = bench.shown();
    assert_eq!((shown.state, shown.reason.as_str()), (DeploymentState::Done, "1 node has the new set"));
}

#[test]
fn a_ticket_is_dead_when_its_time_is_over_and_not_before() {
    let going = || {
        let mut bench = Bench::restarting(0, 1, "{}");
        bench.begun("a0:5051");
        bench.answer("a0:5051", Answer::Went(Err(silent())));
        bench
    };
    let mut bench = going();
    bench.pass(9);
    bench.answer("a0:5051", Answer::Status(Ok(None)));
    assert!(bench.open("Begin").is_empty());
    let mut bench = going();
    bench.pass(10);
    bench.answer("a0:5051", Answer::Status(Ok(None)));
    assert_eq!(bench.open("Begin"), ["a0:5051"]);

    let mut bench = going();
    bench.says("a0:5051", AttemptState::Staged);
    assert!(bench.open("Cancel").is_empty(), "its `go` may be on its way");
    bench.pass(10);
    bench.says("a0:5051", AttemptState::Staged);
    assert_eq!(bench.open("Cancel"), ["a0:5051"]);
}

#[test]
fn doubt_is_told_once_and_nothing_else_is_taken_for_it() {
    let mut bench = Bench::restarting(0, 1, "{}");
    bench.goes("a0:5051");
    bench.says("a0:5051", AttemptState::Watching);
    assert_eq!(told(&bench, "node-unconfirmed"), [""; 0]);
    bench.says("a0:5051", AttemptState::Unconfirmed);
    bench.says("a0:5051", AttemptState::Unconfirmed);
    assert_eq!(told(&bench, "node-unconfirmed").len(), 1);
    assert_eq!(told(&bench, "node-started"), ["is told to restart into mesos--1.11.0 mesos-config--agent"]);
    assert_eq!(told(&bench, "deployment-validated"), ["the sets can work on 1 nodes"]);
}

#[test]
fn nobody_is_asked_twice_at_once() {
    let mut bench = Bench::restarting(0, 1, "{}");
    bench.goes("a0:5051");
    bench.pass(8);
    assert_eq!(bench.open("Status").len(), 1);
}

#[test]
fn a_later_deployment_on_a_node_that_was_left_out_is_in_the_way_of_a_rollback_only() {
    let mut bench = Bench::new(1, 2);
    bench.create(r#"{"exclude":["a1:5051"]}"#, Targets::default()).unwrap();
    bench.prepare();
    bench.succeeds("m0:5050");
    bench.falls_back("a0:5051");
    bench.create("{}", only("a1:5051")).unwrap();
    bench.prepare();
    bench.succeeds("a1:5051");
    assert!(bench.refusal(Rollback).contains("`d2` came after it on a1:5051"));
    bench.command(Retry).unwrap();
}

#[test]
fn a_ping_of_an_attempt_that_is_over_hastens_nothing() {
    let mut bench = Bench::restarting(0, 1, "{}");
    bench.answer("a0:5051", Answer::Begun(Err(silent())));
    bench.pass(2);
    bench.goes("a0:5051");
    let ping = |attempt: &str| {
        Order::Ping(Ping {
            protocol: 1,
            node: "a0:5051".to_owned(),
            attempt: attempt.to_owned(),
            sequence: 1,
            state: AttemptState::Confirmed,
            detail: String::new(),
            time: "2026-11-20T12:00:00Z".parse().unwrap(),
            status_port: None,
        })
    };
    bench.order(ping("d1-0-1")).unwrap().unwrap();
    assert!(bench.open("Status").is_empty());
    bench.order(ping("d1-0-2")).unwrap().unwrap();
    assert_eq!(bench.open("Status"), ["a0:5051"]);
}

#[test]
fn a_rollback_stops_at_an_abort_and_at_a_failure() {
    let through = || {
        let mut bench = Bench::restarting(0, 3, "{}");
        ["a0:5051", "a1:5051", "a2:5051"].into_iter().for_each(|node| bench.succeeds(node));
        bench.command(Rollback).unwrap();
        bench.goes("a2:5051");
        bench
    };
    let mut bench = through();
    bench.command(Abort).unwrap();
    bench.settles("a2:5051");
    assert!(bench.open("Begin").is_empty());
    assert_eq!(bench.shown().state, DeploymentState::Aborted);
    let mut bench = through();
    bench.says("a2:5051", AttemptState::Lost);
    assert!(bench.open("Begin").is_empty());
    assert_eq!(bench.shown().state, DeploymentState::Failed);
}

#[test]
fn no_more_agents_are_away_on_the_way_back_either() {
    let mut bench = Bench::restarting(0, 5, BY_TWOS);
    ["a0:5051", "a1:5051", "a2:5051", "a3:5051", "a4:5051"].into_iter().for_each(|node| bench.succeeds(node));
    bench.command(Rollback).unwrap();
    assert_eq!(bench.open("Begin"), ["a4:5051", "a3:5051"]);
    bench.goes("a4:5051");
    bench.says("a4:5051", AttemptState::Lost);
    assert_eq!(bench.open("Begin"), ["a3:5051"], "one is away for good, and one is under way");
    bench.succeeds("a3:5051");
    assert_eq!(bench.open("Begin"), ["a2:5051"]);
}

#[test]
fn who_is_missing_on_the_way_back_is_waited_for_as_long_as_a_node_may_take() {
    let mut bench = Bench::restarting(0, 2, r#"{"node_timeout":60}"#);
    ["a0:5051", "a1:5051"].into_iter().for_each(|node| bench.succeeds(node));
    bench.alive("a1:5051", false);
    bench.command(Rollback).unwrap();
    bench.pass(59);
    assert!(bench.open("Begin").is_empty());
    assert_eq!(bench.shown().state, DeploymentState::RollingBack);
    bench.pass(2);
    let shown = bench.shown();
    assert_eq!(shown.state, DeploymentState::Failed);
    assert!(shown.reason.contains("a1:5051 the old set could not be put back within 60 s"), "{}", shown.reason);
}

#[test]
fn who_is_missing_or_dead_before_the_restarts_is_passed_over() {
    let mut bench = Bench::deploying(0, 2, r#"{"fetch_timeout":60}"#);
    bench.answer("a0:5051", Answer::Fetch(Ok(Fetching::Done)));
    bench.alive("a1:5051", false);
    bench.pass(60);
    let missing = bench.node("a1:5051");
    assert_eq!(missing.state, NodeState::Skipped);
    assert_eq!(missing.detail, "was not registered when the time to fetch was over");

    let mut bench = Bench::deploying(0, 2, "{}");
    for node in ["a0:5051", "a1:5051"] {
        bench.answer(node, Answer::Fetch(Ok(Fetching::Done)));
    }
    bench.answer("a0:5051", Answer::Validated(Ok(Vec::new())));
    bench.alive("a1:5051", false);
    bench.pass(90);
    assert_eq!(bench.node("a1:5051").detail, "was dead before it could be asked about the set");
    assert_eq!(bench.open("Begin"), ["a0:5051"]);
}

#[test]
fn a_canary_that_dies_before_the_restarts_is_replaced_too() {
    let mut bench = Bench::deploying(0, 5, r#"{"waves":[1,"100%"],"max_unavailable":3}"#);
    bench.alive("a0:5051", false);
    bench.pass(90);
    assert_eq!(bench.node("a0:5051").detail, "was dead before it could fetch");
    bench.prepare();
    assert_eq!(bench.open("Begin"), ["a1:5051"], "one warns the others, as was asked for");
    assert_eq!(bench.shown().waves, [&["a0:5051", "a1:5051"][..], &["a2:5051", "a3:5051", "a4:5051"]]);
    bench.falls_back("a1:5051");
    let shown = bench.shown();
    assert_eq!(shown.state, DeploymentState::Failed);
    assert!(shown.reason.starts_with("the canary failed: a1:5051"), "{}", shown.reason);
}

#[test]
fn a_wave_that_was_used_up_for_another_is_none_any_more() {
    let mut bench = Bench::restarting(0, 2, r#"{"pulse":600}"#);
    bench.alive("a0:5051", false);
    bench.pass(90);
    bench.order(Order::Pulse);
    bench.pass(1);
    assert_eq!(bench.open("Begin"), ["a1:5051"]);
    assert_eq!(bench.shown().waves, [["a0:5051", "a1:5051"]]);
    bench.succeeds("a1:5051");
    assert_eq!(bench.shown().reason, "1 node has the new set, 1 was dead and will be caught up");
}

#[test]
fn waves_are_told_by_their_numbers() {
    let mut bench = Bench::restarting(0, 3, r#"{"waves":[1,2,"100%"]}"#);
    bench.succeeds("a0:5051");
    bench.succeeds("a1:5051");
    assert_eq!(told(&bench, "wave-started"), ["wave 2 of 3 may start", "wave 3 of 3 may start"]);
}

#[test]
fn a_deployment_decides_only_for_the_groups_that_it_changed() {
    let mut bench = Bench::new(1, 1);
    let sets: [(String, PackageSet); 1] = [("agents".to_owned(), set("1.11.0", Role::Agent))];
    let draft = bench.planned(Change::Set(sets.into_iter().collect()), "{}", Targets::default()).unwrap();
    bench.order(Order::Create(Box::new(draft))).unwrap().unwrap();
    bench.prepare();
    bench.succeeds("a0:5051");
    assert_eq!(bench.shown().state, DeploymentState::Done);
    assert_eq!(view::desired(&bench.state, "agents"), Some(&set("1.11.0", Role::Agent)));
    assert_eq!(view::desired(&bench.state, "masters"), None);
}

#[test]
fn a_soak_waits_for_agents_that_a_new_master_does_not_list_yet() {
    let mut bench = Bench::restarting(0, 3, r#"{"soak":30}"#);
    bench.succeeds("a0:5051");
    bench.nodes.iter_mut().for_each(|node| node.alive = false);
    bench.successor();
    bench.pass(60);
    assert_eq!(bench.shown().state, DeploymentState::Restarting);
    bench.nodes.iter_mut().for_each(|node| node.alive = true);
    bench.list();
    bench.pass(1);
    assert_eq!(bench.open("Begin"), ["a1:5051"]);
}

#[test]
fn a_soak_ends_with_a_failure_for_who_does_not_come_back_to_a_new_master() {
    let mut bench = Bench::restarting(0, 3, r#"{"soak":30}"#);
    bench.succeeds("a0:5051");
    bench.alive("a0:5051", false);
    bench.successor();
    bench.pass(599);
    assert_eq!(bench.shown().state, DeploymentState::Restarting, "Mesos gives it ten minutes");
    bench.pass(2);
    let shown = bench.shown();
    assert_eq!(shown.state, DeploymentState::Failed);
    assert!(shown.reason.contains("is not registered any more after the soak"), "{}", shown.reason);
}

#[test]
fn a_soak_ends_by_a_list_that_is_new_enough() {
    let mut bench = Bench::restarting(0, 3, r#"{"soak":30}"#);
    bench.succeeds("a0:5051");
    bench.alive("a0:5051", false);
    bench.now += 31_000;
    bench.tell(Event::Tick);
    assert_eq!(bench.shown().state, DeploymentState::Restarting, "who is there now is not known");
    bench.list();
    bench.tell(Event::Tick);
    assert_eq!(bench.shown().state, DeploymentState::Failed);
}

#[test]
fn a_node_has_all_its_time_from_its_go() {
    let mut bench = Bench::restarting(0, 2, r#"{"node_timeout":100}"#);
    while bench.now < 90_000 {
        if !bench.open("Begin").is_empty() {
            bench.answer("a0:5051", Answer::Begun(Err(silent())));
        }
        bench.pass(1);
    }
    bench.goes("a0:5051");
    bench.says("a0:5051", AttemptState::Starting);
    bench.pass(30);
    assert_eq!(bench.node("a0:5051").state, NodeState::Restarting);
    bench.pass(68);
    assert_eq!(bench.node("a0:5051").state, NodeState::Restarting);
    bench.pass(1);
    assert_eq!(bench.node("a0:5051").state, NodeState::Failed, "and no more than that");
}

#[test]
fn a_node_whose_go_got_lost_has_its_time_from_when_it_was_heard_of() {
    let mut bench = Bench::restarting(0, 2, r#"{"node_timeout":100}"#);
    bench.begun("a0:5051");
    bench.answer("a0:5051", Answer::Went(Err(silent())));
    bench.pass(90);
    bench.says("a0:5051", AttemptState::Starting);
    bench.pass(99);
    assert_eq!(bench.node("a0:5051").state, NodeState::Restarting);
    bench.pass(1);
    assert_eq!(bench.node("a0:5051").state, NodeState::Failed);
}

#[test]
fn an_attempt_that_is_cancelled_again_and_again_comes_to_an_end() {
    let mut bench = Bench::restarting(0, 1, r#"{"node_timeout":60}"#);
    for _ in 0..60 {
        if bench.open("Begin").is_empty() {
            bench.pass(20);
        }
        if bench.shown().state == DeploymentState::Failed {
            return;
        }
        bench.goes("a0:5051");
        bench.says("a0:5051", AttemptState::Cancelled);
    }
    panic!("each `go` gave it all its time anew: {:?}", bench.node("a0:5051"));
}

#[test]
fn what_came_later_on_other_agents_is_in_the_way_of_no_rollback_without_masters() {
    let mut bench = Bench::new(0, 2);
    bench.create(r#"{"exclude":["a1:5051"]}"#, Targets::default()).unwrap();
    bench.prepare();
    bench.succeeds("a0:5051");
    bench.create("{}", only("a1:5051")).unwrap();
    bench.prepare();
    bench.succeeds("a1:5051");
    bench.command(Rollback).unwrap();
}

#[test]
fn the_pauses_between_vain_begins_grow() {
    let mut bench = Bench::restarting(0, 1, "{}");
    for vain in 1..=3 {
        bench.answer("a0:5051", Answer::Begun(Err(silent())));
        bench.pass(2 * vain - 1);
        assert!(bench.open("Begin").is_empty(), "after {vain} in vain");
        bench.pass(1);
        assert_eq!(bench.open("Begin"), ["a0:5051"]);
    }
}

#[test]
fn a_node_that_gives_no_ticket_is_given_up_by_controllers_that_never_last() {
    let mut bench = Bench::restarting(0, 1, r#"{"node_timeout":60}"#);
    for _ in 1..=13 {
        bench.answer("a0:5051", Answer::Begun(Err(silent())));
        bench.successor();
        assert_eq!(bench.open("Begin"), ["a0:5051"]);
    }
    bench.answer("a0:5051", Answer::Begun(Err(silent())));
    assert_eq!(bench.shown().state, DeploymentState::Failed);
}

#[test]
fn a_node_that_fetches_is_shown_so() {
    let mut bench = Bench::deploying(0, 1, "{}");
    assert_eq!(bench.node("a0:5051").state, NodeState::Waiting);
    bench.answer("a0:5051", Answer::Fetch(Ok(Fetching::Running("j1".to_owned()))));
    assert_eq!(bench.node("a0:5051").state, NodeState::Fetching);
}

#[test]
fn one_that_is_away_for_good_ends_a_way_back_on_which_one_may_be_away() {
    let mut bench = Bench::restarting(0, 3, r#"{"waves":["100%"],"max_failures":9}"#);
    ["a0:5051", "a1:5051", "a2:5051"].into_iter().for_each(|node| bench.succeeds(node));
    bench.command(Rollback).unwrap();
    bench.goes("a2:5051");
    bench.says("a2:5051", AttemptState::Lost);
    let shown = bench.shown();
    assert_eq!(shown.state, DeploymentState::Failed);
    assert!(shown.reason.contains("a2:5051 came up on neither set"), "{}", shown.reason);
}

#[test]
fn nobody_left_to_fetch_is_a_failure_unless_somebody_has_the_set() {
    let mut bench = Bench::deploying(0, 1, "{}");
    bench.alive("a0:5051", false);
    bench.pass(90);
    let shown = bench.shown();
    assert_eq!((shown.state, shown.reason.as_str()), (DeploymentState::Failed, "no target was alive to fetch"));

    let mut bench = Bench::restarting(0, 2, r#"{"waves":["100%"]}"#);
    bench.succeeds("a0:5051");
    bench.falls_back("a1:5051");
    bench.command(Retry).unwrap();
    bench.alive("a1:5051", false);
    bench.pass(90);
    let shown = bench.shown();
    assert_eq!(shown.state, DeploymentState::Done);
    assert_eq!(shown.reason, "1 node has the new set, 1 was dead and will be caught up");
}

#[test]
fn who_dies_while_another_restarts_is_replaced_in_the_wave() {
    let mut bench = Bench::deploying(0, 4, r#"{"waves":[2,"100%"],"max_unavailable":2}"#);
    bench.alive("a0:5051", false);
    bench.prepare();
    assert_eq!(bench.open("Begin"), ["a1:5051"]);
    bench.goes("a1:5051");
    bench.pass(91);
    assert_eq!(bench.node("a0:5051").state, NodeState::Skipped);
    assert_eq!(bench.shown().waves, [&["a0:5051", "a1:5051", "a2:5051"][..], &["a3:5051"]]);
    assert_eq!(bench.open("Begin"), ["a2:5051"]);
}
