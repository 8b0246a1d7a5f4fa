//! Every master is down in mid-deployment, and it is finished from the operator's machine.

use std::path::Path;

use serde_json::Value;

use crate::harness::cluster::{Cluster, Node};
use crate::harness::program::run;
use crate::harness::{http, until};

fn newest(master: &Node) -> Value {
    http::json(&format!("{}/deploy/deployments", master.url))["deployments"][0].clone()
}

#[test]
#[ignore = "needs real Mesos and built packages: make test"]
fn a_deployment_is_finished_with_every_master_down_and_the_masters_agree() {
    let cluster = Cluster::start(2);
    let (master, log) = (&cluster.master, cluster.master.root().join("state/deploy/log"));
    let direct = |state: &Path| {
        run(Path::new(env!("CARGO_BIN_EXE_dcos")), &["deploy", "--direct", state.to_str().unwrap()], &[])
    };
    // The soak keeps the second wave away for long enough.
    let mut following = cluster.dcos_in_background(&["install", "module", "fizzbuzz", "--soak", "8"]);
    until("the canary is through", 60, || {
        let nodes = newest(master)["nodes"].as_array().cloned().unwrap_or_default();
        nodes.iter().any(|node| node["state"] == "confirmed").then_some(())
    });
    cluster.cut_off(master);
    following.kill().unwrap();
    following.wait().unwrap();
    assert_eq!(http::get(&format!("{}/version", master.url)).map(|answer| answer.status), None);

    let done = direct(&log).expect(0);
    assert!(done.stdout.contains("install fizzbuzz: done"), "{done}");
    for agent in &cluster.agents {
        assert_eq!(http::json(&format!("{}/fizzbuzz/count?n=15", agent.url))["says"], "FizzBuzz", "{}", agent.name);
    }
    assert!(direct(&log).expect(4).stderr.contains("under way"), "nothing is left to finish");

    cluster.start_node(master);
    let deployment = until("the master is back and agrees", 60, || {
        let newest = newest(master);
        (newest["state"] == "done").then_some(newest)
    });
    let tries = deployment["nodes"].as_array().unwrap().iter().filter(|node| node["role"] == "agent");
    assert_eq!(tries.clone().count(), 2, "{deployment}");
    assert!(tries.clone().all(|node| node["attempt"].as_str().unwrap().ends_with("-1")), "each once: {deployment}");

    // What it came to can be kept, and put back; a halt that stands meanwhile is not cleared by that.
    let backup = cluster.site().join("backup.json");
    cluster.dcos(&["deploy", "backup", backup.to_str().unwrap()]).expect(0);
    let halt = cluster.dcos(&["deploy", "halt", "since the backup", "--json"]).expect(0).json();
    cluster.dcos(&["deploy", "restore", backup.to_str().unwrap()]).expect(3);
    let restored = cluster.dcos(&["deploy", "restore", backup.to_str().unwrap(), "--yes", "--json"]).expect(0).json();
    assert_eq!(restored["halts"], serde_json::json!([halt["id"]]), "{restored}");
    assert_eq!(newest(master)["state"], "done");
    cluster.dcos(&["deploy", "backup", backup.to_str().unwrap()]).expect(5);
}
