//! Three real masters with the replicated log under a real ZooKeeper, our module in each.

use std::path::Path;

use serde_json::{Value, json};

use super::refusals;
use crate::harness::cluster::{Cluster, NEW, Node, OLD};
use crate::harness::program::run;
use crate::harness::{http, until};

/// The newest deployment, as any master that can be asked has it.
fn newest(cluster: &Cluster) -> Value {
    let answers = cluster.masters().map(|node| http::json(&format!("{}/deploy/deployments", node.url)));
    answers.map(|answer| answer["deployments"][0].clone()).find(|newest| !newest.is_null()).unwrap_or_default()
}

/// The node of `role` that restarts just now.
fn restarting(cluster: &Cluster, role: &str) -> Option<String> {
    let nodes = newest(cluster)["nodes"].as_array().cloned().unwrap_or_default();
    let node = nodes.iter().find(|node| node["role"] == role && node["state"] == "restarting")?;
    node["node"].as_str().map(str::to_owned)
}

/// The terms of office so far, oldest first, from what every controller writes down first.
fn terms(cluster: &Cluster) -> Vec<u64> {
    let events = http::json(&format!("{}/deploy/events?after=0", cluster.leader().url));
    let offices = events["events"].as_array().unwrap().iter().filter(|event| event["kind"] == "office");
    offices.map(|event| event["text"].as_str().unwrap().rsplit(' ').next().unwrap().parse().unwrap()).collect()
}

#[test]
#[ignore = "needs real Mesos, ZooKeeper and built packages: make test"]
fn a_cluster_of_three_masters_outlives_each_of_them() {
    let cluster = Cluster::with_masters(3, 2);
    followers_send_callers_to_the_leader(&cluster);
    refusals::are_refused(&cluster);
    upgrade(&cluster);
    a_halt_outlives_the_leader_and_then_one_dies_in_mid_wave(&cluster);
    a_deployment_is_finished_by_the_log_in_zookeeper(&cluster);
}

fn followers_send_callers_to_the_leader(cluster: &Cluster) {
    let leader = cluster.leader();
    for follower in cluster.masters().filter(|node| node.name != leader.name) {
        for path in ["/deploy/deployments", "/deploy/nodes", "/provision/slaves"] {
            assert_eq!(http::status(&format!("{}{path}", follower.url)), Some(307), "{path}");
        }
        assert_eq!(http::status(&format!("{}/deploy/health", follower.url)), Some(200));
        let nodes = http::json(&format!("{}/deploy/nodes", follower.url));
        assert_eq!(nodes["nodes"].as_array().map(Vec::len), Some(5), "the leader's answer: {nodes}");
    }
}

fn upgrade(cluster: &Cluster) {
    let (ids, leader) = (cluster.agent_ids(), cluster.leader().name.clone());
    let before = cluster.processes();
    assert!(cluster.nodes().all(|node| node.version() == OLD));
    let done = cluster.dcos(&["upgrade", "mesos", NEW]).expect(0);
    let last = done.stdout.lines().last().unwrap();
    assert_eq!(last, "upgrade to mesos 1.11.0: done; running now: mesos--1.11.0 on 5 of 5 nodes", "{done}");
    assert!(cluster.nodes().all(|node| node.version() == NEW));

    // One wave for each master, the one that led then last, then the agents; and each node once.
    let deployment = newest(cluster);
    let waves: Vec<Vec<&str>> = deployment["waves"].as_array().unwrap().iter().map(names).collect();
    assert_eq!(waves[..3].iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1], "{deployment}");
    assert_eq!(waves[2], [leader.as_str()], "the leader last: {deployment}");
    // As times, not as texts: a fraction of a second is not always as long.
    let at = |node: &Value| -> jiff::Timestamp { word(node, "updated_at").parse().unwrap() };
    let mut order: Vec<_> = nodes(&deployment).iter().map(|node| (at(node), word(node, "node"))).collect();
    order.sort_unstable();
    let planned: Vec<&str> = waves.concat();
    assert_eq!(order.iter().map(|(_, node)| *node).collect::<Vec<_>>(), planned, "{deployment}");
    let id = word(&deployment, "id");
    for node in cluster.nodes() {
        assert_eq!(node.attempts(id), 1, "{} is restarted once: {deployment}", node.name);
    }
    let now = cluster.processes();
    assert!(before.iter().all(|(name, process)| now[name] != *process), "every Mesos is a new one");
    cluster.until_listed(&ids);

    // The controller moved with the leader, and each one's term was above the last one's.
    assert_ne!(cluster.leader().name, leader);
    let terms = terms(cluster);
    assert!(terms.len() > 1 && terms.windows(2).all(|pair| pair[0] < pair[1]), "{terms:?}");
}

