//! A real cluster, upgraded and changed by its own modules: what the demo shows, and what goes beside it.

use std::process::Child;

use serde_json::json;

use crate::harness::cluster::{Cluster, NEW, Node, OLD};
use crate::harness::{archive, http, until};
use crate::pkg::care::promtool;

/// The numbers of all Mesos processes but those of `except`.
fn untouched(before: &std::collections::BTreeMap<String, (u64, String)>, cluster: &Cluster) -> Vec<String> {
    let now = cluster.processes();
    before.iter().filter(|(name, process)| now[*name] == **process).map(|(name, _)| name.clone()).collect()
}

/// The story of the demo, on one cluster: each part rests on what the one before left.
#[test]
#[ignore = "needs real Mesos and built packages: make test"]
fn a_cluster_is_upgraded_and_gets_modules_good_and_bad() {
    let cluster = Cluster::start(3);
    upgrade(&cluster);
    install(&cluster);
    refuse_what_lies(&cluster);
    roll_back_what_crashes(&cluster);
    uninstall(&cluster);
    apply(&cluster);
}

fn upgrade(cluster: &Cluster) {
    let (ids, sets, processes) = (cluster.agent_ids(), cluster.sets(), cluster.processes());
    assert!(cluster.nodes().all(|node| node.version() == OLD));

    let plan = cluster.dcos(&["upgrade", "mesos", NEW, "--dry-run", "--json"]).expect(0).json();
    let waves = plan["waves"].as_array().unwrap();
    assert_eq!(waves[0], serde_json::json!([cluster.master.name]), "masters first: {plan}");
    assert_eq!(plan["nodes"].as_array().unwrap().len(), 4, "{plan}");
    assert_eq!((cluster.sets(), cluster.processes()), (sets, processes.clone()), "a dry run changes nothing");

    let done = cluster.dcos(&["upgrade", "mesos", NEW]).expect(0);
    let last = done.stdout.lines().last().unwrap();
    assert_eq!(last, "upgrade to mesos 1.11.0: done; running now: mesos--1.11.0 on 4 of 4 nodes", "{done}");
    assert!(cluster.nodes().all(|node| node.version() == NEW));
    cluster.until_listed(&ids);
    // The deployment outlived the master that it ran in.
    assert!(untouched(&processes, cluster).is_empty());
    let deployments = http::json(&format!("{}/deploy/deployments", cluster.master.url));
    assert_eq!(deployments["deployments"][0]["state"], "done", "{deployments}");

    // The same wish again finds nothing to do.
    let processes = cluster.processes();
    cluster.dcos(&["upgrade", "mesos", NEW]).expect(0);
    assert_eq!(cluster.processes(), processes);
}

fn install(cluster: &Cluster) {
    let (ids, master, sets) = (cluster.agent_ids(), cluster.master.mesos(), cluster.sets());
    let site = std::fs::read(cluster.site().join("index.json")).unwrap();
    cluster.dcos(&["install", "module", "fizzbuzz", "--dry-run"]).expect(0);
    assert_eq!(cluster.sets(), sets, "a dry run changes nothing");
    assert_eq!(std::fs::read(cluster.site().join("index.json")).unwrap(), site, "a dry run publishes nothing");

    cluster.dcos(&["install", "module", "fizzbuzz"]).expect(0);
    for agent in &cluster.agents {
        let answer = http::json(&format!("{}/fizzbuzz/count?n=15", agent.url));
        assert_eq!(answer["says"], "FizzBuzz", "{}", agent.name);
    }
    cluster.until_listed(&ids);
    assert_eq!(cluster.master.mesos(), master, "the master has no such module, and was not restarted");
}

fn refuse_what_lies(cluster: &Cluster) {
    let (sets, processes) = (cluster.sets(), cluster.processes());
    cluster.publish(&[archive("fizzbuzz--1.3.0", "+mesos1.11.0")]);
    let refused = cluster.dcos(&["install", "module", "fizzbuzz--1.3.0"]).expect(3);
    let said = format!("{}{}", refused.stdout, refused.stderr);
    assert!(said.contains("1.10.0") && said.contains("libfizzbuzz.so"), "the reason is named: {refused}");
    assert_eq!((cluster.sets(), cluster.processes()), (sets, processes), "nothing was stopped");
}

