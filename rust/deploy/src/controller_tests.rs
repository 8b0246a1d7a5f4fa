//! How a deployment goes over the nodes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use dcos_api::types::deploy::{DeploymentCommand, DeploymentState, NodeState, Targets};
use dcos_core::Role;
use dcos_core::attempt::AttemptState;

use crate::bench::{Bench, refused, set, silent};
use crate::event::{Answer, Fetching, Order, Request};
use crate::gate::DEAD_AFTER;
use crate::member::{POLL, RETRY};
use crate::view;

/// All agents at once, any number of which may fail.
const AT_ONCE: &str = r#"{"waves":["100%"],"max_unavailable":"100%","max_failures":9}"#;

#[test]
fn nothing_restarts_before_everything_is_fetched_and_found_to_work_everywhere() {
    let mut bench = Bench::deploying(1, 2, "{}");
    assert_eq!(bench.open("Fetch"), ["m0:5050", "a0:5051", "a1:5051"]);
    bench.answer("m0:5050", Answer::Fetch(Ok(Fetching::Done)));
    bench.answer("a0:5051", Answer::Fetch(Ok(Fetching::Done)));
    assert_eq!(bench.node("m0:5050").detail, "waits for a1:5051 to fetch");
    let running = Fetching::Running("j1".to_owned());
    bench.answer("a1:5051", Answer::Fetch(Ok(running)));
    bench.pass(2);
    assert!(bench.open("Validate").is_empty());
    assert_eq!(bench.answer("a1:5051", Answer::Fetch(Ok(Fetching::Done))), Request::Job("j1".to_owned()));
    assert_eq!(bench.open("Validate").len(), 3);
    bench.answer("a1:5051", Answer::Validated(Ok(Vec::new())));
    bench.answer("a0:5051", Answer::Validated(Ok(Vec::new())));
    assert_eq!(bench.node("a1:5051").detail, "waits for m0:5050 to say whether the set can work");
    assert!(bench.open("Begin").is_empty());
    bench.answer("m0:5050", Answer::Validated(Ok(Vec::new())));
    assert_eq!(bench.open("Begin"), ["m0:5050"]);
}

#[test]
fn masters_go_one_by_one_then_the_canary_then_the_others_and_each_says_what_it_waits_for() {
    let mut bench = Bench::restarting(2, 3, "{}");
    assert_eq!(bench.open("Begin"), ["m1:5050"], "the host of the controller comes last among masters");
    assert_eq!(bench.node("m0:5050").detail, "waits for wave 1 (m1:5050) to hold");
    bench.succeeds("m1:5050");
    assert_eq!(bench.open("Begin"), ["m0:5050"]);
    assert_eq!(bench.node("a2:5051").detail, "waits for wave 2 (m0:5050) to hold");
    bench.succeeds("m0:5050");
    assert_eq!(bench.open("Begin"), ["a0:5051"]);
    assert_eq!(bench.node("a1:5051").detail, "waits for wave 3 (a0:5051) to hold");
    bench.succeeds("a0:5051");
    assert_eq!(bench.open("Begin"), ["a1:5051"], "one at a time");
    assert_eq!(bench.node("a2:5051").detail, "waits for a1:5051 to settle: 1 may be away at once");
    bench.succeeds("a1:5051");
    bench.succeeds("a2:5051");
    let shown = bench.shown();
    assert_eq!((shown.state, shown.reason.as_str()), (DeploymentState::Done, "5 nodes have the new set"));
    assert!(shown.nodes.iter().all(|node| node.state == NodeState::Confirmed));
    assert_eq!(view::desired(&bench.state, "agents"), Some(&set("1.11.0", Role::Agent)));
}

