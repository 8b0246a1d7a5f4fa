//! The command line of `dcos-pkg`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use dcos_core::{PackageId, Sha256};

const EXAMPLES: &str = "\
Examples:
  dcos-pkg build ./fizzbuzz --output fizzbuzz--1.2.0+mesos1.11.0.tar.zst
  dcos-pkg add fizzbuzz--1.2.0+mesos1.11.0.tar.zst
  dcos-pkg fetch mesos--1.11.0
  dcos-pkg validate mesos--1.11.0 mesos-config--0123456789ab dcos-bits--0.1.0+mesos1.11.0
  dcos-pkg list --json

Exit codes:
  0 done · 1 unexpected failure · 2 usage · 3 refused, nothing changed · 4 not found · 5 busy or conflict
  9 unreachable or timed out";

/// The packages of this machine
#[derive(Debug, Parser)]
#[command(name = "dcos-pkg", version, after_help = EXAMPLES, next_display_order = crate::programs::COMMON)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) place: Place,

    /// Print one JSON document on stdout
    #[arg(long, global = true)]
    pub(super) json: bool,

    #[command(subcommand)]
    pub(super) command: Command,
}

/// Which store is meant.
#[derive(Clone, Debug, Args)]
pub(super) struct Place {
    /// The directory of the store [default: the node file's `root`, else /opt/dcos]
    #[arg(long, global = true, env = "DCOS_ROOT", value_name = "DIR")]
    pub(super) root: Option<PathBuf>,

    /// The facts of this machine [default: /etc/dcos/node.toml, if it is there]
    #[arg(long, global = true, env = "DCOS_NODE", value_name = "FILE")]
    pub(super) node: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make an archive of a directory, the same bytes every time
    #[command(after_help = "Examples:
  dcos-pkg build ./fizzbuzz --output fizzbuzz--1.2.0+mesos1.11.0.tar.zst
  dcos-pkg build ./fizzbuzz --output fizzbuzz--1.2.0+mesos1.11.0.tar.zst --mesos ./mesos--1.11.0 --probe ./dcos-module-probe")]
    Build(Build),
    /// Make an archive of a package of DC/OS's pkgpanda
    #[command(
        after_help = "What pkgpanda knew and this does not (`username`, `group`, `sysctl`, variants) is left out, and said.

Examples:
  dcos-pkg convert java--1.8.0.tar.xz --output .
  dcos-pkg convert mesos--0f1e2d3c.tar.xz --as mesos--1.9.0 --kind mesos --output ."
    )]
    Convert(Convert),
    /// Add an archive that is on this machine
    #[command(
        after_help = "Examples:\n  dcos-pkg add mesos--1.11.0.tar.zst\n  dcos-pkg add mesos--1.11.0.tar.gz --sha256 HEX"
    )]
    Add {
        /// The archive, named `<name>--<version>.tar.zst` or `.tar.gz`
        file: PathBuf,
        /// The digest that it must have
        #[arg(long, value_name = "HEX")]
        sha256: Option<Sha256>,
    },
    /// Fetch packages from the repositories of the node file
    #[command(after_help = "Examples:
  dcos-pkg fetch mesos--1.11.0 dcos-bits--0.1.0+mesos1.11.0
  dcos-pkg fetch mesos--1.11.0 --url http://10.0.0.1/mesos--1.11.0.tar.zst --sha256 HEX")]
    Fetch(Fetch),
    /// List the packages that are here
    #[command(after_help = "Examples:\n  dcos-pkg list\n  dcos-pkg list --json")]
    List,
    /// List what the repositories offer, and what of it is here
    #[command(after_help = "Examples:\n  dcos-pkg available\n  dcos-pkg available mesos fizzbuzz")]
    Available {
        /// Only packages of these names
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Show a package that is here
    #[command(after_help = "Examples:\n  dcos-pkg show mesos--1.11.0")]
    Show {
        /// The package
        id: PackageId,
    },
    /// Show the active set
    #[command(after_help = "Examples:\n  dcos-pkg active\n  dcos-pkg active --json")]
    Active,
    /// Say whether a set can work here, and every reason why not
    #[command(
        after_help = "Examples:\n  dcos-pkg validate mesos--1.11.0 mesos-config--0123456789ab dcos-bits--0.1.0+mesos1.11.0"
    )]
    Validate {
        /// The whole set
        #[arg(required = true)]
        ids: Vec<PackageId>,
    },
    /// Make a set the active one
    #[command(
        after_help = "A Mesos that runs is moved to another set by a restart (`dcos-restart-helper`, `dcos`), not by this.