fn roll_back_what_crashes(cluster: &Cluster) {
    let (ids, sets, processes) = (cluster.agent_ids(), cluster.sets(), cluster.processes());
    cluster.publish(&[archive("fizzbuzz--1.4.0", "+mesos1.11.0")]);
    cluster.dcos(&["install", "module", "fizzbuzz--1.4.0"]).expect(6);
    until("every node runs what it ran", 30, || (cluster.sets() == sets).then_some(()));
    cluster.until_listed(&ids);
    assert_eq!(untouched(&processes, cluster).len(), 3, "one canary tried it, and nobody else");

    let canary = cluster.agents.iter().find(|agent| agent.mesos() != processes[&agent.name]).unwrap();
    let explained = cluster.dcos(&["deploy", "explain", &canary.name]).expect(0);
    for word in ["rolled back", "next: `", "fizzbuzz--1.2.0"] {
        assert!(explained.stdout.contains(word), "`{word}`: {explained}");
    }
    let status = cluster.dcos(&["deploy", "status"]).expect(0);
    for word in ["running now: ", "waiting for: nothing", "next: `dcos deploy explain "] {
        assert!(status.stdout.contains(word), "`{word}`: {status}");
    }
}

fn uninstall(cluster: &Cluster) {
    let sets = cluster.sets();
    let plan = cluster.dcos(&["uninstall", "module", "fizzbuzz", "--dry-run"]).expect(0);
    assert!(plan.stdout.contains("-fizzbuzz 1.2.0+mesos1.11.0"), "{plan}");
    assert_eq!(cluster.sets(), sets, "a dry run changes nothing");
    cluster.dcos(&["uninstall", "module", "fizzbuzz"]).expect(0);
    for agent in &cluster.agents {
        assert_eq!(http::get(&format!("{}/fizzbuzz/health", agent.url)).unwrap().status, 404, "{}", agent.name);
        assert!(!agent.packages().iter().any(|id| id.starts_with("fizzbuzz")));
    }
    let again = cluster.dcos(&["uninstall", "module", "fizzbuzz"]).expect(3);
    assert!(again.stderr.contains("no group of nodes has it enabled"), "{again}");
}

fn apply(cluster: &Cluster) {
    let (ids, sets) = (cluster.agent_ids(), cluster.sets());
    let delay = |value: &str| format!("flags.gc_delay={value}");
    let change = ["config", "apply", "--group", "agents", "--set"];
    let plan = cluster.dcos(&[&change[..], &[&delay("3days"), "--dry-run"]].concat()).expect(0);
    assert!(plan.stdout.contains("mesos-config"), "{plan}");
    let typo = cluster.dcos(&[&change[..], &["flags.gc_dealy=3days"]].concat()).expect(3);
    assert!(typo.stderr.contains("gc_delay"), "the nearest known name: {typo}");
    assert_eq!(cluster.sets(), sets, "neither changes anything");

    cluster.dcos(&[&change[..], &[&delay("3days")]].concat()).expect(0);
    for agent in &cluster.agents {
        assert_eq!(http::json(&format!("{}/flags", agent.url))["flags"]["gc_delay"], "3days", "{}", agent.name);
    }
    cluster.until_listed(&ids);
    let again = cluster.dcos(&[&change[..], &[&delay("3days")]].concat()).expect(3);
    assert!(again.stderr.contains("has exactly this config already"), "{again}");
}

/// What `dcos` ends with once the test has let it go on.
fn code_of(mut command: Child) -> Option<i32> {
    command.wait().unwrap().code()
}

#[test]
#[ignore = "needs real Mesos and built packages: make test"]
fn a_halt_stops_an_upgrade_until_it_is_cleared() {
    let cluster = Cluster::start(2);
    let following = cluster.dcos_in_background(&["upgrade", "mesos", NEW]);
    until("the first agent restarts", 60, || {
        let deployments = http::json(&format!("{}/deploy/deployments", cluster.master.url));
        let nodes = deployments["deployments"][0]["nodes"].as_array().cloned().unwrap_or_default();
        nodes.iter().any(|node| node["role"] == "agent" && node["state"] == "restarting").then_some(())
    });
    let halt = cluster.dcos(&["deploy", "halt", "the pager says so", "--json"]).expect(0).json();
    assert_eq!(code_of(following), Some(8), "whoever waited is told that a halt stands");

    // A node that was told to go before the halt comes to its end; then nothing moves any more.
    let halted = until("no attempt is under way", 60, || {
        let idle = cluster.nodes().all(|node| {
            let status = http::get(&format!("{}/restart/status", node.url));
            status.is_some_and(|answer| answer.status == 200 && answer.body["attempt"].is_null())
        });
        idle.then(|| cluster.processes())
    });
    assert!(cluster.agents.iter().any(|agent| agent.version() == OLD), "the halt came before the end");
    let status = cluster.dcos(&["deploy", "status"]).expect(0);
    let id = halt["id"].as_str().unwrap();
    assert!(status.stdout.contains(&format!("next: `dcos deploy resume {id}`")), "{status}");
    assert!(status.stdout.contains("the pager says so"), "{status}");
    assert_eq!(cluster.processes(), halted);

    cluster.dcos(&["deploy", "resume", "no-such-halt"]).expect(4);
    cluster.dcos(&["deploy", "resume", id, "--note", "false alarm"]).expect(0);
    cluster.dcos(&["deploy", "watch"]).expect(0);
    assert!(cluster.nodes().all(|node| node.version() == NEW));
}

