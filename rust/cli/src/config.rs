//! `dcos config`: config packages, made from options.

mod explain;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use dcos_config::{ConfigPackage, Difference, Draft, InvalidOptions, Options, Syntax};
use dcos_core::{ExitCode, PackageId, PackageName, PkgInfo, Problem, Role, Sha256, config};
use dcos_repo::{Published, Signer, publisher};
use dcos_store::{Built, Store};
use serde::Serialize;

use crate::output::Format;

/// What can be done with configs.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Make a config package from options: the same bytes for the same options, on any machine
    #[command(after_help = "Options are a TOML or JSON document, completed by arguments:

  role = \"agent\"
  group = \"agents\"
  modules = [\"dcos-bits\", \"fizzbuzz\"]
  [flags]
  resources = \"cpus:4;mem:8192\"
  [parameters.org_example_FizzBuzz]
  limit = 100

Examples:
  dcos config generate --options agents.toml --repository /srv/repository --output .
  dcos config generate --role agent --modules dcos-bits,fizzbuzz --set flags.isolation=cgroups/cpu \\
    --repository http://10.0.0.1/repository --output .")]
    Generate(Box<Generate>),
    /// Explain every option: type, default, version
    #[command(
        after_help = "Examples:\n  dcos config options --role agent\n  dcos config options reconfiguration_policy"
    )]
    Options {
        /// Only those of the master or of the agent
        #[arg(long)]
        role: Option<Role>,
        /// Everything about this one
        key: Option<String>,
    },
    /// Say what changes from one config to another, and what an agent's checkpoint would refuse, forwards and back
    #[command(
        after_help = "Examples:\n  dcos config diff agents-old.toml agents.toml\n  dcos config diff mesos-config--0123456789ab.tar.zst agents.toml"
    )]
    Diff {
        /// Options (`.toml`, `.json`) or a config package (`.tar.zst`, `.tar.gz`)
        from: PathBuf,
        /// The same, later
        to: PathBuf,
    },
}

/// What a config package is made from.
#[derive(Debug, Args)]
pub struct Generate {
    /// The packages whose modules are enabled, beside those of the options
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    modules: Vec<PackageName>,
    /// Master or agent
    #[arg(long)]
    role: Option<Role>,
    /// The group that it is for [default: masters or agents, by the role]
    #[arg(long)]
    group: Option<String>,
    /// The options: `.json`, or anything else in TOML
    #[arg(long, value_name = "FILE")]
    options: Option<PathBuf>,
    /// One option, such as `flags.quorum=1`; may be given more than once
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// A repository (folder or URL) that has the packages of the modules; may be given more than once
    #[arg(long, env = "DCOS_REPOSITORY", value_delimiter = ' ', value_name = "DIR|URL")]
    repository: Vec<String>,
    /// The pkginfo.json of a package with modules; may be given more than once
    #[arg(long, value_name = "FILE")]
    pkginfo: Vec<PathBuf>,
    /// The archive to write, or the directory to write it to under its own name
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

/// Does what `command` says.
///
/// # Errors
/// The refusal or failure, to be printed by the caller.
pub fn run(format: Format, command: ConfigCommand) -> Result<ExitCode, Problem> {
    match command {
        ConfigCommand::Generate(arguments) => generate(format, &arguments),
        ConfigCommand::Options { role, key } => explain::run(format, role, key.as_deref()),
        ConfigCommand::Diff { from, to } => {
            let difference = Difference::between(&options_of(&from)?, &options_of(&to)?);
            format.print(&difference, ToString::to_string);
            Ok(ExitCode::Done)
        }
    }
}

/// The options in a document, TOML or JSON, which others may complete.
///
/// # Errors
/// If it can't be read, or says what no option is: with its line.
pub fn draft(path: &Path) -> Result<Draft, Problem> {
    Draft::parse(&read(path)?, syntax(path)).map_err(|error| in_file(path, &error))
}

/// Packs `package` into the archive `output`.
///
/// # Errors
/// If it can't be written.
pub fn pack(package: &ConfigPackage, output: &Path) -> Result<Built, Problem> {
    let nothing = tempfile::tempdir().map_err(|error| no_scratch(&error))?;
    Ok(dcos_store::build_with(nothing.path(), &package.files, output)?)
}

/// Packs `package` and publishes it to the repository in `folder`, with the keys in `keys` if that has signed metadata.
///
/// # Errors
/// If it can't be packed, the folder is no repository, or keys are missing or named for nothing.
pub fn publish(folder: &Path, keys: Option<&Path>, package: &ConfigPackage) -> Result<Published, Problem> {
    // Before anything is made: a key that can't be used is the whole answer.
    let signer = keys.map(|keys| Signer::open(folder, keys)).transpose()?;
    let scratch = tempfile::tempdir().map_err(|error| no_scratch(&error))?;
    let archive = scratch.path().join(file_name(&package.id));
    pack(package, &archive)?;
    let published = match &signer {
        Some(signer) => publisher::publish_signed(folder, &[archive], signer)?,
        None => dcos_repo::publish(folder, &[archive])?,
    };
    published.into_iter().next().ok_or_else(|| {
        Problem::new(ExitCode::Unexpected, "not-published", format!("`{}` was not published", package.id))
    })
}

fn no_scratch(error: &std::io::Error) -> Problem {
    let detail = format!("could not make a folder in `{}`: {error}", std::env::temp_dir().display());
    Problem::new(ExitCode::Unexpected, "no-scratch", detail)
}

fn file_name(id: &PackageId) -> String {
    format!("{id}.tar.zst")
}

fn generate(format: Format, arguments: &Generate) -> Result<ExitCode, Problem> {
    #[derive(Serialize)]
    struct Generated<'a> {
        id: &'a PackageId,
        sha256: Sha256,
        size: u64,
        output: &'a Path,
    }
    let options = options(arguments)?;
    let package = dcos_config::generate(&options, &known(arguments)?).map_err(|error| error.problem())?;
    let output = match arguments.output.is_dir() {
        true => arguments.output.join(file_name(&package.id)),
        false => arguments.output.clone(),
    };
    let built = pack(&package, &output)?;
    let generated = Generated { id: &package.id, sha256: built.sha256, size: built.size, output: &output };
    format.print(&generated, |generated| format!("generated {}", generated.output.display()));
    Ok(ExitCode::Done)
}

