//! Ending the helper, and Mesos with it if that is asked for.
//!
//! Guard and worker are made to be killed at any time; so ending them is killing them, the guard first. Both are known by
//! the locks that they hold, not by a number in a file.

use std::sync::Arc;
use std::time::Duration;

use dcos_core::{ExitCode, Problem};
use dcos_restart::host::Lock;
use dcos_restart::supervisor::process::{ProcessSupervisor, end_process};
use dcos_restart::supervisor::systemd::units;
use dcos_restart::{guard, worker};
use serde::Serialize;

use super::args;
use super::attempt::running_line;
use super::place::Place;
use crate::output::Format;

/// How long a helper may take to die.
const DEADLINE: Duration = Duration::from_secs(5);

/// A worker that finds its guard dead starts another: that many times at most can one slip through.
const ROUNDS: usize = 5;

/// What was stopped, and what runs now.
#[derive(Debug, Serialize)]
struct Stopped {
    helper: bool,
    running: Option<dcos_restart::RunningMesos>,
}

pub(super) fn stop(format: Format, place: &Place, stop: &args::Stop) -> Result<ExitCode, Problem> {
    if !stop.force
        && let Ok(status) = place.restart().status()
        && let Some(attempt) = status.attempt
    {
        let detail = format!("can't stop the helper: attempt `{}` is under way", attempt.attempt);
        return Err(Problem::new(ExitCode::Conflict, "attempt-running", detail)
            .hint("`dcos-restart-helper watch` waits for its end, `--force` stops all the same"));
    }
    let helper = end_helper(place)?;
    let deadline = Duration::try_from_secs_f64(place.node.health.stop_deadline).unwrap_or_default();
    if stop.mesos && units::is_used(&place.node) {
        dcos_restart::supervisor::of_node(&place.node, &place.store, place.own.clone(), None).stop(deadline)?;
    } else if stop.mesos {
        let mut supervisor =
            ProcessSupervisor::new(Arc::clone(&place.store), &place.node.root, place.own.clone(), None);
        supervisor.stop_for_good(deadline)?;
    }
    let status = place.restart().status()?;
    format.print(&Stopped { helper, running: status.running.clone() }, |stopped| {
        let helper = if stopped.helper { "the helper was stopped" } else { "no helper ran" };
        format!("{helper}; {}", running_line(Some(&status)))
    });
    Ok(ExitCode::Done)
}

/// Ends guard and worker; answers whether there was one.
pub(super) fn end_helper(place: &Place) -> Result<bool, Problem> {
    let mut helper = false;
    if units::is_used(&place.node) {
        // systemd would start a helper again that was killed.
        helper = worker_runs(place)?;
        units::stop_helper(&place.node)?;
    }
    for _ in 0..ROUNDS {
        // Each round both, until neither is there.
        let guard = end(place, guard::LOCK)?;
        let worker = end(place, worker::LOCK)?;
        if !guard && !worker {
            break;
        }
        helper = true;
    }
    Ok(helper)
}

fn worker_runs(place: &Place) -> Result<bool, Problem> {
    let path = place.state(worker::LOCK);
    Ok(path.exists() && Lock::holder(&path)?.is_some())
}

/// Ends whoever holds a lock; answers whether there was somebody.
fn end(place: &Place, lock: &str) -> Result<bool, Problem> {
    let path = place.state(lock);
    if !path.exists() {
        return Ok(false);
    }
    let Some(pid) = Lock::holder(&path)? else { return Ok(false) };
    // It holds the lock still when it is signalled, or the signal goes nowhere.
    end_process(pid, DEADLINE, || Lock::holder(&path).is_ok_and(|holder| holder == Some(pid)))?;
    Ok(true)
}
