//! `dcos-pkg`: the packages of a machine, and the worker behind `/pkg/fetch`.
//!
//! - [`args`]: the command line; [`place`]: which store and which node file it means
//! - [`look`]: what only reads; [`change`]: what changes the store
//! - [`build`]: a directory to an archive; [`rpath`], [`probe`]: what its libraries say; [`convert`]: pkgpanda's packages
//! - [`fetch`], [`repair`]: from repositories; [`job`]: the same as a job of the endpoints, whose
//!   end is told by [`callback`]

mod args;
mod build;
mod callback;
mod change;
mod convert;
mod fetch;
mod job;
mod look;
mod place;
mod probe;
mod repair;
mod rpath;

use dcos_core::{ExitCode, Problem};
use dcos_store::GcOptions;

use self::args::{Arguments, Command, JobCommand};
use self::place::Place;
use crate::output::Format;

pub(crate) use self::fetch::runtime;

/// The command line, for completions and man pages.
pub(crate) fn command() -> clap::Command {
    <Arguments as clap::CommandFactory>::command()
}

/// Runs the program; the process ends with the answered code.
pub fn main() -> std::process::ExitCode {
    let arguments: Arguments = match crate::usage::parse() {
        Ok(arguments) => arguments,
        Err(code) => return code.into(),
    };
    crate::usage::log_to_stderr(0);
    let format = Format::from_flag(arguments.json);
    run(arguments, format).unwrap_or_else(|problem| format.refuse(&problem)).into()
}

fn run(arguments: Arguments, format: Format) -> Result<ExitCode, Problem> {
    let place = || Place::find(&arguments.place);
    match arguments.command {
        Command::Build(build) => build::run(format, &build),
        Command::Convert(convert) => convert::run(format, &convert),
        Command::Add { file, sha256 } => change::add(format, &place()?, &file, sha256),
        Command::Fetch(fetch) => fetch::run(format, place()?, fetch),
        Command::List => look::list(format, &place()?),
        Command::Available { names } => fetch::available(format, &place()?, &names),
        Command::Show { id } => look::show(format, &place()?, &id),
        Command::Active => look::active(format, &place()?),
        Command::Validate { ids } => look::validate(format, &place()?, ids),
        Command::Activate { ids, activation } => change::activate(format, &place()?, ids, activation),
        Command::Swap { ids, activation } => change::swap(format, &place()?, &ids, activation),
        Command::Rollback { activation } => change::rollback(format, &place()?, activation),
        Command::History => look::history(format, &place()?),
        Command::Remove { ids } => change::remove(format, &place()?, &ids),
        Command::Verify { ids } => look::verify(format, &place()?, ids),
        Command::Repair { ids } => repair::run(format, place()?, ids),
        Command::Gc { dry_run, budget } => {
            change::gc(format, &place()?, &GcOptions { dry_run, budget, keep_added_after: None })
        }
        Command::Job(JobCommand::Run { id }) => job::run(format, place()?, &id),
    }
}
