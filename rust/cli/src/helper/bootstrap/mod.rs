//! From an empty machine to a running node.
//!
//! The machine is told its cluster in one of three ways: repositories with their roots and a set; a master and a join
//! token; or a node file that somebody wrote, and a set. What follows is the same walk each time, and each step of it
//! looks first whether it was done: so the command may be run again after whatever ended it, and a second run of one that
//! succeeded says that all is well.
//!
//! - [`facts`]: what the machine is, from arguments and from the master's answer; pure
//! - [`join`]: asking a master, once
//! - [`files`]: the node file and what it names
//! - [`fetch`]: packages, from repositories that may be slow, half down or lying
//!
//! Mesos is started by an ordinary attempt with nothing to go back to, so the same checks say whether it came up cleanly,
//! and a helper that dies half-way is followed by one that goes on.

pub(super) mod facts;
mod fetch;
pub(super) mod files;
mod join;

use std::path::Path;
use std::time::{Duration, Instant};

use dcos_core::attempt::{Answer, AttemptReport, AttemptState};
use dcos_core::{ExitCode, PackageSet, Problem};
use dcos_restart::{Request, Status};

use self::facts::Facts;
use super::args;
use super::attempt::{render_status, running_line};
use super::place::Place;
use crate::output::{Format, say};

pub(super) use self::fetch::{Patience, fetch};

/// How often to look at what the helper does.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How often an attempt that expired before the helper took it up is begun anew: a machine that is that busy is not well.
const TRIES: u32 = 3;

/// Does whatever is missing.
pub(super) fn run(format: Format, node_file: &Path, arguments: &args::Bootstrap) -> Result<ExitCode, Problem> {
    let patience = Patience::until(Instant::now() + Duration::from_secs(arguments.deadline));
    let set = prepare(node_file, arguments, patience)?;
    let place = Place::find(node_file)?;
    dcos_restart::supervisor::supported(&place.node)?;
    let status = usable(place.restart().status()?)?;
    refuse_other_set(&place, &status, &set)?;
    fetch(&place, &set, patience)?;
    if arguments.join.is_some() {
        files::place_mesos_credentials(&place, &set)?;
    }
    let status = bring_up(&place, &set, patience)?;
    format.print(&status, render_status);
    Ok(ExitCode::Done)
}

/// Writes the node file if there is none, and answers the set that shall run.
fn prepare(node_file: &Path, arguments: &args::Bootstrap, patience: Patience) -> Result<PackageSet, Problem> {
    let given: PackageSet = arguments.set.iter().cloned().collect();
    if arguments.join.is_none() && !arguments.says_what_it_is() {
        if !node_file.exists() {
            let detail = format!("there is no node file `{}`, and nothing says what it should be", node_file.display());
            return Err(Problem::new(ExitCode::Usage, "usage", detail)
                .hint("`--join URL --token TOKEN` asks a master")
                .hint("or name the repositories, `--ip`, and `--master` or `--zk`; `--help` has examples"));
        }
        return Ok(given);
    }
    let (facts, set) = match &arguments.join {
        None => (Facts::of_arguments(arguments)?, given),
        Some(master) => {
            let answer = join::ask(master, node_file, arguments, patience)?;
            let set = if given.is_empty() { answer.set.clone() } else { given };
            (Facts::of_answer(arguments, &answer)?, set)
        }
    };
    files::write(node_file, &facts)?;
    Ok(set)
}

/// A node that runs something else is no empty machine: changing its set is a restart, with a set to go back to.
fn refuse_other_set(place: &Place, status: &Status, set: &PackageSet) -> Result<(), Problem> {
    match place.store.active()? {
        Some(active) if active.set != *set => {
            let detail = format!("this machine is a node already; {}", running_line(Some(status)));
            Err(Problem::new(ExitCode::Refused, "already-a-node", detail)
                .hint("`dcos-restart-helper run --set ID…` restarts it into another set"))
        }
        _ => Ok(()),
    }
}

/// Starts the helper, has it start Mesos, and waits until that is well.
fn bring_up(place: &Place, set: &PackageSet, patience: Patience) -> Result<Status, Problem> {
    super::start::start(Format::Text, place, true)?;
    withdraw_orphan(place, set)?;
    let mut begun = 0;
    let mut told = String::new();
    loop {
        let status = usable(place.restart().status()?)?;
        let report = status.attempt.iter().chain(&status.last_attempts).find(|report| report.set == *set);
        let active = place.store.active()?.is_some();
        let state = report.map(|report| report.state);
        if let Some(report) = report {
            let now = format!("{:<12} {}", report.state.word(), report.detail);
            if now != told {
                say(&now);
                told = now;
            }
        }
        match state {
            Some(AttemptState::Confirmed) if status.running.is_some() => return Ok(status),
            // Activated by hand before there was a helper: there is no attempt to wait for.
            None if active && status.running.is_some() => return Ok(status),
            None | Some(AttemptState::Cancelled) if !active && status.attempt.is_none() => {
                if begun == TRIES {
                    return Err(not_up(report, &status, "its start was ordered in vain"));
                }
                begun += 1;
                begin(place, set)?;
            }
            _ => {}
        }
        if patience.is_over() {
            return Err(not_up(report, &status, "it did not come up cleanly in time"));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Withdraws an attempt whose ticket went to a run of this command that was killed: nobody can spend it any more.
fn withdraw_orphan(place: &Place, set: &PackageSet) -> Result<(), Problem> {
    let restart = place.restart();
    let orphan = usable(restart.status()?)?
        .attempt
        .filter(|attempt| attempt.set == *set && matches!(attempt.state, AttemptState::Planned | AttemptState::Staged));
    match orphan.map(|attempt| restart.cancel(&attempt.attempt)) {
        // Its ticket was spent after all: the helper goes on with it.
        Some(Err(problem)) if problem.name() != "attempt-started" => Err(problem),
        _ => Ok(()),
    }
}

fn begin(place: &Place, set: &PackageSet) -> Result<(), Problem> {
    let attempt = format!("bootstrap-{}", jiff::Timestamp::now().as_millisecond());
    let restart = place.restart();
    // What failed here before is tried again: there is nothing else that this machine could run.
    let begun = restart.begin(&Request { set: set.clone(), attempt, retry_failed: true, ..Request::default() })?;
    match &begun.ticket {
        Some(ticket) => restart.go(ticket).map(drop),
        None => Ok(()),
    }
}

fn not_up(report: Option<&AttemptReport>, status: &Status, why: &str) -> Problem {
    let mut detail = format!("{why}; {}", running_line(Some(status)));
    if let Some(report) = report {
        detail.push_str(&format!("; it stands at {}: {}", report.state.word(), report.detail));
        let unwell = report.checks.iter().filter(|check| check.answer != Answer::Yes);
        detail.extend(unwell.map(|check| format!("\n  {}: {}", check.name, check.detail)));
        detail.extend(report.log.iter().map(|line| format!("\n  | {line}")));
    }
    // A node that can't be told to be well is asked on; one that is not well needs somebody.
    let code = match report.map(|report| report.state) {
        Some(AttemptState::Lost | AttemptState::RolledBack) => ExitCode::NeedsPerson,
        _ => ExitCode::Unreachable,
    };
    let mut problem = Problem::new(code, "not-up", detail);
    if code == ExitCode::NeedsPerson {
        problem = problem.hint("the helper goes on trying; `dcos-restart-helper run --set ID…` brings another set");
    }
    problem.hint("the same command goes on where this one ended")
}

fn usable(status: Status) -> Result<Status, Problem> {
    match status.problem {
        Some(problem) => Err(problem),
        None => Ok(status),
    }
}
