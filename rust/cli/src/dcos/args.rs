//! The command line of `dcos`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use dcos_api::types::deploy::{Amount, Chore, OnFailure, Strategy, Targets, Window};
use dcos_core::Role;

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
#[command(name = "dcos", version, after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Any master of the cluster, such as `http://10.0.0.1:5050`
    #[arg(long, global = true, env = "DCOS_URL", value_name = "URL")]
    pub(super) url: Option<String>,

    /// The file that says who you are: `principal secret`, or JSON as Mesos has it
    #[arg(long, global = true, env = "DCOS_CREDENTIALS", value_name = "FILE")]
    pub(super) credentials: Option<PathBuf>,

    /// The certificate authority of the masters, PEM
    #[arg(long, global = true, env = "DCOS_CA", value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,

    /// Print one JSON document on stdout
    #[arg(long, global = true)]
    pub(super) json: bool,

    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
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
    /// Check this machine, and say what to fix
    #[command(after_help = "Examples:\n  dcos doctor\n  dcos doctor --node /srv/dcos/node.toml --json")]
    Doctor {
        /// The machine's node file
        #[arg(long, env = "DCOS_NODE", value_name = "FILE", default_value = dcos_core::node::DEFAULT_PATH)]
        node: PathBuf,
    },
    /// Print the completion script of a shell
    #[command(after_help = "Examples:\n  dcos completions bash > /etc/bash_completion.d/dcos")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Install {
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
pub(super) enum Uninstall {
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
pub(super) enum Upgrade {
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
pub(super) enum ConfigCommand {
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

/// Where configs that `dcos` generates are published.
#[derive(Clone, Debug, Args)]
pub(super) struct SiteRepository {
    /// The folder of the site repository, which a web server serves to the nodes
    #[arg(long, env = "DCOS_SITE_REPOSITORY", value_name = "DIR")]
    pub(super) site_repository: Option<PathBuf>,
    /// The folder of its keys, if it has signed metadata
    #[arg(long = "keys", env = "DCOS_SITE_KEYS", value_name = "KEYDIR")]
    pub(super) site_keys: Option<PathBuf>,
}

/// How a change goes over the cluster.
#[derive(Clone, Debug, Args)]
pub(super) struct ChangeOptions {
    /// Print per node what would be swapped, in which order, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Create the deployment and don't wait for its end
    #[arg(long, conflicts_with = "dry_run")]
    pub(super) no_wait: bool,
    /// Only nodes of this group; may be given more than once
    #[arg(long, value_name = "GROUP")]
    group: Vec<String>,
    /// Only this node (HOST:PORT); may be given more than once
    #[arg(long, value_name = "NODE")]
    node: Vec<String>,
    /// Only nodes of this role; may be given more than once
    #[arg(long, value_name = "ROLE")]
    role: Vec<Role>,
    /// Only agents with this attribute, as Mesos lists it; with all of them, if given more than once
    #[arg(long, value_name = "KEY=VALUE", value_parser = attribute)]
    attribute: Vec<(String, String)>,
    /// Leave this node as it is; may be given more than once
    #[arg(long, value_name = "NODE")]
    exclude: Vec<String>,
    /// How many agents have had their turn after each wave; the first wave is the canary [default: 1,100%]
    #[arg(long, value_name = "AMOUNT", value_delimiter = ',')]
    waves: Vec<Amount>,
    /// How many agents may be away at once [default: 1]
    #[arg(long, value_name = "AMOUNT")]
    max_unavailable: Option<Amount>,
    /// How many nodes may fail before everything stops [default: 0]
    #[arg(long, value_name = "COUNT")]
    max_failures: Option<u32>,
    /// Seconds to wait after a wave [default: 0]
    #[arg(long, value_name = "SECONDS")]
    soak: Option<u64>,
    /// Seconds that a node may take until it is well on its new set [default: 600]
    #[arg(long, value_name = "SECONDS")]
    node_timeout: Option<u64>,
    /// Seconds that fetching may take, on all nodes together [default: 3600]
    #[arg(long, value_name = "SECONDS")]
    fetch_timeout: Option<u64>,
    /// How many percent of the living nodes must fetch everything; masters must all [default: 100]
    #[arg(long, value_name = "PERCENT")]
    fetch_share: Option<u8>,
    /// When restarts may begin, in UTC, such as `22:00-04:00` or `fri,sat:22:00-04:00`; may be given more than once
    #[arg(long, value_name = "[DAYS:]FROM-TO", value_parser = window)]
    window: Vec<Window>,
    /// What happens once too many nodes have failed [default: stop]
    #[arg(long, value_name = "WHAT", value_parser = on_failure)]
    on_failure: Option<OnFailure>,
    /// Start no further node when no pulse came for that many seconds
    #[arg(long, value_name = "SECONDS")]
    pulse: Option<u64>,
    /// What is done on the nodes afterwards: `remove`, `verify`, `gc`
    #[arg(long, value_name = "CHORES", value_delimiter = ',')]
    after: Vec<Chore>,
    /// Fetch everywhere, and restart nothing before `dcos deploy start`
    #[arg(long)]
    stage_only: bool,
    /// Restart nodes also where tasks die of it
    #[arg(long)]
    allow_task_loss: bool,
    /// Try sets again that failed on a node before
    #[arg(long)]
    retry_failed: bool,
}

fn attribute(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a key and a value are needed, such as `rack=r1`")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// `22:00-04:00`, or the same with days before it. Whether the times are such is for the master to say.
fn window(text: &str) -> Result<Window, String> {
    let needed = || "a window is needed, such as `22:00-04:00` or `fri,sat:22:00-04:00`".to_owned();
    let (start, to) = text.rsplit_once('-').ok_or_else(needed)?;
    let (days, from) = match start.split_once(':') {
        Some((days, from)) if days.starts_with(|first: char| first.is_ascii_alphabetic()) => (days, from),
        _ => ("", start),
    };
    let day = |word: &str| serde_json::from_value(word.to_ascii_lowercase().into()).map_err(|_| needed());
    let days = days.split(',').filter(|word| !word.is_empty()).map(day).collect::<Result<_, _>>()?;
    Ok(Window { days, from: from.to_owned(), to: to.to_owned() })
}

fn on_failure(text: &str) -> Result<OnFailure, String> {
    match text {
        "stop" => Ok(OnFailure::Stop),
        "roll_back_wave" => Ok(OnFailure::RollBackWave),
        "roll_back_all" => Ok(OnFailure::RollBackAll),
        _ => Err("`stop`, `roll_back_wave` or `roll_back_all` is needed".to_owned()),
    }
}

impl ChangeOptions {
    /// The nodes that are meant.
    pub(super) fn targets(&self) -> Targets {
        Targets {
            roles: self.role.clone(),
            groups: self.group.clone(),
            nodes: self.node.clone(),
            attributes: self.attribute.iter().cloned().collect(),
        }
    }

    /// The strategy: the default one, where nothing is said.
    pub(super) fn strategy(&self) -> Strategy {
        let default = Strategy::default();
        Strategy {
            waves: if self.waves.is_empty() { default.waves } else { self.waves.clone() },
            max_unavailable: self.max_unavailable.unwrap_or(default.max_unavailable),
            max_failures: self.max_failures.unwrap_or(default.max_failures),
            soak: self.soak.unwrap_or(default.soak),
            node_timeout: self.node_timeout.unwrap_or(default.node_timeout),
            fetch_timeout: self.fetch_timeout.unwrap_or(default.fetch_timeout),
            fetch_share: self.fetch_share.unwrap_or(default.fetch_share),
            windows: self.window.clone(),
            after: self.after.clone(),
            on_failure: self.on_failure.unwrap_or(default.on_failure),
            pulse: self.pulse,
            exclude: self.exclude.clone(),
            stage_only: self.stage_only,
            allow_task_loss: self.allow_task_loss,
            retry_failed: self.retry_failed,
        }
    }
}

/// A deployment, by its id.
#[derive(Clone, Debug, Args)]
pub(super) struct Which {
    /// The deployment; the newest one if absent
    #[arg(value_name = "DEPLOYMENT")]
    pub(super) id: Option<String>,
}

/// `dcos deploy`: one of its commands, or all that is under way without a master.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub(super) struct DeployArguments {
    /// Finish what is under way from here, with every master down: by the log in ZooKeeper (`zk://…`), a master's log
    /// (`state/deploy/log` below its root), or a backup. Beside a backup, what it came to is written as `FILE.finished`
    #[arg(long, value_name = "STATE")]
    pub(super) direct: Option<String>,
    #[command(subcommand)]
    pub(super) command: Option<Deploy>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Deploy {
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

#[derive(Debug, Subcommand)]
pub(super) enum Slave {
    /// The agents: their sets, their Mesos, their last attempts
    #[command(after_help = "Examples:\n  dcos slave list\n  dcos slave list --json")]
    List,
    /// Make new agents on machines made for them, and wait until they are registered
    #[command(after_help = "Examples:
  dcos slave add
  dcos slave add --count 3 --class large
  dcos slave add --count 3 --class large --dry-run")]
    Add {
        /// How many
        #[arg(long, default_value_t = 1)]
        count: usize,
        /// The class of machines, as the masters' configuration names it [default: the only one]
        #[arg(long)]
        class: Option<String>,
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
        #[arg(long, value_name = "TIME", default_value = "10m", value_parser = super::slave::seconds)]
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
        #[arg(long, value_name = "GROUP")]
        group: String,
        /// What the machine shall be
        #[arg(long, default_value = "agent")]
        role: dcos_core::Role,
        /// The whole set that it shall run [default: what the group runs]
        #[arg(long, num_args = 1.., value_name = "ID")]
        set: Vec<dcos_core::PackageId>,
        /// How long the token is good: `90s`, `30m`, `1h`, `2d`
        #[arg(long, value_name = "TIME", default_value = "1h", value_parser = super::slave::seconds)]
        expires: u64,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use dcos_api::types::deploy::{Day, Window};

    use super::window;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        super::Arguments::command().debug_assert();
    }

    #[test]
    fn windows_are_times_with_days_or_without() {
        let is = |days: &[Day]| Window { days: days.to_vec(), from: "22:00".to_owned(), to: "04:00".to_owned() };
        assert_eq!(window("22:00-04:00"), Ok(is(&[])));
        assert_eq!(window("fri,Sat:22:00-04:00"), Ok(is(&[Day::Fri, Day::Sat])));
        assert!(window("22:00").is_err() && window("someday:22:00-04:00").is_err());
    }
}
