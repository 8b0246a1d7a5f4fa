//! Who keeps Mesos running, behind one small trait. The walk of a restart knows nothing else of processes.
//!
//! - [`process`]: Mesos is a child of the helper; [`launcher`]: how it becomes one
//! - [`log`]: where such a Mesos writes, and its last lines
//! - [`systemd`]: Mesos is a unit of systemd

pub mod launcher;
pub mod log;
pub mod process;
pub mod systemd;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dcos_core::node::{NodeConfig, SupervisorKind};
use dcos_core::ports::{Launch, NodeStore};
use dcos_core::{ExitCode, Problem};
use rustix::event::{PollFd, PollFlags, poll};

use self::process::ProcessSupervisor;
use self::systemd::SystemdSupervisor;
use crate::kick::Listener;

/// A Mesos that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// The generation that it was started from.
    pub generation: u64,
    /// Its process.
    pub pid: u32,
}

/// What is known of the node's Mesos.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    /// It runs.
    Runs(Running),
    /// It was started in this boot and has ended by itself; how, as far as it can be told.
    Ended(String),
    /// None was started in this boot, or it was stopped on purpose.
    Absent,
}

/// Why something could not be done to Mesos.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// The process does not even end after SIGKILL.
    #[error("process {pid} of Mesos does not end, not even after SIGKILL")]
    WontDie {
        /// The process.
        pid: u32,
    },
    /// A Mesos of another generation runs.
    #[error("process {pid} of generation {generation} runs still")]
    StillRuns {
        /// The process.
        pid: u32,
        /// Its generation.
        generation: u64,
    },
    /// The system refused.
    #[error("can't {what}")]
    System {
        /// What was attempted.
        what: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// systemd knows no such unit.
    #[error("systemd knows no unit `{unit}`")]
    NoUnit {
        /// The unit's name.
        unit: String,
    },
    /// systemd refused.
    #[error("can't {what}")]
    Systemd {
        /// What was attempted.
        what: String,
        /// What its program said.
        #[source]
        source: systemd::CommandError,
    },
    /// The store refused.
    #[error("can't {what}: {}", .problem.detail)]
    Store {
        /// What was attempted.
        what: &'static str,
        /// Why it failed.
        problem: Box<Problem>,
    },
}

impl From<SupervisorError> for Problem {
    fn from(error: SupervisorError) -> Self {
        let problem = Self::new(ExitCode::Unexpected, "supervisor-failed", Self::chain(&error));
        match error {
            SupervisorError::NoUnit { .. } => {
                problem.hint("`dcos-restart-helper units --install` writes the units of this node")
            }
            _ => problem,
        }
    }
}

/// Who keeps Mesos running. Each call does what it says or fails, and doing it twice is doing it once.
pub trait Supervisor {
    /// Whether Mesos runs.
    ///
    /// # Errors
    /// If that can't be told.
    fn life(&mut self) -> Result<Life, SupervisorError>;

    /// Ends Mesos: SIGTERM, and SIGKILL after `deadline`. Its tasks are left alone. Fine if none runs.
    ///
    /// # Errors
    /// If it runs still.
    fn stop(&mut self, deadline: Duration) -> Result<(), SupervisorError>;

    /// Starts Mesos. Fine if one of that generation runs.
    ///
    /// # Errors
    /// If it can't be started, or one of another generation runs. That it ends soon is no error here.
    fn start(&mut self, launch: &Launch) -> Result<Running, SupervisorError>;

    /// The last lines that the Mesos that was started last has logged.
    fn last_lines(&mut self) -> Vec<String>;

    /// Waits until Mesos ends, somebody kicks, or the time is over.
    fn wait(&mut self, at_most: Duration);

    /// An attempt begins: what has happened to Mesos before it is none of its business.
    ///
    /// # Errors
    /// If it can't be told what has happened.
    fn forgive(&mut self) -> Result<(), SupervisorError> {
        Ok(())
    }
}

impl<S: Supervisor + ?Sized> Supervisor for Box<S> {
    fn life(&mut self) -> Result<Life, SupervisorError> {
        (**self).life()
    }

    fn stop(&mut self, deadline: Duration) -> Result<(), SupervisorError> {
        (**self).stop(deadline)
    }

    fn start(&mut self, launch: &Launch) -> Result<Running, SupervisorError> {
        (**self).start(launch)
    }

    fn last_lines(&mut self) -> Vec<String> {
        (**self).last_lines()
    }

    fn wait(&mut self, at_most: Duration) {
        (**self).wait(at_most);
    }

    fn forgive(&mut self) -> Result<(), SupervisorError> {
        (**self).forgive()
    }
}

/// The supervisor of a node. `launcher` is a helper's program; only who is to be woken by kicks has a `listener`.
pub fn of_node(
    node: &NodeConfig,
    store: &Arc<dyn NodeStore>,
    launcher: PathBuf,
    listener: Option<Listener>,
) -> Box<dyn Supervisor> {
    let store = Arc::clone(store);
    match node.supervisor.kind {
        SupervisorKind::Process => Box::new(ProcessSupervisor::new(store, &node.root, launcher, listener)),
        SupervisorKind::Systemd => Box::new(SystemdSupervisor::new(store, node, listener)),
    }
}

/// Waits until a process ends, somebody kicks, or the time is over.
fn doze(process: Option<&OwnedFd>, listener: Option<&Listener>, at_most: Duration) {
    let process = process.map(|pidfd| PollFd::new(pidfd, PollFlags::IN));
    let kicks = listener.map(|listener| PollFd::new(listener, PollFlags::IN));
    let mut sources: Vec<PollFd<'_>> = process.into_iter().chain(kicks).collect();
    // Interrupted or not, whoever waits looks again at everything.
    let _ = poll(&mut sources, Some(&process::timespec(at_most)));
    if let Some(listener) = listener {
        listener.drain();
    }
}

/// Refuses a node that names a supervisor which is not there.
///
/// # Errors
/// `supervisor-unsupported`.
pub fn supported(node: &NodeConfig) -> Result<(), Problem> {
    // What sd_booted(3) looks at.
    if node.supervisor.kind == SupervisorKind::Process || std::path::Path::new("/run/systemd/system").is_dir() {
        return Ok(());
    }
    let detail = "the node file says that systemd keeps Mesos running, and this machine was not booted by systemd";
    Err(Problem::new(ExitCode::Refused, "supervisor-unsupported", detail)
        .hint("`kind = \"process\"` in `[supervisor]` of the node file makes the helper the supervisor"))
}
