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
#[command(name = "dcos-restart-helper", version, after_help = EXAMPLES, next_display_order = crate::programs::COMMON)]
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

        /// Be the helper that goes on with it, and end when it is over: for the unit that systemd starts at a boot
        #[arg(long, conflicts_with = "attempt")]
        boot: bool,
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

        /// Only decide which set Mesos shall start from: for the unit that systemd starts before Mesos at a boot
        #[arg(long, conflicts_with = "discard")]
        boot: bool,
    },
    /// End the helper, and Mesos if asked to; tasks go on
    #[command(after_help = "Examples:\n  dcos-restart-helper stop\n  dcos-restart-helper stop --mesos")]
    Stop(Stop),
    /// Make a running node of an empty machine; safe to run again at any point
    #[command(after_help = "Examples:
  dcos-restart-helper bootstrap --join http://10.0.0.1:5050 --token TOKEN
  dcos-restart-helper bootstrap --ip 10.0.0.9 --master 10.0.0.1:5050 \\
    --release-url https://bits.example.org/release --release-root release-root.json \\
    --site-url https://bits.example.org/site --site-root site-root.json \\
    --set mesos--1.11.0 mesos-config--0123456789ab dcos-bits--0.1.0+mesos1.11.0
  dcos-restart-helper bootstrap --node /etc/dcos/node.toml --set mesos--1.11.0 …   a node file that is there")]
    Bootstrap(Box<Bootstrap>),
    /// Print the systemd units of this node, write them, or take them away
    #[command(after_help = "Examples:\n  dcos-restart-helper units\n  dcos-restart-helper units --install")]
    Units(Units),
    /// Take over a Mesos that runs already: same work directory, same agent id, same tasks; safe to run again
    #[command(after_help = "Examples:
  dcos-restart-helper adopt --dry-run
  dcos-restart-helper adopt --release-url https://bits.example.org/release --release-root release-root.json
  dcos-restart-helper adopt --pid 4711 --set mesos--1.10.0 dcos-bits--0.1.0+mesos1.10.0

If it does not come up as a node of ours, the original command line is started again.")]
    Adopt(Box<Adopt>),
    /// Undo `adopt`: the original command line runs again. Where nothing was adopted: stop the helper, leave Mesos running
    #[command(after_help = "Examples:\n  dcos-restart-helper leave\n  dcos-restart-helper leave --print")]
    Leave(Leave),
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
    /// Writes down that systemd has started Mesos
    #[command(hide = true)]
    Started {
        /// The process
        pid: u32,
    },
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

    /// Wipe the agent's work directory before the start: every task ends, and the agent gets a new id
    #[arg(long)]
    pub(super) clean: bool,

    /// Confirm `--clean`
    #[arg(long, requires = "clean")]
    pub(super) yes: bool,

    /// Return once the helper has taken over
    #[arg(long)]
    pub(super) no_wait: bool,
}

#[derive(Debug, Args)]
pub(super) struct Bootstrap {
    /// Ask this master what the machine shall be
    #[arg(long, value_name = "URL", requires = "token")]
    pub(super) join: Option<String>,

    /// The token that `dcos slave token` made, good for one machine
    #[arg(long, env = "DCOS_JOIN_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub(super) token: Option<String>,

    /// The whole set that shall run [default with --join: what the group runs]
    #[arg(long, num_args = 1.., value_name = "ID", required_unless_present = "join")]
    pub(super) set: Vec<PackageId>,

    /// The repository with packages of any kind
    #[arg(long, value_name = "URL", conflicts_with = "join")]
    pub(super) release_url: Option<String>,
    /// Its root of trust
    #[arg(long, value_name = "FILE", requires = "release_url")]
    pub(super) release_root: Option<PathBuf>,
    /// The repository with this site's packages
    #[arg(long, value_name = "URL", conflicts_with = "join")]
    pub(super) site_url: Option<String>,
    /// Its root of trust
    #[arg(long, value_name = "FILE", requires = "site_url")]
    pub(super) site_root: Option<PathBuf>,
    /// The certificate authority of their servers, PEM
    #[arg(long, value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,

