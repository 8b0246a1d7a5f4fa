#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use dcos_api::types::deploy::DeploymentCommand::{Abort, Retry, Rollback};
use dcos_api::types::deploy::{DeploymentState, NodeState, Targets};
use dcos_api::types::pins::{PinRequest, Pinned};
use dcos_core::Problem;

use super::pins;
use crate::bench::Bench;
use crate::event::{Answer, Fetching, Order, Outcome};

fn node(name: &str) -> Pinned {
    Pinned::Node(name.to_owned())
}

fn pin(bench: &mut Bench, what: Pinned) -> Result<Outcome, Problem> {
    bench.order(Order::Pin(PinRequest { what, reason: "its disk is looked at".to_owned() })).unwrap()
}

#[test]
fn what_is_pinned_is_left_out_with_the_reason_until_it_is_not() {
    let mut bench = Bench::new(0, 2);
    pin(&mut bench, node("a0:5051")).unwrap();
    bench.successor();
    bench.create("{}", Targets::default()).unwrap();
    let pinned = bench.node("a0:5051");
    assert_eq!(
        (pinned.state, pinned.detail.as_str()),
        (NodeState::Skipped, "it is pinned by alice: its disk is looked at")
    );
    bench.prepare();
    bench.succeeds("a1:5051");
    assert_eq!(bench.shown().state, DeploymentState::Done);
    bench.pass(30);
    assert!(bench.catch_ups.is_empty(), "nothing is caught up that was left out on purpose");
    assert!(bench.refusal(Retry).contains("no node of it failed"));

    assert_eq!(pins(&bench.state).pins.len(), 1);
    assert_eq!(bench.order(Order::Unpin(node("a9:5051"))).unwrap().unwrap_err().status, 404);
    bench.order(Order::Unpin(node("a0:5051"))).unwrap().unwrap();
    bench.successor();
    assert_eq!(pins(&bench.state).pins, []);
    bench.create("{}", Targets::default()).unwrap();
    bench.prepare();
    assert_eq!(bench.open("Begin"), ["a0:5051"]);
}

#[test]
fn a_group_is_pinned_with_all_its_nodes() {
    let mut bench = Bench::new(1, 2);
    pin(&mut bench, Pinned::Group("agents".to_owned())).unwrap();
    bench.create("{}", Targets::default()).unwrap();
    assert_eq!(bench.node("a1:5051").detail, "group `agents` is pinned by alice: its disk is looked at");
    bench.prepare();
    bench.succeeds("m0:5050");
    assert_eq!(bench.shown().state, DeploymentState::Done);
}

#[test]
fn nothing_is_pinned_that_a_deployment_is_about_to_change() {
    let mut bench = Bench::restarting(0, 2, "{}");
    for what in [node("a1:5051"), Pinned::Group("agents".to_owned())] {
        assert_eq!(pin(&mut bench, what).unwrap_err().name(), "deployment-running");
    }
    assert_eq!(pins(&bench.state).pins, []);
    pin(&mut bench, node("b0:5051")).unwrap();
    bench.begun("a0:5051");
    bench.answer("a0:5051", Answer::Went(Ok(())));
    bench.command(Abort).unwrap();
    bench.settles("a0:5051");
    pin(&mut bench, node("a0:5051")).unwrap();
    let refused = bench.command(Rollback).unwrap_err();
    assert_eq!((refused.name(), refused.status), ("pinned", 409));
    assert!(refused.detail.contains("a0:5051: it is pinned by alice"), "{refused}");
    assert_eq!(bench.shown().state, DeploymentState::Aborted, "nothing has changed");
    pin(&mut bench, node("a1:5051")).unwrap();
    assert!(bench.refusal(Retry).contains("no node of it failed"), "what is left is pinned");
    bench.order(Order::Unpin(node("a0:5051"))).unwrap().unwrap();
    bench.command(Rollback).unwrap();
    assert_eq!(bench.open("Begin"), ["a0:5051"]);
}