/// The document, completed by the arguments: what is said later and nearer counts.
fn options(arguments: &Generate) -> Result<Options, Problem> {
    let mut draft = match &arguments.options {
        Some(path) => draft(path)?,
        None => Draft::default(),
    };
    draft.role = arguments.role.or(draft.role);
    draft.group = arguments.group.clone().or(draft.group);
    draft.modules.extend(arguments.modules.iter().cloned());
    for assignment in &arguments.set {
        draft.set(assignment).map_err(|error| error.problem())?;
    }
    draft.finish().map_err(|error| error.problem())
}

/// The pkginfos of every package that may be meant.
fn known(arguments: &Generate) -> Result<Vec<PkgInfo>, Problem> {
    let mut known = Vec::new();
    for place in &arguments.repository {
        known.extend(crate::repo::offered(place)?);
    }
    for path in &arguments.pkginfo {
        known.push(PkgInfo::parse(&read(path)?).map_err(|error| {
            let detail = format!("`{}` can't be used: {}", path.display(), Problem::chain(&error));
            Problem::new(ExitCode::Refused, "bad-pkginfo", detail)
        })?);
    }
    Ok(known)
}

/// The options in a document or in a config package.
fn options_of(path: &Path) -> Result<Options, Problem> {
    let name = path.to_string_lossy();
    if !name.ends_with(".tar.zst") && !name.ends_with(".tar.gz") {
        return Options::parse(&read(path)?, syntax(path)).map_err(|error| in_file(path, &error));
    }
    // Nothing reads archives but the store, so it is given one of its own for a moment.
    let scratch = tempfile::tempdir().map_err(|error| no_scratch(&error))?;
    let store = Store::open(scratch.path(), None)?;
    let added = store.add_file(path, None)?;
    let options = store.options(&added.id)?.ok_or_else(|| {
        let detail = format!("`{name}` has no `{}`: it is no generated config", config::OPTIONS_FILE_NAME);
        Problem::new(ExitCode::Refused, "no-options", detail)
    })?;
    Options::parse(&options.to_string(), Syntax::Json).map_err(|error| in_file(path, &error))
}

fn syntax(path: &Path) -> Syntax {
    if path.extension().is_some_and(|extension| extension == "json") { Syntax::Json } else { Syntax::Toml }
}

fn in_file(path: &Path, error: &InvalidOptions) -> Problem {
    let mut problem = error.problem();
    problem.detail = format!("`{}`: {}", path.display(), problem.detail);
    problem
}

fn read(path: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(path).map_err(|error| {
        let code = match error.kind() {
            std::io::ErrorKind::NotFound => ExitCode::NotFound,
            _ => ExitCode::Unexpected,
        };
        Problem::new(code, "unreadable", format!("could not read `{}`: {error}", path.display()))
    })
}
