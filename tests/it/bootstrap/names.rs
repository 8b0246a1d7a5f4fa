//! A node that joins by a token where every Mesos asks for names, with real Mesos.

use std::os::unix::fs::PermissionsExt as _;

use crate::harness::cluster::{Cluster, OLD};
use crate::harness::{archive, free_ports, http, id, until};

#[test]
#[ignore = "needs real Mesos and built packages: make test"]
fn an_agent_that_joins_where_names_are_asked_for_is_deployed_to() {
    let cluster = Cluster::asking_for_names();
    let bound = format!("+mesos{OLD}");
    let set = [
        id(&archive(&format!("mesos--{OLD}"), "")),
        id(&archive("dcos-bits--", &bound)),
        cluster.generate_config("agent"),
    ];
    let mut arguments = vec!["--json", "slave", "token", "--group", "agents", "--set"];
    arguments.extend(set.iter().map(String::as_str));
    let token = cluster.dcos(&arguments).expect(0).json()["token"].as_str().unwrap().to_owned();

    let (folder, port) = (cluster.path("joined-agent"), free_ports(1)[0]);
    let node = folder.join("etc/node.toml");
    let _stopped = super::real::Stopped(&node);
    super::machine::join(&folder, port, (&cluster.master.url, &token), 1.0).expect(0);
    let (name, url) = (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}"));
    until("the master lists it", 30, || cluster.agent_ids().contains_key(&name).then_some(()));
    for brought in [folder.join("etc/mesos-credentials"), cluster.names_of_agents()] {
        assert_eq!(std::fs::metadata(&brought).unwrap().permissions().mode() & 0o777, 0o600, "{}", brought.display());
    }
    assert_eq!(http::status(&format!("{url}/pkg/active")), Some(401), "the operator's name is for masters only");

    // The group's options, which are on that agent only, and every order to it come by the leader, in the controller's name.
    cluster.dcos(&["install", "module", "fizzbuzz"]).expect(0);
    let listed = cluster.dcos(&["--json", "deploy", "nodes"]).expect(0).json();
    let agent = listed["nodes"].as_array().unwrap().iter().find(|node| node["node"] == name.as_str()).cloned().unwrap();
    let runs = agent["set"].as_array().unwrap().iter().filter_map(|id| id.as_str());
    assert_eq!(runs.filter(|id| id.starts_with("fizzbuzz--1.2.0")).count(), 1, "{agent}");
    assert_eq!(agent["last_attempt"]["state"], "confirmed", "{agent}");
}
