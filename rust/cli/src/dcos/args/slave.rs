//! `dcos slave`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(in crate::dcos) enum Slave {
    /// The agents: their sets, their Mesos, their last attempts
    #[command(after_help = "Examples:\n  dcos slave list\n  dcos slave list --json")]
    List,
    /// Make new agents on machines made for them, and wait until they are registered
    #[command(after_help = "Examples:
  dcos slave add
  dcos slave add --count 3 --class large
  dcos slave add --count 3 --class large --dry-run
  dcos slave add --count 3 --key sale-2026     safe to repeat, also from a script")]
    Add {
        /// How many
        #[arg(long, default_value_t = 1, value_parser = count)]
        count: usize,
        /// The class of machines, as the masters' configuration names it [default: the only one]
        #[arg(long)]
        class: Option<String>,
        /// A word for this request: made again under the same word, it begins nothing more
        #[arg(long, value_name = "WORD")]
        key: Option<String>,
        /// Say whether it could work, and make nothing
        #[arg(long)]
        dry_run: bool,
        /// Return once it has begun
        #[arg(long)]
        no_wait: bool,
    },
    /// Drain an agent, remove it for good, and terminate its machine
    #[command(after_help = "Examples:
  dcos slave remove 10.0.0.7:5051
  dcos slave remove 10.0.0.7:5051 --grace 10m --yes
  dcos slave remove 5f6a-S3 --keep-instance")]
    Remove {
        /// The agent: its id, or HOST:PORT
        agent: String,
        /// How long its tasks may take to end: `90s`, `10m`, `1h`
        #[arg(long, value_name = "TIME", default_value = "10m", value_parser = crate::dcos::slave::seconds)]
        grace: u64,
        /// Leave its machine alone
        #[arg(long)]
        keep_instance: bool,
        /// It is meant: don't ask
        #[arg(long)]
        yes: bool,
        /// Say what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
        /// Return once it has begun
        #[arg(long)]
        no_wait: bool,
    },
    /// What was asked of provisioning, newest first
    #[command(after_help = "Examples:\n  dcos slave operations\n  dcos slave operations --json")]
    Operations,
    /// One operation; with `--wait` to its end
    #[command(after_help = "Examples:\n  dcos slave operation o1790000000000000 --wait")]
    Operation {
        /// Its id
        id: String,
        /// Follow it to its end
        #[arg(long)]
        wait: bool,
    },
    /// Withdraw an operation: what is not registered yet is given up and terminated
    #[command(after_help = "Examples:\n  dcos slave cancel o1790000000000000")]
    Cancel {
        /// Its id
        id: String,
    },
    /// Make a join token: with it one new machine becomes a node of a group
    #[command(after_help = "Examples:
  dcos slave token --group agents
  dcos slave token --group gpu --expires 15m --json

On the new machine:
  dcos-restart-helper bootstrap --join http://10.0.0.1:5050 --token TOKEN")]
    Token {
        /// The group
        #[arg(long, value_name = "GROUP", value_parser = clap::builder::NonEmptyStringValueParser::new())]
        group: String,
        /// What the machine shall be
        #[arg(long, default_value = "agent")]
        role: dcos_core::Role,
        /// The whole set that it shall run [default: what the group runs]
        #[arg(long, num_args = 1.., value_name = "ID")]
        set: Vec<dcos_core::PackageId>,
        /// How long the token is good: `90s`, `30m`, `1h`, `2d`
        #[arg(long, value_name = "TIME", default_value = "1h", value_parser = crate::dcos::slave::seconds)]
        expires: u64,
    },
}

/// How many machines are asked for.
fn count(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "a whole number from 1 is needed".to_owned())
}
