//! Adopt, leave, join and a clean restart, with real Mesos.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::harness::cluster::{Cluster, OLD};
use crate::harness::framework::Framework;
use crate::harness::program::{Outcome, run};
use crate::harness::{archive, http, id, until};
use crate::module::mesos::tree;
use crate::restart::documents::alike;

/// An agent that a person started by hand, from a tree of its own. Ended with the test, whoever started it last.
struct ByHand {
    folder: tempfile::TempDir,
    port: u16,
    child: Child,
}

impl ByHand {
    fn start(cluster: &Cluster) -> Self {
        let folder = tempfile::Builder::new().prefix("dcos-bits-adopt.").tempdir().unwrap();
        let port = crate::harness::free_ports(1)[0];
        let tree = tree(OLD);
        let path = |name: &str| folder.path().join(name).display().to_string();
        // Some by flag and some by variable, as people do.
        let child = Command::new(tree.join("bin/mesos-agent"))
            .args(["--ip=127.0.0.1", "--hostname=127.0.0.1", &format!("--port={port}")])
            .args([format!("--master={}", cluster.master.name), format!("--work_dir={}", path("work"))])
            .args(["--launcher=posix", "--isolation=posix/cpu,posix/mem", "--no-systemd_enable_support"])
            .arg(format!("--launcher_dir={}", tree.join("libexec/mesos").display()))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("MESOS_RUNTIME_DIR", path("run"))
            .env("MESOS_RESOURCES", "cpus:1;mem:256;disk:100")
            .env("MESOS_REGISTRATION_BACKOFF_FACTOR", "10ms")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let agent = Self { folder, port, child };
        until("the agent is registered", 30, || agent.id_of(cluster));
        agent
    }

    /// The id that the master lists it under, if it does.
    fn id_of(&self, cluster: &Cluster) -> Option<String> {
        cluster.agent_ids().remove(&format!("127.0.0.1:{}", self.port))
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("etc/node.toml")
    }

    fn adopt(&self, cluster: &Cluster, more: &[&str]) -> Outcome {
        let (root, pid) = (self.folder.path().join("root").display().to_string(), self.child.id().to_string());
        let url = cluster.release_url();
        let mut arguments = vec!["adopt", "--pid", &pid, "--root", &root, "--release-url", &url];
        arguments.extend(more);
        if !more.contains(&"--hold") {
            arguments.splice(1..1, ["--hold", "1"]);
        }
        self.helper(&arguments)
    }

    fn helper(&self, arguments: &[&str]) -> Outcome {
        let file = self.file();
        let all: Vec<&str> = ["--node", file.to_str().unwrap()].iter().chain(arguments).copied().collect();
        run(Path::new(env!("CARGO_BIN_EXE_dcos-restart-helper")), &all, &[])
    }

    /// The program that listens on its port, by what it says.
    fn flags(&self) -> Value {
        http::json(&format!("http://127.0.0.1:{}/flags", self.port))["flags"].take()
    }

    /// The process that runs now, from the helper's own records; before it is adopted the one that was started.
    fn pid(&self) -> u64 {
        let status = self.helper(&["status", "--json"]).json();
        status["running"]["pid"].as_u64().unwrap_or(u64::from(self.child.id()))
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for name in ["helper.log", "mesos.log"] {
                let log = std::fs::read_to_string(self.folder.path().join("root/state/log").join(name));
                let log = log.unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                eprintln!("--- {name}\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
            }
        }
        if self.file().exists() {
            self.helper(&["stop", "--mesos", "--force"]);
        }
        // After `leave` nobody but this test knows it.
        let work = format!("--work_dir={}", self.folder.path().join("work").display());
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if command.split(|byte| *byte == 0).any(|word| word == work.as_bytes()) {
                let _ = Command::new("kill").arg(entry.file_name()).status();
            }
        }
        let _ = self.child.wait();
        let _ = Command::new("chmod").args(["-R", "u+w"]).arg(self.folder.path()).status();
    }
}

