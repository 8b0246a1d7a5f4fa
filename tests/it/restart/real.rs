//! Restarts of real agents: what only a real Mesos can show.

use std::path::Path;

use super::machine::kill;
use crate::harness::cluster::{Cluster, NEW, Node, OLD};
use crate::harness::framework::Framework;
use crate::harness::program::{Outcome, run};
use crate::harness::{archive, until};

/// Runs the helper's program for a node.
fn helper(node: &Node, arguments: &[&str]) -> Outcome {
    let file = node.file();
    let all: Vec<&str> = ["--node", file.to_str().unwrap()].iter().chain(arguments).copied().collect();
    run(Path::new(env!("CARGO_BIN_EXE_dcos-restart-helper")), &all, &[])
}

/// The node's set with everything that is bound to the old Mesos bound to the new one, fetched.
fn upgraded(node: &Node) -> Vec<String> {
    let set: Vec<String> = node.packages().iter().map(|id| id.replace(OLD, NEW)).collect();
    let file = node.file();
    let fetch = ["--node", file.to_str().unwrap(), "fetch"].into_iter().chain(set.iter().map(String::as_str));
    run(Path::new(env!("CARGO_BIN_EXE_dcos-pkg")), &fetch.collect::<Vec<_>>(), &[]).expect(0);
    set
}

/// Begins a restart into a set, with these flags.
fn restart(node: &Node, flags: &[&str], set: &[String]) -> Outcome {
    let ids = set.iter().map(String::as_str);
    helper(node, &["run"].into_iter().chain(flags.iter().copied()).chain(["--set"]).chain(ids).collect::<Vec<_>>())
}

#[test]
#[ignore = "needs real Mesos and built packages: make test"]
fn a_task_lives_through_an_upgrade_a_killed_helper_and_a_rollback() {
    let cluster = Cluster::start(1);
    let agent = &cluster.agents[0];
    let ids = cluster.agent_ids();
    let framework = Framework::start(&cluster.master.name, &[]);
    let task = framework.task().unwrap();

    let set = upgraded(agent);
    restart(agent, &["--no-wait"], &set).expect(0);
    let lock = agent.root().join("state/helper.lock");
    kill(std::fs::read_to_string(lock).unwrap().trim().parse().unwrap());
    helper(agent, &["watch"]).expect(0);
    assert_eq!(agent.version(), NEW);
    assert_eq!(framework.task(), Some(task.clone()), "the same process through the upgrade");

    cluster.publish(&[archive("fizzbuzz--1.4.0", "+mesos1.11.0")]);
    cluster.dcos(&["install", "module", "fizzbuzz--1.4.0"]).expect(6);
    assert_eq!(agent.packages(), set);
    assert_eq!(framework.task(), Some(task), "the same process through the rollback");
    cluster.until_listed(&ids);
    assert_eq!(framework.states(), ["TASK_STARTING", "TASK_RUNNING"], "the framework was told nothing");
}

#[test]
#[ignore = "needs real Mesos and built packages: make test"]
fn tasks_that_would_die_are_named_before_anything_is_stopped() {
    let cluster = Cluster::start(1);
    let agent = &cluster.agents[0];
    let framework = Framework::start(&cluster.master.name, &["--no-checkpoint"]);
    let (task, mesos) = (framework.task(), agent.mesos());
    let set = upgraded(agent);
    let refused = restart(agent, &["--json"], &set).expect(3).json();
    assert_eq!(refused["type"], "urn:dcos-bits:task-loss", "{refused}");
    assert!(
        refused["detail"].as_str().unwrap().starts_with("one task of frameworks that do not checkpoint"),
        "{refused}"
    );
    assert_eq!((framework.task(), agent.mesos()), (task, mesos));
    restart(agent, &["--allow-task-loss"], &set).expect(0);
    assert_eq!(agent.version(), NEW);
}

#[test]
#[ignore = "needs real Mesos and built packages: make test"]
fn a_master_that_is_away_is_not_the_new_sets_fault() {
    let cluster = Cluster::start(1);
    let agent = &cluster.agents[0];
    let ids = cluster.agent_ids();
    let text = std::fs::read_to_string(agent.file()).unwrap();
    std::fs::write(agent.file(), text.replace("hold = 4.0", "hold = 2.0\nregister_deadline = 4.0")).unwrap();
    helper(agent, &["stop"]).expect(0);
    helper(agent, &["start"]).expect(0);
    let set = upgraded(agent);

    helper(&cluster.master, &["stop", "--mesos"]).expect(0);
    let outcome = restart(agent, &["--json"], &set).expect(9).json();
    assert_eq!(outcome["state"], "unconfirmed", "{outcome}");
    assert!(outcome["detail"].as_str().unwrap().contains("no leading master can be asked"), "{outcome}");
    assert_eq!(agent.version(), NEW, "it stays");

    helper(&cluster.master, &["start"]).expect(0);
    until("it is confirmed when the master is back", 60, || {
        let status = helper(agent, &["status", "--json"]).json();
        (status["last_attempts"][0]["state"] == "confirmed").then_some(())
    });
    cluster.until_listed(&ids);
}
