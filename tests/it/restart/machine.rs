//! A node with a real store, a real helper, and a fake where its Mesos would be.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::fake;
pub(crate) use crate::harness::fake::set;
use crate::harness::program::{self, Outcome};
use crate::harness::until;

/// The versions of the fake, and the sets that they are in.
pub(crate) const OLD: &str = "1.10.0";
pub(crate) const NEW: &str = "1.11.0";

/// A node in a folder of its own; everything on it ends with the test.
pub(crate) struct Machine {
    folder: TempDir,
    pub(crate) port: u16,
}

impl Machine {
    /// A node with both sets in its store, the old one active, and nothing started.
    pub(crate) fn new() -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap(), port: free_port() };
        std::fs::create_dir(machine.work()).unwrap();
        machine.write_node("");
        for version in [OLD, NEW] {
            machine.add_packages(version);
        }
        let set = set(OLD);
        let activate: Vec<&str> = std::iter::once("activate").chain(set.iter().map(String::as_str)).collect();
        machine.pkg(&activate).expect(0);
        machine
    }

    /// A node whose helper and fake run.
    pub(crate) fn started() -> Self {
        let machine = Self::new();
        machine.helper(&["start"]).expect(0);
        machine
    }

    /// Writes the node file; `more` follows its last table.
    pub(crate) fn write_node(&self, more: &str) {
        let (root, work, port) = (self.root(), self.work(), self.port);
        let text = format!(
            "root = {root:?}\nrole = \"master\"\ngroup = \"masters\"\n[supervisor]\nkind = \"process\"\n\
             [health]\nhold = 0.4\nanswer_deadline = 2.0\nregister_deadline = 2.0\nstop_deadline = 1.0\n\
             [mesos]\nip = \"127.0.0.1\"\nport = {port}\nwork_dir = {work:?}\n{more}"
        );
        std::fs::write(self.node(), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.path("root")
    }

    pub(crate) fn state(&self, name: &str) -> PathBuf {
        self.root().join("state").join(name)
    }

    fn work(&self) -> PathBuf {
        self.path("work")
    }

    pub(crate) fn node(&self) -> PathBuf {
        self.path("node.toml")
    }

    /// Says how the fake of a version behaves from its next start on (its health: from now on).
    pub(crate) fn behave(&self, version: &str, behaviour: &str) {
        std::fs::write(self.work().join(version), behaviour).unwrap();
    }

    /// The versions that were started, in order.
    pub(crate) fn starts(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.work().join("starts")).unwrap_or_default();
        text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    }

    /// Waits until fakes were started that often.
    #[track_caller]
    pub(crate) fn started_times(&self, times: usize) {
        until(&format!("it is started {times} times"), 30, || (self.starts().len() == times).then_some(()));
    }

    /// No two of the fakes ever ran at the same time.
    #[track_caller]
    pub(crate) fn never_ran_two(&self) {
        assert!(!self.work().join("two-at-once").exists(), "two ran at once: {:?}", self.starts());
    }

    pub(crate) fn pkg(&self, arguments: &[&str]) -> Outcome {
        self.run(env!("CARGO_BIN_EXE_dcos-pkg"), arguments)
    }

    /// Runs the helper's program, as a person would.
    pub(crate) fn helper(&self, arguments: &[&str]) -> Outcome {
        self.run(env!("CARGO_BIN_EXE_dcos-restart-helper"), arguments)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Outcome {
        let node = self.node();
        let all: Vec<&str> = ["--node", node.to_str().unwrap()].iter().chain(arguments).copied().collect();
        program::run(Path::new(program), &all, &[])
    }

    /// Restarts into the set of a version, with these flags, and follows it to its end.
    pub(crate) fn restart(&self, version: &str, flags: &[&str]) -> Outcome {
        let set = set(version);
        let ids = set.iter().map(String::as_str);
        let all: Vec<&str> =
            ["run", "--json"].into_iter().chain(flags.iter().copied()).chain(["--set"]).chain(ids).collect();
        self.helper(&all)
    }

    pub(crate) fn status(&self) -> Value {
        // Whatever its code is: a journal that can't be used has one of its own.
        self.helper(&["status", "--json"]).json()
    }

    /// Waits until the last attempt has ended; answers its report.
    #[track_caller]
    pub(crate) fn ended(&self) -> Value {
        until("the attempt ends", 60, || {
            let status = self.status();
            status["attempt"].is_null().then(|| status["last_attempts"][0].clone())
        })
    }

    /// The process of the fake that runs, and its version.
    pub(crate) fn running(&self) -> Option<(u64, String)> {
        let running = self.status()["running"].take();
        Some((running["pid"].as_u64()?, running["mesos_version"].as_str()?.to_owned()))
    }

    /// Waits until a fake of that version runs; answers its process.
    #[track_caller]
    pub(crate) fn runs(&self, version: &str) -> u64 {
        until(&format!("Mesos {version} runs"), 30, || {
            self.running().filter(|(_, running)| running == version).map(|(pid, _)| pid)
        })
    }

    /// Who holds a lock in `state/`, such as `helper.lock`.
    pub(crate) fn holder(&self, lock: &str) -> Option<u64> {
        let pid = std::fs::read_to_string(self.state(lock)).ok()?.trim().parse().ok()?;
        is_helper(pid).then_some(pid)
    }

    /// Waits until a helper other than `before` holds a lock; answers its process.
    #[track_caller]
    pub(crate) fn other_holder(&self, lock: &str, before: u64) -> u64 {
        until(&format!("another process holds `{lock}`"), 30, || self.holder(lock).filter(|pid| *pid != before))
    }

    /// Puts the packages of a version into the store.
    fn add_packages(&self, version: &str) {
        let mut archives = fake::bound(self.folder.path(), version).to_vec();
        if version == OLD {
            archives.push(fake::config(self.folder.path()));
        }
        for archive in archives {
            self.pkg(&["add", archive.to_str().unwrap()]).expect(0);
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // A journal that a test has damaged must not keep its processes alive.
        let stopped = self.helper(&["stop", "--mesos", "--force"]);
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.state("log/helper.log")).unwrap_or_default();
            eprintln!("{stopped}\n--- helper.log\n{log}");
        }
    }
}

/// Kills a process as the kernel would.
pub(crate) fn kill(pid: u64) {
    assert!(Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap().success());
}

/// Whether there is such a process, and it is a helper.
fn is_helper(pid: u64) -> bool {
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&command).contains("dcos-restart-helper")
}

/// Waits until a process is gone.
#[track_caller]
pub(crate) fn gone(pid: u64) {
    let alive = || std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z"));
    until(&format!("process {pid} is gone"), 10, || (!alive()).then_some(()));
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    crate::harness::free_ports(1)[0]
}

/// The interpreter itself: what a version manager puts in its place needs an environment that Mesos does not have.
pub(crate) fn python() -> String {
    let asked = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
    assert!(asked.status.success(), "python3 is needed for the fake Mesos");
    String::from_utf8(asked.stdout).unwrap().trim().to_owned()
}

/// A little time between two looks.
pub(crate) fn moment() {
    std::thread::sleep(Duration::from_millis(20));
}
