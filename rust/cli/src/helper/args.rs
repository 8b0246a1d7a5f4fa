//! The command line of `dcos-restart-helper`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use dcos_core::PackageId;
use dcos_core::node::DEFAULT_PATH;

const EXAMPLES: &str = "\
Examples:
  dcos-restart-helper start
  dcos-restart-helper run --dry-run --set mesos--1.11.0 mesos-config--0123456789ab dcos-bits--0.1.0+mesos1.11.0
  dcos-restart-helper run --set mesos--1.11.0 mesos-config--0123456789ab dcos-bits--0.1.0+mesos1.11.0
  dcos-restart-helper status --json
  dcos-restart-helper stop --mesos

Exit codes:
  0 done · 1 unexpected failure · 2 usage · 3 refused, nothing changed · 4 not found · 5 busy or conflict
  6 failed, the previous set is running again · 7 failed, a person is needed · 9 unreachable or timed out";

/// Restarts this node's Mesos into another set, and keeps it running
#[derive(Debug, Parser)]
#[command(name = "dcos-restart-helper", version, after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The facts of this machine
    #[arg(long, global = true, env = "DCOS_NODE", value_name = "FILE", default_value = DEFAULT_PATH)]
    pub(super) node: PathBuf,

    /// Print one JSON document on stdout
    #[arg(long, global = true)]
    pub(super) json: bool,

    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Start the helper, and Mesos from the active generation; returns once Mesos answers
    #[command(after_help = "Examples:\n  dcos-restart-helper start\n  dcos-restart-helper start --foreground")]
    Start(Start),
    /// Restart into a set and follow it to its end
    #[command(
        visible_alias = "restart",
        after_help = "Examples:
  dcos-restart-helper run --dry-run --set mesos--1.11.0 mesos-config--0123456789ab dcos-bits--0.1.0+mesos1.11.0
  dcos-restart-helper run --retry-failed --set mesos--1.11.0 mesos-config--0123456789ab dcos-bits--0.1.0+mesos1.11.0"
    )]
    Run(Run),
    /// Follow the attempt under way, or tell how the last one ended
    #[command(after_help = "Examples:\n  dcos-restart-helper watch\n  dcos-restart-helper watch local-1790000000000")]
    Watch {
        /// The attempt; the newest if none is named
        attempt: Option<String>,
    },
    /// Tell what runs, what is active, and the attempts
    #[command(after_help = "Examples:\n  dcos-restart-helper status\n  dcos-restart-helper status --json")]
    Status,
    /// Go on with an attempt whose helper died, or set aside a journal that can't be used
    #[command(after_help = "Examples:\n  dcos-restart-helper resume\n  dcos-restart-helper resume --discard")]
    Resume {
        /// Move a journal that can't be used aside; one that can is kept
        #[arg(long)]
        discard: bool,
    },
    /// End the helper, and Mesos if asked to; tasks go on
    #[command(after_help = "Examples:\n  dcos-restart-helper stop\n  dcos-restart-helper stop --mesos")]
    Stop(Stop),
    /// The worker that the guard starts
    #[command(hide = true)]
    Worker {
        /// The helper that this process was started from
        #[arg(long, value_name = "FILE")]
        started_as: PathBuf,
    },
    /// Becomes Mesos when told to on stdin
    #[command(hide = true)]
    Launch,
}

#[derive(Debug, Args)]
pub(super) struct Start {
    /// Stay in the foreground, log to stderr
    #[arg(long, conflicts_with = "no_wait")]
    pub(super) foreground: bool,

    /// Return once the helper runs, without waiting for Mesos
    #[arg(long)]
    pub(super) no_wait: bool,
}

#[derive(Debug, Args)]
pub(super) struct Run {
    /// The whole set that shall run
    #[arg(long, required = true, num_args = 1.., value_name = "ID")]
    pub(super) set: Vec<PackageId>,

    /// A name for the attempt, used once [default: `local-` and the time]
    #[arg(long, value_name = "NAME")]
    pub(super) attempt: Option<String>,

    /// Tell what would be done and every problem, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,

    /// Try a set that failed on this node before
    #[arg(long)]
    pub(super) retry_failed: bool,

    /// Go on although tasks of frameworks that do not checkpoint will die
    #[arg(long)]
    pub(super) allow_task_loss: bool,

    /// Return once the helper has taken over
    #[arg(long)]
    pub(super) no_wait: bool,
}

#[derive(Debug, Args)]
pub(super) struct Stop {
    /// End Mesos too
    #[arg(long)]
    pub(super) mesos: bool,

    /// Also in the middle of an attempt, which the next start goes on with
    #[arg(long)]
    pub(super) force: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        super::Arguments::command().debug_assert();
    }
}
