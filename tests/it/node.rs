//! `dcos-node` as an operator starts it on a machine without Mesos, with the real `dcos-pkg` as its worker.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::program::{Outcome, run};
use crate::harness::receiver::Receiver;
use crate::harness::served::Served;
use crate::harness::until;
use crate::pkg::server::{Hostile, Mood, Served as Repository};

const DCOS_NODE: &str = env!("CARGO_BIN_EXE_dcos-node");

/// A machine: its folder, and the server on it.
pub(crate) struct Machine {
    folder: tempfile::TempDir,
    server: Option<Served>,
}

impl Machine {
    /// A new machine; `extra` is added to its `node.toml`.
    pub(crate) fn new(role: &str, extra: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("dcos-bits-node.").tempdir().unwrap();
        let master = if role == "agent" { "master = \"127.0.0.1:5050\"" } else { "" };
        let text = format!(
            "root = \"{0}/root\"\nrole = \"{role}\"\ngroup = \"{role}s\"\n\
             [mesos]\nip = \"127.0.0.1\"\nport = 5051\n{master}\nwork_dir = \"{0}/work\"\n\
             [supervisor]\nkind = \"process\"\n[limits]\ninsecure_allow_anonymous = true\n{extra}",
            folder.path().display()
        );
        std::fs::write(folder.path().join("node.toml"), text).unwrap();
        Self { folder, server: None }
    }

    /// One that serves.
    fn serving(role: &str, extra: &str) -> Self {
        let mut machine = Self::new(role, extra);
        machine.serve(&[]);
        machine
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn serve(&mut self, environment: &[(&str, &OsStr)]) {
        self.server = Some(Served::start(&self.path("node.toml"), environment));
    }

    /// Ends the server as a crash would.
    pub(crate) fn kill(&mut self) {
        self.server = None;
    }

    fn served(&self) -> &Served {
        self.server.as_ref().expect("this machine's server was started")
    }

    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.served().ask(method, path, body)
    }

    pub(crate) fn get_text(&self, path: &str) -> (u16, String) {
        self.served().ask_text("GET", path, None)
    }

    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        self.ask("GET", path, None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.ask("POST", path, Some(body))
    }

    /// The job once it has ended.
    pub(crate) fn ended(&self, job: &Value) -> Value {
        let path = format!("/pkg/jobs/{}", job["id"].as_str().unwrap());
        until("the job ends", 30, || Some(self.get(&path).1).filter(|job| job["state"] != "running"))
    }

    /// Runs `dcos-node` to its end.
    fn refused(&self, arguments: &[&str]) -> Outcome {
        run(Path::new(DCOS_NODE), arguments, &[])
    }
}

