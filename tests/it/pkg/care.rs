//! `/pkg/verify`, `/pkg/repair` and `/pkg/gc` on a `dcos-node`, with the real worker; who is told of their end, and how
//! all of it looks to Prometheus.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::server::Served;
use crate::harness::receiver::Receiver;
use crate::harness::until;
use crate::node::{Machine, kind, publish};

/// A node with `tools--2.1` from a repository, which reports to `receiver` with credentials.
fn node(receiver: &Receiver) -> (Machine, Served) {
    let mut machine = Machine::new("agent", "");
    let repository = Served::start(&publish(&machine, b"a tool\n"));
    let credentials = machine.path("credentials.json");
    std::fs::write(&credentials, r#"{"principal": "node", "secret": "s3cret"}"#).unwrap();
    std::fs::set_permissions(&credentials, std::fs::Permissions::from_mode(0o600)).unwrap();
    let file = machine.path("node.toml");
    let text = std::fs::read_to_string(&file).unwrap()
        + &format!("[repositories.release]\nurl = \"{}\"\n", repository.url)
        + &format!("[deploy]\nallowed_origins = [\"{}\"]\ncredentials = {credentials:?}\n", receiver.origin);
    std::fs::write(&file, text).unwrap();
    machine.serve(&[]);
    let (status, job) = machine.post("/pkg/fetch", &json!({"packages": [{"id": "tools--2.1"}]}));
    assert_eq!(status, 202, "{job}");
    assert_eq!(machine.ended(&job)["state"], "done");
    (machine, repository)
}

/// The end of a job that is asked for.
fn work(machine: &Machine, path: &str, request: &Value) -> Value {
    let (status, job) = machine.post(path, request);
    assert_eq!(status, 202, "{path}: {job}");
    machine.ended(&job)
}

#[test]
fn damage_is_found_put_right_and_told() {
    let receiver = Receiver::start();
    let (machine, _repository) = node(&receiver);
    let tool = machine.path("root/packages/tools--2.1/share/tools");

    let job = work(&machine, "/pkg/verify", &json!({}));
    assert_eq!((&job["kind"], &job["state"]), (&json!("verify"), &json!("done")));
    let looked_at = &job["packages"][0];
    assert_eq!((&looked_at["id"], &looked_at["state"]), (&json!("tools--2.1"), &json!("present")));
    assert_eq!(looked_at["bytes"], looked_at["size"]);

    std::fs::write(&tool, "a fool\n").unwrap();
    let job = work(&machine, "/pkg/verify", &json!({"packages": ["tools--2.1"]}));
    assert_eq!((&job["state"], &job["packages"][0]["state"]), (&json!("failed"), &json!("damaged")), "{job}");
    assert_eq!((kind(&job["problem"]), &job["problem"]["problems"][0]["code"]), ("damaged", &json!("damaged")));
    assert!(job["problem"]["detail"].as_str().unwrap().contains("share/tools"), "{job}");

    let repaired = json!({"packages": [], "callback": format!("{}/repaired?by=me", receiver.origin)});
    let job = work(&machine, "/pkg/repair", &repaired);
    assert_eq!((&job["kind"], &job["state"]), (&json!("repair"), &json!("done")), "{job}");
    assert!(job["packages"][0]["detail"].as_str().unwrap().contains("share/tools"), "{job}");
    assert_eq!(std::fs::read_to_string(&tool).unwrap(), "a tool\n");
    let told = until("the caller is told", 30, || receiver.calls().into_iter().next());
    assert_eq!((told.path.as_str(), &told.body), ("/repaired?by=me", &job));
    assert_eq!(told.authorization.as_deref(), Some("Basic bm9kZTpzM2NyZXQ="));

    // What nothing needs goes, first only in words.
    let job = work(&machine, "/pkg/gc", &json!({"dry_run": true}));
    assert_eq!((&job["kind"], &job["state"], &job["dry_run"]), (&json!("gc"), &json!("done"), &json!(true)), "{job}");
    assert_eq!(job["collected"]["packages"], json!(["tools--2.1"]));
    assert!(tool.exists());
    let job = work(&machine, "/pkg/gc", &json!({}));
    assert_eq!((&job["state"], &job["collected"]["packages"]), (&json!("done"), &json!(["tools--2.1"])), "{job}");
    assert!(!tool.exists());
    assert_eq!(machine.get("/pkg/packages").1["packages"], json!([]));

    // Nothing to look at is nothing to do; what is not here can't be looked at.
    assert_eq!(machine.post("/pkg/verify", &json!({})).1["state"], "done");
    for path in ["/pkg/verify", "/pkg/repair"] {
        let (status, problem) = machine.post(path, &json!({"packages": ["tools--2.1"]}));
        assert_eq!((status, kind(&problem)), (404, "not-local"), "{path}");
    }
    let state = machine.get("/pkg/state").1;
    let kinds: Vec<_> = state["jobs"].as_array().unwrap().iter().map(|job| job["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["verify", "gc", "gc", "repair", "verify", "verify", "fetch"], "newest first");
}

#[test]
fn a_caller_that_is_busy_is_told_later_and_nobody_else_ever() {
    let (receiver, stranger) = (Receiver::start(), Receiver::start());
    let (machine, _repository) = node(&receiver);
    let callback = |origin: &str| json!({"callback": format!("{origin}/done")});

    receiver.answer(["503 Busy".to_owned(), "500 Broken".to_owned()]);
    let job = work(&machine, "/pkg/verify", &callback(&receiver.origin));
    let calls = until("the third try", 60, || Some(receiver.calls()).filter(|calls| calls.len() == 3));
    assert!(calls.iter().all(|call| call.body == job && call.authorization.is_some()), "{calls:?}");

    // Neither a caller's word nor a configured origin's redirect leads this node, and its secret, anywhere else.
    for (path, mut request) in [("/pkg/verify", json!({})), ("/pkg/repair", json!({})), ("/pkg/gc", json!({}))] {
        request["callback"] = json!(format!("{}/done", stranger.origin));
        let (status, problem) = machine.post(path, &request);
        assert_eq!((status, kind(&problem)), (422, "origin-not-allowed"), "{path}");
    }
    let elsewhere = format!("307 Elsewhere\r\nLocation: {}/done", stranger.origin);
    receiver.answer([elsewhere]);
    let (_, job) = machine.post("/pkg/gc", &json!({"dry_run": true, "callback": format!("{}/x", receiver.origin)}));
    machine.ended(&job);
    until("the redirecting call", 30, || receiver.calls().into_iter().find(|call| call.path == "/x"));
    assert!(stranger.calls().is_empty(), "{:?}", stranger.calls());
}

/// What `promtool check metrics` says of a text; nothing if it has no objection.
pub(crate) fn promtool(metrics: &str) -> Result<(), String> {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("promtool: {error}\nhint: apt-get install prometheus"));
    child.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() && said.trim().is_empty() { Ok(()) } else { Err(said) }
}

#[test]
fn promtool_has_no_objection_to_the_metrics() {
    let receiver = Receiver::start();
    let (machine, _repository) = node(&receiver);
    let (status, text) = machine.get_text("/pkg/metrics");
    assert_eq!(status, 200);
    promtool(&text).unwrap_or_else(|said| panic!("{said}\nof\n{text}"));
    for line in ["dcos_packages 1", "dcos_jobs{kind=\"fetch\",state=\"done\"} 1", "dcos_state_problems 0"] {
        assert!(text.lines().any(|is| is == line), "no `{line}` in\n{text}");
    }
    // It does object where there is something to object to.
    let wrong = text.replace("# HELP dcos_packages Packages on the node\n", "");
    assert!(promtool(&wrong).unwrap_err().contains("dcos_packages"));
}