#[test]
fn agents_do_not_overtake_a_pinned_master() {
    let mut bench = Bench::new(2, 1);
    pin(&mut bench, node("m1:5050")).unwrap();
    let refused = bench.plan("{}", Targets::default()).unwrap_err();
    assert_eq!(refused[0].code, "pinned-master");
    assert!(refused[0].message.starts_with("m1:5050: agents would get a newer Mesos"), "{refused:?}");
    let roles = vec![dcos_core::Role::Master];
    assert!(bench.plan("{}", Targets { roles, ..Targets::default() }).is_ok(), "another master may go ahead");
}

#[test]
fn chores_need_no_other_set() {
    let mut bench = Bench::new(1, 2);
    bench.alive("a1:5051", false);
    bench.keep(r#"{"after":["verify","gc"]}"#).unwrap().unwrap();
    assert_eq!(bench.open("Verify"), ["m0:5050", "a0:5051"], "on all at once");
    bench.answer("m0:5050", Answer::Fetch(Ok(Fetching::Done)));
    bench.answer("a0:5051", Answer::Fetch(Ok(Fetching::Failed("`mesos--1.10.0` is not as it was added".to_owned()))));
    assert_eq!(bench.open("Gc"), ["m0:5050", "a0:5051"]);
    bench.successor();
    bench.pass(1);
    assert_eq!(bench.open("Verify"), ["m0:5050", "a0:5051"], "done twice rather than not at all");
    for node in ["m0:5050", "a0:5051", "m0:5050", "a0:5051"] {
        bench.answer(node, Answer::Fetch(Ok(Fetching::Done)));
    }
    let shown = bench.shown();
    assert_eq!((shown.state, shown.changed), (DeploymentState::Done, false));
    assert_eq!(shown.reason, "verify, gc on 2 nodes, 1 with chores left undone");
    assert!(bench.open("Begin").is_empty());
    assert!(bench.refusal(Rollback).contains("it has changed no node"));
    bench.alive("a1:5051", true);
    assert!(bench.catch_ups.is_empty());
    assert!(bench.state.desk.desired.is_empty());
    let refused = bench.keep("{}").unwrap_err();
    assert_eq!(refused[0].code, "bad-strategy");
}

#[test]
fn a_retry_starts_no_pinned_node_that_had_no_turn() {
    let mut bench = Bench::restarting(0, 3, "{}");
    bench.goes("a0:5051");
    bench.command(Abort).unwrap();
    bench.settles("a0:5051");
    pin(&mut bench, node("a1:5051")).unwrap();
    bench.command(Retry).unwrap();
    bench.prepare();
    assert_eq!(bench.open("Begin"), ["a2:5051"]);
    let left_out = bench.node("a1:5051");
    assert_eq!(left_out.state, NodeState::Skipped);
    assert_eq!(left_out.detail, "it is pinned by alice: its disk is looked at");
    bench.succeeds("a2:5051");
    assert_eq!(bench.shown().state, DeploymentState::Done);
    bench.list();
    assert!(bench.catch_ups.is_empty(), "it was left out on purpose");
}

#[test]
fn a_retry_is_not_ended_by_what_became_of_a_pinned_node_before() {
    let mut bench = Bench::restarting(0, 2, "{}");
    bench.falls_back("a0:5051");
    pin(&mut bench, node("a0:5051")).unwrap();
    bench.command(Retry).unwrap();
    bench.prepare();
    bench.succeeds("a1:5051");
    assert_eq!(bench.shown().state, DeploymentState::Done);

    let mut bench = Bench::restarting(0, 2, "{}");
    ["a0:5051", "a1:5051"].into_iter().for_each(|node| bench.succeeds(node));
    bench.command(Rollback).unwrap();
    bench.goes("a1:5051");
    bench.command(Abort).unwrap();
    bench.settles("a1:5051");
    pin(&mut bench, node("a0:5051")).unwrap();
    bench.command(Retry).unwrap();
    bench.prepare();
    bench.succeeds("a1:5051");
    assert_eq!(bench.shown().state, DeploymentState::Done, "nobody waits for the one that was on its way back");
}
