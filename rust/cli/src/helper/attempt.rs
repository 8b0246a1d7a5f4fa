//! A restart from the command line, and what is told of attempts.

use std::time::Duration;

use dcos_core::attempt::{Answer, AttemptReport, AttemptState};
use dcos_core::{ExitCode, PackageId, Problem};
use dcos_repo::Repositories;
use dcos_repo::backoff::Retry;
use dcos_restart::execute::exit_code;
use dcos_restart::host::Lock;
use dcos_restart::journal::{self, Journal};
use dcos_restart::{Begun, Plan, Request, Status, before, kick};
use dcos_store::Store;
use serde::Serialize;

use super::args;
use super::place::Place;
use crate::output::{Format, say};

/// How often to look at an attempt that is being followed.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Begins, goes, and follows to the end.
pub(super) fn run(format: Format, place: &Place, run: args::Run) -> Result<ExitCode, Problem> {
    let attempt = run.attempt.unwrap_or_else(|| format!("local-{}", jiff::Timestamp::now().as_millisecond()));
    let request = Request {
        set: run.set.into_iter().collect(),
        attempt: attempt.clone(),
        dry_run: run.dry_run,
        retry_failed: run.retry_failed,
        allow_task_loss: run.allow_task_loss,
        clean: run.clean,
        yes: run.yes,
        ..Request::default()
    };
    let restart = place.restart();
    if run.dry_run && format == Format::Text {
        // What would happen is worth knowing also where it would be refused.
        let (plan, problem) = restart.preview(&request)?;
        format.print(&plan, render_plan);
        return problem.map_or(Ok(ExitCode::Done), |problem| Err(known_nowhere(place, problem)));
    }
    let begun = restart.begin(&request).map_err(|problem| known_nowhere(place, problem))?;
    let Some(ticket) = &begun.ticket else {
        format.print(&begun, |begun: &Begun| render_plan(&begun.plan));
        return Ok(ExitCode::Done);
    };
    restart.go(ticket)?;
    if run.no_wait {
        format.print(&begun, |begun: &Begun| format!("attempt `{}` has begun", begun.attempt));
        return Ok(ExitCode::Done);
    }
    follow(format, place, &attempt)
}

/// A set that is not local is refused; one with a package that no configured repository has either is of nothing that
/// there is. Repositories that can't be asked say nothing.
fn known_nowhere(place: &Place, problem: Problem) -> Problem {
    let missing: Vec<PackageId> = problem
        .problems
        .iter()
        .filter(|finding| finding.code == "not-local")
        .flat_map(|finding| finding.packages.clone())
        .collect();
    if missing.is_empty() {
        return problem;
    }
    let offered = Store::open(&place.node.root, None).map_err(Problem::from).and_then(|store| {
        let quick = Retry { attempts: 2, ..Retry::default() };
        let repositories = Repositories::new(&place.node.repositories, &store)?.with_retry(quick);
        Ok(crate::pkg::runtime()?.block_on(repositories.available())?)
    });
    let Ok(offered) = offered else { return problem };
    let unknown: Vec<String> = missing
        .iter()
        .filter(|id| offered.iter().all(|offer| offer.entry.id != **id))
        .map(|id| format!("`{id}`"))
        .collect();
    if unknown.is_empty() {
        return problem;
    }
    let detail = format!("{}: neither here nor in a repository of this node", unknown.join(", "));
    Problem { problems: problem.problems, ..Problem::new(ExitCode::NotFound, "no-such-package", detail) }
        .hint("`dcos-pkg available` lists what there is")
}

/// Follows an attempt, the newest if none is named.
pub(super) fn watch(format: Format, place: &Place, attempt: Option<String>) -> Result<ExitCode, Problem> {
    let name = match attempt {
        Some(attempt) => attempt,
        None => {
            let status = usable(place.restart().status()?)?;
            let newest = status.attempt.as_ref().or_else(|| status.last_attempts.first());
            newest.map(|report| report.attempt.clone()).ok_or_else(|| {
                Problem::new(ExitCode::NotFound, "no-such-attempt", "there was no attempt on this node yet")
                    .hint("`dcos-restart-helper run --set ID…` makes one; `status` says what runs")
            })?
        }
    };
    follow(format, place, &name)
}

