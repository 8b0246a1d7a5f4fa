//! The helper where systemd keeps Mesos running: the same commands, and the units that run them.

use std::path::PathBuf;

use dcos_core::{ExitCode, Problem};
use dcos_restart::supervisor::systemd::{self, units as of_node};
use dcos_restart::{journal, kick, worker};
use serde::Serialize;

use super::args;
use super::attempt::running_line;
use super::place::Place;
use super::start;
use crate::output::Format;

/// The units of a node, and what became of them.
#[derive(Debug, Serialize)]
struct Units {
    /// Their files.
    files: Vec<PathBuf>,
    /// Whether the files are there now.
    installed: bool,
}

/// Prints, writes or removes the units.
pub(super) fn units(format: Format, place: &Place, arguments: &args::Units) -> Result<ExitCode, Problem> {
    let directory = &arguments.directory;
    let named = || of_node::units(&place.node, &place.node_file).into_iter();
    if arguments.install {
        install(place, directory)?;
    } else if arguments.remove {
        of_node::remove(&place.node, directory)?;
    }
    let files: Vec<PathBuf> = named().map(|unit| directory.join(unit.name)).collect();
    let installed = files.iter().all(|file| file.exists());
    let text = || named().map(|unit| format!("### {}\n{}", directory.join(unit.name).display(), unit.text));
    format.print(&Units { files, installed }, |units| match (arguments.install, arguments.remove) {
        (false, false) => text().collect::<Vec<_>>().join("\n"),
        (true, _) => format!("{} units are in `{}`", units.files.len(), directory.display()),
        (_, true) => format!("no units of this node are in `{}` any more", directory.display()),
    });
    Ok(ExitCode::Done)
}

/// Writes the units, and the helper that they name if there is none yet.
fn install(place: &Place, directory: &std::path::Path) -> Result<(), Problem> {
    if place.store.helper()?.is_none()
        && let Some(active) = place.store.active()?
    {
        place.store.install_helper(active.number)?;
    }
    of_node::install(&place.node, &place.node_file, directory)?;
    if directory == std::path::Path::new(of_node::DIRECTORY) { of_node::enable(&place.node) } else { Ok(()) }
}

/// Brings the units in place and has systemd start Mesos, if there is one to start, and a worker, if there may be
/// something for it to go on with.
pub(super) fn start(format: Format, place: &Place, no_wait: bool) -> Result<ExitCode, Problem> {
    install(place, std::path::Path::new(of_node::DIRECTORY))?;
    let started = place.store.active()?.map_or(Ok(()), |_| of_node::start(&place.node));
    // Also where systemd can't start Mesos: the attempt that left it so is what mends it. A worker with nothing to do ends.
    if place.store.read_state(journal::NAME)?.is_some() {
        kick::kick(&*place.store, &place.node, &place.node_file)?;
    }
    started?;
    if no_wait { Ok(ExitCode::Done) } else { start::answers(format, place) }
}

/// The worker, as the main process of a unit.
pub(super) fn worker(place: &Place) -> Result<ExitCode, Problem> {
    start::worker(place, &place.own)
}

/// Decides which set Mesos shall start from.
pub(super) fn decide(place: &Place) -> Result<ExitCode, Problem> {
    start::log_everything();
    worker::decide(&place.store, &place.node, &place.own)?;
    Ok(ExitCode::Done)
}

/// Writes down that systemd has started Mesos, whoever ordered that: what runs is to be seen in one place.
pub(super) fn started(place: &Place, pid: u32) -> Result<ExitCode, Problem> {
    systemd::written_down(&*place.store, pid)?;
    Ok(ExitCode::Done)
}

/// Why Mesos does not answer, with its last lines.
pub(super) fn silent(place: &Place, what: &str) -> Problem {
    let lines = dcos_restart::supervisor::of_node(&place.node, &place.store, place.own.clone(), None).last_lines();
    let unit = of_node::Names::of(&place.node).mesos;
    let running = running_line(place.restart().status().ok().as_ref());
    let detail = format!("{what}; {running}; the last lines of `{unit}` are:\n{}", lines.join("\n"));
    Problem::new(ExitCode::Unreachable, "mesos-does-not-answer", detail)
        .hint(format!("systemd goes on trying; `journalctl --unit {unit}` shows more"))
}