pub(crate) fn kind(problem: &Value) -> &str {
    problem["type"].as_str().unwrap_or_default().rsplit(':').next().unwrap_or_default()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A repository with one package in it, `tools--2.1`; its folder.
pub(crate) fn publish(machine: &Machine, content: &[u8]) -> PathBuf {
    let tree = machine.path("tree");
    std::fs::create_dir_all(tree.join("share")).unwrap();
    std::fs::write(tree.join("pkginfo.json"), r#"{"format":1,"name":"tools","version":"2.1","kind":"plain"}"#).unwrap();
    std::fs::write(tree.join("share/tools"), content).unwrap();
    let (archive, folder) = (machine.path("tools--2.1.tar.gz"), machine.path("repository"));
    run(Path::new(env!("CARGO_BIN_EXE_dcos-pkg")), &["build", text(&tree), "--output", text(&archive)], &[]).expect(0);
    let dcos = Path::new(env!("CARGO_BIN_EXE_dcos"));
    run(dcos, &["repo", "init", text(&folder)], &[]).expect(0);
    run(dcos, &["repo", "publish", text(&folder), text(&archive)], &[]).expect(0);
    folder
}

#[test]
fn a_new_node_answers_and_has_nothing() {
    let agent = Machine::serving("agent", "");
    for part in ["pkg", "restart", "deploy", "provision"] {
        assert_eq!(agent.get(&format!("/{part}/health")).0, 200, "{part}");
    }
    let (status, problem) = agent.get("/pkg/active");
    assert_eq!((status, kind(&problem)), (404, "no-active-generation"));
    let (status, state) = agent.get("/pkg/state");
    assert_eq!(status, 200);
    assert_eq!(
        (&state["node"], &state["role"], &state["group"]),
        (&json!("127.0.0.1:5051"), &json!("agent"), &json!("agents"))
    );
    for nothing in ["active", "running", "last_attempt"] {
        assert_eq!(state[nothing], Value::Null, "{nothing}");
    }
    for nothing in ["packages", "jobs", "problems"] {
        assert_eq!(state[nothing], json!([]), "{nothing}");
    }
    let (status, restart) = agent.get("/restart/status");
    assert_eq!((status, &restart["attempt"], &restart["active_generation"]), (200, &Value::Null, &Value::Null));
    assert_eq!(agent.get("/deploy/nodes").0, 404);
    assert!(!agent.path("root").exists(), "looking at a new node made something");

    let master = Machine::serving("master", "");
    assert_eq!(master.get("/deploy/health").0, 200);
    assert_eq!(master.get("/deploy/halt"), (200, json!({"halts": []})));
    assert_eq!(master.get("/deploy/deployments"), (200, json!({"deployments": []})));
}

#[test]
fn packages_are_fetched_by_a_worker_and_removed() {
    let mut machine = Machine::new("agent", "");
    let repository = Repository::start(&publish(&machine, b"a tool\n"));
    let file = machine.path("node.toml");
    let extra = format!("[repositories.release]\nurl = \"{}\"\n", repository.url);
    let text = std::fs::read_to_string(&file).unwrap() + &extra;
    std::fs::write(&file, text).unwrap();
    machine.serve(&[]);

    let (status, available) = machine.get("/pkg/available");
    assert_eq!(status, 200, "{available}");
    let offered = &available["packages"][0];
    assert_eq!((&offered["id"], &offered["local"]), (&json!("tools--2.1"), &json!(false)));

    let wanted = json!({"packages": [{"id": "tools--2.1"}]});
    let (status, job) = machine.post("/pkg/fetch", &wanted);
    assert_eq!(status, 202, "{job}");
    let job = machine.ended(&job);
    assert_eq!((&job["state"], &job["packages"][0]["state"]), (&json!("done"), &json!("present")), "{job}");
    let (_, packages) = machine.get("/pkg/packages");
    assert_eq!(packages["packages"][0]["sha256"], offered["sha256"]);
    assert_eq!(machine.get("/pkg/packages/tools--2.1").1["pkginfo"]["kind"], "plain");

    // Once more needs no worker, so the answer is the end.
    assert_eq!(machine.post("/pkg/fetch", &wanted).1["state"], "done");
    let (_, job) = machine.post("/pkg/fetch", &json!({"packages": [{"id": "nowhere--1"}]}));
    let job = machine.ended(&job);
    assert_eq!(job["state"], "failed");
    assert!(job["problem"]["detail"].as_str().unwrap().contains("nowhere--1"), "{job}");

    let (status, problem) = machine.post("/pkg/validate", &json!({"set": ["tools--2.1"]}));
    assert_eq!((status, kind(&problem)), (422, "invalid-set"));
    assert!(problem["problems"].as_array().unwrap().iter().any(|finding| finding["code"] == "no-mesos"), "{problem}");
    let begin = json!({"set": ["tools--2.1"], "attempt": "one"});
    let (status, problem) = machine.post("/restart/begin", &begin);
    assert_eq!((status, kind(&problem)), (422, "invalid-set"));

    assert_eq!(machine.ask("DELETE", "/pkg/packages/tools--2.1", None).0, 200);
    assert_eq!(machine.ask("DELETE", "/pkg/packages/tools--2.1", None).0, 404);
    assert_eq!(machine.get("/pkg/state").1["jobs"].as_array().unwrap().len(), 3);
}

/// Bytes that no compression makes smaller.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn a_worker_that_is_killed_is_followed_by_one_that_goes_on_and_the_caller_is_told() {
    let mut machine = Machine::new("agent", "");
    let server = Hostile::start(&publish(&machine, &noise(2 << 20)));
    // A third of it, each time.
    server.set(Mood::Stall(700_000));
    let caller = Receiver::start();
    let file = machine.path("node.toml");
    let (url, origin) = (server.url(), &caller.origin);
    let extra = format!("[repositories.release]\nurl = \"{url}\"\n[deploy]\nallowed_origins = [\"{origin}\"]\n");
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap() + &extra).unwrap();
    machine.serve(&[]);
    let wanted = json!({"packages": [{"id": "tools--2.1"}], "callback": format!("{origin}/done")});
    let partial = machine.path("root/staging/partial");
    let arrived = || {
        let files = std::fs::read_dir(&partial).into_iter().flatten();
        files.filter_map(|file| file.ok()?.metadata().ok()).map(|file| file.len()).max().unwrap_or(0)
    };
    let fetching = |machine: &Machine| {
        let before = arrived();
        let (status, job) = machine.post("/pkg/fetch", &wanted);
        assert_eq!(status, 202, "{job}");
        let id = job["id"].as_str().unwrap().to_owned();
        // What has come lies in the store: only then may the worker go.
        until("bytes come", 30, || (arrived() > before).then_some(()));
        let document = machine.path("root/state/jobs").join(format!("{id}.json"));
        let document: Value = serde_json::from_str(&std::fs::read_to_string(&document).unwrap()).unwrap();
        let pid = i32::try_from(document["worker"]["pid"].as_i64().unwrap()).unwrap();
        (job, id, pid)
    };

    // Withdrawn in the middle: no process is left, and what has come is kept for the next.
    let (_, id, pid) = fetching(&machine);
    let (status, job) = machine.ask("DELETE", &format!("/pkg/jobs/{id}"), None);
    assert_eq!((status, &job["state"]), (200, &json!("cancelled")));
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "the worker is still there");
    until("the caller is told", 30, || (caller.calls().len() == 1).then_some(()));

    // Killed in the middle.
    let (job, _, pid) = fetching(&machine);
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL).unwrap();
    server.set(Mood::Well);
    let job = machine.ended(&job);
    assert_eq!((&job["state"], &job["packages"][0]["state"]), (&json!("done"), &json!("present")), "{job}");
    until("the caller is told", 30, || (caller.calls().len() == 2).then_some(()));
    let told = caller.calls();
    assert_eq!((&told[0].body["state"], &told[1].body["state"]), (&json!("cancelled"), &json!("done")));
    assert_eq!(told[1].body["id"], job["id"]);
    let offsets = server.offsets();
    assert!(offsets.len() == 3 && offsets.is_sorted_by(|left, right| left < right), "it began anew: {offsets:?}");
    assert_eq!(offsets[0], 0);
}

