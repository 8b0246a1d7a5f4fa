//! `dcos`, the operator's program.
//!
//! - [`args`]: the command line
//! - [`change`], [`configs`], [`plan`]: upgrade, install, uninstall; the configs that go with them; what a dry run prints
//! - [`follow`]: waiting for the end of a deployment
//! - [`deploy`], [`explain`], [`slave`]: looking and steering
//! - [`doctor`]: checking a machine
//! - [`summary`]: what a deployment comes to, in words

mod args;
mod change;
mod configs;
mod deploy;
mod doctor;
mod explain;
mod follow;
mod plan;
mod slave;
mod summary;

use clap::CommandFactory as _;
use dcos_core::{ExitCode, Problem};

use self::args::{Arguments, Command, ConfigCommand};
use crate::client::Client;
use crate::output::Format;
use crate::usage;

/// Runs the program; the process ends with the answered code.
pub fn main() -> std::process::ExitCode {
    usage::log_to_stderr();
    let arguments: Arguments = match usage::parse() {
        Ok(arguments) => arguments,
        Err(code) => return code.into(),
    };
    let format = Format::from_flag(arguments.json);
    run(arguments, format).unwrap_or_else(|problem| format.refuse(&problem)).into()
}

fn run(arguments: Arguments, format: Format) -> Result<ExitCode, Problem> {
    let Arguments { url, command, .. } = arguments;
    let client = || url.as_deref().ok_or_else(no_url).and_then(Client::new);
    match command {
        Command::Install(install) => wait(change::install(&client()?, format, install)),
        Command::Uninstall(uninstall) => wait(change::uninstall(&client()?, format, uninstall)),
        Command::Upgrade(upgrade) => wait(change::upgrade(&client()?, format, upgrade)),
        Command::Deploy(command) => wait(deploy::run(&client()?, format, command)),
        Command::Slave(command) => wait(slave::run(&client()?, format, command)),
        Command::Repo(command) => crate::repo::run(format, command),
        Command::Config(ConfigCommand::Apply { options, set, site, change }) => {
            wait(change::apply(&client()?, format, options.as_deref(), set, &site, &change))
        }
        Command::Config(ConfigCommand::Local(command)) => crate::config::run(format, command),
        Command::Doctor { node } => wait(doctor::run(format, &node)),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "dcos", &mut std::io::stdout());
            Ok(ExitCode::Done)
        }
    }
}

/// One thread is enough for a program that waits for answers.
fn wait(work: impl Future<Output = Result<ExitCode, Problem>>) -> Result<ExitCode, Problem> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Problem::new(ExitCode::Unexpected, "no-runtime", format!("can't start: {error}")))?;
    runtime.block_on(work)
}

fn no_url() -> Problem {
    Problem::new(ExitCode::Usage, "no-url", "no master is named")
        .hint("name any master of the cluster by `--url http://HOST:PORT` or `DCOS_URL`")
}
