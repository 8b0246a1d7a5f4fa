//! Join tokens, with a master that is `dcos-node` and a machine that becomes another one.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::machine::{Machine, set};
use crate::commands::fake_master::FakeMaster;
use crate::harness::program::{Outcome, dcos, run};
use crate::harness::served::Served;
use crate::harness::{free_ports, until};

/// A master that knows the machine's repository.
fn master(machine: &Machine) -> Served {
    let path = |name: &str| machine.path(name).display().to_string();
    let text = format!(
        "root = {:?}\nrole = \"master\"\ngroup = \"masters\"\n[mesos]\nip = \"127.0.0.1\"\nport = 5050\nwork_dir = {:?}\n\
         [repositories.release]\nurl = {:?}\nroot_json = {:?}\n[deploy]\nmasters = [\"http://127.0.0.1:5050\"]\n\
         join_credentials = {:?}\n[supervisor]\nkind = \"process\"\n[limits]\ninsecure_allow_anonymous = true\n",
        path("master"),
        path("master-work"),
        machine.repository.url(),
        path("repository/metadata/1.root.json"),
        path("credentials"),
    );
    std::fs::write(machine.path("master.toml"), text).unwrap();
    secret(machine, "credentials", r#"{"principal": "nodes", "secret": "quiet"}"#);
    Served::start(&machine.path("master.toml"), &[])
}

/// Writes a file that only its owner can read.
fn secret(machine: &Machine, name: &str, text: &str) {
    std::fs::write(machine.path(name), text).unwrap();
    std::fs::set_permissions(machine.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A token for another master of that set.
fn token(master: &Served, more: &[&str]) -> String {
    let wanted = set();
    let start = ["--url", &master.url, "--json", "slave", "token", "--group", "masters", "--role", "master"];
    let ids = ["--set"].into_iter().chain(wanted.iter().map(String::as_str));
    let arguments: Vec<&str> = start.into_iter().chain(more.iter().copied()).chain(ids).collect();
    dcos(&arguments).expect(0).json()["token"].as_str().unwrap().to_owned()
}

/// Joins as a machine whose files are in a folder of this one's.
fn join(machine: &Machine, master: &Served, token: &str, folder: &str) -> Outcome {
    super::machine::join(&machine.path(folder), machine.port, (&master.url, token), 0.3)
}

#[test]
fn a_token_leads_one_machine_in_however_often_it_asks() {
    let machine = Machine::new();
    let master = master(&machine);
    let token = token(&master, &[]);
    join(&machine, &master, &token, "").expect(0);
    machine.runs();
    let node = std::fs::read_to_string(machine.path("etc/node.toml")).unwrap();
    assert!(node.contains("group = \"masters\"") && node.contains("masters = [\"http://127.0.0.1:5050\"]"), "{node}");
    let credentials = machine.path("etc/deploy-credentials");
    assert_eq!(std::fs::metadata(&credentials).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(std::fs::read_to_string(credentials).unwrap().contains("quiet"));
    let state = std::fs::read_to_string(machine.path("root/state/bootstrap.json")).unwrap();
    assert!(!state.contains("quiet") && !state.contains(&token), "{state}");
    let log = std::fs::read_to_string(machine.path("master/state/deploy/log")).unwrap();
    assert!(log.contains("join-token") && !log.contains(&token), "the log has no token");

    // Killed before it wrote the answer down, so before there was a node file: it has its word still.
    std::fs::remove_file(machine.path("etc/node.toml")).unwrap();
    let mut record: serde_json::Value = serde_json::from_str(&state).unwrap();
    (record["token"], record["answer"]) = (serde_json::Value::Null, serde_json::Value::Null);
    std::fs::write(machine.path("root/state/bootstrap.json"), record.to_string()).unwrap();
    join(&machine, &master, &token, "").expect(0);
    // Now it is known, and the master is not asked.
    let gone = master.url.clone();
    drop(master);
    super::machine::join(&machine.path(""), machine.port, (&gone, &token), 0.3).expect(0);
    assert_eq!(machine.starts(), 1);
}

#[test]
fn a_token_that_is_used_over_or_unknown_starts_nothing() {
    let machine = Machine::new();
    let master = master(&machine);
    let (used, short) = (token(&master, &[]), token(&master, &["--expires", "1s"]));
    let body = serde_json::json!({"protocol": 1, "token": used, "claim": "a".repeat(32), "node": "first"});
    assert_eq!(master.post("/deploy/join", &body).0, 200);
    assert_eq!(master.post("/deploy/join", &body).0, 200, "the same machine again");
    let mut other = body.clone();
    other["claim"] = serde_json::json!("b".repeat(32));
    let (status, problem) = master.post("/deploy/join", &other);
    assert_eq!((status, problem["type"].as_str()), (409, Some("urn:dcos-bits:used-token")), "{problem}");
    assert!(problem["hints"][0].as_str().is_some_and(|hint| hint.contains("dcos slave token")), "{problem}");
    std::thread::sleep(Duration::from_millis(1100));
    for (token, code, name, why) in [
        (used.as_str(), 5, "used-token", "was used by first at"),
        (short.as_str(), 3, "expired-token", "was good until"),
        ("nonsense", 4, "unknown-token", "no such join token"),
    ] {
        let refused = join(&machine, &master, token, "other").expect(code);
        assert_eq!(refused.json()["type"], format!("urn:dcos-bits:{name}"), "{refused}");
        assert!(refused.json()["detail"].as_str().unwrap().contains(why), "{refused}");
        for left in ["other/etc", "other/work", "other/root/packages", "other/root/state/guard.lock"] {
            assert!(!machine.path(left).exists(), "{left}");
        }
    }
}

#[test]
fn a_node_keeps_its_credentials_and_the_token_stays_good() {
    let machine = Machine::new();
    let master = master(&machine);
    let token = token(&master, &[]);
    let files = ["node.toml", "deploy-credentials", "mesos-credentials"].map(|name| machine.path("etc").join(name));
    std::fs::create_dir_all(machine.path("etc")).unwrap();
    for file in &files {
        std::fs::write(file, "somebody's").unwrap();
    }
    let refused = join(&machine, &master, &token, "").expect(3);
    assert_eq!(refused.json()["type"], "urn:dcos-bits:node-file-differs", "{refused}");
    for file in &files {
        assert_eq!(std::fs::read_to_string(file).unwrap(), "somebody's", "{}", file.display());
    }
    let body = json!({"protocol": 1, "token": token, "claim": "a".repeat(32), "node": "another"});
    assert_eq!(master.post("/deploy/join", &body).0, 200, "the token is not spent");
}

/// A master that asks everybody for a name. Its Mesos, which lists the agents, is at `port`.
fn authenticating(machine: &Machine, port: u16) -> Served {
    let path = |name: &str| machine.path(name).display().to_string();
    for (name, text) in [
        ("own", "controller quiet"),
        ("joining", "joining hush"),
        ("joined", "controller quiet\njoining hush\n"),
        ("known", "controller quiet\njoining hush\nalice loud\n"),
        ("alice", "alice loud"),
    ] {
        secret(machine, name, text);
    }
    let text = format!(
        "root = {:?}\nrole = \"master\"\ngroup = \"masters\"\n[mesos]\nip = \"127.0.0.1\"\nport = {port}\nwork_dir = {:?}\n\
         [repositories.release]\nurl = {:?}\nroot_json = {:?}\n[deploy]\ncredentials = {:?}\njoin_credentials = {:?}\n\
         join_mesos_credentials = {:?}\nnetworks = [\"127.0.0.0/8\"]\nshared_principals = [\"joining\"]\n\
         [supervisor]\nkind = \"process\"\n[roles]\nalice = \"admin\"\njoining = \"node\"\n[server]\ncredentials = {:?}\n",
        path("master"),
        path("master-work"),
        machine.repository.url(),
        path("repository/metadata/1.root.json"),
        path("own"),
        path("joining"),
        path("joined"),
        path("known"),
    );
    std::fs::write(machine.path("master.toml"), text).unwrap();
    Served::start(&machine.path("master.toml"), &[])
}

#[test]
fn a_node_that_joins_where_names_are_asked_for_lets_the_controller_in_and_nobody_else() {
    let machine = Machine::new();
    let port = free_ports(1)[0];
    let master = authenticating(&machine, port);
    let alice = machine.path("alice");
    let as_alice = |arguments: &[&str]| {
        let environment = [("DCOS_URL", master.url.as_ref()), ("DCOS_CREDENTIALS", alice.as_os_str())];
        run(Path::new(env!("CARGO_BIN_EXE_dcos")), arguments, &environment)
    };
    assert_eq!(master.ask("GET", "/deploy/nodes", None).0, 403, "nobody");
    let wanted = set();
    let mut arguments = vec!["--json", "slave", "token", "--group", "joined", "--role", "master", "--set"];
    arguments.extend(wanted.iter().map(String::as_str));
    let token = as_alice(&arguments).expect(0).json()["token"].as_str().unwrap().to_owned();
    join(&machine, &master, &token, "").expect(0);
    machine.runs();

    // The stand-in for its Mesos has no endpoints of ours: `dcos-node` answers them, and asks for the names in the file
    // that was brought, as Mesos does by `--http_credentials`.
    let (file, brought) = (machine.path("etc/node.toml"), machine.path("etc/mesos-credentials"));
    assert_eq!(std::fs::metadata(&brought).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!std::fs::read_to_string(machine.path("root/state/bootstrap.json")).unwrap().contains("quiet"));
    let serving = machine.path("etc/serving.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&serving, format!("{text}\n[server]\ncredentials = {brought:?}\n")).unwrap();
    let node = Served::start(&serving, &[]);
    assert_eq!(node.ask("GET", "/pkg/state", None).0, 403, "nobody");
    let address = node.url.trim_start_matches("http://");
    let listed = json!({"slaves": [{"id": "S1", "hostname": "127.0.0.1", "pid": format!("slave(1)@{address}"), "active": true}]});
    let _mesos = FakeMaster::listening(port, BTreeMap::from([("/master/slaves".to_owned(), listed)]));

    let nodes = until("the controller has asked the node", 30, || {
        let nodes = as_alice(&["--json", "deploy", "nodes"]);
        let found = nodes.json()["nodes"].as_array()?.iter().find(|it| it["node"] == address).cloned();
        found.filter(|node| node["reachable"] == true)
    });
    assert_eq!(nodes["group"], "joined", "{nodes}");
    let done = as_alice(&["--json", "deploy", "care", "verify", "--group", "joined"]).expect(0).json();
    assert_eq!((&done["state"], &done["reason"]), (&json!("done"), &json!("verify on 1 node")), "{done}");
}