#[test]
fn a_job_goes_on_while_its_server_is_dead() {
    let mut machine = Machine::new("agent", "");
    // It says who it is, as `dcos-pkg` does first, and is done when it is let.
    let worker = machine.path("worker");
    let script = "#!/bin/sh\nset -eu\n\
        here=$(dirname \"$0\")\nfile=$here/root/state/jobs/$5.json\necho $$ >> $here/pids\n\
        start=$(sed 's/.*) //' /proc/$$/stat | cut -d' ' -f20)\n\
        sed -i \"s/^{/{\\\"worker\\\":{\\\"pid\\\":$$,\\\"start_time\\\":$start},/; /\\\"worker\\\": null/d\" $file\n\
        until [ -e $here/go ]; do sleep 0.02; done\n\
        sed -i 's/\"state\": \"running\"/\"state\": \"done\"/' $file\n";
    std::fs::write(&worker, script).unwrap();
    std::fs::set_permissions(&worker, std::fs::Permissions::from_mode(0o755)).unwrap();
    let environment = [("DCOS_PKG", worker.as_os_str())];
    machine.serve(&environment);

    let (status, job) = machine.post("/pkg/fetch", &json!({"packages": [{"id": "tools--2.1"}]}));
    assert_eq!((status, &job["state"]), (202, &json!("running")));
    let file = machine.path("root/state/jobs").join(format!("{}.json", job["id"].as_str().unwrap()));
    let named = || std::fs::read_to_string(&file).is_ok_and(|text| text.contains("\"pid\""));
    until("the worker says who it is", 10, || named().then_some(()));
    machine.kill();
    let pid = std::fs::read_to_string(machine.path("pids")).unwrap();
    assert!(Path::new("/proc").join(pid.trim()).exists(), "the worker died with the server");

    machine.serve(&environment);
    assert_eq!(machine.get("/pkg/jobs").1["jobs"][0]["state"], "running");
    std::fs::write(machine.path("go"), "").unwrap();
    assert_eq!(machine.ended(&job)["state"], "done");
    let pids = std::fs::read_to_string(machine.path("pids")).unwrap();
    assert_eq!(pids, pid, "a second worker was started");
}