/// What is asked for under a halt starts nowhere, also under the next leader, until an admin clears that halt by its id.
/// Then the leader dies once more, with an agent in the middle of its restart.
fn a_halt_outlives_the_leader_and_then_one_dies_in_mid_wave(cluster: &Cluster) {
    let halt = cluster.dcos(&["deploy", "halt", "a master is about to die", "--json"]).expect(0).json();
    cluster.dcos(&["install", "module", "fizzbuzz", "--no-wait"]).expect(0);
    let leader = cluster.leader().name.clone();
    cluster.leader().kill_mesos();
    let next = until("another master leads", 30, || Some(cluster.leader()).filter(|node| node.name != leader));
    assert_eq!(http::json(&format!("{}/deploy/halt", next.url)), json!({ "halts": [halt] }));
    let agents = || -> Vec<_> { cluster.agents.iter().map(Node::mesos).collect() };
    let before = agents();
    let held = until("everything is fetched, and held up by the halt", 60, || {
        let newest = newest(cluster);
        let held = |node: &Value| word(node, "detail").contains("to be cleared: a master is about to die");
        (newest["state"] == "halted" && nodes(&newest).iter().any(held)).then_some(newest)
    });
    // Whoever is asked from here on may be the one that died: its Mesos listens some time before it knows who leads.
    cluster.settle();
    assert_eq!(cluster.dcos(&["deploy", "resume", "h99"]).expect(4).stdout, "", "another halt's id clears nothing");
    assert_eq!(agents(), before, "no node was started");
    assert!(nodes(&held).iter().all(|node| node["attempt"].is_null()), "{held}");
    cluster.dcos(&["deploy", "resume", halt["id"].as_str().unwrap()]).expect(0);
    let following = cluster.dcos_in_background(&["deploy", "watch"]);
    until("the first agent restarts", 60, || restarting(cluster, "agent"));
    cluster.leader().kill_mesos();
    let output = following.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    for agent in &cluster.agents {
        assert_eq!(http::json(&format!("{}/fizzbuzz/count?n=15", agent.url))["says"], "FizzBuzz", "{}", agent.name);
    }
    let deployment = newest(cluster);
    let agents = nodes(&deployment).iter().filter(|node| word(node, "role") == "agent");
    assert_eq!(agents.clone().count(), 2, "{deployment}");
    assert!(agents.clone().all(|node| word(node, "state") == "confirmed"), "{deployment}");
}

/// Every master is gone in the middle: the log in ZooKeeper says what is left to do, and who does it is an operator.
fn a_deployment_is_finished_by_the_log_in_zookeeper(cluster: &Cluster) {
    cluster.settle();
    let apply = ["config", "apply", "--group", "agents", "--set", "flags.gc_delay=3days", "--soak", "8", "--no-wait"];
    cluster.dcos(&apply).expect(0);
    until("the canary is through", 60, || {
        let newest = newest(cluster);
        nodes(&newest).iter().any(|node| node["state"] == "confirmed").then_some(())
    });
    let log = cluster.ensemble.as_ref().expect("there is a ZooKeeper").address("/mesos");
    cluster.masters().for_each(|master| cluster.cut_off(master));
    let direct = || run(Path::new(env!("CARGO_BIN_EXE_dcos")), &["deploy", "--direct", &log], &[]);
    let done = direct().expect(0);
    assert!(done.stdout.contains("done"), "{done}");
    for agent in &cluster.agents {
        assert_eq!(http::json(&format!("{}/flags", agent.url))["flags"]["gc_delay"], "3days", "{}", agent.name);
    }
    assert!(direct().expect(4).stderr.contains("under way"), "nothing is left to finish");
}

fn nodes(deployment: &Value) -> &[Value] {
    deployment["nodes"].as_array().unwrap()
}

fn names(wave: &Value) -> Vec<&str> {
    wave.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}
