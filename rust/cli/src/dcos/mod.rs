//! `dcos`, the operator's program.
//!
//! - [`args`]: the command line
//! - [`change`], [`configs`], [`plan`]: upgrade, install, uninstall; the configs that go with them; what a dry run prints
//! - [`follow`]: waiting for the end of a deployment
//! - [`deploy`], [`explain`], [`slave`]: looking and steering; [`provision`]: agents that come and go
//! - [`direct`]: finishing a deployment without any master
//! - [`doctor`]: checking a machine
//! - [`summary`]: what a deployment comes to, in words

mod args;
mod change;
mod configs;
mod deploy;
mod direct;
mod doctor;
mod explain;
mod follow;
mod plan;
mod provision;
mod slave;
mod summary;

use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use dcos_core::{ExitCode, Problem};
use dcos_deploy::StateStore;

use self::args::{Arguments, Command, ConfigCommand, DeployArguments};
use crate::client::{Access, Client};
use crate::output::Format;
use crate::usage;

/// Opens a controller's log in a file.
pub type Files = fn(PathBuf) -> Box<dyn StateStore>;

/// Runs the program; the process ends with the answered code.
///
/// `files` opens a controller's log in a file: how such a file is written belongs to the store, and how the two go together
/// to the program.
pub fn main(files: Files) -> std::process::ExitCode {
    usage::log_to_stderr();
    let arguments: Arguments = match usage::parse() {
        Ok(arguments) => arguments,
        Err(code) => return code.into(),
    };
    let format = Format::from_flag(arguments.json);
    run(arguments, format, files).unwrap_or_else(|problem| format.refuse(&problem)).into()
}

fn run(arguments: Arguments, format: Format, files: Files) -> Result<ExitCode, Problem> {
    let Arguments { url, command, credentials, ca, .. } = arguments;
    let access = || access(credentials.as_deref(), ca.as_deref());
    let client = || Client::of(url.as_deref().ok_or_else(no_url)?, &access()?);
    match command {
        Command::Install(install) => wait(change::install(&client()?, format, install)),
        Command::Uninstall(uninstall) => wait(change::uninstall(&client()?, format, uninstall)),
        Command::Upgrade(upgrade) => wait(change::upgrade(&client()?, format, upgrade)),
        Command::Deploy(DeployArguments { direct: Some(state), .. }) => {
            wait(direct::run(format, &state, access()?.credential, files))
        }
        Command::Deploy(DeployArguments { command: Some(command), .. }) => {
            wait(deploy::run(&client()?, format, command))
        }
        Command::Deploy(DeployArguments { command: None, .. }) => {
            Err(Problem::new(ExitCode::Usage, "no-command", "`dcos deploy` needs a command, or `--direct`")
                .hint("`dcos deploy --help` lists them"))
        }
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

/// Who calls, and whose servers are believed.
fn access(credentials: Option<&Path>, ca: Option<&Path>) -> Result<Access, Problem> {
    let unusable = |detail: String| Problem::new(ExitCode::Usage, "bad-credentials", detail);
    let credential = credentials.map(dcos_deploy::trust::credential).transpose();
    let credential = credential.map_err(|error| {
        unusable(Problem::chain(&error)).hint("`--credentials` or `DCOS_CREDENTIALS` names the file; `chmod 600` it")
    })?;
    let read = |path: &Path| {
        std::fs::read(path)
            .map_err(|error| unusable(format!("can't read the certificates in `{}`: {error}", path.display())))
    };
    Ok(Access { credential, ca: ca.map(read).transpose()? })
}

fn no_url() -> Problem {
    Problem::new(ExitCode::Usage, "no-url", "no master is named")
        .hint("name any master of the cluster by `--url http://HOST:PORT` or `DCOS_URL`")
}
