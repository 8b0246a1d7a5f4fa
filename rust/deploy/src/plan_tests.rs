#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;

use dcos_api::types::deploy::CreateDeployment;
use dcos_core::{PackageSet, PkgInfo, Role};

use super::{Draft, Look, Observed, plan};

fn set(ids: &[&str]) -> PackageSet {
    ids.iter().map(|id| id.parse().unwrap()).collect()
}

fn offers() -> Arc<Vec<PkgInfo>> {
    let mesos = r#"{"format":1,"name":"mesos","version":"1.11.0","kind":"mesos","mesos":{"version":"1.11.0"}}"#;
    let bits = r#"{"format":1,"name":"bits","version":"1+mesos1.11.0","kind":"plain"}"#;
    let tools = r#"{"format":1,"name":"tools","version":"1","kind":"plain","roles":["agent"]}"#;
    Arc::new([mesos, bits, tools].iter().map(|text| PkgInfo::parse(text).unwrap()).collect())
}

fn node(name: &str, role: Role) -> Observed {
    let active = set(&["mesos--1.10.0", "bits--1+mesos1.10.0"]);
    let local = active.iter().cloned().collect();
    let group = format!("{role}s");
    let look = Look { group, active: Some(active), local, available: Ok(offers()), busy: None };
    let url = format!("http://{name}");
    let attributes = BTreeMap::from([("rack".to_owned(), name[..2].to_owned())]);
    Observed {
        node: name.to_owned(),
        url,
        role,
        attributes,
        alive: true,
        host: name == "m1:1",
        pinned: None,
        look: Ok(look),
    }
}

/// Two masters, the first of which hosts the controller, and four agents.
fn cluster() -> Vec<Observed> {
    let masters = ["m1:1", "m2:1"].map(|name| node(name, Role::Master));
    let agents = ["a1:1", "a2:1", "b1:1", "b2:1"].map(|name| node(name, Role::Agent));
    masters.into_iter().chain(agents).collect()
}

fn ask(json: &str, cluster: &[Observed]) -> Result<Draft, Vec<String>> {
    let request: CreateDeployment = serde_json::from_str(json).unwrap();
    plan(&request, cluster)
        .map_err(|findings| findings.into_iter().map(|it| format!("{}: {}", it.code, it.message)).collect())
}

fn waves(draft: &Draft) -> Vec<Vec<String>> {
    draft.to_plan().waves
}

const UPGRADE: &str = r#"{"change":{"upgrade":{"mesos":"1.11.0"}}}"#;

#[test]
fn masters_come_one_by_one_and_the_host_last_then_a_canary_then_the_others() {
    let draft = ask(UPGRADE, &cluster()).unwrap();
    let expected: [&[&str]; 4] = [&["m2:1"], &["m1:1"], &["a1:1"], &["a2:1", "b1:1", "b2:1"]];
    assert_eq!(waves(&draft), expected);
    assert_eq!(draft.master_waves, 2);
    assert!(draft.whole_groups);
    for node in &draft.nodes {
        assert_eq!(node.to, set(&["mesos--1.11.0", "bits--1+mesos1.11.0"]));
        assert_eq!(node.fetch.len(), 2, "both packages are new");
    }
}

