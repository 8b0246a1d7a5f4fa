//! The `dcos-pkg` processes that do what must not happen inside Mesos: downloading, verifying, unpacking.
//!
//! A worker has a process group of its own, so that it outlives Mesos and can be ended as a whole; nothing of Mesos's
//! environment; and the null device for all it might say, since its result is in the job's file. It is reaped by whoever
//! started it, on a thread that waits for it: nothing here touches the handling of SIGCHLD, which is Mesos's.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use dcos_api::types::pkg::AvailablePackages;
use dcos_core::job::WorkerProcess;
use dcos_core::{ExitCode, Problem};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid};

/// What a worker may take from the environment of the process that starts it: how to reach the outside, nothing of Mesos.
const KEPT: [&str; 8] =
    ["TMPDIR", "LANG", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];

/// Where a worker finds programs.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long the repositories may take to say what they offer.
const AVAILABLE_WITHIN: Duration = Duration::from_secs(20);

/// The longest list of available packages that is read, in bytes: some ten thousand packages.
const MAX_AVAILABLE: u64 = 64 * 1024 * 1024;

/// How often a process is looked for that can't be waited for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Finds the program, each time anew: a restart puts another one in its place.
pub(super) type Find = Box<dyn Fn() -> Result<PathBuf, Problem> + Send + Sync>;

/// How workers are started.
pub(super) struct Workers {
    find: Find,
    node_file: PathBuf,
}

/// A worker to wait for.
pub(super) enum Process {
    /// One that we started and must reap.
    Child(Child),
    /// One that was left over by a Mesos before this one; whoever adopted it reaps it.
    Adopted(WorkerProcess),
}

impl Workers {
    pub(super) fn new(find: Find, node_file: PathBuf) -> Self {
        Self { find, node_file }
    }

    /// Starts the worker of a job.
    pub(super) fn start(&self, job: &str) -> Result<Child, Problem> {
        let mut command = self.command()?;
        command.args(["job", "run", job]).stdout(Stdio::null());
        spawn(command)
    }

    /// Asks the repositories what they offer.
    pub(super) fn available(&self) -> Result<AvailablePackages, Problem> {
        let mut command = self.command()?;
        command.args(["available", "--json"]).stdout(Stdio::piped());
        let mut child = spawn(command)?;
        let (sender, receiver) = mpsc::channel();
        let mut output = child.stdout.take();
        // It ends when the worker does, which what follows sees to.
        let reader = std::thread::Builder::new().name("dcos-bits-reader".to_owned());
        let reader = reader.spawn(move || {
            let mut text = Vec::new();
            let read = match &mut output {
                Some(output) => output.take(MAX_AVAILABLE).read_to_end(&mut text),
                None => Ok(0),
            };
            sender.send(read.map(|_| text)).ok();
        });
        let read = match &reader {
            Ok(_) => receiver.recv_timeout(AVAILABLE_WITHIN).ok(),
            Err(_) => None,
        };
        if read.is_none() {
            end(child.id(), Signal::KILL);
        }
        let status = child.wait().map_err(|error| failed("waiting for the worker failed", &error))?;
        reader.map_err(|error| failed("starting a thread for the worker's answer failed", &error))?;
        match read {
            None => {
                let detail =
                    format!("the repositories did not say within {} s what they offer", AVAILABLE_WITHIN.as_secs());
                Err(Problem::new(ExitCode::Unreachable, "repositories-too-slow", detail))
            }
            Some(Err(error)) => Err(failed("reading the worker's answer failed", &error)),
            Some(Ok(text)) if status.success() => serde_json::from_slice(&text)
                .map_err(|error| failed("the worker's list of available packages can't be read", &error)),
            // A refusal is a problem document, which is what our own caller should see.
            Some(Ok(text)) => Err(serde_json::from_slice(&text).unwrap_or_else(|_| {
                let detail = format!("the worker that asks the repositories ended with {status}");
                Problem::new(ExitCode::Unexpected, "worker-failed", detail)
            })),
        }
    }

    fn command(&self) -> Result<Command, Problem> {
        let mut command = Command::new((self.find)()?);
        command.arg("--node").arg(&self.node_file).env_clear().env("PATH", SYSTEM_PATH);
        command.envs(KEPT.iter().filter_map(|name| std::env::var_os(name).map(|value| (name, value))));
        command.current_dir("/").process_group(0).stdin(Stdio::null()).stderr(Stdio::null());
        Ok(command)
    }
}

fn spawn(mut command: Command) -> Result<Child, Problem> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.spawn().map_err(|error| failed(&format!("starting `{program}` failed"), &error))
}

fn failed(what: &str, error: &dyn std::error::Error) -> Problem {
    Problem::new(ExitCode::Unexpected, "worker-failed", format!("{what}: {}", Problem::chain(error)))
}

impl Process {
    /// The process, which is also the leader of its group.
    pub(super) fn id(&self) -> u32 {
        match self {
            Self::Child(child) => child.id(),
            Self::Adopted(process) => process.pid,
        }
    }

    /// Waits until it has ended. A child is left to be reaped, so that its number stays taken until [`Process::reap`].
    pub(super) fn wait(&self) {
        let Some(pid) = pid(self.id()) else { return };
        match self {
            Self::Child(_) => {
                let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
                while matches!(waitid(WaitId::Pid(pid), options), Err(Errno::INTR)) {}
            }
            Self::Adopted(process) => {
                // The handle first, then the look: a number that was given away in between shows.
                match pidfd_open(pid, PidfdFlags::empty()) {
                    Ok(handle) if lives(*process) => {
                        while poll(&mut [PollFd::new(&handle, PollFlags::IN)], None) == Err(Errno::INTR) {}
                    }
                    Ok(_) | Err(Errno::SRCH) => {}
                    // Out of descriptors, or a kernel without: then it is looked for now and again.
                    Err(_) => std::thread::sleep(LOOK_AGAIN),
                }
            }
        }
    }

    /// Takes the dead child away, and says how it ended.
    pub(super) fn reap(self) -> String {
        match self {
            Self::Child(mut child) => match child.wait() {
                Ok(status) => format!("ended with {status}"),
                Err(error) => format!("can't be reaped: {error}"),
            },
            Self::Adopted(_) => "ended".to_owned(),
        }
    }
}

/// Whether that very process is alive.
pub(super) fn lives(process: WorkerProcess) -> bool {
    dcos_store::process::start_time(process.pid) == Some(process.start_time)
}

/// Sends `signal` to a worker and all that it has started.
pub(super) fn end(leader: u32, signal: Signal) {
    if let Some(pid) = pid(leader) {
        // It fails if the group is gone, which is what was wanted.
        kill_process_group(pid, signal).ok();
    }
}

fn pid(number: u32) -> Option<Pid> {
    i32::try_from(number).ok().and_then(Pid::from_raw)
}
