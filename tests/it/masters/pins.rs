//! What is left as it is, and chores on every node without a restart, on real nodes.

use serde_json::{Value, json};

use crate::harness::cluster::Cluster;
use crate::harness::http;

fn newest(cluster: &Cluster) -> Value {
    http::json(&format!("{}/deploy/deployments", cluster.master.url))["deployments"][0].clone()
}

/// What a deployment says of a node.
fn detail(deployment: &Value, name: &str) -> String {
    let nodes = deployment["nodes"].as_array().map_or(&[][..], Vec::as_slice);
    let node = nodes.iter().find(|node| node["node"] == name);
    node.map_or_else(String::new, |node| node["detail"].as_str().unwrap_or_default().to_owned())
}

#[test]
#[ignore = "needs real Mesos and built packages: make test"]
fn a_pinned_node_is_left_as_it_is_and_chores_are_done_everywhere_without_a_restart() {
    let cluster = Cluster::start(2);
    let [pinned, free] = [&cluster.agents[0], &cluster.agents[1]];
    let delay = |url: &str| http::json(&format!("{url}/flags"))["flags"]["gc_delay"].clone();
    let (before, default) = (cluster.processes(), delay(&pinned.url));
    cluster.dcos(&["deploy", "pin", &pinned.name, "its disk is looked at"]).expect(0);
    let apply = ["config", "apply", "--group", "agents", "--set", "flags.gc_delay=3days"];
    cluster.dcos(&apply).expect(0);
    assert_eq!((delay(&pinned.url), delay(&free.url)), (default, json!("3days")));
    assert_eq!(cluster.processes()[&pinned.name], before[&pinned.name], "it was not restarted");
    assert!(detail(&newest(&cluster), &pinned.name).contains("it is pinned by"), "{}", newest(&cluster));
    assert!(cluster.dcos(&["deploy", "pins"]).expect(0).stdout.contains("its disk is looked at"));
    let nodes = cluster.dcos(&["deploy", "nodes", "--json"]).expect(0).json();
    let is_pinned = |node: &Value| node["pinned"].as_str().is_some_and(|why| why.contains("its disk is looked at"));
    let names: Vec<&Value> = nodes["nodes"].as_array().unwrap().iter().filter(|node| is_pinned(node)).collect();
    assert!(names.len() == 1 && names[0]["node"] == pinned.name.as_str(), "{nodes}");

    // One file on one node is not as it was added: it is told, and every node is seen to all the same, the master too.
    let processes = cluster.processes();
    let config = free.packages().into_iter().find(|id| id.starts_with("mesos-config--")).unwrap();
    let file = free.root().join(format!("packages/{config}/etc/config.json"));
    let good = std::fs::read(&file).unwrap();
    std::fs::write(&file, [&good[..], b" "].concat()).unwrap();
    cluster.dcos(&["deploy", "care", "verify", "gc"]).expect(0);
    let done = newest(&cluster);
    assert_eq!(done["reason"], "verify, gc on 2 nodes, 1 with chores left undone", "the pinned one aside: {done}");
    let told = detail(&done, &free.name);
    assert!(told.starts_with("`verify` was left undone") && told.contains(&config), "{told}");
    assert_eq!(detail(&done, &cluster.master.name), "");
    std::fs::write(&file, good).unwrap();

    cluster.dcos(&["deploy", "unpin", &pinned.name]).expect(0);
    cluster.dcos(&["deploy", "care", "verify"]).expect(0);
    assert_eq!(newest(&cluster)["reason"], "verify on 3 nodes");
    assert_eq!(cluster.processes(), processes, "no chore restarts anything");
    assert_eq!(cluster.dcos(&["deploy", "unpin", &pinned.name]).expect(4).stdout, "");
}
