//! A Mesos of these tests: its environment is what a test says and nothing else, and it ends with the test.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use dcos_core::Role;

use crate::module::mesos::tree;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition is looked at: starts take a twentieth of a second.
const GLANCE: Duration = Duration::from_millis(10);

/// Variables of a Mesos.
pub(crate) type Environment = BTreeMap<String, String>;

/// The program of a role.
pub(crate) fn program(version: &str, role: Role) -> PathBuf {
    tree(version).join("bin").join(role.program())
}

/// What the host would say: an address on loopback, and folders below `folder`.
pub(crate) fn host(role: Role, folder: &Path, port: u16) -> Environment {
    let path = |name: &str| folder.join(name).display().to_string();
    let mut host =
        vec![("MESOS_IP", "127.0.0.1".to_owned()), ("MESOS_PORT", port.to_string()), ("MESOS_WORK_DIR", path("work"))];
    if role == Role::Agent {
        // Nobody listens on port 1; who wants a master says so.
        host.extend([("MESOS_RUNTIME_DIR", path("run")), ("MESOS_MASTER", "127.0.0.1:1".to_owned())]);
    }
    host.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A port of loopback that nobody listens on.
pub(crate) fn free_port() -> u16 {
    crate::harness::free_ports(1)[0]
}

/// A Mesos that runs. It is killed when dropped.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts the program; its log is `log`, anew.
    pub(crate) fn start(program: &Path, environment: &Environment, log: &Path) -> Self {
        let file = File::create(log).expect("a log file");
        let child = Command::new(program)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("the same log file"))
            .stderr(file)
            .spawn()
            .expect("a real Mesos");
        Self { child, log: log.to_owned() }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the status of a child")
    }

    /// Waits until `condition` answers something, or the process ends; then `None`.
    pub(crate) fn wait<T>(&mut self, what: &str, mut condition: impl FnMut(&Self) -> Option<T>) -> Option<T> {
        let start = Instant::now();
        loop {
            let ended = self.ended().is_some();
            if let Some(value) = condition(self) {
                return Some(value);
            }
            if ended {
                return None;
            }
            assert!(start.elapsed() < PATIENCE, "waited in vain until {what}; its log:\n{}", self.log());
            std::thread::sleep(GLANCE);
        }
    }

    /// Waits until `condition` answers something; the test fails if the process ends.
    pub(crate) fn until<T>(&mut self, what: &str, condition: impl FnMut(&Self) -> Option<T>) -> T {
        let found = self.wait(what, condition);
        found.unwrap_or_else(|| panic!("it ended before {what}; its log:\n{}", self.log()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to do.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Whether Mesos can read the flags of this environment: what it says against them otherwise.
///
/// It is told two things that exclude each other, which it finds out only after it has read and checked all flags, and
/// which ends it at once.
pub(super) fn parses(version: &str, role: Role, environment: &Environment) -> Result<(), String> {
    const LAST_WORDS: &str = "Only one of `--modules` and `--modules_dir` may be given";

    let folder = tempfile::tempdir().expect("a temporary directory");
    let mut all = host(role, folder.path(), 0);
    all.extend(environment.clone());
    all.insert("MESOS_MODULES".to_owned(), r#"{"libraries":[]}"#.to_owned());
    all.insert("MESOS_MODULES_DIR".to_owned(), "/nonexistent".to_owned());
    let mut process = Process::start(&program(version, role), &all, &folder.path().join("log"));
    process.wait("it ends", |_| None::<()>);
    let log = process.log();
    if log.contains(LAST_WORDS) { Ok(()) } else { Err(log) }
}