#[test]
fn no_more_agents_are_away_than_may_be() {
    let mut bench = Bench::restarting(0, 5, r#"{"waves":["100%"],"max_unavailable":"40%"}"#);
    assert_eq!(bench.open("Begin").len(), 2);
    bench.goes("a0:5051");
    bench.goes("a1:5051");
    bench.says("a0:5051", AttemptState::Unconfirmed);
    bench.pass(30);
    assert_eq!(bench.node("a0:5051").state, NodeState::Unconfirmed);
    assert!(bench.open("Begin").is_empty(), "who can't tell is away");
    bench.settles("a0:5051");
    assert_eq!(bench.open("Begin"), ["a2:5051"], "who can tell in the end is back");
}

#[test]
fn attempts_have_names_of_their_own_and_carry_the_term() {
    let mut bench = Bench::restarting(0, 1, "{}");
    let begin = |request| match request {
        Request::Begin { attempt, term, set, .. } => (attempt, term, set),
        other => panic!("{other:?}"),
    };
    let (attempt, term, wanted) = begin(bench.answer("a0:5051", Answer::Begun(Err(refused("attempt-running")))));
    assert_eq!((attempt.as_str(), &wanted), ("d1-0-1", &set("1.11.0", Role::Agent)));
    assert_eq!(bench.node("a0:5051").detail, "is asked again soon: no: attempt-running");
    bench.successor();
    bench.pass(RETRY / 1_000);
    let (attempt, later, _) = begin(bench.answer("a0:5051", Answer::Begun(Err(silent()))));
    assert_eq!(attempt, "d1-0-2");
    assert!(later > term);
}

#[test]
fn a_share_of_agents_may_fail_to_fetch_if_the_strategy_says_so_but_no_master() {
    let fail = |bench: &mut Bench, node: &str| {
        for _ in 0..3 {
            bench.answer(node, Answer::Fetch(Ok(Fetching::Failed("digest differs".to_owned()))));
            bench.pass(RETRY / 1_000);
        }
    };
    for (node, strategy, goes_on) in [
        ("a0:5051", "{}", false),
        ("a0:5051", r#"{"fetch_share":75}"#, true),
        ("a0:5051", r#"{"fetch_share":80}"#, false),
        ("m0:5050", r#"{"fetch_share":50}"#, false),
    ] {
        let mut bench = Bench::deploying(1, 3, strategy);
        fail(&mut bench, node);
        bench.prepare();
        assert_eq!(!bench.shown().state.is_final(), goes_on, "{node} {strategy}");
        assert_eq!(bench.node(node).detail, "could not fetch: digest differs");
        let state = if goes_on { NodeState::Skipped } else { NodeState::Failed };
        assert_eq!(bench.node(node).state, state);
        assert!(!bench.shown().changed);
    }
}

#[test]
fn fetching_has_a_deadline() {
    let mut bench = Bench::deploying(0, 2, r#"{"fetch_timeout":60}"#);
    bench.answer("a0:5051", Answer::Fetch(Ok(Fetching::Done)));
    bench.answer("a1:5051", Answer::Fetch(Ok(Fetching::Running("j1".to_owned()))));
    bench.pass(60);
    let shown = bench.shown();
    assert_eq!(shown.state, DeploymentState::Failed);
    assert_eq!(shown.reason, "1 of 2 nodes could not fetch: a1:5051 could not fetch within 60 s");
}

#[test]
fn every_refusal_of_the_set_is_heard_before_the_deployment_is_refused() {
    let mut bench = Bench::deploying(1, 2, "{}");
    for node in ["m0:5050", "a0:5051", "a1:5051"] {
        bench.answer(node, Answer::Fetch(Ok(Fetching::Done)));
    }
    bench.answer("a0:5051", Answer::Validated(Err(refused("invalid-set"))));
    assert!(!bench.shown().state.is_final());
    bench.answer("m0:5050", Answer::Validated(Ok(Vec::new())));
    bench.answer("a1:5051", Answer::Validated(Err(refused("invalid-set"))));
    let shown = bench.shown();
    assert_eq!((shown.state, shown.changed), (DeploymentState::Failed, false));
    assert_eq!(shown.reason, "refused by 2 of 3 nodes: a0:5051 the set can't work there: no: invalid-set");
    assert_eq!(bench.node("a1:5051").detail, "the set can't work there: no: invalid-set");
    assert_eq!(bench.node("m0:5050").detail, "was not started before the deployment ended");
}

#[test]
fn a_canary_may_never_fail_and_a_master_neither() {
    let tolerant = r#"{"max_failures":9,"max_unavailable":"100%"}"#;
    let mut bench = Bench::restarting(1, 4, tolerant);
    bench.falls_back("m0:5050");
    let shown = bench.shown();
    assert_eq!(shown.state, DeploymentState::Failed);
    let told = "m0:5050 runs its old set again: says m0:5050; its log ends: first line | last line";
    assert_eq!(shown.reason, format!("a master failed: {told}"));
    assert_eq!(bench.node("m0:5050").state, NodeState::RolledBack);

    let mut bench = Bench::restarting(0, 4, tolerant);
    bench.falls_back("a0:5051");
    assert!(bench.shown().reason.starts_with("the canary failed: a0:5051 runs its old set again"));
    assert!(bench.open("Begin").is_empty());
}

#[test]
fn failures_count_over_the_whole_deployment() {
    let json = r#"{"waves":[1,3,"100%"],"max_failures":1,"max_unavailable":3}"#;
    let mut bench = Bench::restarting(0, 6, json);
    bench.succeeds("a0:5051");
    bench.falls_back("a1:5051");
    assert!(!bench.shown().state.is_final(), "one may fail");
    bench.succeeds("a2:5051");
    assert_eq!(bench.open("Begin").len(), 3, "the last wave starts");
    bench.goes("a3:5051");
    bench.falls_back("a4:5051");
    let shown = bench.shown();
    assert_eq!(shown.state, DeploymentState::Restarting, "what is under way is followed to its end");
    assert!(shown.reason.starts_with("2 nodes failed, 1 may: a4:5051"), "{}", shown.reason);
    bench.begun("a5:5051");
    assert_eq!(bench.asked.last().unwrap().request, Request::Cancel("d1-5-1".to_owned()), "it did not go yet");
    bench.settles("a3:5051");
    assert_eq!(bench.shown().state, DeploymentState::Failed);
    assert_eq!(bench.node("a3:5051").state, NodeState::Confirmed);
}

#[test]
fn a_deployment_within_its_budget_ends_well_and_says_what_failed() {
    let mut bench = Bench::restarting(0, 3, r#"{"waves":[1,"100%"],"max_failures":1,"max_unavailable":2}"#);
    bench.succeeds("a0:5051");
    bench.falls_back("a1:5051");
    bench.succeeds("a2:5051");
    let shown = bench.shown();
    assert_eq!((shown.state, shown.reason.as_str()), (DeploymentState::Done, "2 nodes have the new set, 1 failed"));
}

#[test]
fn nodes_that_are_away_for_good_use_up_what_may_be_away() {
    let json = r#"{"waves":["100%"],"max_failures":9,"max_unavailable":2}"#;
    let mut bench = Bench::restarting(0, 5, json);
    bench.goes("a0:5051");
    bench.says("a0:5051", AttemptState::Lost);
    assert_eq!(bench.node("a0:5051").state, NodeState::Lost);
    assert_eq!(bench.open("Begin"), ["a1:5051"], "one of two places is taken");
    bench.goes("a1:5051");
    bench.says("a1:5051", AttemptState::Lost);
    let shown = bench.shown();
    assert_eq!(shown.state, DeploymentState::Failed);
    assert!(shown.reason.starts_with("2 nodes are away and 2 may be at once"), "{}", shown.reason);
}

#[test]
fn a_wave_soaks_and_must_still_be_there_then() {
    let json = r#"{"soak":30}"#;
    let mut bench = Bench::restarting(0, 3, json);
    bench.succeeds("a0:5051");
    bench.pass(29);
    assert!(bench.open("Begin").is_empty());
    assert_eq!(bench.node("a1:5051").detail, "waits for the soak of wave 1: 1 s are left");
    bench.pass(1);
    assert_eq!(bench.open("Begin"), ["a1:5051"]);

    let mut bench = Bench::restarting(0, 3, json);
    bench.succeeds("a0:5051");
    bench.alive("a0:5051", false);
    bench.pass(30);
    assert!(bench.shown().reason.starts_with("the canary failed: a0:5051 was confirmed, and is not registered"));
}

#[test]
fn silence_past_the_time_out_is_a_failure() {
    let json = r#"{"node_timeout":120}"#;
    let mut bench = Bench::restarting(0, 2, json);
    bench.goes("a0:5051");
    bench.says("a0:5051", AttemptState::Starting);
    bench.pass(1);
    bench.answer("a0:5051", Answer::Status(Err(silent())));
    bench.pass(120);
    let detail = bench.node("a0:5051").detail;
    assert_eq!(detail, "was not well within 120 s, last seen starting: connection refused");
    assert_eq!(bench.shown().state, DeploymentState::Failed);

    let mut bench = Bench::restarting(0, 2, json);
    bench.goes("a0:5051");
    bench.says("a0:5051", AttemptState::Unconfirmed);
    bench.pass(120);
    assert_eq!(bench.node("a0:5051").state, NodeState::Unconfirmed);
    assert_eq!(bench.node("a0:5051").detail, "could not tell within 120 s: says a0:5051");
    assert_eq!(bench.shown().state, DeploymentState::Failed);
}

#[test]
fn a_node_that_is_confirmed_must_have_the_set() {
    let mut bench = Bench::restarting(0, 2, "{}");
    bench.goes("a0:5051");
    bench.says("a0:5051", AttemptState::Confirmed);
    assert_eq!(bench.answer("a0:5051", Answer::Set(Ok(set("1.10.0", Role::Agent)))), Request::Set);
    assert_eq!(bench.node("a0:5051").state, NodeState::Failed);
    assert!(bench.node("a0:5051").detail.starts_with("its attempt is confirmed, but its set is mesos--1.10.0"));
}

#[test]
fn a_go_without_an_answer_is_cleared_up_before_anything_else_happens_to_the_node() {
    let mut bench = Bench::restarting(0, 2, "{}");
    bench.begun("a0:5051");
    bench.answer("a0:5051", Answer::Went(Err(silent())));
    bench.pass(POLL / 1_000);
    bench.answer("a0:5051", Answer::Status(Ok(None)));
    bench.pass(POLL / 1_000);
    assert_eq!(bench.open("Begin"), [""; 0], "its ticket may still be honoured");
    bench.pass(10);
    bench.answer("a0:5051", Answer::Status(Ok(None)));
    assert_eq!(bench.open("Begin"), ["a0:5051"], "now it is dead, and nothing came of it");
    assert!(!bench.shown().changed);
    bench.begun("a0:5051");
    bench.answer("a0:5051", Answer::Went(Err(silent())));
    bench.says("a0:5051", AttemptState::Starting);
    assert!(bench.shown().changed, "this time it went");
    bench.settles("a0:5051");
    assert_eq!(bench.node("a0:5051").state, NodeState::Confirmed);
}

#[test]
fn agents_that_die_before_their_turn_are_passed_over_and_caught_up_once() {
    let mut bench = Bench::restarting(0, 4, "{}");
    bench.alive("a2:5051", false);
    bench.succeeds("a0:5051");
    bench.succeeds("a1:5051");
    assert_eq!(bench.open("Begin"), ["a3:5051"], "it keeps nobody waiting");
    assert_eq!(bench.node("a2:5051").detail, "waits until the master lists it as active");
    bench.succeeds("a3:5051");
    bench.pass(DEAD_AFTER / 1_000);
    let shown = bench.shown();
    assert_eq!(shown.state, DeploymentState::Done);
    assert_eq!(shown.reason, "3 nodes have the new set, 1 was dead and will be caught up");
    assert_eq!(bench.node("a2:5051").state, NodeState::Skipped);

    bench.halt();
    bench.alive("a2:5051", true);
    assert!(bench.catch_ups.is_empty(), "not while a halt stands");
    bench.order(Order::Resume { halt: "h1".to_owned(), note: String::new() });
    bench.list();
    bench.list();
    assert_eq!(bench.catch_ups, [(1, vec!["a2:5051".to_owned()])]);
}

#[test]
fn a_dead_canary_is_replaced_by_a_living_one() {
    let mut bench = Bench::restarting(0, 3, r#"{"max_unavailable":"100%"}"#);
    let mut bench = {
        bench.answer("a0:5051", Answer::Begun(Err(silent())));
        bench.alive("a0:5051", false);
        bench
    };
    bench.pass(DEAD_AFTER / 1_000);
    assert_eq!(bench.node("a0:5051").state, NodeState::Skipped);
    assert_eq!(bench.open("Begin"), ["a1:5051"]);
    assert_eq!(bench.shown().waves, [vec!["a0:5051", "a1:5051"], vec!["a2:5051"]]);
    bench.falls_back("a1:5051");
    assert!(bench.shown().reason.starts_with("the canary failed: a1:5051"));
}

#[test]
fn agents_that_are_all_dead_make_no_deployment() {
    let mut bench = Bench::restarting(0, 1, "{}");
    bench.answer("a0:5051", Answer::Begun(Err(silent())));
    bench.alive("a0:5051", false);
    bench.pass(DEAD_AFTER / 1_000);
    let shown = bench.shown();
    assert_eq!(
        (shown.state, shown.reason.as_str()),
        (DeploymentState::Failed, "no target was alive when its turn came")
    );
}

#[test]
fn an_agent_that_is_registered_and_silent_is_no_dead_one() {
    let mut bench = Bench::restarting(0, 2, r#"{"node_timeout":100}"#);
    for _ in 0..100 {
        if !bench.open("Begin").is_empty() {
            bench.answer("a0:5051", Answer::Begun(Err(silent())));
        }
        bench.pass(1);
    }
    assert_eq!(bench.node("a0:5051").state, NodeState::Failed);
    assert!(bench.shown().reason.contains("a0:5051 could not be started within 100 s: connection refused"));
}

#[test]
fn time_during_which_nothing_may_start_counts_against_nobody() {
    let mut bench = Bench::restarting(0, 1, r#"{"node_timeout":100}"#);
    bench.answer("a0:5051", Answer::Begun(Err(silent())));
    bench.command(DeploymentCommand::Pause).unwrap();
    bench.pass(500);
    bench.command(DeploymentCommand::Start).unwrap();
    bench.pass(10);
    assert_eq!(bench.open("Begin"), ["a0:5051"], "{:?}", bench.node("a0:5051"));
    bench.succeeds("a0:5051");
    assert_eq!(bench.shown().state, DeploymentState::Done);
}

#[test]
fn a_silent_master_is_waited_for_and_never_passed_over() {
    let mut bench = Bench::restarting(2, 1, r#"{"node_timeout":300}"#);
    bench.succeeds("m1:5050");
    bench.alive("m1:5050", false);
    bench.asked.clear();
    bench.successor();
    bench.pass(250);
    assert_eq!(bench.node("m0:5050").detail, "waits for the master m1:5050 to answer");
    assert!(bench.open("Begin").is_empty());
    bench.alive("m1:5050", true);
    assert_eq!(bench.open("Begin"), ["m0:5050"]);

    let mut bench = Bench::restarting(2, 1, r#"{"node_timeout":300}"#);
    bench.alive("m0:5050", false);
    bench.succeeds("m1:5050");
    bench.pass(310);
    let reason = "the master m0:5050 did not answer for 300 s, and masters are never passed over";
    assert_eq!(bench.shown().reason, reason);
}

#[test]
fn nothing_starts_by_an_old_list_of_agents() {
    let mut bench = Bench::restarting(0, 2, "{}");
    for _ in 0..31 {
        bench.now += 1_000;
        bench.tell(crate::event::Event::Tick);
    }
    bench.begun("a0:5051");
    assert!(bench.open("Go").is_empty());
    assert_eq!(bench.node("a0:5051").detail, "waits for the master's list of agents");
    bench.list();
    assert_eq!(bench.open("Begin"), ["a0:5051"]);
}

#[test]
fn a_master_that_just_restarted_has_not_lost_its_agents() {
    let mut bench = Bench::restarting(1, 2, AT_ONCE);
    bench.goes("m0:5050");
    for node in ["a0:5051", "a1:5051"] {
        bench.nodes.iter_mut().find(|it| it.node == node).unwrap().alive = false;
    }
    bench.successor();
    bench.settles("m0:5050");
    bench.pass(300);
    assert_eq!(bench.node("a0:5051").detail, "waits until the master lists it as active");
    bench.alive("a0:5051", true);
    bench.alive("a1:5051", true);
    bench.succeeds("a0:5051");
    bench.succeeds("a1:5051");
    assert_eq!(bench.shown().state, DeploymentState::Done);
}

#[test]
fn a_deployment_of_some_nodes_does_not_decide_for_their_group() {
    let mut bench = Bench::new(0, 2);
    let targets = Targets { nodes: vec!["a0:5051".to_owned()], ..Targets::default() };
    bench.create("{}", targets).unwrap();
    bench.prepare();
    bench.succeeds("a0:5051");
    assert_eq!(bench.shown().state, DeploymentState::Done);
    assert_eq!(view::desired(&bench.state, "agents"), None);
}

#[test]
fn chores_come_last_and_one_that_fails_fails_nothing() {
    let mut bench =
        Bench::restarting(0, 2, r#"{"waves":["100%"],"max_unavailable":2,"after":["remove","verify","gc"]}"#);
    bench.succeeds("a0:5051");
    assert!(bench.open("Remove").is_empty(), "not before all had their turn");
    bench.succeeds("a1:5051");
    assert_eq!(bench.open("Remove"), ["a0:5051", "a1:5051"]);
    assert_eq!(bench.shown().reason, "every node had its turn; remove, verify, gc on a0:5051, a1:5051");
    let removed = bench.answer("a0:5051", Answer::Fetch(Ok(Fetching::Done)));
    assert_eq!(removed, Request::Remove(vec!["mesos--1.10.0".parse().unwrap()]));
    bench.answer("a1:5051", Answer::Fetch(Ok(Fetching::Done)));

    // A halt keeps chores from being begun, and the next controller begins with the first again.
    bench.halt();
    bench.successor();
    assert!(bench.open("Remove").is_empty());
    bench.order(Order::Resume { halt: "h1".to_owned(), note: String::new() });
    for node in ["a0:5051", "a1:5051"] {
        bench.answer(node, Answer::Fetch(Ok(Fetching::Done)));
        bench.answer(node, Answer::Fetch(Ok(Fetching::Running("j1".to_owned()))));
    }
    assert!(bench.open("Gc").is_empty(), "the job is asked for first");
    bench.pass(2);
    assert_eq!(bench.answer("a0:5051", Answer::Fetch(Ok(Fetching::Done))), Request::Job("j1".to_owned()));
    bench.answer("a1:5051", Answer::Fetch(Ok(Fetching::Failed("`mesos--1.11.0`: bin/mesos-agent differs".to_owned()))));
    assert_eq!(bench.open("Gc"), ["a0:5051", "a1:5051"]);
    for node in ["a0:5051", "a1:5051"] {
        bench.answer(node, Answer::Fetch(Ok(Fetching::Done)));
    }
    let shown = bench.shown();
    assert_eq!(
        (shown.state, shown.reason.as_str()),
        (DeploymentState::Done, "2 nodes have the new set, 1 with chores left undone")
    );
    assert_eq!(bench.node("a1:5051").detail, "`verify` was left undone: `mesos--1.11.0`: bin/mesos-agent differs");
}

#[test]
fn what_a_node_says_of_a_set_that_can_work_is_kept_and_told() {
    let mut bench = Bench::deploying(0, 1, "{}");
    bench.answer("a0:5051", Answer::Fetch(Ok(Fetching::Done)));
    let note = "once the agent has run with this set, generation 1 would not accept its checkpoint".to_owned();
    bench.answer("a0:5051", Answer::Validated(Ok(vec![note.clone()])));
    bench.successor();
    assert_eq!(bench.node("a0:5051").notes, std::slice::from_ref(&note));
    let events = view::events(&bench.state, 0).events;
    let told = events.iter().find(|event| event.kind == "node-note").unwrap();
    assert_eq!((told.node.as_deref(), told.text.as_str()), (Some("a0:5051"), note.as_str()));
}