/// What runs, what is active, and the attempts.
pub(super) fn status(format: Format, place: &Place) -> Result<ExitCode, Problem> {
    let status = place.restart().status()?;
    format.print(&status, render_status);
    // Nothing restarts this node until the journal is dealt with.
    Ok(if status.problem.is_some() { ExitCode::NeedsPerson } else { ExitCode::Done })
}

/// Makes sure that somebody goes on with what the journal names.
pub(super) fn resume(format: Format, place: &Place) -> Result<ExitCode, Problem> {
    let status = usable(place.restart().status()?)?;
    let replaced = place.store.read_state(before::NAME)?.is_some();
    if unfinished(&status).is_some() || replaced || status.running.is_none() {
        kick::kick(&*place.store, &place.node, &place.node_file)?;
    }
    format.print(&status, |status| match unfinished(status) {
        Some(attempt) => {
            format!("attempt `{}` stands at {}; the helper goes on with it", attempt.attempt, attempt.state.word())
        }
        None => format!("no attempt is under way; {}", running_line(Some(status))),
    });
    Ok(ExitCode::Done)
}

/// The attempt that a helper has something to do for: the one under way, or one that has ended and is asked on.
fn unfinished(status: &Status) -> Option<&AttemptReport> {
    let asked_on = |report: &&AttemptReport| matches!(report.state, AttemptState::Unconfirmed | AttemptState::Lost);
    status.attempt.as_ref().or_else(|| status.last_attempts.first().filter(asked_on))
}

/// What became of an unusable journal.
#[derive(Debug, Serialize)]
struct Discarded {
    moved_to: String,
}

/// Moves a journal that can't be used aside.
pub(super) fn discard(format: Format, place: &Place) -> Result<ExitCode, Problem> {
    let _lock = Lock::wait(&place.state("journal.lock"))?;
    match Journal::read(&*place.store, &place.node.name()) {
        Ok(None) => Err(Problem::new(ExitCode::NotFound, "no-journal", "there is no journal to discard")),
        Ok(Some(journal)) => {
            let detail = format!("the journal of attempt `{}` can be used; it is kept", journal.attempt);
            Err(Problem::new(ExitCode::Refused, "journal-usable", detail))
        }
        Err(_) => {
            let bytes = place.store.read_state(journal::NAME)?.unwrap_or_default();
            let aside = aside(place)?;
            place.store.write_state(&aside, &bytes)?;
            place.store.remove_state(journal::NAME)?;
            let moved_to = place.state(&aside).display().to_string();
            format.print(&Discarded { moved_to }, |it| format!("the journal was moved to `{}`", it.moved_to));
            Ok(ExitCode::Done)
        }
    }
}

/// A name that no journal was moved to before: what was discarded is what somebody may still have to look into.
fn aside(place: &Place) -> Result<String, Problem> {
    let mut name = "journal-discarded.json".to_owned();
    let mut number = 1;
    while place.store.read_state(&name)?.is_some() {
        number += 1;
        name = format!("journal-discarded-{number}.json");
    }
    Ok(name)
}

/// Tells each change of an attempt's state on stderr, and its end on stdout.
fn follow(format: Format, place: &Place, name: &str) -> Result<ExitCode, Problem> {
    let (report, status) = await_end(place, name)?;
    format.print(&report, |report| render_end(report, &status));
    Ok(exit_code(report.state))
}