Examples:
  dcos-pkg activate mesos--1.11.0 mesos-config--0123456789ab dcos-bits--0.1.0+mesos1.11.0"
    )]
    Activate {
        /// The whole set
        #[arg(required = true)]
        ids: Vec<PackageId>,
        #[command(flatten)]
        activation: Activation,
    },
    /// Replace packages of the active set by others of the same names
    #[command(after_help = "Examples:\n  dcos-pkg swap mesos-config--ba9876543210")]
    Swap {
        /// The new packages; those of other names stay as they are
        #[arg(required = true)]
        ids: Vec<PackageId>,
        #[command(flatten)]
        activation: Activation,
    },
    /// Make the last confirmed set before this one the active one again
    #[command(after_help = "Examples:\n  dcos-pkg rollback")]
    Rollback {
        #[command(flatten)]
        activation: Activation,
    },
    /// List what was activated, and how that ended
    #[command(after_help = "Examples:\n  dcos-pkg history")]
    History,
    /// Remove packages that nothing needs
    #[command(after_help = "Examples:\n  dcos-pkg remove fizzbuzz--1.1.0+mesos1.11.0")]
    Remove {
        /// The packages
        #[arg(required = true)]
        ids: Vec<PackageId>,
    },
    /// Compare packages with what was added, byte for byte
    #[command(after_help = "Examples:\n  dcos-pkg verify\n  dcos-pkg verify mesos--1.11.0 --json")]
    Verify {
        /// The packages; all of them if none is named
        ids: Vec<PackageId>,
    },
    /// Fetch packages again and replace what is damaged of them
    #[command(after_help = "Examples:\n  dcos-pkg repair\n  dcos-pkg repair mesos--1.11.0")]
    Repair {
        /// The packages; all that are damaged if none is named
        ids: Vec<PackageId>,
    },
    /// Remove generations and packages that nothing needs any more
    #[command(after_help = "Examples:\n  dcos-pkg gc --dry-run\n  dcos-pkg gc --budget 2000000000")]
    Gc {
        /// Say what would go, and remove nothing
        #[arg(long)]
        dry_run: bool,
        /// Remove packages, the oldest first, only until all of them have no more bytes than this
        #[arg(long, value_name = "BYTES", value_parser = bytes)]
        budget: Option<u64>,
    },
    /// Work on jobs of the node's endpoints
    #[command(subcommand, hide = true)]
    Job(JobCommand),
}

#[derive(Debug, Args)]
pub(super) struct Build {
    /// The directory with `pkginfo.json` at its top
    pub(super) directory: PathBuf,
    /// The archive to write; `.tar.zst` or `.tar.gz` by its name
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: PathBuf,
    /// The tree of the Mesos that the modules were built for, to read their records with
    #[arg(long, value_name = "DIR")]
    pub(super) mesos: Option<PathBuf>,
    /// The program that loads a module library and prints its records
    #[arg(long, env = "DCOS_MODULE_PROBE", value_name = "FILE")]
    pub(super) probe: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Convert {
    /// The package, named `<name>--<version>.tar.xz`
    pub(super) file: PathBuf,
    /// The archive to write, or the directory to write it to under its own name
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: PathBuf,
    /// The id that it shall have [default: that of the file's name]
    #[arg(long = "as", value_name = "ID")]
    pub(super) id: Option<PackageId>,
    /// What it is to a set
    #[arg(long, value_enum, default_value_t = ConvertedKind::Plain)]
    pub(super) kind: ConvertedKind,
}

/// The kinds that a package of pkgpanda can become: the others need to say more than it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ConvertedKind {
    /// Something that others may require
    Plain,
    /// Mesos itself; its version must be Mesos's
    Mesos,
}

#[derive(Debug, Args)]
pub(super) struct Fetch {
    /// The packages
    #[arg(required = true)]
    pub(super) ids: Vec<PackageId>,
    /// An address of the archive, outside the repositories; for one package
    #[arg(long, requires = "sha256", value_name = "URL")]
    pub(super) url: Option<String>,
    /// The digest that the archive must have; for one package
    #[arg(long, value_name = "HEX")]
    pub(super) sha256: Option<Sha256>,
}

#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Activation {
    /// Even if a Mesos of this store seems to run
    #[arg(long)]
    pub(super) offline: bool,
    /// Even if dcos-bits is not in the set: this machine is given up, and nothing of ours will manage it any more
    #[arg(long)]
    pub(super) leave: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum JobCommand {
    /// Take a job and work on it until its end
    Run {
        /// The job
        id: String,
    },
}

/// A number of bytes.
fn bytes(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "a whole number of bytes is needed, such as `2000000000`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::Arguments;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
