//! Agents that come and go, on a real master: made by the provider `local`, drained by a real `DRAIN_AGENT`.
//!
//! - [`awaited`]: what a master answers about agents that have not come back
//! - [`bare`]: the user data on a machine with nothing on it, under its own systemd
//! - [`policy`]: the IAM policy of the page, and the calls of the code
//! - [`refusals`]: what is refused before anybody is asked

mod awaited;
mod bare;
mod policy;
mod refusals;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::cluster::{Cluster, OLD};
use crate::harness::{archive, http, id, until};
use crate::node::kind;

/// A cluster whose master can make agents.
struct Site {
    cluster: Cluster,
    yard: PathBuf,
}

/// Machines of this one: a class whose agents come up, and one whose user data can't work.
const LOCAL: &str = r#"
[provider]
name = "local"
program = "dcos-provider-local"
settings = { directory = "@YARD@" }
[classes.small]
group = "agents"
settings = { bootstrap_options = ["--hold=2"] }
[classes.broken]
group = "agents"
settings = { bootstrap_options = ["--no-such-option"] }
"#;

impl Site {
    /// A master and one agent that was set up by hand, with machines of this one.
    fn start() -> Self {
        Self::with(|_| LOCAL.to_owned())
    }

    /// The same with the tables of another provider and its classes; `@YARD@` in them is the folder for its machines.
    fn with(provider: impl FnOnce(&Path) -> String) -> Self {
        let cluster = Cluster::start(1);
        let folder = cluster.release().parent().expect("it lies in the cluster's folder").to_owned();
        let site = Self { yard: folder.join("machines"), cluster };
        let provider = provider(&folder).replace("@YARD@", &site.yard.display().to_string());
        site.configure(&folder.join("provision.toml"), &provider);
        site
    }

    /// Writes `provision.toml`, names it in the master's file, and restarts the master's Mesos.
    fn configure(&self, file: &Path, provider: &str) {
        let package = archive("dcos-bits--", &format!("+mesos{OLD}"));
        let (id, digest) = (id(&package), sha256(&package));
        let text = format!(
            r#"
cluster = "test"
[limits]
per_request = 4
[deadlines]
horizon = 10
join = 120
[bootstrap]
masters = ["{master}"]
package = {{ url = "{url}/packages/dcos-bits/{id}.tar.gz", sha256 = "{digest}" }}
{provider}"#,
            master = self.cluster.master.url,
            url = self.cluster.release_url(),
        );
        std::fs::write(file, text).expect("provision.toml can be written");
        let node = self.cluster.master.file();
        let mut text = std::fs::read_to_string(&node).expect("the master has a file");
        text.push_str(&format!("[provision]\nconfig = \"{}\"\n", file.display()));
        std::fs::write(&node, text).expect("the master's file can be written");
        self.restart_master();
    }

    /// Kills the master's Mesos; its helper starts it again.
    fn restart_master(&self) {
        let (pid, _) = self.cluster.master.mesos();
        self.cluster.master.kill_mesos();
        until("the master is back, with its agents", 60, || {
            let is_new = self.cluster.master.mesos().0 != pid;
            (is_new && !self.cluster.agent_ids().is_empty()).then_some(())
        });
    }

    fn agents(&self) -> BTreeSet<String> {
        self.cluster.agent_ids().into_keys().collect()
    }

    /// `dcos slave …` with `--json`: the exit code and the document.
    fn slave(&self, arguments: &[&str]) -> (i32, Value) {
        let mut all = vec!["--json", "slave"];
        all.extend(arguments);
        let done = self.cluster.dcos(&all);
        (done.code.unwrap_or(-1), serde_json::from_str(&done.stdout).unwrap_or(Value::String(done.stderr)))
    }

    /// The name of the problem that a command ends with. There is none without a next step.
    fn refusal(&self, arguments: &[&str]) -> (i32, String) {
        let (code, document) = self.slave(arguments);
        assert!(document["hints"].as_array().is_some_and(|hints| !hints.is_empty()), "{document:#}");
        (code, document["type"].as_str().unwrap_or_default().rsplit(':').next().unwrap_or_default().to_owned())
    }

    /// Ends the cluster. Nothing may be left of what it or its machines ran: neither by its program, nor by where it stands or
    /// what it was told.
    fn end(self) {
        let folder = self.yard.parent().expect("it lies in the cluster's folder").to_owned();
        drop(self);
        until("no process is left of the cluster and its machines", 10, || {
            left_behind(&folder).is_empty().then_some(())
        });
        assert!(!folder.exists(), "`{}` is left", folder.display());
    }

    fn machines(&self) -> usize {
        let entries = std::fs::read_dir(&self.yard).map(|entries| entries.flatten().collect::<Vec<_>>());
        entries.unwrap_or_default().iter().filter(|entry| entry.path().is_dir()).count()
    }
}

/// The command lines of the processes that have to do with a folder.
fn left_behind(folder: &Path) -> Vec<String> {
    use std::os::unix::ffi::OsStrExt as _;
    let name = folder.as_os_str().as_bytes();
    let names_it = |text: &[u8]| text.windows(name.len()).any(|part| part == name);
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    let concerned = processes.filter(|process| {
        let link = |which| std::fs::read_link(process.join(which)).is_ok_and(|to| names_it(to.as_os_str().as_bytes()));
        let text = |which| std::fs::read(process.join(which)).is_ok_and(|text| names_it(&text));
        link("exe") || link("cwd") || text("cmdline") || text("environ")
    });
    concerned.filter_map(|process| std::fs::read_to_string(process.join("cmdline")).ok()).collect()
}

