//! `dcos-restart-helper`: restarts a node's Mesos, outlives it, and keeps it running.
//!
//! - [`args`]: the command line; [`place`]: the node that it is about
//! - [`start`]: guard, worker, launcher; [`stop`]: their end
//! - [`systemd`]: the same where systemd supervises, and the units
//! - [`bootstrap`]: from an empty machine to a running node; [`adopt`]: from a Mesos that runs, and back
//! - [`attempt`]: a restart from the command line, and what is told of attempts

mod adopt;
mod args;
mod attempt;
mod bootstrap;
mod place;
mod start;
mod stop;
mod systemd;

use dcos_core::{ExitCode, Problem};

use self::args::{Arguments, Command};
use self::place::Place;
use crate::output::Format;

/// The command line, for completions and man pages.
pub(crate) fn command() -> clap::Command {
    <Arguments as clap::CommandFactory>::command()
}

/// Runs the program; the process ends with the answered code.
pub fn main() -> std::process::ExitCode {
    // Whoever starts a helper may be Mesos: its sockets must not live on in ours, nor in the next Mesos.
    close_fds::set_fds_cloexec_threadsafe(3, &[]);
    let arguments: Arguments = match crate::usage::parse() {
        Ok(arguments) => arguments,
        Err(code) => return code.into(),
    };
    let format = Format::from_flag(arguments.json);
    run(arguments, format).unwrap_or_else(|problem| format.refuse(&problem)).into()
}

fn run(arguments: Arguments, format: Format) -> Result<ExitCode, Problem> {
    let place = || Place::find(&arguments.node);
    match arguments.command {
        Command::Launch => Err(start::launch()),
        Command::Worker { started_as } => start::worker(&place()?, &started_as),
        Command::Start(start) if start.foreground => start::foreground(&place()?),
        Command::Start(start) => start::start(format, &place()?, start.no_wait),
        Command::Started { pid } => systemd::started(&place()?, pid),
        Command::Run(run) => attempt::run(format, &place()?, run),
        Command::Watch { boot: true, .. } => systemd::worker(&place()?),
        Command::Watch { attempt, .. } => attempt::watch(format, &place()?, attempt),
        Command::Status => attempt::status(format, &place()?),
        Command::Resume { boot: true, .. } => systemd::decide(&place()?),
        Command::Resume { discard: false, .. } => attempt::resume(format, &place()?),
        Command::Resume { discard: true, .. } => attempt::discard(format, &place()?),
        Command::Bootstrap(bootstrap) => bootstrap::run(format, &arguments.node, &bootstrap),
        Command::Units(units) => systemd::units(format, &place()?, &units),
        Command::Adopt(adopt) => adopt::adopt(format, &arguments.node, &adopt),
        Command::Leave(leave) => adopt::leave(format, &place()?, &leave),
        Command::Stop(stop) => stop::stop(format, &place()?, &stop),
    }
}
