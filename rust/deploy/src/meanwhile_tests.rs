//! What happens between a look at the nodes and what is made of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use dcos_api::types::deploy::DeploymentCommand::Abort;
use dcos_api::types::deploy::Targets;

use crate::bench::Bench;
use crate::catch_up::PAUSE;
use crate::event::Order;
use crate::state::DEPLOYMENTS;

fn only(node: &str) -> Targets {
    Targets { nodes: vec![node.to_owned()], ..Targets::default() }
}

#[test]
fn a_plan_that_is_older_than_the_end_of_another_deployment_is_refused() {
    let mut bench = Bench::restarting(0, 2, "{}");
    let draft = bench.plan("{}", only("a0:5051")).unwrap();
    bench.succeeds("a0:5051");
    bench.succeeds("a1:5051");
    let refused = bench.order(Order::Create(Box::new(draft))).unwrap().unwrap_err();
    assert_eq!((refused.name(), refused.status), ("changed-meanwhile", 409));
    assert_eq!(refused.detail, "deployment `d1` ended on a0:5051 while this one was planned");
    bench.create("{}", only("a0:5051")).unwrap();
}

#[test]
fn who_comes_back_while_others_are_caught_up_is_next() {
    let mut bench = Bench::new(0, 3);
    bench.alive("a1:5051", false);
    bench.alive("a2:5051", false);
    bench.create("{}", Targets::default()).unwrap();
    bench.prepare();
    bench.succeeds("a0:5051");
    bench.alive("a1:5051", true);
    // What the shell makes of it.
    bench.create("{}", only("a1:5051")).unwrap();
    bench.alive("a2:5051", true);
    assert_eq!(bench.catch_ups.len(), 1);
    bench.prepare();
    bench.succeeds("a1:5051");
    bench.list();
    assert_eq!(bench.catch_ups.len(), 2);
}

#[test]
fn a_catch_up_that_is_not_possible_just_now_is_tried_again() {
    let mut bench = Bench::new(0, 2);
    bench.alive("a1:5051", false);
    bench.create("{}", Targets::default()).unwrap();
    bench.prepare();
    bench.succeeds("a0:5051");
    bench.alive("a1:5051", true);
    assert_eq!(bench.catch_ups.len(), 1);
    let came_of_it = |again| Order::CaughtUp { deployment: 1, nodes: vec!["a1:5051".to_owned()], again };
    bench.order(came_of_it(true)).unwrap().unwrap();
    bench.list();
    assert_eq!(bench.catch_ups.len(), 1, "a plan asks every node: not at once");
    bench.pass(PAUSE / 1_000 + 10);
    assert_eq!(bench.catch_ups.len(), 2);
    // The controller dies before the plan is made.
    bench.successor();
    assert_eq!(bench.catch_ups.len(), 3);
    bench.order(came_of_it(false)).unwrap().unwrap();
    bench.successor();
    bench.pass(PAUSE / 1_000 + 10);
    assert_eq!(bench.catch_ups.len(), 3, "that was the last word");
}

#[test]
fn who_was_caught_up_as_the_controller_died_is_not_caught_up_twice() {
    let mut bench = Bench::new(0, 2);
    bench.alive("a1:5051", false);
    bench.create("{}", Targets::default()).unwrap();
    bench.prepare();
    bench.succeeds("a0:5051");
    bench.alive("a1:5051", true);
    bench.create("{}", only("a1:5051")).unwrap();
    bench.successor();
    bench.prepare();
    bench.pass(1);
    bench.prepare();
    bench.succeeds("a1:5051");
    bench.pass(10);
    assert_eq!(bench.catch_ups.len(), 1);
}

#[test]
fn a_deployment_that_an_agent_is_to_be_caught_up_with_is_not_forgotten_for_others() {
    let mut bench = Bench::new(0, 2);
    bench.alive("a1:5051", false);
    bench.create("{}", Targets::default()).unwrap();
    bench.prepare();
    bench.succeeds("a0:5051");
    for number in 2..DEPLOYMENTS as u64 + 5 {
        bench.create("{}", only("a0:5051")).unwrap();
        bench.order(Order::Command(number, Abort)).unwrap().unwrap();
    }
    let kept: Vec<String> = bench.state.rollouts.values().map(|rollout| rollout.id()).collect();
    assert_eq!(kept.len(), DEPLOYMENTS);
    assert_eq!(kept[..2], ["d1", "d6"]);
    bench.alive("a1:5051", true);
    assert_eq!(bench.catch_ups, [(1, vec!["a1:5051".to_owned()])]);
}
