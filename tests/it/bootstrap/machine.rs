//! A machine with nothing on it, and a signed repository with a set for it, in which a fake stands for Mesos.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::fake;
use crate::harness::program::{self, Outcome};
use crate::harness::until;
use crate::pkg::server::Hostile;

const VERSION: &str = "1.10.0";

/// The set that the machine shall run.
pub(super) fn set() -> [String; 3] {
    fake::set(VERSION)
}

/// Joins a cluster as a machine whose files are in `folder`: its master's URL, and a token. A new Mesos must live for `hold`
/// seconds.
pub(super) fn join(folder: &Path, port: u16, (master, token): (&str, &str), hold: f64) -> Outcome {
    let path = |name: &str| folder.join(name).display().to_string();
    let mut arguments = ["bootstrap", "--process", "--json"].map(str::to_owned).to_vec();
    for (name, value) in [
        ("--node", path("etc/node.toml")),
        ("--root", path("root")),
        ("--work-dir", path("work")),
        ("--runtime-dir", path("run")),
        ("--port", port.to_string()),
        ("--hold", hold.to_string()),
        ("--deadline", "60".to_owned()),
        ("--join", master.to_owned()),
        ("--token", token.to_owned()),
    ] {
        arguments.extend([name.to_owned(), value]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    program::run(Path::new(env!("CARGO_BIN_EXE_dcos-restart-helper")), &arguments, &[])
}

/// The machine; everything on it ends with the test.
pub(super) struct Machine {
    folder: TempDir,
    pub(super) port: u16,
    pub(super) repository: Hostile,
}

impl Machine {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = crate::harness::free_ports(1)[0];
        let repository = Hostile::start(&folder.path().join("repository"));
        let machine = Self { folder, port, repository };
        machine.publish();
        machine
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The arguments of an operator who knows everything.
    pub(super) fn arguments(&self) -> Vec<String> {
        let path = |name: &str| self.path(name).display().to_string();
        let mut arguments: Vec<String> =
            ["bootstrap", "--process", "--role", "master", "--ip", "127.0.0.1", "--hold", "0.3"]
                .map(str::to_owned)
                .to_vec();
        for (name, value) in [
            ("--node", path("etc/node.toml")),
            ("--root", path("root")),
            ("--port", self.port.to_string()),
            ("--work-dir", path("work")),
            ("--release-url", self.repository.url()),
            ("--release-root", path("repository/metadata/1.root.json")),
            ("--deadline", "60".to_owned()),
        ] {
            arguments.extend([name.to_owned(), value]);
        }
        arguments.push("--set".to_owned());
        arguments.extend(set());
        arguments
    }

    /// Bootstraps, to the end.
    pub(super) fn bootstrap(&self, more: &[&str]) -> Outcome {
        let arguments = self.arguments();
        let (first, rest) = arguments.split_first().unwrap();
        let all: Vec<&str> = std::iter::once(first.as_str())
            .chain(more.iter().copied())
            .chain(rest.iter().map(String::as_str))
            .collect();
        self.helper(&all)
    }

    /// Bootstraps without waiting.
    pub(super) fn bootstrapping(&self) -> Child {
        Command::new(env!("CARGO_BIN_EXE_dcos-restart-helper"))
            .args(self.arguments())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Runs the helper's program with these arguments only.
    pub(super) fn helper(&self, arguments: &[&str]) -> Outcome {
        program::run(Path::new(env!("CARGO_BIN_EXE_dcos-restart-helper")), arguments, &[])
    }

    /// Runs it for this machine's node file.
    pub(super) fn node(&self, arguments: &[&str]) -> Outcome {
        let file = self.path("etc/node.toml");
        let all: Vec<&str> = ["--node", file.to_str().unwrap()].iter().chain(arguments).copied().collect();
        self.helper(&all)
    }

    pub(super) fn status(&self) -> Value {
        self.node(&["status", "--json"]).expect(0).json()
    }

    /// It runs the set, which came up cleanly, and has never run two at once.
    #[track_caller]
    pub(super) fn runs(&self) {
        let status = self.status();
        let wanted = {
            let mut set = set().to_vec();
            set.sort();
            set
        };
        assert_eq!(status["running"]["packages"], serde_json::json!(wanted), "{status}");
        assert_eq!(status["last_attempts"][0]["state"], "confirmed", "{status}");
        assert!(!self.path("work/two-at-once").exists());
    }

    /// How often the fake was started.
    pub(super) fn starts(&self) -> usize {
        std::fs::read_to_string(self.path("work/starts")).unwrap_or_default().lines().count()
    }

    fn publish(&self) {
        let repository = self.path("repository");
        let keys = self.path("keys");
        let dcos = |arguments: &[&str]| {
            program::run(Path::new(env!("CARGO_BIN_EXE_dcos")), arguments, &[]).expect(0);
        };
        dcos(&["repo", "init", repository.to_str().unwrap(), "--keys", keys.to_str().unwrap()]);
        let folder = self.folder.path();
        let archives = fake::bound(folder, VERSION).into_iter().chain([fake::config(folder)]).collect::<Vec<_>>();
        let mut publish = vec!["repo", "publish", repository.to_str().unwrap(), "--keys", keys.to_str().unwrap()];
        publish.extend(archives.iter().map(|archive| archive.to_str().unwrap()));
        dcos(&publish);
    }

    /// Waits until somebody holds the helper's lock.
    #[track_caller]
    pub(super) fn helper_runs(&self) {
        until("a helper is at work", 20, || {
            let pid = std::fs::read_to_string(self.path("root/state/helper.lock")).ok()?;
            Path::new("/proc").join(pid.trim()).exists().then_some(())
        });
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.path("etc/node.toml").exists() {
            let stopped = self.node(&["stop", "--mesos", "--force"]);
            if std::thread::panicking() {
                let log = std::fs::read_to_string(self.path("root/state/log/helper.log")).unwrap_or_default();
                eprintln!("{stopped}\n--- helper.log\n{log}");
            }
        }
    }
}
