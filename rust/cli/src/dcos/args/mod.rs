//! The command line of `dcos`.
//!
//! - [`change`]: how a change goes over the cluster; [`deploy`], [`slave`]: the commands with many commands of their own
//! - [`profile`]: the clusters that this operator knows

mod change;
mod deploy;
mod profile;
mod slave;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub(in crate::dcos) use self::change::{ChangeOptions, SiteRepository};
pub(in crate::dcos) use self::deploy::{Deploy, DeployArguments, Which};
pub(in crate::dcos) use self::profile::ProfileCommand;
pub(in crate::dcos) use self::slave::Slave;
use crate::programs::Program;

const EXAMPLES: &str = "\
Examples:
  dcos upgrade mesos 1.11.0 --dry-run     what an upgrade would do, node by node
  dcos install module fizzbuzz            enable a module on every node that it fits
  dcos deploy status                      what is running now, what it waits for, what to do next
  dcos deploy halt \"error rate above 1%\"  start nothing more
  dcos slave list                         agents, their sets and their last attempts

Exit codes:
  0 done · 1 unexpected failure · 2 usage · 3 refused, nothing changed · 4 not found · 5 busy or conflict
  6 failed, the previous set is running again · 7 failed, a person is needed · 8 halted · 9 unreachable or timed out";

/// Gets software onto the machines of a Mesos cluster
#[derive(Debug, Parser)]
#[command(name = "dcos", version, after_help = EXAMPLES, next_display_order = crate::programs::COMMON)]
pub(in crate::dcos) struct Arguments {
    /// Any master of the cluster, such as `http://10.0.0.1:5050`
    #[arg(long, global = true, env = "DCOS_URL", value_name = "URL")]
    pub(in crate::dcos) url: Option<String>,

    /// The cluster that is meant, by the name of its profile [default: the one of `dcos profile use`]
    #[arg(long, global = true, env = "DCOS_PROFILE", value_name = "NAME")]
    pub(in crate::dcos) profile: Option<String>,

    /// The file that says who you are: `principal secret`, or JSON as Mesos has it
    #[arg(long, global = true, env = "DCOS_CREDENTIALS", value_name = "FILE")]
    pub(in crate::dcos) credentials: Option<PathBuf>,

    /// Who you are, without a file: the secret is in `DCOS_SECRET`, or asked for on a terminal
    #[arg(long, global = true, env = "DCOS_PRINCIPAL", value_name = "NAME", conflicts_with = "credentials")]
    pub(in crate::dcos) principal: Option<String>,

    /// The certificate authority of the masters, PEM
    #[arg(long, global = true, env = "DCOS_CA", value_name = "FILE")]
    pub(in crate::dcos) ca: Option<PathBuf>,

    /// How long a command that waits goes on without an answer, in seconds: masters are restarted by what it waits for
    #[arg(long, global = true, env = "DCOS_PATIENCE", value_name = "SECONDS", default_value_t = 120)]
    pub(in crate::dcos) patience: u32,

    /// Print one JSON document on stdout
    #[arg(long, global = true)]
    pub(in crate::dcos) json: bool,

    /// Say more of what is done, on stderr; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(in crate::dcos) verbose: u8,

    #[command(subcommand)]
    pub(in crate::dcos) command: Command,
}