#[test]
#[ignore = "needs real Mesos and built packages: make test"]
fn what_can_not_be_done_is_refused_with_code_and_reason_and_nothing_changes() {
    let cluster = Cluster::start(1);
    let (sets, processes) = (cluster.sets(), cluster.processes());
    for (arguments, code, reason) in [
        (&["upgrade", "mesos", "1.12.0"][..], 3, "mesos--1.12.0"),
        (&["install", "module", "no-such-module"], 3, "no-such-module"),
        (&["install", "module", "fizzbuzz--9.9"], 3, "fizzbuzz--9.9"),
        (&["uninstall", "module", "fizzbuzz"], 3, "no group of nodes has it enabled"),
        (&["deploy", "status", "no-such-deployment"], 4, "no-such-deployment"),
        (&["deploy", "watch"], 4, "there was no deployment yet"),
        (&["deploy", "explain", "10.9.8.7:5051"], 4, "10.9.8.7:5051"),
        (&["deploy", "resume", "h-99"], 4, "h-99"),
        (&["deploy", "rollback"], 4, "there was no deployment yet"),
    ] {
        let outcome = cluster.dcos(arguments).expect(code);
        assert!(outcome.stderr.contains(reason), "`{reason}`: {outcome}");
        assert!(outcome.stderr.contains("hint: "), "a refusal says what to do next: {outcome}");
        let mut with_json = vec!["--json"];
        with_json.extend(arguments);
        let problem = cluster.dcos(&with_json).expect(code).json();
        assert!(problem["type"].as_str().unwrap().starts_with("urn:dcos-bits:"), "{problem}");
    }
    assert_eq!((cluster.sets(), cluster.processes()), (sets, processes));
}

/// What Mesos's own port says to Prometheus, and the jobs that it has done with a node's packages.
fn look_after(node: &Node) {
    let metrics = http::get(&format!("{}/pkg/metrics", node.url)).unwrap().text;
    promtool(&metrics).unwrap_or_else(|said| panic!("{said}\nof\n{metrics}"));
    assert!(metrics.contains("dcos_running_generation 1\n"), "{metrics}");
    for (path, request) in [("/pkg/verify", json!({})), ("/pkg/gc", json!({"dry_run": true}))] {
        let begun = http::post(&format!("{}{path}", node.url), &request).unwrap();
        assert_eq!(begun.status, 202, "{path}: {begun:?}");
        let job = format!("{}/pkg/jobs/{}", node.url, begun.body["id"].as_str().unwrap());
        let ended = until(path, 60, || Some(http::json(&job)).filter(|job| job["state"] != "running"));
        assert_eq!(ended["state"], "done", "{ended}");
    }
}

#[test]
#[ignore = "needs real Mesos and built packages: make test"]
fn the_doctor_finds_nothing_on_a_well_machine_and_a_changed_file_on_another() {
    let cluster = Cluster::start(1);
    let agent = &cluster.agents[0];
    let file = agent.file();
    let doctor = || cluster.dcos(&["doctor", "--node", file.to_str().unwrap()]);
    let well = doctor().expect(0);
    assert!(!well.stdout.contains("problem"), "{well}");
    look_after(&cluster.master);
    look_after(agent);

    let library = std::fs::read_dir(agent.root().join("packages"))
        .unwrap()
        .flatten()
        .map(|entry| entry.path().join("lib/libdcos_bits.so"))
        .find(|path| path.exists())
        .unwrap();
    let mut bytes = std::fs::read(&library).unwrap();
    bytes[4096] ^= 1;
    // Beside and renamed over: the running Mesos keeps the file that it has mapped.
    let folder = library.parent().unwrap();
    std::process::Command::new("chmod").args(["u+w", folder.to_str().unwrap()]).status().unwrap();
    std::fs::write(folder.join("new"), bytes).unwrap();
    std::fs::rename(folder.join("new"), &library).unwrap();
    let ill = doctor().expect(7);
    assert!(ill.stdout.contains("libdcos_bits.so"), "{ill}");
}
