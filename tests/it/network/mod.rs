//! Hosts that are cut off from each other in the middle of a deployment: real Mesos in network namespaces.

mod spaces;

use std::path::Path;

use serde_json::{Value, json};
use spaces::Spaces;

use crate::harness::cluster::{Cluster, Node};
use crate::harness::program::run;
use crate::harness::{http, until};

/// The master's place among the hosts; agents come after it.
const MASTER: usize = 0;

/// Asks for another config of all agents; one agent after the other restarts. Answers the deployment's id.
fn deploys(cluster: &Cluster, delay: &str, strategy: &[&str]) -> String {
    let flag = format!("flags.gc_delay={delay}");
    let apply = ["--json", "config", "apply", "--group", "agents", "--set", &flag, "--no-wait"];
    cluster.dcos(&[&apply[..], strategy].concat()).expect(0);
    let newest = http::json(&format!("{}/deploy/deployments", cluster.master.url));
    newest["deployments"][0]["id"].as_str().expect("a deployment's id").to_owned()
}

fn deployment(cluster: &Cluster, id: &str) -> Value {
    http::json(&format!("{}/deploy/deployments/{id}", cluster.master.url))
}

/// Where a node of a deployment stands.
fn node<'a>(deployment: &'a Value, name: &str) -> &'a Value {
    let nodes = deployment["nodes"].as_array().map_or(&[][..], Vec::as_slice);
    nodes.iter().find(|node| node["node"] == name).unwrap_or(&Value::Null)
}

/// Waits until a node of a deployment is in that state.
fn until_node(cluster: &Cluster, id: &str, name: &str, state: &str) {
    until(&format!("{name} is {state}"), 60, || (node(&deployment(cluster, id), name)["state"] == state).then_some(()));
}

/// Waits until an agent has stopped its Mesos for a deployment: from there on its helper finishes by itself.
fn until_stopped(agent: &Node, id: &str) {
    until(&format!("{} is stopped for {id}", agent.name), 60, || {
        let text = std::fs::read_to_string(agent.root().join("state/journal.json")).ok()?;
        let journal: Value = serde_json::from_str(&text).ok()?;
        (journal["attempt"].as_str()?.starts_with(&format!("{id}-")) && !journal["gone"].is_null()).then_some(())
    });
}

/// Waits until a deployment is over.
fn until_over(cluster: &Cluster, id: &str) -> Value {
    until(&format!("{id} is over"), 90, || {
        let deployment = deployment(cluster, id);
        let over = ["done", "failed", "aborted", "rolled_back"].iter().any(|state| deployment["state"] == **state);
        over.then_some(deployment)
    })
}

/// The flag on every agent.
fn delays(cluster: &Cluster) -> Vec<Value> {
    let flag = |url: &str| http::json(&format!("{url}/flags"))["flags"]["gc_delay"].clone();
    cluster.agents.iter().map(|agent| flag(&agent.url)).collect()
}

#[test]
#[ignore = "needs real Mesos, built packages and root: make test"]
fn an_agent_cut_off_in_the_middle_of_its_restart_stops_the_deployment_and_no_other_is_touched() {
    let spaces = Spaces::new(3);
    let cluster = Cluster::in_spaces(&spaces.hosts(), &spaces.gateway());
    let (ids, second) = (cluster.agent_ids(), cluster.agents[1].mesos());
    let id = deploys(&cluster, "3days", &["--node-timeout", "20"]);
    until_node(&cluster, &id, &cluster.agents[0].name, "restarting");
    spaces.cut(1);

    // The canary is not heard of: that is a failure, whatever became of it.
    let over = until_over(&cluster, &id);
    assert_eq!(over["state"], "failed", "{over:#}");
    let canary = node(&over, &cluster.agents[0].name);
    assert!(["failed", "unconfirmed"].iter().any(|state| canary["state"] == **state), "{canary:#}");
    assert!(over["reason"].as_str().unwrap_or_default().contains(&cluster.agents[0].name), "{}", over["reason"]);
    assert_eq!(cluster.agents[1].mesos(), second, "the other agent was not touched");

    // It comes back by itself, on one of the two sets, as the agent that it was.
    spaces.mend(1);
    cluster.until_listed(&ids);
    // The cut may have come before its `go`: then nothing was stopped, and there is none.
    assert!(cluster.agents[0].attempts(&id) <= 1, "no node is done twice");

    // And once it is there, the deployment can be taken up where it stopped.
    cluster.dcos(&["deploy", "retry", &id]).expect(0);
    assert_eq!(delays(&cluster), [json!("3days"), json!("3days")]);
    cluster.until_listed(&ids);
}

#[test]
#[ignore = "needs real Mesos, built packages and root: make test"]
fn a_deployment_goes_on_after_its_master_was_killed_and_after_it_was_cut_off_from_all_nodes() {
    let spaces = Spaces::new(3);
    let cluster = Cluster::in_spaces(&spaces.hosts(), &spaces.gateway());
    let ids = cluster.agent_ids();

    let id = deploys(&cluster, "3days", &[]);
    until_node(&cluster, &id, &cluster.agents[0].name, "restarting");
    let (pid, _) = cluster.master.mesos();
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("the master can be killed");
    let over = until_over(&cluster, &id);
    assert_eq!(over["state"], "done", "{over:#}");
    assert_eq!(delays(&cluster), [json!("3days"), json!("3days")]);
    for agent in &cluster.agents {
        assert_eq!(agent.attempts(&id), 1, "{} was restarted once", agent.name);
    }
    cluster.until_listed(&ids);

    let id = deploys(&cluster, "4days", &[]);
    let second = cluster.agents[1].mesos();
    // A cut before its `go` would leave the agent as it is.
    until_stopped(&cluster.agents[0], &id);
    spaces.cut(MASTER);
    until("the first agent runs its new set", 60, || (delays(&cluster)[0] == "4days").then_some(()));
    // The controller does not hear of that: it is asked where it is, on its own side of the cable.
    let (space, own) = (&spaces.hosts()[MASTER].0, format!("{}/deploy/deployments/{id}", cluster.master.url));
    let inside = ["netns", "exec", space.as_str(), "curl", "--silent", "--fail", own.as_str()];
    until("the controller waits for an answer", 60, || {
        let said: Value = serde_json::from_str(&run(Path::new("ip"), &inside, &[]).stdout).ok()?;
        let detail = node(&said, &cluster.agents[0].name)["detail"].as_str()?.to_owned();
        detail.contains("does not answer").then_some(())
    });
    assert_eq!(cluster.agents[1].mesos(), second, "nobody can be told to go");
    spaces.mend(MASTER);
    let over = until_over(&cluster, &id);
    assert_eq!(over["state"], "done", "{over:#}");
    assert_eq!(delays(&cluster), [json!("4days"), json!("4days")]);
    cluster.until_listed(&ids);
    for agent in &cluster.agents {
        assert_eq!(agent.attempts(&id), 1, "{} was restarted once", agent.name);
    }
}