#[derive(Debug, Subcommand)]
pub(in crate::dcos) enum Command {
    /// Enable modules on every node that they fit
    #[command(subcommand)]
    Install(Install),
    /// Disable modules and take them out of every set
    #[command(subcommand)]
    Uninstall(Uninstall),
    /// Move the cluster to another version of Mesos
    #[command(subcommand)]
    Upgrade(Upgrade),
    /// Look at deployments and steer them
    #[command(after_help = "Examples:
  dcos deploy status
  dcos deploy halt \"error rate above 1%\"
  dcos deploy --direct zk://10.0.0.1:2181,10.0.0.2:2181/mesos    finish what is under way, with every master down")]
    Deploy(DeployArguments),
    /// The agents of the cluster
    #[command(subcommand)]
    Slave(Slave),
    /// Make configs, and tell how they differ
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Make, fill and look at a repository
    #[command(subcommand)]
    Repo(crate::repo::RepoCommand),
    /// The clusters that you work with, by name
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Check a machine or a cluster, and say what to fix
    #[command(after_help = "Examples:
  dcos doctor                                    this machine, if it has a node file; else the cluster
  dcos doctor --node /srv/dcos/node.toml --json
  dcos doctor --cluster
  dcos doctor --bundle /tmp/node7.tar.gz         what whoever helps wants to see, without secrets")]
    Doctor(Doctor),
    /// Print the completion script of a shell
    #[command(after_help = "Examples:
  dcos completions bash > /etc/bash_completion.d/dcos
  dcos completions zsh dcos-pkg > /usr/share/zsh/vendor-completions/_dcos-pkg
  dcos completions fish > ~/.config/fish/completions/dcos.fish")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
        /// The program
        #[arg(default_value = "dcos")]
        program: Program,
    },
    /// Write the man pages of all programs into a directory
    #[command(hide = true)]
    Man {
        /// The directory; it is made if it is not there
        directory: PathBuf,
    },
}

/// What `dcos doctor` looks at.
#[derive(Debug, clap::Args)]
pub(in crate::dcos) struct Doctor {
    /// The machine's node file [default: /etc/dcos/node.toml]
    #[arg(long, env = "DCOS_NODE", value_name = "FILE", conflicts_with = "cluster")]
    pub(in crate::dcos) node: Option<PathBuf>,
    /// Check the cluster that `--url` or the profile names, and not this machine
    #[arg(long, conflicts_with = "bundle")]
    pub(in crate::dcos) cluster: bool,
    /// Pack journal, outbox, history, the last logs and the configuration without its secrets into this `.tar.gz`
    #[arg(long, value_name = "FILE")]
    pub(in crate::dcos) bundle: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(in crate::dcos) enum Install {
    /// Enable modules: their packages, and a new config of each group
    #[command(after_help = "Examples:
  dcos install module fizzbuzz
  dcos install module fizzbuzz--1.2.0 --dry-run
  dcos install module fizzbuzz --group agents --waves 1,10%,100%")]
    Module {
        /// Packages, each as NAME (the newest version that fits) or NAME--VERSION
        #[arg(required = true, value_name = "NAME[--VERSION]")]
        modules: Vec<String>,
        #[command(flatten)]
        site: SiteRepository,
        #[command(flatten)]
        options: ChangeOptions,
    },
}

#[derive(Debug, Subcommand)]
pub(in crate::dcos) enum Uninstall {
    /// Disable modules
    #[command(after_help = "Examples:\n  dcos uninstall module fizzbuzz")]
    Module {
        /// Names of packages
        #[arg(required = true, value_name = "NAME")]
        modules: Vec<String>,
        #[command(flatten)]
        site: SiteRepository,
        #[command(flatten)]
        options: ChangeOptions,
    },
}

#[derive(Debug, Subcommand)]
pub(in crate::dcos) enum Upgrade {
    /// Another version of Mesos, and of every package that is bound to its version: masters first, then agents
    #[command(after_help = "Examples:
  dcos upgrade mesos 1.11.0 --dry-run
  dcos upgrade mesos 1.11.0
  dcos upgrade mesos 1.11.0 --waves 1,10%,100% --max-unavailable 5% --soak 300")]
    Mesos {
        /// The version
        version: String,
        #[command(flatten)]
        options: ChangeOptions,
    },
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "it is made once, when the program starts")]
pub(in crate::dcos) enum ConfigCommand {
    /// Generate the config of a group, publish it, and deploy it: what the group has, changed, or a whole document
    #[command(after_help = "Examples:
  dcos config apply --group agents --set flags.resources='cpus:8;mem:16384' --dry-run
  dcos config apply --options agents.toml --waves 1,10%,100%

Modules that the options name and the group's nodes lack are installed with it.")]
    Apply {
        /// The options: `.json`, or anything else in TOML [default: those that the group has]
        #[arg(long, value_name = "FILE")]
        options: Option<PathBuf>,
        /// One option, such as `flags.quorum=1`; may be given more than once
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
        #[command(flatten)]
        site: SiteRepository,
        #[command(flatten)]
        change: ChangeOptions,
    },
    #[command(flatten)]
    Local(crate::config::ConfigCommand),
}