#[test]
fn targets_narrow_down() {
    for (targets, strategy, expected) in [
        (r#"{"roles":["agent"]}"#, "{}", vec!["a1:1", "a2:1", "b1:1", "b2:1"]),
        (r#"{"groups":["masters"]}"#, "{}", vec!["m2:1", "m1:1"]),
        (r#"{"nodes":["b1:1","m1:1"]}"#, "{}", vec!["m1:1", "b1:1"]),
        (r#"{"attributes":{"rack":"a1"}}"#, "{}", vec!["a1:1"]),
        (r#"{"roles":["agent"]}"#, r#"{"exclude":["a1:1","b1:1"]}"#, vec!["a2:1", "b2:1"]),
    ] {
        let json =
            format!(r#"{{"change":{{"upgrade":{{"mesos":"1.11.0"}}}},"targets":{targets},"strategy":{strategy}}}"#);
        let draft = ask(&json, &cluster()).unwrap();
        assert_eq!(waves(&draft).concat(), expected, "{targets}");
    }
    let draft = ask(r#"{"change":{"upgrade":{"mesos":"1.11.0"}},"targets":{"nodes":["a1:1"]}}"#, &cluster());
    assert!(!draft.unwrap().whole_groups, "one node does not decide what its group should run");
}

#[test]
fn one_node_for_which_something_is_missing_refuses_everything() {
    let mut cluster = cluster();
    for place in [3, 4] {
        cluster[place].look.as_mut().unwrap().available = Ok(Arc::new(Vec::new()));
    }
    let findings = ask(UPGRADE, &cluster).unwrap_err();
    assert_eq!(findings.len(), 2, "one per package, not one per node: {findings:?}");
    assert!(findings[1].contains("a2:1, b1:1: `mesos--1.11.0` is not on the node"), "{findings:?}");
    cluster[3].look.as_mut().unwrap().available = Err("connection refused".to_owned());
    let findings = ask(UPGRADE, &cluster).unwrap_err();
    assert!(findings.iter().any(|it| it.starts_with("repositories-unreachable: a2:1")), "{findings:?}");
}

#[test]
fn dead_agents_are_left_out_and_remembered() {
    let mut cluster = cluster();
    cluster[2].alive = false;
    cluster[3].look = Err("timed out".to_owned());
    let draft = ask(UPGRADE, &cluster).unwrap();
    assert_eq!(waves(&draft)[2..], [["b1:1"], ["b2:1"]]);
    let late: Vec<&str> = draft
        .nodes
        .iter()
        .filter(|node| node.left.as_ref().is_some_and(|left| left.late))
        .map(|node| node.node.as_str())
        .collect();
    assert_eq!(late, ["a1:1", "a2:1"]);
}

#[test]
fn a_silent_master_is_never_passed_over() {
    let mut cluster = cluster();
    cluster[1].alive = false;
    cluster[1].look = Err("timed out".to_owned());
    let findings = ask(UPGRADE, &cluster).unwrap_err();
    assert_eq!(findings, ["master-unreachable: m2:1: a change of masters needs all of them well: timed out"]);
    let agents_only = r#"{"change":{"upgrade":{"mesos":"1.11.0"}},"targets":{"roles":["agent"]}}"#;
    assert_eq!(waves(&ask(agents_only, &cluster).unwrap()).len(), 2);
    let for_agents = r#"{"change":{"install":{"modules":["tools"]}}}"#;
    assert_eq!(waves(&ask(for_agents, &cluster).unwrap()).concat().len(), 4, "no master is concerned");
    let has_it = set(&["mesos--1.11.0", "bits--1+mesos1.11.0"]);
    cluster[0].look.as_mut().unwrap().active = Some(has_it);
    assert!(ask(UPGRADE, &cluster).unwrap_err()[0].starts_with("master-unreachable: m2:1"));
}

#[test]
fn a_node_that_restarts_is_waited_for() {
    let mut cluster = cluster();
    cluster[4].look.as_mut().unwrap().busy = Some("by-hand".to_owned());
    let findings = ask(UPGRADE, &cluster).unwrap_err();
    assert_eq!(findings, ["attempt-running: b1:1: the attempt `by-hand` is under way there"]);
}

#[test]
fn nothing_to_do_is_no_refusal_but_nobody_concerned_is() {
    let same = r#"{"change":{"set":{"agents":["mesos--1.10.0","bits--1+mesos1.10.0"]}}}"#;
    let draft = ask(same, &cluster()).unwrap();
    assert_eq!((waves(&draft).len(), draft.nodes.len()), (0, 6));
    let nobody = r#"{"change":{"set":{"others":[]}}}"#;
    let findings = ask(nobody, &cluster()).unwrap_err();
    assert!(findings[0].starts_with("no-targets: the change concerns no node: "), "{findings:?}");
}

#[test]
fn unknown_names_and_bad_strategies_are_refused() {
    for (json, code) in [
        (
            r#"{"change":{"upgrade":{"mesos":"1.11.0"}},"targets":{"nodes":["c9:1"]}}"#,
            "unknown-target: there is no node",
        ),
        (
            r#"{"change":{"upgrade":{"mesos":"1.11.0"}},"targets":{"groups":["x"]}}"#,
            "unknown-target: there is no group",
        ),
        (r#"{"change":{"upgrade":{"mesos":"1.11.0"}},"strategy":{"exclude":["c9:1"]}}"#, "unknown-target"),
        (r#"{"change":{"upgrade":{"mesos":"1.11.0"}},"strategy":{"waves":["0%"]}}"#, "bad-strategy"),
        (
            r#"{"change":{"upgrade":{"mesos":"1.11.0"}},"strategy":{"waves":[1,3]}}"#,
            "bad-strategy: the waves end at 3 of 4",
        ),
        (r#"{"change":{"upgrade":{"mesos":"1 11"}}}"#, "not-a-package"),
        (r#"{"change":{"install":{"modules":["nothing"]}}}"#, "not-available"),
    ] {
        let findings = ask(json, &cluster()).unwrap_err();
        assert!(findings[0].starts_with(code), "{code}: {findings:?}");
    }
}

#[test]
fn a_dry_run_takes_configs_that_are_not_published_yet() {
    let json = |dry_run: bool| {
        let configs = r#"{"agents":"mesos-config--new"}"#;
        format!(r#"{{"change":{{"install":{{"modules":["tools"],"configs":{configs}}}}},"dry_run":{dry_run}}}"#)
    };
    assert!(ask(&json(false), &cluster()).unwrap_err()[0].starts_with("not-available"));
    let draft = ask(&json(true), &cluster()).unwrap();
    assert!(draft.to_plan().nodes.iter().any(|node| node.fetch.contains(&"mesos-config--new".parse().unwrap())));
}

#[test]
fn one_master_that_does_not_answer_or_is_not_there_is_enough() {
    for (alive, answers) in [(true, false), (false, true)] {
        let mut cluster = cluster();
        cluster[1].alive = alive;
        if !answers {
            cluster[1].look = Err("connection refused".to_owned());
        }
        let refused = ask(UPGRADE, &cluster).unwrap_err();
        assert!(refused.iter().any(|it| it.starts_with("master-unreachable: m2:1")), "{refused:?}");
    }
    // It may need the set that the other one has already.
    let mut cluster = cluster();
    cluster[1].look = Err("connection refused".to_owned());
    let json = r#"{"change":{"set":{"masters":["mesos--1.10.0","bits--1+mesos1.10.0"]}}}"#;
    let refused = ask(json, &cluster).unwrap_err();
    assert!(refused.iter().any(|it| it.starts_with("master-unreachable: m2:1")), "{refused:?}");
}
