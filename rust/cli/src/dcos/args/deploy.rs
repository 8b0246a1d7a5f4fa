//! `dcos deploy`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// A deployment, by its id.
#[derive(Clone, Debug, Args)]
pub(in crate::dcos) struct Which {
    /// The deployment; the newest one if absent
    #[arg(value_name = "DEPLOYMENT")]
    pub(in crate::dcos) id: Option<String>,
}

/// `dcos deploy`: one of its commands, or all that is under way without a master.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub(in crate::dcos) struct DeployArguments {
    /// Finish what is under way from here, with every master down: by the log in ZooKeeper (`zk://…`), a master's log
    /// (`state/deploy/log` below its root), or a backup. Beside a backup, what it came to is written as `FILE.finished`
    #[arg(long, value_name = "STATE")]
    pub(in crate::dcos) direct: Option<String>,
    #[command(subcommand)]
    pub(in crate::dcos) command: Option<Deploy>,
}

#[derive(Debug, Subcommand)]
pub(in crate::dcos) enum Deploy {
    /// One line: what runs now, what it waits for, the next command
    #[command(after_help = "Examples:\n  dcos deploy status\n  dcos deploy status d-7 --json")]
    Status(Which),
    /// The deployments, newest first
    #[command(after_help = "Examples:\n  dcos deploy list\n  dcos deploy list --json")]
    List,
    /// Follow a deployment to its end
    #[command(after_help = "Examples:\n  dcos deploy watch")]
    Watch(Which),
    /// Why a node is as it is, and what to do about it
    #[command(after_help = "Examples:\n  dcos deploy explain 10.0.0.7:5051")]
    Explain {
        /// The node, HOST:PORT
        node: String,
    },
    /// Every node: its set, whether it is registered, its last attempt
    #[command(after_help = "Examples:\n  dcos deploy nodes\n  dcos deploy nodes --json")]
    Nodes,
    /// What each group should run
    #[command(after_help = "Examples:\n  dcos deploy desired")]
    Desired,
    /// Who asked for which change, and what was answered
    #[command(after_help = "Examples:\n  dcos deploy audit\n  dcos deploy audit --after 120 --json")]
    Audit {
        /// Only what came after the entry of this number
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        after: u64,
    },
    /// Write everything that the controller knows into a file
    #[command(after_help = "Examples:\n  dcos deploy backup cluster.json")]
    Backup {
        /// The file; it must not be there yet
        file: PathBuf,
    },
    /// Put a backup in the place of everything that the controller knows
    #[command(after_help = "Examples:\n  dcos deploy restore cluster.json --yes")]
    Restore {
        /// The file
        file: PathBuf,
        /// Yes, in the place of everything
        #[arg(long)]
        yes: bool,
    },
    /// Start nothing more, in any deployment, until that halt is cleared
    #[command(after_help = "Examples:\n  dcos deploy halt \"error rate above 1%\"")]
    Halt {
        /// Why, for whoever wonders later
        #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
        reason: String,
    },
    /// Clear a halt
    #[command(after_help = "Examples:\n  dcos deploy resume h-1 --note \"false alarm\"")]
    Resume {
        /// The halt's id, as `dcos deploy status` shows it
        halt: String,
        /// Why it may be cleared
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Tell that a monitor is alive and content
    #[command(after_help = "Examples:\n  dcos deploy pulse")]
    Pulse,
    /// Leave a node as it is: deployments pass it over until `unpin`
    #[command(
        after_help = "Examples:\n  dcos deploy pin 10.0.0.7:5051 \"its disk is looked at\"\n  dcos deploy pin --group gpu \"drivers know the old kernel only\""
    )]
    Pin {
        /// The node, HOST:PORT; with `--group` the name of a group
        #[arg(value_name = "NODE")]
        name: String,
        /// Why, for whoever wonders later
        #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
        reason: String,
        /// Every node of that group
        #[arg(long)]
        group: bool,
    },
    /// Take a pin out
    #[command(after_help = "Examples:\n  dcos deploy unpin 10.0.0.7:5051\n  dcos deploy unpin --group gpu")]
    Unpin {
        /// The node, HOST:PORT; with `--group` the name of a group
        #[arg(value_name = "NODE")]
        name: String,
        /// A group's pin
        #[arg(long)]
        group: bool,
    },
    /// What is pinned, by whom, and why
    #[command(after_help = "Examples:\n  dcos deploy pins")]
    Pins,
    /// Have every node verify its packages or collect garbage, without any restart
    #[command(after_help = "Examples:\n  dcos deploy care verify\n  dcos deploy care verify gc --group agents")]
    Care {
        /// What is done: `verify`, `gc`, one after the other
        #[arg(required = true, value_name = "CHORE")]
        chores: Vec<dcos_api::types::deploy::Chore>,
        /// Only nodes of this group
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
    },
    /// Go on after a pause, or begin the restarts of a staged deployment
    #[command(after_help = "Examples:\n  dcos deploy start\n  dcos deploy start d7")]
    Start(Which),
    /// Start no further node of a deployment until `start`
    #[command(after_help = "Examples:\n  dcos deploy pause\n  dcos deploy pause d7")]
    Pause(Which),
    /// Start no further node of a deployment, ever
    #[command(after_help = "Examples:\n  dcos deploy abort\n  dcos deploy abort d7")]
    Abort(Which),
    /// Put the old sets back, in the opposite order
    #[command(after_help = "Examples:\n  dcos deploy rollback\n  dcos deploy rollback d7")]
    Rollback(Which),
    /// Try the nodes again that failed
    #[command(after_help = "Examples:\n  dcos deploy retry\n  dcos deploy retry d7")]
    Retry(Which),
}
