//! Who keeps Mesos running, behind one small trait. The walk of a restart knows nothing else of processes.
//!
//! - [`process`]: Mesos is a child of the helper; [`launcher`]: how it becomes one
//! - [`log`]: where such a Mesos writes, and its last lines

pub mod launcher;
pub mod log;
pub mod process;

use std::time::Duration;

use dcos_core::node::{NodeConfig, SupervisorKind};
use dcos_core::ports::Launch;
use dcos_core::{ExitCode, Problem};

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
        Self::new(ExitCode::Unexpected, "supervisor-failed", Self::chain(&error))
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
}

/// Refuses a node whose supervisor this release does not know to use.
///
/// # Errors
/// `supervisor-unsupported`.
pub fn supported(node: &NodeConfig) -> Result<(), Problem> {
    match node.supervisor.kind {
        SupervisorKind::Process => Ok(()),
        SupervisorKind::Systemd => {
            let detail = "this release can't restart a Mesos that systemd supervises";
            Err(Problem::new(ExitCode::Refused, "supervisor-unsupported", detail)
                .hint("`kind = \"process\"` in `[supervisor]` of the node file makes the helper the supervisor"))
        }
    }
}
