//! A fake of a leading master, which says that it is one: it answers what a test tells it to. For what a real master gets
//! into only by a restart that goes wrong; those are in `restart`, `cluster` and the matrix.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use serde_json::{Value, json};

const OLD: [&str; 2] = ["mesos--1.10.0", "mesos-config--0123456789ab"];
const NEW: [&str; 2] = ["mesos--1.11.0", "mesos-config--0123456789ab"];
const EPOCH: &str = "1970-01-01T00:00:00Z";

/// A server that ends with the value.
pub(crate) struct FakeMaster {
    pub(crate) url: String,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl FakeMaster {
    /// Answers each path with its document, and every other one with 500 and no document.
    pub(super) fn answering(documents: BTreeMap<String, Value>) -> Self {
        Self::listening(0, documents)
    }

    /// The same on a port of loopback that somebody knows already.
    pub(crate) fn listening(port: u16, documents: BTreeMap<String, Value>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if seen.load(Ordering::SeqCst) {
                    return;
                }
                // Who goes away in the middle is no failure of the test: it sees what it got.
                let _ = answer(stream, &documents);
            }
        });
        Self { url, over, thread: Some(thread) }
    }

    /// One with an upgrade of two agents that is in `state`; the first node has the state `node`, and the second waits.
    pub(super) fn with_upgrade(state: &str, node: &str, changed: bool) -> Self {
        let reason = match (state, node) {
            ("done", _) => "",
            ("halted", _) => "halt `h1`: error rate above 1%",
            ("paused", _) => "paused by alice",
            ("aborted", _) => "aborted by alice",
            (_, "failed") => "10.0.0.7:5051 could not fetch: `mesos--1.11.0` is in no configured repository",
            (_, "lost") => "10.0.0.7:5051 came up on neither set: Mesos has ended: it exited with status 1",
            _ => "10.0.0.7:5051 runs its old set again: Mesos has ended: it exited with status 1",
        };
        let part = |name: &str, state: &str| {
            let log =
                if matches!(state, "rolled_back" | "lost") { json!(["the module has no licence"]) } else { json!([]) };
            json!({"node": name, "role": "agent", "group": "agents", "from": OLD, "to": NEW, "state": state, "log": log,
                "updated_at": EPOCH})
        };
        let other = if state == "done" { "confirmed" } else { "waiting" };
        let deployment = json!({"id": "d7", "change": {"upgrade": {"mesos": "1.11.0"}}, "strategy": {}, "state": state,
            "reason": reason, "changed": changed, "waves": [], "created_at": EPOCH,
            "nodes": [part("10.0.0.7:5051", node), part("10.0.0.8:5051", other)]});
        let cluster_node = |name: &str, set: Option<[&str; 2]>| {
            json!({"node": name, "url": format!("http://{name}"), "role": "agent", "group": "agents",
                "registered": set.is_some(), "reachable": set.is_some(), "set": set})
        };
        let now = |state: &str| match state {
            "confirmed" => Some(NEW),
            "lost" => None,
            _ => Some(OLD),
        };
        let nodes = [cluster_node("10.0.0.7:5051", now(node)), cluster_node("10.0.0.8:5051", now(other))];
        let halts = match state {
            "halted" => json!([{"id": "h1", "reason": "error rate above 1%", "at": EPOCH}]),
            _ => json!([]),
        };
        let mut counts = BTreeMap::<&str, usize>::new();
        for state in [node, other] {
            *counts.entry(state).or_default() += 1;
        }
        // What else a summary has, a client does with: it names both nodes.
        let mut short = deployment.clone();
        short["counts"] = json!(counts);
        short["running"] = json!([]);
        short["left_out"] = json!(0);
        Self::answering(BTreeMap::from([
            ("/deploy/summary".to_owned(), json!({"deployment": short, "halts": halts.clone()})),
            ("/deploy/deployments".to_owned(), json!({"deployments": [deployment.clone()]})),
            ("/deploy/deployments/d7".to_owned(), deployment),
            ("/deploy/nodes".to_owned(), json!({"nodes": nodes})),
            ("/deploy/halt".to_owned(), json!({"halts": halts})),
        ]))
    }
}

impl Drop for FakeMaster {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // It waits for a connection: this is one.
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer(mut stream: TcpStream, documents: &BTreeMap<String, Value>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut length = 0_u64;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    let path = first.split_whitespace().nth(1).unwrap_or_default().split('?').next().unwrap_or_default();
    let (status, kind, body) = match documents.get(path) {
        Some(document) => ("200 OK", "application/json", document.to_string()),
        None => ("500 Internal Server Error", "text/plain", "I am a fake, and know no such path".to_owned()),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nServer: fake-master\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
