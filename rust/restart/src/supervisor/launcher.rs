//! The moment between fork and exec, made safe against the death of the helper.
//!
//! A helper that is killed after it started Mesos and before it wrote down the process would start a second one later.
//! So it starts this launcher instead: it reads from its standard input what to execute, and while it waits the helper
//! writes down its process number, which exec keeps. If the helper dies first, the input ends and nothing is executed.

use std::io::{self, BufRead as _, Write};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use dcos_core::ports::Launch;
use serde::{Deserialize, Serialize};

/// The hidden subcommand of the helper that is the launcher.
pub const SUBCOMMAND: &str = "launch";

/// What to execute; one line of JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    program: PathBuf,
    arguments: Vec<String>,
    directory: Option<PathBuf>,
    environment: Vec<(String, String)>,
}

/// Tells a launcher to become the Mesos of `launch`.
///
/// # Errors
/// If it does not read, because it has died.
pub(crate) fn order(launch: &Launch, mut to: impl Write) -> io::Result<()> {
    let order = Order {
        program: launch.program.clone(),
        arguments: launch.arguments.clone(),
        directory: launch.directory.clone(),
        environment: launch.environment.clone(),
    };
    let mut line = serde_json::to_vec(&order)?;
    line.push(b'\n');
    to.write_all(&line)?;
    to.flush()
}

/// Becomes the Mesos that the standard input names. Returns only if that fails.
///
/// Mesos gets a session of its own, so that no terminal and no signal to the helper's group reaches it.
pub fn main() -> io::Error {
    let mut line = String::new();
    match io::stdin().lock().read_line(&mut line) {
        Ok(_) if line.ends_with('\n') => {}
        Ok(_) => return io::Error::new(io::ErrorKind::UnexpectedEof, "the helper ended before it gave the order"),
        Err(error) => return error,
    }
    let order: Order = match serde_json::from_str(&line) {
        Ok(order) => order,
        Err(error) => return error.into(),
    };
    // It fails only for who leads a group already, and then there is nothing to leave.
    let _ = rustix::process::setsid();
    let mut command = Command::new(&order.program);
    if let Some(directory) = &order.directory {
        command.current_dir(directory);
    }
    let error = command.args(&order.arguments).env_clear().envs(order.environment).stdin(Stdio::null()).exec();
    io::Error::new(error.kind(), format!("can't execute `{}`: {error}", order.program.display()))
}
