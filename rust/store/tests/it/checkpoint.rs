//! An agent's checkpoint among the facts that a set is judged by.

use std::fs;
use std::os::unix::fs::symlink;

use dcos_core::node::NodeConfig;
use dcos_core::{PackageSet, Problem};
use dcos_store::{Activation, NodeContext, Store, StoreError};

use crate::fixture::{NODE_FILE, Node};

/// The node's store, with a work directory of its own and whatever else the host says now.
fn store(node: &Node, more: &str) -> Store {
    let work_dir = node.path("work");
    let text = NODE_FILE.replace("/var/lib/mesos", work_dir.to_str().unwrap()) + more;
    let config = NodeConfig::parse(&text).unwrap();
    Store::open(node.root(), Some(NodeContext { config, file: "/etc/dcos/node.toml".into() })).unwrap()
}

/// A config package like that of the fixture, with other resources.
fn config(node: &Node, version: &str, environment: &str) {
    let text = format!(r#"{{"format":1,"role":"agent","environment":{{{environment}}},"modules":[]}}"#);
    let id = format!("conf--{version}");
    node.add(&id, r#""kind":"mesos-config","roles":["agent"]"#, &[("etc/config.json", &text)]);
}

fn with_config(set: &PackageSet, version: &str) -> PackageSet {
    let other = set.iter().filter(|id| id.name().as_str() != "conf").cloned();
    other.chain([format!("conf--{version}").parse().unwrap()]).collect()
}

fn codes(store: &Store, set: &PackageSet) -> (Vec<String>, Vec<String>) {
    let report = store.validate(set).unwrap();
    let codes = |all: Vec<dcos_core::validate::Finding>| all.into_iter().map(|it| it.code).collect();
    (codes(report.problems), codes(report.notes))
}

#[test]
fn what_an_agent_left_is_judged_forwards_and_back() {
    let node = Node::new();
    let set = node.add_set("1.10.0");
    config(&node, "2", r#""MESOS_RESOURCES":"cpus:2;mem:64""#);
    config(&node, "3", r#""MESOS_RESOURCES":"cpus:2;mem:64","MESOS_RECONFIGURATION_POLICY":"additive""#);
    let (changed, grown) = (with_config(&set, "2"), with_config(&set, "3"));
    let activate = |set: &PackageSet| {
        let store = store(&node, "");
        let locked = store.lock("test").unwrap();
        store.activate(&locked, set, &Activation::default()).map(|generation| generation.number)
    };
    assert_eq!(activate(&set).unwrap(), 1);
    let none: Vec<String> = Vec::new();

    // Nothing was left: nothing is judged by it.
    assert_eq!(codes(&store(&node, ""), &changed), (none.clone(), none.clone()));

    let checkpoint = node.path("work/meta/slaves");
    fs::create_dir_all(&checkpoint).unwrap();
    symlink("an-agent-s1", checkpoint.join("latest")).unwrap();
    let (problems, notes) = codes(&store(&node, ""), &changed);
    assert_eq!((problems, notes), (vec!["checkpoint-refused".to_owned()], none.clone()));
    assert_eq!(codes(&store(&node, ""), &grown), (none.clone(), vec!["no-way-back".to_owned()]));
    let error = activate(&changed).unwrap_err();
    assert!(matches!(error, StoreError::InvalidSet(_)));
    assert_eq!(Problem::from(error).exit_code().number(), 3);

    // The facts of the host count as well: the port is what the agent was, the node file what it shall be.
    let moved = store(&node, "attributes = \"rack:a\"\n");
    assert_eq!(codes(&moved, &set), (vec!["checkpoint-refused".to_owned()], none.clone()));

    // For a restart that wipes the work directory it can be made ready all the same.
    let here = store(&node, "");
    let locked = here.lock("test").unwrap();
    assert_eq!(here.stage(&locked, &changed).unwrap().number, 2);
    drop(locked);

    // Once the agent has grown, it does not shrink, by hand or otherwise.
    let grown_generation = activate(&grown).unwrap();
    assert_eq!(grown_generation, 3);
    assert_eq!(codes(&store(&node, ""), &set).0, ["checkpoint-refused"]);
    let locked = here.lock("test").unwrap();
    assert!(matches!(here.rollback(&locked, &Activation::default()), Err(StoreError::InvalidSet(_))));
}

#[test]
fn a_dcos_bits_says_which_files_it_reads() {
    let node = Node::new();
    let set = node.add_set("1.10.0");
    let formats =
        |newest: u32| format!(r#"{{"format":1,"reads":{{"manifest":{{"oldest":{newest},"newest":{newest}}}}}}}"#);
    let bits = |version: &str, text: &str| {
        let helper = ("bin/dcos-restart-helper!", "");
        let files = [helper, ("libexec/dcos-bits/formats.json", text)];
        let id = node.add(&format!("dcos-bits--{version}"), r#""kind":"plain""#, &files);
        let other = set.iter().filter(|id| id.name().as_str() != "dcos-bits").cloned();
        codes(&node.store(), &other.chain([id]).collect()).0
    };
    assert_eq!(bits("1", &formats(1)), Vec::<String>::new());
    assert_eq!(bits("2", &formats(2)), ["store-format"]);
    assert_eq!(bits("3", "{}"), ["store-format"]);
}