#[test]
#[ignore = "needs real Mesos and built packages: make test"]
fn an_agent_is_adopted_and_left_with_its_id_and_its_task() {
    let cluster = Cluster::start(0);
    let agent = ByHand::start(&cluster);
    let (before, agent_id) = (agent.flags(), agent.id_of(&cluster).unwrap());
    let framework = Framework::start(&cluster.master.name, &[]);
    let task = framework.task().unwrap();

    let outline = agent.adopt(&cluster, &["--dry-run", "--json"]).expect(0).json();
    assert_eq!(outline["agent_id"], agent_id.as_str(), "{outline}");
    // Which flags there are is each Mesos's own.
    let mut shape = outline.clone();
    shape["flags"] = serde_json::json!({"isolation": "", "resources": ""});
    alike("adopt.dry-run", &shape);
    assert_eq!(outline["flags"]["resources"], "cpus:1;mem:256;disk:100", "{outline}");
    assert!(!agent.file().exists(), "a dry run writes nothing");

    // As a run leaves it that could not reach its repository, and somebody who added an authority by hand.
    let edited = format!("{}# edited\n", outline["node_toml"].as_str().unwrap());
    std::fs::create_dir_all(agent.file().parent().unwrap()).unwrap();
    std::fs::write(agent.file(), &edited).unwrap();
    let refused = agent.adopt(&cluster, &[]).expect(3);
    assert!(refused.stderr.contains("says something else") && refused.stderr.contains("move it away"), "{refused}");
    assert_eq!(std::fs::read_to_string(agent.file()).unwrap(), edited, "it is somebody's");
    std::fs::remove_file(agent.file()).unwrap();

    let adopted = agent.adopt(&cluster, &["--json"]).expect(0).json();
    assert_eq!(adopted["state"], "confirmed", "{adopted}");
    assert_eq!(adopted["previous_generation"], 0, "{adopted}");
    until("it is registered again", 30, || agent.id_of(&cluster).filter(|id| *id == agent_id));
    assert_eq!(framework.task().as_ref(), Some(&task), "the same process");
    let after = agent.flags();
    for flag in ["work_dir", "runtime_dir", "resources", "isolation", "hostname", "port", "master"] {
        assert_eq!(after[flag], before[flag], "{flag}");
    }
    assert!(after["modules"].as_str().is_some(), "ours are loaded");
    let ours = agent.pid();
    assert_eq!(agent.adopt(&cluster, &["--json"]).expect(0).json()["state"], "confirmed", "a second time is once");
    assert_eq!(agent.pid(), ours);

    let told = agent.helper(&["leave", "--print", "--json"]).expect(0).json();
    alike("leave", &told);
    assert!(told["command_line"].as_str().is_some_and(|line| line.contains("--work_dir=")), "{told}");
    assert_eq!(agent.pid(), ours, "to say how to leave is not to leave");

    let left = agent.helper(&["leave", "--json"]).expect(0).json();
    assert_eq!(left["original"], true, "{left}");
    until("it is registered again", 30, || agent.id_of(&cluster).filter(|id| *id == agent_id));
    assert_eq!(agent.flags(), before, "just as it was started");
    assert_eq!(framework.task(), Some(task), "the same process");
    assert_eq!(framework.states(), ["TASK_STARTING", "TASK_RUNNING"], "the framework was told nothing");
    let status = agent.helper(&["status", "--json"]).json();
    assert_eq!((&status["running"], &status["active_generation"]), (&Value::Null, &Value::Null), "{status}");
    let packages = agent.folder.path().join("root/packages");
    assert!(std::fs::read_dir(packages).unwrap().count() > 0, "packages stay");
}

#[test]
#[ignore = "needs real Mesos and built packages: make test"]
fn an_adoption_that_fails_ends_with_the_original_command_line() {
    let cluster = Cluster::start(0);
    let agent = ByHand::start(&cluster);
    let (before, agent_id) = (agent.flags(), agent.id_of(&cluster).unwrap());
    let framework = Framework::start(&cluster.master.name, &[]);
    let task = framework.task().unwrap();
    // It ends Mesos three seconds after its start; a config of its own enables it.
    cluster.publish(&[archive("fizzbuzz--1.4.0", "+mesos1.11.0")]);
    let config = config_with_a_crash(&cluster);
    let [mesos, bits, crash] = ["mesos--1.11.0", "dcos-bits--", "fizzbuzz--1.4.0"]
        .map(|beginning| id(&archive(beginning, if beginning == "mesos--1.11.0" { "" } else { "+mesos1.11.0" })));
    let site = cluster.site_url();
    let outcome =
        agent.adopt(&cluster, &["--json", "--site-url", &site, "--hold", "5", "--set", &mesos, &bits, &crash, &config]);
    let report = outcome.expect(6).json();
    assert_eq!(report["state"], "rolled_back", "{report}");
    assert_eq!(agent.flags(), before, "just as it was started");
    until("it is registered again", 30, || agent.id_of(&cluster).filter(|id| *id == agent_id));
    assert_eq!(framework.task(), Some(task), "the same process");
    // What was begun is gone on with; it is not only described then, and not changed.
    let pid = agent.pid();
    for other in [&["--dry-run", "--json"][..], &["--json", "--set", &mesos, &bits]] {
        assert_eq!(agent.adopt(&cluster, other).expect(3).json()["type"], "urn:dcos-bits:adoption-begun");
    }
    assert_eq!(agent.pid(), pid);
    agent.helper(&["leave"]).expect(0);
}

