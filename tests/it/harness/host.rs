//! A host with a systemd of its own: `tests/nspawn/host`, removed with the test.

#![allow(dead_code, reason = "each kind of test uses what it needs of a host")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::program::{Outcome, run};

/// A host. It is killed and removed when dropped.
#[derive(Debug)]
pub(crate) struct Host {
    /// Where it is kept: `upper/`, what differs from this machine, and `shared/`, which is `/shared` inside.
    folder: PathBuf,
    options: Vec<String>,
}

impl Host {
    /// A host that was never booted, kept below `folder`, which lies on a disk. `options` are of `systemd-nspawn`.
    pub(crate) fn make(folder: &Path, options: &[&str]) -> Self {
        let host = Self { folder: folder.to_owned(), options: options.iter().map(ToString::to_string).collect() };
        host.verb("make", &[]).expect(0);
        host
    }

    /// Switches it on; comes back once it has booted. It is switched off if this process dies.
    pub(crate) fn boot(&self) {
        let owner = std::process::id().to_string();
        let options = self.options.iter().map(String::as_str);
        let arguments: Vec<&str> = ["--owner", &owner, "--"].into_iter().chain(options).collect();
        self.verb("boot", &arguments).expect(0);
    }

    /// Pulls the cable.
    pub(crate) fn kill(&self) {
        self.verb("kill", &[]).expect(0);
    }

    /// Shuts it down in order.
    pub(crate) fn stop(&self) {
        self.verb("stop", &[]).expect(0);
    }

    /// Runs a command inside.
    pub(crate) fn run(&self, command: &[&str]) -> Outcome {
        self.verb("run", command)
    }

    /// The folder that is `/shared` inside.
    pub(crate) fn shared(&self) -> PathBuf {
        self.folder.join("shared")
    }

    /// Where `path` of the host lies out here; only while it runs.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        let leader = self.verb("leader", &[]).expect(0).stdout;
        PathBuf::from(format!("/proc/{}/root{path}", leader.trim()))
    }

    fn verb(&self, verb: &str, arguments: &[&str]) -> Outcome {
        let folder = self.folder.to_str().expect("paths of tests are text");
        let all: Vec<&str> = [verb, folder].into_iter().chain(arguments.iter().copied()).collect();
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nspawn/host");
        run(&program, &all, &[("TMPDIR", OsStr::new("/tmp"))])
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() && self.verb("leader", &[]).code == Some(0) {
            let log = self.verb("run", &["journalctl", "--no-pager", "--lines=60", "--output=short-precise"]);
            eprintln!("--- the journal of the host\n{}", log.stdout);
        }
        let folder = self.folder.display().to_string();
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nspawn/host");
        let removed = Command::new(program).args(["remove", &folder]).stdin(Stdio::null()).status();
        if !removed.is_ok_and(|status| status.success()) && !std::thread::panicking() {
            panic!("can't remove the host in `{folder}`");
        }
    }
}
