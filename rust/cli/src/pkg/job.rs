//! `dcos-pkg job run ID`: the process that does what a job of the node's endpoints says.
//!
//! It handles bytes from outside and runs beside a Mesos that must not notice: it has a process group of its own, so
//! that it outlives Mesos's restart and can be ended as a whole; it yields CPU and disk to everybody; and its memory is
//! bounded by the kernel, whatever an archive says.

use std::sync::Arc;

use dcos_core::clock::SystemClock;
use dcos_core::job::JobState;
use dcos_core::{ExitCode, Problem};
use dcos_repo::worker;
use rustix::process::{Resource, Rlimit};

use super::callback;
use super::fetch::runtime;
use super::place::Place;
use crate::output::Format;

/// The nice value. The kernel's I/O schedulers take it as I/O priority, too, for a process that chose none
/// (ioprio_set(2)).
const NICE: i32 = 10;

/// The bytes of data that the process may have: three packages under way need a tenth of it.
const MEMORY: u64 = 512 << 20;

pub(super) fn run(format: Format, place: Place, id: &str) -> Result<ExitCode, Problem> {
    yield_to_others();
    let repositories = place.repositories()?;
    let deploy = place.deploy();
    let store = Arc::new(place.store);
    let runtime = runtime()?;
    let job = runtime.block_on(worker::run(&store, &repositories, Arc::new(SystemClock), id))?;
    runtime.block_on(callback::tell(&deploy, job.clone()));
    if let Some(problem) = &job.problem {
        return Err(problem.clone());
    }
    format.print(&job, |job| match job.state {
        JobState::Done => format!("job {} is done", job.id),
        JobState::Running | JobState::Failed | JobState::Cancelled => format!("job {} was cancelled", job.id),
    });
    Ok(ExitCode::Done)
}

/// What can't be set is not worth failing for: the job is done all the same, less politely.
fn yield_to_others() {
    // Fails if we lead a group or session already, which is what we want.
    let _ = rustix::process::setpgid(None, None);
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!("could not lower the priority: {error}");
    }
    let limit = Rlimit { current: Some(MEMORY), maximum: Some(MEMORY) };
    if let Err(error) = rustix::process::setrlimit(Resource::Data, limit) {
        tracing::debug!("could not limit memory: {error}");
    }
}