/// A config of the agent's own flags that enables the module which ends Mesos.
fn config_with_a_crash(cluster: &Cluster) -> String {
    let options = serde_json::json!({
        "format": 1, "role": "agent", "group": "agents", "modules": ["dcos-bits", "fizzbuzz"],
        "flags": {
            "launcher": "posix", "isolation": "posix/cpu,posix/mem", "systemd_enable_support": "false",
            "resources": "cpus:1;mem:256;disk:100", "registration_backoff_factor": "10ms",
        },
        "parameters": {},
    });
    let folder = tempfile::tempdir().unwrap();
    let (file, output) = (folder.path().join("agents.json"), folder.path().display().to_string());
    std::fs::write(&file, options.to_string()).unwrap();
    let (release, site) = (cluster.release().display().to_string(), cluster.site().display().to_string());
    let generate = ["--json", "config", "generate", "--options", file.to_str().unwrap(), "--repository", &release];
    let made = cluster.dcos(&[&generate[..], &["--output", &output]].concat()).expect(0).json();
    cluster.dcos(&["repo", "publish", &site, made["output"].as_str().unwrap()]).expect(0);
    made["id"].as_str().unwrap().to_owned()
}

#[test]
#[ignore = "needs real Mesos and built packages: make test"]
fn a_machine_joins_by_a_token_and_a_token_is_good_once() {
    let cluster = Cluster::start(1);
    let token = cluster.dcos(&["--json", "slave", "token", "--group", "agents"]).expect(0).json();
    let token = token["token"].as_str().unwrap();
    let machines = [(), ()].map(|()| tempfile::Builder::new().prefix("dcos-bits-join.").tempdir().unwrap());
    let join = |folder: &tempfile::TempDir, token: &str, port: u16| {
        super::machine::join(folder.path(), port, (&cluster.master.url, token), 1.0)
    };
    let port = crate::harness::free_ports(1)[0];
    let node = machines[0].path().join("etc/node.toml");
    let _stopped = Stopped(&node);
    let status = join(&machines[0], token, port).expect(0).json();
    assert_eq!(status["running"]["mesos_version"], OLD, "{status}");
    until("the master lists it", 30, || cluster.agent_ids().contains_key(&format!("127.0.0.1:{port}")).then_some(()));
    let text = std::fs::read_to_string(&node).unwrap();
    assert!(text.contains("group = \"agents\"") && text.contains(&cluster.master.url), "{text}");
    join(&machines[0], token, port).expect(0);

    for (token, code, name) in [(token, 5, "used-token"), ("nonsense", 4, "unknown-token")] {
        let refused = join(&machines[1], token, port).expect(code).json();
        assert_eq!(refused["type"], format!("urn:dcos-bits:{name}"), "{refused}");
        assert!(!machines[1].path().join("etc").exists() && !machines[1].path().join("root/active").exists());
    }
}

/// Ends what runs on a node of that file when a test ends.
pub(super) struct Stopped<'a>(pub(super) &'a Path);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        let arguments = ["--node", self.0.to_str().unwrap(), "stop", "--mesos", "--force"];
        let outcome = run(Path::new(env!("CARGO_BIN_EXE_dcos-restart-helper")), &arguments, &[]);
        if std::thread::panicking() {
            eprintln!("{outcome}");
        }
        let root = self.0.parent().and_then(Path::parent).unwrap();
        let _ = Command::new("chmod").args(["-R", "u+w"]).arg(root).status();
    }
}

#[test]
#[ignore = "needs real Mesos and built packages: make test"]
fn a_clean_restart_wipes_its_own_and_needs_a_yes() {
    let cluster = Cluster::start(1);
    let agent = &cluster.agents[0];
    let before = cluster.agent_ids();
    let framework = Framework::start(&cluster.master.name, &[]);
    let set = agent.packages();
    let restart = |flags: &[&str]| {
        let file = agent.file();
        let arguments = ["--node", file.to_str().unwrap(), "run", "--json", "--clean"];
        let ids = set.iter().map(String::as_str);
        let all: Vec<&str> = arguments.iter().chain(flags).copied().chain(["--set"]).chain(ids).collect();
        run(Path::new(env!("CARGO_BIN_EXE_dcos-restart-helper")), &all, &[])
    };
    let refused = restart(&[]).expect(3).json();
    assert_eq!(refused["type"], "urn:dcos-bits:clean-unconfirmed", "{refused}");
    assert!(refused["detail"].as_str().unwrap().contains("one task would end"), "{refused}");
    // A person is at work in there.
    let work = agent.root().parent().unwrap().join("work");
    let mut person = Command::new("sleep").arg("600").current_dir(&work).spawn().unwrap();
    let refused = restart(&["--yes"]).expect(3).json();
    person.kill().unwrap();
    person.wait().unwrap();
    assert_eq!(refused["type"], "urn:dcos-bits:clean-unsafe", "{refused}");
    assert!(framework.task().is_some(), "nothing was touched");

    restart(&["--yes"]).expect(0);
    assert!(framework.task().is_none(), "its task ended");
    let after =
        until("it has a new id", 30, || Some(cluster.agent_ids()).filter(|ids| ids.len() == 1 && *ids != before));
    assert_ne!(before, after);
}