fn sha256(path: &Path) -> String {
    let done = std::process::Command::new("sha256sum").arg(path).output().expect("sha256sum can be run");
    String::from_utf8_lossy(&done.stdout).split(' ').next().unwrap_or_default().to_owned()
}

#[test]
#[ignore = "needs real Mesos and built packages: scripts/build"]
fn agents_are_added_and_removed_with_their_machines() {
    let site = Site::start();
    let by_hand = site.agents();

    for (arguments, code, name) in [
        (&["add", "--class", "huge"][..], 4, "no-such-class"),
        (&["add"], 2, "no-class"),
        (&["add", "--class", "small", "--count", "0"], 2, "usage"),
        (&["add", "--class", "small", "--count", "5"], 2, "bad-count"),
        (&["remove", "10.9.9.9:5051", "--yes"], 4, "no-such-agent"),
        (&["operation", "o1"], 4, "no-such-operation"),
        (&["cancel", "o1"], 4, "no-such-operation"),
    ] {
        assert_eq!(site.refusal(arguments), (code, name.to_owned()), "{arguments:?}");
    }
    let old = by_hand.iter().next().expect("there is one");
    for (agent, status, name) in [("10.9.9.9:5051", 404, "no-such-agent"), (old.as_str(), 422, "too-few")] {
        let url = format!("{}/provision/decommission_slave", site.cluster.master.url);
        let answer = http::post(&url, &serde_json::json!({"agent": agent})).expect("the master answers");
        assert_eq!((answer.status, kind(&answer.body)), (status, name), "{}", answer.text);
    }
    assert_eq!(site.refusal(&["remove", old, "--yes"]), (3, "too-few".to_owned()));
    let (code, planned) = site.slave(&["add", "--class", "small", "--count", "2", "--dry-run"]);
    assert_eq!((code, planned["state"].as_str()), (0, Some("planned")));
    assert_eq!((site.machines(), site.agents()), (0, by_hand.clone()), "nothing was made by any of it");

    let (code, added) = site.slave(&["add", "--class", "small", "--count", "2"]);
    assert_eq!((code, added["state"].as_str()), (0, Some("done")), "{added:#}");
    let agents = site.agents();
    let made: Vec<&String> = agents.difference(&by_hand).collect();
    assert_eq!((made.len(), site.machines()), (2, 2));
    for node in &made {
        let active = http::json(&format!("http://{node}/pkg/active"));
        let group: Vec<String> = site.cluster.agents[0].packages();
        assert_eq!(active["packages"], serde_json::json!(group), "it runs what its group runs");
    }
    let (_, list) = site.slave(&["list"]);
    let slaves = list["machines"]["slaves"].as_array().expect("a list").clone();
    assert_eq!(slaves.iter().filter(|slave| slave["instance"].is_string() && slave["active"] == true).count(), 2);
    assert!(slaves.iter().all(|slave| slave["mismatch"].is_null()), "{slaves:#?}");

    assert_eq!(site.refusal(&["remove", old, "--yes"]), (3, "not-ours".to_owned()), "nobody made it from here");
    assert_eq!(site.refusal(&["remove", made[0]]), (3, "not-confirmed".to_owned()), "nobody is there to say yes");
    let (code, removed) = site.slave(&["remove", made[0], "--grace", "5s", "--yes"]);
    assert_eq!((code, removed["state"].as_str()), (0, Some("done")), "{removed:#}");
    assert!(!site.agents().contains(made[0]), "the master lists it no more");
    assert_eq!(site.machines(), 1, "its machine is gone");
    assert_eq!(http::status(&format!("http://{}/version", made[0])), None, "and so is its Mesos");
    assert_eq!(site.refusal(&["remove", made[0], "--yes"]), (4, "no-such-agent".to_owned()));
    site.end();
}

#[test]
#[ignore = "needs real Mesos and built packages: scripts/build"]
fn an_operation_outlives_its_master_and_what_can_not_join_is_cleared_away() {
    let site = Site::start();
    let by_hand = site.agents();
    let (code, begun) = site.slave(&["add", "--class", "small", "--no-wait"]);
    assert_eq!(code, 0, "{begun:#}");
    let id = begun["id"].as_str().expect("an id").to_owned();
    until("a machine is made", 30, || (site.machines() > 0).then_some(()));
    site.restart_master();
    let (code, ended) = site.slave(&["operation", &id, "--wait"]);
    assert_eq!((code, ended["state"].as_str()), (0, Some("done")), "{ended:#}");
    assert_eq!((site.agents().len(), site.machines()), (by_hand.len() + 1, 1), "one was asked for, one is there");

    let (code, begun) = site.slave(&["add", "--class", "broken", "--no-wait"]);
    assert_eq!(code, 0, "{begun:#}");
    let id = begun["id"].as_str().expect("an id").to_owned();
    until("its machine is made", 30, || (site.machines() > 1).then_some(()));
    let (code, _) = site.slave(&["cancel", &id]);
    assert_eq!(code, 0);
    let (_, ended) = site.slave(&["operation", &id]);
    assert_eq!(ended["state"].as_str(), Some("failed"), "{ended:#}");
    assert!(ended["detail"].as_str().is_some_and(|detail| detail.contains("withdrawn")), "{ended:#}");
    assert_eq!((site.agents().len(), site.machines()), (by_hand.len() + 1, 1), "nothing of it is left");
    site.end();
}
