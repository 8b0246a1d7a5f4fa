//! The way out: the original command line, or Mesos as it is without us.

use dcos_core::attempt::AttemptState;
use dcos_core::{ExitCode, PackageSet, Problem};
use dcos_restart::original::{self, Original, command_line};
use serde::Serialize;

use super::super::attempt::running_line;
use super::super::place::Place;
use super::super::stop::end_helper;
use crate::helper::args;
use crate::output::Format;

/// How the node was left.
#[derive(Debug, Serialize)]
struct Left {
    /// Whether Mesos was put back to how it was started before us.
    original: bool,
    /// How to start it without us.
    command_line: String,
    /// The same as a unit of systemd.
    unit: String,
    running: Option<dcos_restart::RunningMesos>,
}

/// Gives Mesos back.
pub(in crate::helper) fn leave(format: Format, place: &Place, arguments: &args::Leave) -> Result<ExitCode, Problem> {
    if !arguments.print {
        refuse_under_way(place)?;
    }
    match Original::read(&*place.store)? {
        Some(original) if arguments.print => tell(format, place, &original),
        Some(original) => put_back(format, place, &original, arguments),
        None => step_aside(format, place, arguments),
    }
}

/// A helper that is ended between a stop and a start leaves no Mesos. The way back to the original may be gone on with.
fn refuse_under_way(place: &Place) -> Result<(), Problem> {
    match place.restart().status()?.attempt.filter(|attempt| attempt.set != PackageSet::default()) {
        Some(attempt) => {
            let detail = format!("can't leave: attempt `{}` is under way", attempt.attempt);
            Err(Problem::new(ExitCode::Conflict, "attempt-running", detail)
                .hint("`dcos-restart-helper watch` waits for its end"))
        }
        None => Ok(()),
    }
}

/// Says how it was started before us, and changes nothing.
fn tell(format: Format, place: &Place, original: &Original) -> Result<ExitCode, Problem> {
    let running = place.restart().status()?.running;
    let left = Left { original: true, command_line: original.command_line(), unit: unit_of(original), running };
    format.print(&left, |left| render("nothing was changed", left, place));
    Ok(ExitCode::Done)
}

/// An ordinary attempt leads back to the original; once it is confirmed there is nothing left for us to watch.
fn put_back(format: Format, place: &Place, original: &Original, arguments: &args::Leave) -> Result<ExitCode, Problem> {
    let active = place.store.active()?;
    if active.is_some_and(|active| active.number != original::GENERATION) {
        super::super::start::start(Format::Text, place, true)?;
        let quiet = if format == Format::Json { Quiet::Yes } else { Quiet::No };
        let code = enter(quiet, place, arguments.allow_task_loss)?;
        if code != ExitCode::Done {
            return Ok(code);
        }
    }
    let running = place.restart().status()?.running;
    if running.as_ref().is_none_or(|mesos| mesos.generation != original::GENERATION) {
        let detail =
            format!("the Mesos of before does not run; {}", running_line(place.restart().status().ok().as_ref()));
        return Err(Problem::new(ExitCode::NeedsPerson, "not-left", format!("{detail}; the helper goes on trying"))
            .hint(format!("it was started as: {}", original.command_line())));
    }
    end_helper(place)?;
    // In this order: without the original, generation 0 would be nothing that anybody knows.
    place.store.remove_state("mesos.json")?;
    place.store.remove_state(original::NAME)?;
    let left = Left { original: true, command_line: original.command_line(), unit: unit_of(original), running };
    format.print(&left, |left| {
        let pid = left.running.as_ref().map(|mesos| mesos.pid.to_string()).unwrap_or_else(|| "none".to_owned());
        format!("it runs as it was started before us, as process {pid}, and nobody of ours watches it\npackages and state stay in `{}`", place.node.root.display())
    });
    Ok(ExitCode::Done)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quiet {
    Yes,
    No,
}

fn enter(quiet: Quiet, place: &Place, allow_task_loss: bool) -> Result<ExitCode, Problem> {
    if quiet == Quiet::No {
        return super::enter(Format::Text, place, &PackageSet::default(), "leave", allow_task_loss);
    }
    let report = super::enter_quietly(place, &PackageSet::default(), "leave", allow_task_loss)?;
    match report.state {
        AttemptState::Confirmed => Ok(ExitCode::Done),
        state => {
            let code = dcos_restart::execute::exit_code(state);
            Err(Problem::new(code, "not-left", format!("the original Mesos did not come up: {}", report.detail)))
        }
    }
}

/// Nothing was here before us: Mesos goes on, and whoever wants it without us is told how.
fn step_aside(format: Format, place: &Place, arguments: &args::Leave) -> Result<ExitCode, Problem> {
    let Some(active) = place.store.active()? else {
        let detail = format!("no generation is active in `{}`: there is nothing to leave", place.node.root.display());
        return Err(Problem::new(ExitCode::NotFound, "no-active-generation", detail));
    };
    let launch = place.store.launch(active.number)?;
    let file = place.node.root.join("generations").join(active.number.to_string()).join("environment");
    if !arguments.print {
        end_helper(place)?;
    }
    let left = Left {
        original: false,
        command_line: command_line("/".as_ref(), &launch.environment, &launch.program, &launch.arguments),
        unit: unit(&format!("EnvironmentFile={}\nExecStart={}", file.display(), launch.program.display())),
        running: place.restart().status()?.running,
    };
    format.print(&left, |left| {
        let first = match arguments.print {
            true => "nothing was changed".to_owned(),
            false => format!("the helper was stopped; {}", running_line(place.restart().status().ok().as_ref())),
        };
        render(&first, left, place)
    });
    Ok(ExitCode::Done)
}

fn render(first: &str, left: &Left, place: &Place) -> String {
    format!(
        "{first}\nto start it without us:\n  {}\nor as a unit:\n{}\npackages and state stay in `{}`",
        left.command_line,
        left.unit,
        place.node.root.display()
    )
}

fn unit_of(original: &Original) -> String {
    unit(&format!(
        "WorkingDirectory={}\nExecStart=/bin/sh -c {:?}",
        original.directory.display(),
        original.command_line()
    ))
}

/// A unit that leaves tasks alone when its Mesos is stopped.
fn unit(service: &str) -> String {
    format!(
        "[Unit]\nAfter=network-online.target\n\n[Service]\n{service}\nKillMode=process\nRestart=on-failure\nDelegate=true\n\n\
         [Install]\nWantedBy=multi-user.target"
    )
}
