//! A framework with one task, to see whether the task lives on.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use super::until;

/// A framework that keeps one task running; it is told to tear down when dropped.
pub(crate) struct Framework {
    process: Child,
    log: tempfile::NamedTempFile,
    seconds: String,
}

impl Framework {
    /// Starts it with the master at `master`, and waits until its task runs.
    pub(crate) fn start(master: &str, flags: &[&str]) -> Self {
        let log = tempfile::NamedTempFile::new().unwrap();
        // The task is found by how long it sleeps: nobody else sleeps as long.
        static FRAMEWORKS: AtomicU32 = AtomicU32::new(0);
        let seconds = format!("{}{}", 900_000 + std::process::id(), FRAMEWORKS.fetch_add(1, Ordering::Relaxed));
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mesos/tasks/mesos-test-framework");
        let process = Command::new(program)
            .args(["--master", master, "--command", &format!("exec sleep {seconds}")])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(File::options().write(true).open(log.path()).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let framework = Self { process, log, seconds };
        until("the task runs", 60, || framework.states().contains(&"TASK_RUNNING".to_owned()).then_some(()));
        framework
    }

    /// The task's process, with the start time that makes it unique.
    pub(crate) fn task(&self) -> Option<(String, String)> {
        let command = format!("sleep\0{}\0", self.seconds);
        std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
            let found = std::fs::read(entry.path().join("cmdline")).ok()? == command.as_bytes();
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            let start = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.to_owned();
            found.then(|| (entry.file_name().into_string().unwrap(), start))
        })
    }

    /// The states of the task that the framework was told, in order.
    pub(crate) fn states(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.log.path()).unwrap();
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.filter_map(|event| Some(event["state"].as_str()?.to_owned())).collect()
    }
}

impl Drop for Framework {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
    }
}