    /// `master` or `agent` [default: agent]
    #[arg(long, conflicts_with = "join")]
    pub(super) role: Option<dcos_core::Role>,
    /// The group [default: agents or masters]
    #[arg(long, value_name = "GROUP", conflicts_with = "join")]
    pub(super) group: Option<String>,
    /// How an agent finds its only master
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["join", "zk"])]
    pub(super) master: Option<String>,
    /// The ensemble that elects masters
    #[arg(long, value_name = "ZK-URL", conflicts_with = "join")]
    pub(super) zk: Option<String>,
    /// A master that is told how restarts go; may be given more than once
    #[arg(long = "deploy-master", value_name = "URL", conflicts_with = "join")]
    pub(super) masters: Vec<String>,

    /// The address of Mesos [default with --join: the one that leads to the master]
    #[arg(long, value_name = "IP")]
    pub(super) ip: Option<std::net::IpAddr>,
    /// The port of Mesos [default: 5051, 5050 of a master]
    #[arg(long)]
    pub(super) port: Option<u16>,
    /// The name that Mesos advertises [default: its address]
    #[arg(long, value_name = "NAME")]
    pub(super) hostname: Option<String>,
    /// Mesos's work directory [default: /var/lib/mesos]
    #[arg(long, value_name = "DIR")]
    pub(super) work_dir: Option<PathBuf>,
    /// Mesos's runtime directory [default: /var/run/mesos]
    #[arg(long, value_name = "DIR")]
    pub(super) runtime_dir: Option<PathBuf>,
    /// The agent's attributes
    #[arg(long, value_name = "NAME:VALUE;…")]
    pub(super) attributes: Option<String>,
    /// Where packages go [default: /opt/dcos]
    #[arg(long, value_name = "DIR")]
    pub(super) root: Option<PathBuf>,
    /// The helper keeps Mesos running, and not systemd
    #[arg(long)]
    pub(super) process: bool,
    /// How many seconds Mesos must live to count as come up [default: 45]
    #[arg(long, value_name = "SECONDS")]
    pub(super) hold: Option<f64>,

    /// How many seconds all of it may take
    #[arg(long, value_name = "SECONDS", default_value = "600")]
    pub(super) deadline: u64,
}

impl Bootstrap {
    /// Whether the arguments say what the machine is, so that a node file is to be written.
    pub(super) const fn says_what_it_is(&self) -> bool {
        self.release_url.is_some()
            || self.site_url.is_some()
            || self.role.is_some()
            || self.group.is_some()
            || self.master.is_some()
            || self.zk.is_some()
            || self.ip.is_some()
            || self.port.is_some()
            || self.hostname.is_some()
            || self.work_dir.is_some()
            || self.runtime_dir.is_some()
            || self.attributes.is_some()
            || self.root.is_some()
    }
}

#[derive(Debug, Args)]
pub(super) struct Units {
    /// Write them, and have systemd start them at every boot
    #[arg(long)]
    pub(super) install: bool,

    /// Stop what runs of this node, and take them away; tasks go on
    #[arg(long, conflicts_with = "install")]
    pub(super) remove: bool,

    /// Where they are; elsewhere than by default only files change, as for an image
    #[arg(long, value_name = "DIR", default_value = dcos_restart::supervisor::systemd::units::DIRECTORY)]
    pub(super) directory: PathBuf,
}

#[derive(Debug, Default, Args)]
pub(super) struct Adopt {
    /// The process of Mesos [default: the only one on this machine]
    #[arg(long)]
    pub(super) pid: Option<u32>,

    /// Packages that it shall run [default: its own version of Mesos, our newest for it, and a config of its flags]
    #[arg(long, num_args = 1.., value_name = "ID")]
    pub(super) set: Vec<PackageId>,

    /// The group [default: agents or masters]
    #[arg(long, value_name = "GROUP")]
    pub(super) group: Option<String>,
    /// The repository with packages of any kind
    #[arg(long, value_name = "URL")]
    pub(super) release_url: Option<String>,
    /// Its root of trust
    #[arg(long, value_name = "FILE", requires = "release_url")]
    pub(super) release_root: Option<PathBuf>,
    /// The repository with this site's packages
    #[arg(long, value_name = "URL")]
    pub(super) site_url: Option<String>,
    /// Its root of trust
    #[arg(long, value_name = "FILE", requires = "site_url")]
    pub(super) site_root: Option<PathBuf>,
    /// The certificate authority of their servers, PEM
    #[arg(long, value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,
    /// A master that is told how restarts go; may be given more than once
    #[arg(long = "deploy-master", value_name = "URL")]
    pub(super) masters: Vec<String>,
    /// Where packages go [default: /opt/dcos]
    #[arg(long, value_name = "DIR")]
    pub(super) root: Option<PathBuf>,
    /// How many seconds Mesos must live to count as come up [default: 45]
    #[arg(long, value_name = "SECONDS")]
    pub(super) hold: Option<f64>,

    /// Leave out the modules that it loads now
    #[arg(long)]
    pub(super) without_modules: bool,
    /// Go on although a unit of systemd keeps it: that unit will not start it again
    #[arg(long)]
    pub(super) kept: bool,
    /// Go on although tasks of frameworks that do not checkpoint will die
    #[arg(long)]
    pub(super) allow_task_loss: bool,
    /// Tell what would be done, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// How many seconds fetching may take
    #[arg(long, value_name = "SECONDS", default_value = "600")]
    pub(super) deadline: u64,
}

#[derive(Debug, Args)]
pub(super) struct Leave {
    /// Only say how to start Mesos without us
    #[arg(long)]
    pub(super) print: bool,

    /// Go on although tasks of frameworks that do not checkpoint will die
    #[arg(long)]
    pub(super) allow_task_loss: bool,
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