/// Tells each change of an attempt's state on stderr, and answers its end.
pub(super) fn await_end(place: &Place, name: &str) -> Result<(AttemptReport, Status), Problem> {
    let mut told = None;
    loop {
        let status = usable(place.restart().status()?)?;
        let report = status.attempt.iter().chain(&status.last_attempts).find(|report| report.attempt == name);
        let Some(report) = report else {
            let detail = format!("there is no attempt `{name}` on this node");
            return Err(Problem::new(ExitCode::NotFound, "no-such-attempt", detail)
                .hint("`dcos-restart-helper status` shows the last ones"));
        };
        if told != Some((report.state, report.detail.clone())) {
            say(&format!("{:<12} {}", report.state.word(), report.detail));
            told = Some((report.state, report.detail.clone()));
        }
        if report.state.is_final() {
            return Ok((report.clone(), status));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn usable(status: Status) -> Result<Status, Problem> {
    match status.problem {
        Some(problem) => Err(problem),
        None => Ok(status),
    }
}

/// One line that says what runs now.
pub(super) fn running_line(status: Option<&Status>) -> String {
    match status.and_then(|status| status.running.as_ref()) {
        Some(mesos) => format!(
            "running now: generation {} with Mesos {}, process {}",
            mesos.generation, mesos.mesos_version, mesos.pid
        ),
        None => "no Mesos is running now".to_owned(),
    }
}

pub(super) fn render_status(status: &Status) -> String {
    let mut lines = vec![format!("node {}", status.node)];
    if let Some(problem) = &status.problem {
        lines.push(crate::output::render(problem));
    }
    if let Some(active) = status.active_generation {
        lines.push(format!("active: generation {active}"));
    }
    match (&status.attempt, status.last_attempts.first()) {
        (Some(attempt), _) => {
            lines.push(format!("attempt `{}`: {}, {}", attempt.attempt, attempt.state.word(), attempt.detail));
        }
        (None, Some(last)) => {
            lines.push(format!("last attempt `{}`: {}, {}", last.attempt, last.state.word(), last.detail));
        }
        (None, None) => {}
    }
    if let Some(mesos) = &status.running {
        lines.push(format!("set: {}", mesos.packages));
    }
    lines.push(running_line(Some(status)));
    lines.join("\n")
}

fn render_plan(plan: &Plan) -> String {
    let words: Vec<&str> = plan.steps.iter().map(|step| step.word()).collect();
    let mut lines: Vec<String> = Vec::new();
    lines.extend(plan.from.iter().filter(|id| !plan.to.contains(id)).map(|id| format!("- {id}")));
    lines.extend(plan.to.iter().filter(|id| !plan.from.contains(id)).map(|id| format!("+ {id}")));
    lines.push(format!("steps: {}", words.join(", ")));
    if let Some(absence) = plan.absence_estimate_ms {
        lines.push(format!("Mesos would be absent for about {absence} ms"));
    }
    lines.extend(plan.tasks_lost.iter().map(|task| format!("task `{task}` would die")));
    lines.extend(plan.notes.iter().map(|note| format!("note: {note}")));
    lines.push("nothing was changed".to_owned());
    lines.join("\n")
}

pub(super) fn render_end(report: &AttemptReport, status: &Status) -> String {
    let mut lines = Vec::new();
    if report.state != AttemptState::Confirmed {
        lines.extend(report.log.iter().map(|line| format!("  | {line}")));
        let unwell = report.checks.iter().filter(|check| check.answer != Answer::Yes);
        lines.extend(unwell.map(|check| format!("  {}: {}", check.name, check.detail)));
    }
    let absence = report.absence_ms.map(|absence| format!(", Mesos was absent for {absence} ms"));
    lines.push(format!("attempt `{}`: {}{}", report.attempt, report.state.word(), absence.unwrap_or_default()));
    lines.push(running_line(Some(status)));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::{AttemptReport, AttemptState, Status, unfinished};
    use dcos_core::PackageSet;
    use jiff::Timestamp;

    fn ended(state: AttemptState) -> Status {
        let report = AttemptReport {
            attempt: "a1".to_owned(),
            state,
            detail: String::new(),
            set: PackageSet::default(),
            generation: None,
            previous_generation: None,
            started_at: Timestamp::UNIX_EPOCH,
            changed_at: Timestamp::UNIX_EPOCH,
            checks: vec![],
            absence_ms: None,
            log: vec![],
        };
        Status {
            node: "127.0.0.1:5051".to_owned(),
            running: None,
            active_generation: None,
            attempt: None,
            last_attempts: vec![report],
            problem: None,
        }
    }

    #[test]
    fn what_has_ended_and_is_asked_on_needs_a_helper() {
        for state in [AttemptState::Unconfirmed, AttemptState::Lost] {
            assert!(unfinished(&ended(state)).is_some(), "{state:?}");
        }
        for state in [AttemptState::Confirmed, AttemptState::RolledBack, AttemptState::Cancelled] {
            assert!(unfinished(&ended(state)).is_none(), "{state:?}");
        }
    }
}
