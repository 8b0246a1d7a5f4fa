#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use dcos_api::types::deploy::DeploymentCommand::Rollback;
use dcos_api::types::deploy::DeploymentState;
use dcos_core::Role;

use super::{HINT, WayBack, findings, way_back};
use crate::bench::{Bench, set};
use crate::plan::{Left, Planned};
use crate::view;

fn of(demands: &[&str], from: &str, to: &str) -> WayBack {
    let demands = Ok(demands.iter().map(|name| (*name).to_owned()).collect());
    way_back(&demands, &set(from, Role::Master), &set(to, Role::Master))
}

fn is_closed(way: &WayBack) -> bool {
    matches!(way, WayBack::Closed(_))
}

#[test]
fn a_master_goes_back_only_to_a_mesos_that_has_what_the_registry_demands() {
    for (demands, from, to, closed) in [
        (&[][..], "1.11.0", "1.4.3", false),
        (&["AGENT_DRAINING"], "1.11.0", "1.10.0", false),
        (&["AGENT_DRAINING"], "1.11.0", "1.9.0", false),
        (&["AGENT_DRAINING"], "1.11.0", "1.8.1", true),
        (&["AGENT_UPDATE", "QUOTA_V2"], "1.9.0", "1.8.0", true),
        (&["AGENT_UPDATE"], "1.9.0", "1.5.0", false),
        (&["AGENT_UPDATE"], "1.9.0", "1.4.3", true),
        // What nobody has heard of, an older master may not have heard of either.
        (&["SOMETHING_NEW"], "1.11.0", "1.10.0", true),
        (&["SOMETHING_NEW"], "1.10.0", "1.11.0", false),
        (&["SOMETHING_NEW"], "1.10.0", "1.10.0", false),
        (&["AGENT_DRAINING"], "1.8.0", "1.10.0", false),
    ] {
        assert_eq!(is_closed(&of(demands, from, to)), closed, "{demands:?} {from} {to}");
    }
}

#[test]
fn a_registry_that_says_nothing_is_in_the_way_only_where_it_could_be() {
    let silent = Err("connection refused".to_owned());
    let way = |from: &str, to: &str| way_back(&silent, &set(from, Role::Master), &set(to, Role::Master));
    for (from, to) in [("1.11.0", "1.10.0"), ("1.11.0", "1.9.0"), ("1.8.0", "1.11.0")] {
        assert_eq!(way(from, to), WayBack::Open, "{from} {to}");
    }
    for (from, to) in [("1.11.0", "1.8.1"), ("1.12.0", "1.11.0")] {
        assert!(matches!(way(from, to), WayBack::Unknown(why) if why.contains("connection refused")), "{from} {to}");
    }
}

#[test]
fn a_plan_is_told_which_of_its_masters_may_not_go_back() {
    let planned = |node: &str, role: Role, (from, to): (&str, &str)| Planned {
        node: node.to_owned(),
        url: format!("http://{node}"),
        role,
        group: "g".to_owned(),
        from: set(from, role),
        to: set(to, role),
        fetch: Vec::new(),
        left: None,
    };
    let (back, forth) = (("1.11.0", "1.10.0"), ("1.10.0", "1.11.0"));
    let pinned = Left { reason: "pinned".to_owned(), late: false };
    let nodes = [
        planned("m0", Role::Master, back),
        planned("m1", Role::Master, forth),
        planned("a0", Role::Agent, back),
        Planned { left: Some(pinned), ..planned("m2", Role::Master, back) },
    ];
    let found = findings(&nodes, &Ok(vec!["SOMETHING_NEW".to_owned()]));
    let [finding] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((finding.code.as_str(), finding.hint.as_deref()), ("registry-capability", Some(HINT)));
    assert!(finding.message.starts_with("m0: the masters' registry demands the capability"), "{}", finding.message);
    assert_eq!(findings(&nodes, &Ok(vec!["AGENT_DRAINING".to_owned()])), []);
}

/// A master and an agent that are through, and are to go back.
fn going_back() -> Bench {
    let mut bench = Bench::restarting(1, 1, "{}");
    bench.succeeds("m0:5050");
    bench.succeeds("a0:5051");
    let masters = view::masters_to_go_back(&bench.state, 1);
    assert_eq!(masters, [("m0:5050".to_owned(), set("1.11.0", Role::Master), set("1.10.0", Role::Master))]);
    bench
}

#[test]
fn the_registry_is_read_before_a_master_goes_back_and_not_before() {
    let mut bench = going_back();
    bench.demands = None;
    bench.command(Rollback).unwrap();
    assert_eq!(bench.registry_reads, 0, "an agent needs none");
    bench.succeeds("a0:5051");
    assert_eq!((bench.registry_reads, bench.open("Begin").len()), (1, 0), "the master waits for the answer");
    bench.demands = Some(Ok(vec!["AGENT_DRAINING".to_owned()]));
    bench.pass(5);
    assert_eq!((bench.registry_reads, bench.open("Begin").len()), (2, 1), "an answer that was lost is asked for again");
    bench.succeeds("m0:5050");
    assert_eq!(bench.shown().state, DeploymentState::RolledBack);
}

#[test]
fn a_master_that_its_registry_would_not_let_in_stays_as_it_is() {
    let mut bench = going_back();
    bench.demands = Some(Ok(vec!["SOMETHING_NEW".to_owned()]));
    bench.command(Rollback).unwrap();
    bench.succeeds("a0:5051");
    assert!(bench.open("Begin").is_empty());
    let shown = bench.shown();
    assert_eq!(shown.state, DeploymentState::Failed);
    let expected = "the old set could not be put back: m0:5050 the masters' registry demands the capability \
                    `SOMETHING_NEW`, and Mesos 1.10.0 is not known to have it";
    assert!(shown.reason.contains(expected), "{}", shown.reason);
}

#[test]
fn an_answer_grows_old_and_the_next_controller_asks_for_itself() {
    let mut bench = going_back();
    bench.command(Rollback).unwrap();
    bench.succeeds("a0:5051");
    assert_eq!(bench.registry_reads, 1);
    bench.successor();
    assert_eq!(bench.registry_reads, 2);
    // The one that gives no ticket is asked about anew before it is tried again.
    let silent = crate::event::Answer::Begun(Err(crate::bench::silent()));
    bench.answer("m0:5050", silent);
    bench.demands = Some(Ok(vec!["SOMETHING_NEW".to_owned()]));
    bench.pass(12);
    assert_eq!(bench.registry_reads, 2, "it was asked for a ticket again by what is still known");
    bench.answer("m0:5050", crate::event::Answer::Begun(Err(crate::bench::silent())));
    bench.pass(12);
    assert_eq!(bench.registry_reads, 3);
    assert_eq!(bench.shown().state, DeploymentState::Failed);
}
