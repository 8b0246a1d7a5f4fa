//! `dcos config apply` with a site repository that is signed. The master is played: what is looked at is what the operator's
//! machine publishes, with which keys, and that nothing is deployed when it can't.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::harness::program;
use crate::pkg::machine::{BITS, MESOS, Machine, id};
use crate::pkg::server::Served;

/// Answers GET by what is known of the path, and POST as a master that creates a deployment.
struct Master {
    url: String,
    answers: Arc<Mutex<BTreeMap<String, Value>>>,
    posts: Arc<Mutex<Vec<String>>>,
}

impl Master {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let master = Self { url, answers: Arc::default(), posts: Arc::default() };
        let (answers, posts) = (Arc::clone(&master.answers), Arc::clone(&master.posts));
        // It ends with the test's process.
        std::thread::spawn(move || {
            for mut connection in listener.incoming().flatten() {
                let mut reader = BufReader::new(connection.try_clone().unwrap());
                let (mut first, mut length) = (String::new(), 0);
                reader.read_line(&mut first).unwrap();
                for line in reader.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty()) {
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                        length = value.parse().unwrap();
                    }
                }
                reader.take(length).read_to_end(&mut Vec::new()).unwrap();
                let path = first.split(' ').nth(1).unwrap().to_owned();
                let answer = if first.starts_with("POST") {
                    posts.lock().unwrap().push(path);
                    Some(example("deployment.json"))
                } else {
                    answers.lock().unwrap().get(&path).cloned()
                };
                let (status, body) = answer.map_or(("404 Not Found", Value::Null), |answer| ("200 OK", answer));
                let body = body.to_string();
                let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close");
                let _ = write!(connection, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            }
        });
        master
    }

    fn answer(&self, path: &str, with: Value) {
        self.answers.lock().unwrap().insert(path.to_owned(), with);
    }

    fn posts(&self) -> Vec<String> {
        std::mem::take(&mut self.posts.lock().unwrap())
    }
}

fn example(name: &str) -> Value {
    let path = format!("{}/docs/http-api/deploy/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn configs_are_published_to_a_signed_site_repository() {
    let machine = Machine::new(None);
    let archives = machine.build_set("1.10.0");
    let config = id(&archives[2]);
    let release = Served::start(&machine.publish(&archives));
    machine.write_node(&format!("[repositories.release]\nurl = \"{}\"\n", release.url));
    machine.pkg(&["fetch", MESOS, BITS, &config]).expect(0);

    // The master knows one agent, and passes on what the agent says its config was made from.
    let master = Master::start();
    let node = json!({"node": "127.0.0.1:5051", "url": master.url, "role": "agent", "group": "agents",
        "registered": true, "set": [MESOS, BITS, config], "drift": false, "reachable": true});
    master.answer("/deploy/nodes", json!({"nodes": [node]}));
    let on_agent = |path: &str| format!("/deploy/nodes/127.0.0.1:5051{path}");
    master.answer(&on_agent("/pkg/available"), machine.pkg(&["available", "--json"]).expect(0).json());
    for id in [MESOS, BITS, &config] {
        let detail = machine.pkg(&["show", id, "--json"]).expect(0).json();
        master.answer(&on_agent(&format!("/pkg/packages/{id}")), detail);
    }

    let paths = ["site", "keys"].map(|name| machine.path(name));
    let [site, keys] = paths.each_ref().map(|path| path.to_str().unwrap());
    program::dcos(&["repo", "init", site, "--keys", keys]).expect(0);
    let apply = |more: &[&str]| {
        let set = ["--url", &master.url, "config", "apply", "--group", "agents", "--set", "flags.resources=cpus:8"];
        program::dcos(&[&set[..], &["--site-repository", site, "--no-wait", "--json"], more].concat())
    };
    // Without keys, with others, and with some that are missing nothing is published, and so nothing is deployed.
    let refused = apply(&[]).expect(3);
    assert_eq!(refused.json()["type"], "urn:dcos-bits:repository-signed", "{refused}");
    let strangers = machine.path("strangers");
    std::fs::create_dir(&strangers).unwrap();
    let refused = apply(&["--keys", strangers.to_str().unwrap()]).expect(3);
    assert_eq!(refused.json()["type"], "urn:dcos-bits:keys-missing", "{refused}");
    assert_eq!(master.posts(), Vec::<String>::new());

    apply(&["--keys", keys]).expect(0);
    assert_eq!(master.posts(), ["/deploy/deployments"]);
    // A node that trusts the site's root is offered the new config by it.
    let served = Served::start(&paths[0]);
    let root_json = machine.path("site/metadata/1.root.json");
    machine.write_node(&format!("[repositories.site]\nurl = \"{}\"\nroot_json = {root_json:?}\n", served.url));
    let offered = machine.pkg(&["available", "--json"]).expect(0).json();
    let offered = offered["packages"].as_array().unwrap();
    assert_eq!(offered.len(), 1);
    assert_eq!((&offered[0]["repository"], &offered[0]["kind"]), (&"site".into(), &"mesos-config".into()));
    let new = offered[0]["id"].as_str().unwrap();
    assert_ne!(new, config);
    machine.pkg(&["fetch", new]).expect(0);
}
