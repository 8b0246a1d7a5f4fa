//! The product in a Mesos whose configuration is wrong: Mesos starts, and our endpoints say why they do not serve. And,
//! for comparison, in one whose configuration is right.

use std::path::Path;

use serde_json::json;

use super::client::Client;
use super::mesos::{EVERYWHERE, Mesos, Role, built, node_toml, our_modules};

/// The health of each part, and one endpoint that reads and one that changes something.
const ENDPOINTS: [(&str, &str); 7] = [
    ("GET", "/pkg/health"),
    ("GET", "/restart/health"),
    ("GET", "/deploy/health"),
    ("GET", "/provision/health"),
    ("GET", "/pkg/state"),
    ("POST", "/pkg/fetch"),
    ("POST", "/restart/begin"),
];

/// Starts a Mesos with the product and `parameters`; all endpoints must answer 503, with every one of `words` in the
/// reason.
fn refuses(version: &str, role: Role, parameters: &[(&str, &str)], words: &[&str]) {
    let mut mesos = Mesos::start(version, role, &our_modules(&built(version, "libdcos_bits.so"), parameters));
    let mut client = Client::connect(mesos.address);
    for (method, path) in ENDPOINTS {
        let answer = client.ask(method, path, &[("Content-Type", "application/json")], b"{}");
        assert_eq!((answer.status, answer.header("content-type")), (503, "application/problem+json"), "{path}");
        let problem = answer.json();
        let detail = problem["detail"].as_str().expect("a reason");
        for word in words {
            assert!(detail.contains(word), "no `{word}` in the reason of {path}: {detail}");
        }
        assert_eq!(problem["status"], 503);
    }
    mesos.assert_alive();
    assert!(mesos.log().contains(words[0]), "the reason is not in Mesos's log");
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn without_our_parameters_the_reason_is_the_file_that_is_not_there() {
    assert!(!Path::new("/etc/dcos/node.toml").exists(), "this test needs a machine that is no node");
    for (version, role) in EVERYWHERE {
        refuses(version, role, &[], &["/etc/dcos/node.toml", "No such file or directory"]);
    }
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn a_missing_file_is_named() {
    for (version, role) in EVERYWHERE {
        refuses(version, role, &[("node", "/nowhere/node.toml")], &["/nowhere/node.toml", "No such file or directory"]);
    }
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn a_malformed_file_is_named_with_what_is_wrong() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("node.toml");
    let path = path.to_str().expect("a path in UTF-8");
    for (version, role) in EVERYWHERE {
        std::fs::write(path, "role = \"agent\"\nflavour = \"sweet\"\n").expect("a file");
        refuses(version, role, &[("node", path)], &[path, "flavour"]);
        std::fs::write(path, b"\xff\xfe").expect("a file");
        refuses(version, role, &[("node", path)], &[path]);
    }
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn a_root_that_cannot_be_written_is_named_and_not_made() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    // Below a file there can be no directory, not even for root.
    let file = directory.path().join("file");
    std::fs::write(&file, "").expect("a file");
    let root = file.join("dcos");
    for (version, role) in EVERYWHERE {
        let node = node_toml(directory.path(), role, &root);
        refuses(version, role, &[("node", &node)], &[root.to_str().expect("a path in UTF-8")]);
    }
    assert_eq!(std::fs::metadata(&file).expect("the file").len(), 0);
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn modules_that_disagree_are_refused_one_by_one() {
    let library = built("1.11.0", "libdcos_bits.so");
    let mut manifest = our_modules(&library, &[("node", "/nowhere/node.toml")]);
    manifest["libraries"][0]["modules"][0]["parameters"] = json!([{"key": "node", "value": "/elsewhere/node.toml"}]);
    let mut mesos = Mesos::start("1.11.0", Role::Agent, &manifest);
    let details = ["/pkg/health", "/restart/health", "/deploy/health", "/provision/health"].map(|path| {
        let answer = mesos.get(path);
        assert_eq!(answer.status, 503);
        answer.json()["detail"].as_str().expect("a reason").to_owned()
    });
    // Mesos makes modules in an order of its own: whoever came first is believed, and the odd one out is named.
    let odd = details.iter().filter(|detail| detail.contains("all must have the same")).count();
    assert!(odd == 1 || odd == 3, "{details:?}");
    mesos.assert_alive();
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn a_sound_node_serves_and_bounds_what_is_sent_to_it() {
    for (version, role) in EVERYWHERE {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let root = directory.path().join("root");
        std::fs::create_dir(&root).expect("a root");
        let node = node_toml(directory.path(), role, &root);
        let mut mesos =
            Mesos::start(version, role, &our_modules(&built(version, "libdcos_bits.so"), &[("node", &node)]));
        for part in ["pkg", "restart", "deploy", "provision"] {
            let answer = mesos.get(&format!("/{part}/health"));
            assert_eq!(answer.status, 200, "/{part}/health: {}", answer.text());
        }
        // Nobody is authenticated here and the node grants nothing to nobody, so whatever else there is is refused; but
        // a body beyond 1 MiB is not even looked at.
        let mut client = Client::connect(mesos.address);
        let (fits, too_large) = (vec![b' '; 1024 * 1024], vec![b' '; 1024 * 1024 + 1]);
        let mut post =
            |body: &[u8]| client.ask("POST", "/pkg/fetch", &[("Content-Type", "application/json")], body).status;
        assert_ne!(post(&fits), 413);
        assert_eq!(post(&too_large), 413);
        // What the tests of the bridge ask for does not exist.
        assert_eq!(mesos.get("/pkg/state/panic").status, 404);
        mesos.assert_alive();
    }
}
