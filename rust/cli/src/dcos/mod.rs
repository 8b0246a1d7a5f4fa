//! `dcos`, the operator's program.
//!
//! - [`args`]: the command line
//! - [`change`], [`configs`], [`plan`]: upgrade, install, uninstall; the configs that go with them; what a dry run prints
//! - [`follow`]: waiting for the end of a deployment
//! - [`deploy`], [`explain`], [`slave`]: looking and steering; [`provision`]: agents that come and go
//! - [`pin`]: what is left as it is, and chores without another set
//! - [`direct`]: finishing a deployment without any master
//! - [`doctor`]: checking a machine or a cluster; `bundle`: what whoever helps wants to see
//! - [`profile`], [`access`]: which cluster is meant, and who asks; [`confirm`]: whether what destroys is meant
//! - [`summary`]: what a deployment comes to, in words

mod access;
mod args;
mod change;
mod configs;
mod confirm;
mod deploy;
mod direct;
mod doctor;
mod explain;
mod follow;
mod pin;
mod plan;
mod profile;
mod provision;
mod slave;
mod summary;

use std::path::PathBuf;
use std::time::Duration;

use clap::CommandFactory as _;
use dcos_core::{ExitCode, Problem};
use dcos_deploy::StateStore;

use self::args::{Arguments, Command, ConfigCommand, DeployArguments};
use self::profile::{Given, Profile};
use crate::client::Client;
use crate::output::Format;
use crate::{programs, usage};

#[cfg(test)]
pub(crate) use self::access::bad_credentials;

/// Opens a controller's log in a file.
pub type Files = fn(PathBuf) -> Box<dyn StateStore>;

/// Runs the program; the process ends with the answered code.
///
/// `files` opens a controller's log in a file: how such a file is written belongs to the store, and how the two go together
/// to the program.
pub fn main(files: Files) -> std::process::ExitCode {
    let arguments: Arguments = match usage::parse() {
        Ok(arguments) => arguments,
        Err(code) => return code.into(),
    };
    usage::log_to_stderr(arguments.verbose);
    let format = Format::from_flag(arguments.json);
    run(arguments, format, files).unwrap_or_else(|problem| format.refuse(&problem)).into()
}

/// The command line, for completions and man pages.
pub(crate) fn command() -> clap::Command {
    Arguments::command()
}

fn run(arguments: Arguments, format: Format, files: Files) -> Result<ExitCode, Problem> {
    let Arguments { url, profile, command, credentials, principal, ca, patience, .. } = arguments;
    let given = Given { url, profile, credentials, principal, ca };
    let client = || {
        let profile = given.clone().resolve()?.ok_or_else(no_url)?;
        let client = Client::of(&profile.url, &access::access(&profile)?)?;
        Ok(client.patient(Duration::from_secs(patience.into())))
    };
    match command {
        Command::Install(install) => wait(change::install(&client()?, format, install)),
        Command::Uninstall(uninstall) => wait(change::uninstall(&client()?, format, uninstall)),
        Command::Upgrade(upgrade) => wait(change::upgrade(&client()?, format, upgrade)),
        Command::Deploy(DeployArguments { direct: Some(state), .. }) => {
            // Without a master there need not be an address; who we are the nodes ask all the same.
            let nobody = Profile {
                credentials: given.credentials.clone(),
                principal: given.principal.clone(),
                ..Profile::default()
            };
            let profile = given.resolve()?.unwrap_or(nobody);
            wait(direct::run(format, &state, access::access(&profile)?.credential, files))
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
        Command::Profile(command) => profile::run(format, command, given),
        Command::Doctor(doctor) => {
            let named = given.clone().resolve()?.is_some();
            wait(doctor::run(format, &doctor, named, client))
        }
        Command::Completions { shell, program } => {
            programs::complete(program, shell);
            Ok(ExitCode::Done)
        }
        Command::Man { directory } => {
            let pages = programs::man_pages(&directory)?;
            format.print(&pages, |pages| format!("wrote {pages} man pages into `{}`", directory.display()));
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
        .hint("or keep it as a profile: `dcos profile add NAME --url http://HOST:PORT`")
}