#[test]
fn what_can_not_be_served_is_refused_with_the_reason() {
    let machine = Machine::new("agent", "");
    let file = machine.path("node.toml");
    let file = file.to_str().unwrap();

    let outcome = machine.refused(&["serve", "--node", "/nowhere/node.toml"]).expect(2);
    assert!(outcome.stderr.contains("`/nowhere/node.toml` can't be used: No such file"), "{outcome}");
    let outcome = machine.refused(&["serve", "--node", file, "--role", "master"]).expect(2);
    assert!(outcome.stderr.contains("is the file of the role `agent`, and `--role master` was given"), "{outcome}");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let outcome = machine.refused(&["--json", "serve", "--node", file, "--listen", &address]).expect(5);
    assert_eq!(kind(&outcome.json()), "can-not-listen");

    let text = std::fs::read_to_string(file).unwrap();
    for (from, to, why) in [
        ("port = 5051", "prot = 5051", "unknown field `prot`"),
        ("port = 5051", "port = 0", "`mesos.port` is 0"),
        ("/root\"", "/node.toml\"", "node.toml` can't be written: Not a directory"),
        ("/root\"", "/node.toml/below\"", "can't be written: Not a directory"),
    ] {
        std::fs::write(file, text.replace(from, to)).unwrap();
        let outcome = machine.refused(&["serve", "--node", file]).expect(2);
        assert!(outcome.stderr.contains(why), "{outcome}");
    }
    std::fs::write(file, text.replace("/root\"", "\"").replace(machine.folder.path().to_str().unwrap(), "/proc/1/x"))
        .unwrap();
    let outcome = machine.refused(&["serve", "--node", file]).expect(2);
    assert!(outcome.stderr.contains("can't be written"), "{outcome}");
}

#[test]
fn nobody_may_change_a_node_that_does_not_say_so() {
    let machine = Machine::new("agent", "");
    let file = machine.path("node.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("insecure_allow_anonymous", "anonymous_reader")).unwrap();
    let mut machine = machine;
    machine.serve(&[]);
    assert_eq!(machine.get("/pkg/state").0, 200);
    let (status, problem) = machine.post("/pkg/fetch", &json!({"packages": [{"id": "tools--2.1"}]}));
    assert_eq!((status, kind(&problem)), (403, "forbidden"));
    assert!(!machine.path("root").exists(), "a refused change left something");
}
