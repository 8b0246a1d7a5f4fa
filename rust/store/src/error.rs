//! What can go wrong with the store, and how it looks to others.

use std::io;
use std::path::{Path, PathBuf};

use dcos_core::pkginfo::InvalidPkgInfo;
use dcos_core::validate::Report;
use dcos_core::{ExitCode, PackageId, Problem, Sha256};
use rustix::io::Errno;

use crate::archive::Refusal;
use crate::lock::Owner;
use crate::running::Running;

/// Why the store did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("could not {action} `{}`{}", path.display(), towards(to.as_deref()))]
    Io {
        /// What was attempted, such as `open the file`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The other name, of a rename.
        to: Option<PathBuf>,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Somebody else holds the node's lock.
    #[error("the store `{}` is locked by {}", root.display(), owner.as_ref().map_or_else(|| "another process".to_owned(), ToString::to_string))]
    Busy {
        /// The store.
        root: PathBuf,
        /// Who holds it; `None` if that could not be read.
        owner: Option<Owner>,
    },
    /// A durable document of the store is not what it should be.
    #[error("`{}` is damaged", path.display())]
    Damaged {
        /// The document.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A durable document has a format that this release does not know.
    #[error("`{}` has format {found}, and this release knows format {known} only", path.display())]
    Format {
        /// The document.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The one known here.
        known: u32,
    },
    /// An archive breaks a rule of packages.
    #[error("the archive of `{package}` is refused")]
    Archive {
        /// What it was meant to be: an id or a file name.
        package: String,
        /// The rule, and the entry that breaks it.
        #[source]
        source: Refusal,
    },
    /// An archive, or what an archive is made of, can't be read.
    #[error("could not read the archive of `{package}`")]
    Source {
        /// What it was meant to be.
        package: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file's name is not that of a package archive.
    #[error("`{0}` is not named like a package: `<name>--<version>.tar.gz` or `.tar.zst` is needed")]
    FileName(String),
    /// The bytes that arrived are not the ones that were promised.
    #[error("the archive of `{package}` has sha256 `{found}`, and `{expected}` was promised")]
    Digest {
        /// What it was meant to be.
        package: String,
        /// The promised digest.
        expected: Sha256,
        /// The digest of what arrived.
        found: Sha256,
    },
    /// A package's own pkginfo can't be used.
    #[error("`pkginfo.json` of `{package}` can't be used")]
    PkgInfo {
        /// The package.
        package: String,
        /// Why.
        #[source]
        source: InvalidPkgInfo,
    },
    /// A package is another one than it was said to be.
    #[error("the archive is `{found}` by its own pkginfo, and `{expected}` was asked for")]
    OtherPackage {
        /// The id that was asked for.
        expected: PackageId,
        /// The id in the archive.
        found: PackageId,
    },
    /// A package of that id is there already, and it is another one.
    #[error("`{id}` is in the store already with other content (archive {present}; the new one is {offered})")]
    Differs {
        /// The id.
        id: PackageId,
        /// The digest of the archive that the local package came from.
        present: Sha256,
        /// The digest of the archive that was to be added.
        offered: Sha256,
    },
    /// A package is not in the store.
    #[error("`{0}` is not in the store")]
    NotLocal(PackageId),
    /// A package must stay.
    #[error("`{id}` must stay: {why}")]
    InUse {
        /// The package.
        id: PackageId,
        /// Who needs it.
        why: String,
    },
    /// A set breaks rules.
    #[error("the set is not valid: {}", first_problems(.0))]
    InvalidSet(Report),
    /// There is no such generation.
    #[error("there is no generation {0}")]
    NoGeneration(u64),
    /// Nothing is active.
    #[error("no set is active on this node")]
    NothingActive,
    /// There is nothing to go back to.
    #[error("there is no earlier generation to go back to")]
    NoRollbackTarget,
    /// A Mesos of this store runs: changing `active` under it is what a restart is for.
    #[error("a Mesos of this store runs (pid {}, generation {})", .0.pid, .0.generation)]
    MesosRuns(Running),
    /// The store was opened without a `node.toml`, which this needs.
    #[error("making a set ready needs the node's `node.toml`")]
    NoNode,
    /// A generation's packages hold no helper.
    #[error("generation {0} has no `dcos-bits` package with `bin/dcos-restart-helper`")]
    NoHelper(u64),
    /// A name of a state document is not one.
    #[error("`{0}` is not a name of a document below `state/`")]
    StateName(String),
    /// A directory can't be made into a package.
    #[error("`{}` can't be made into a package: {why}", path.display())]
    Unbuildable {
        /// The directory or the file in it.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

fn towards(to: Option<&Path>) -> String {
    to.map(|to| format!(" to `{}`", to.display())).unwrap_or_default()
}

/// What helps where the operating system refused; nothing where only the reason itself can tell.
const fn refusal_hint(kind: io::ErrorKind) -> Option<&'static str> {
    match kind {
        io::ErrorKind::PermissionDenied => Some("run it as root, whom the store belongs to"),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Some("make room on that file system: `dcos-pkg gc` removes the packages that no generation needs")
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            Some("mount that file system writable; the kernel's log says why it is not")
        }
        io::ErrorKind::NotADirectory => Some("`--root DIR` or `DCOS_ROOT` names the directory of the store"),
        _ => None,
    }
}

fn first_problems(report: &Report) -> String {
    report.problems.iter().map(|finding| finding.message.as_str()).collect::<Vec<_>>().join("; ")
}

impl StoreError {
    pub(crate) fn io(action: &'static str, path: impl AsRef<Path>, source: impl Into<io::Error>) -> Self {
        Self::Io { action, path: path.as_ref().to_owned(), to: None, source: source.into() }
    }

    pub(crate) fn towards(mut self, path: PathBuf) -> Self {
        if let Self::Io { to, .. } = &mut self {
            *to = Some(path);
        }
        self
    }

    pub(crate) fn damaged(path: impl AsRef<Path>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Damaged { path: path.as_ref().to_owned(), source: source.into() }
    }

    pub(crate) fn errno(&self) -> Option<Errno> {
        match self {
            Self::Io { source, .. } => Errno::from_io_error(source),
            _ => None,
        }
    }

    /// The problem's stable name and the exit code that goes with it.
    fn kind(&self) -> (&'static str, ExitCode) {
        match self {
            Self::Io { .. } => ("store-io", ExitCode::Unexpected),
            Self::Busy { .. } => ("locked", ExitCode::Conflict),
            Self::Damaged { .. } => ("store-damaged", ExitCode::Unexpected),
            Self::Format { .. } => ("unknown-format", ExitCode::Refused),
            Self::Archive { .. } => ("bad-archive", ExitCode::Refused),
            Self::Source { .. } => ("archive-unreadable", ExitCode::Unexpected),
            Self::FileName(_) => ("bad-file-name", ExitCode::Refused),
            Self::Digest { .. } => ("digest-mismatch", ExitCode::Refused),
            Self::PkgInfo { .. } => ("bad-pkginfo", ExitCode::Refused),
            Self::OtherPackage { .. } => ("other-package", ExitCode::Refused),
            Self::Differs { .. } => ("package-differs", ExitCode::Conflict),
            Self::NotLocal(_) => ("not-local", ExitCode::NotFound),
            Self::InUse { .. } => ("in-use", ExitCode::Conflict),
            Self::InvalidSet(_) => ("invalid-set", ExitCode::Refused),
            Self::NoGeneration(_) => ("no-such-generation", ExitCode::NotFound),
            Self::NothingActive => ("no-active-generation", ExitCode::NotFound),
            Self::NoRollbackTarget => ("no-rollback-target", ExitCode::NotFound),
            Self::MesosRuns(_) => ("mesos-runs", ExitCode::Refused),
            Self::NoNode => ("no-node-file", ExitCode::Usage),
            Self::NoHelper(_) => ("no-helper", ExitCode::Refused),
            Self::StateName(_) => ("bad-state-name", ExitCode::Usage),
            Self::Unbuildable { .. } => ("unbuildable", ExitCode::Refused),
        }
    }

    /// What may be done about it.
    fn hints(&self) -> Vec<String> {
        let one = |hint: &str| vec![hint.to_owned()];
        match self {
            Self::Busy { .. } => vec!["try again when it is done".to_owned()],
            Self::NotLocal(id) => vec![format!("fetch it: `dcos-pkg fetch {id}`")],
            Self::MesosRuns(_) => vec![
                "restart it with the new set through `/restart/begin` or `dcos`".to_owned(),
                "`--offline` overrides, if you know that this process is not a Mesos of this store".to_owned(),
            ],
            Self::NoNode => vec!["name the node's file with `--node FILE`".to_owned()],
            Self::FileName(_) => vec!["rename the file to the id in its `pkginfo.json`".to_owned()],
            Self::Damaged { .. } => vec!["`dcos-pkg verify` lists what else is damaged".to_owned()],
            Self::InvalidSet(report) => report.problems.iter().filter_map(|finding| finding.hint.clone()).collect(),
            Self::Format { .. } => one("a newer release wrote it: use that one's programs"),
            Self::Archive { .. } => one("make it anew with `dcos-pkg build DIR --output FILE`"),
            Self::Digest { .. } => {
                one("get it again; if that is what its publisher made, they have to say its digest anew")
            }
            Self::PkgInfo { .. } => {
                one("docs/module.md says what is in it; `dcos-pkg convert` knows packages of DC/OS")
            }
            Self::OtherPackage { .. } => one("name the file, or the index entry, by the id in its `pkginfo.json`"),
            Self::Differs { .. } => one("an id never changes its content: give the new content a new version"),
            Self::InUse { .. } => {
                one("`dcos-pkg history` shows which generations need it; `dcos-pkg gc` removes what none does")
            }
            Self::NoGeneration(_) => one("`dcos-pkg history` lists those that there were"),
            Self::NothingActive => {
                one("`dcos-pkg activate ID…` makes a first set active, `dcos-restart-helper bootstrap` a node")
            }
            Self::NoRollbackTarget => one("`dcos-pkg swap ID…` puts single packages back"),
            Self::NoHelper(_) => one("put `dcos-bits` into the set"),
            Self::StateName(_) => one("a plain name without `/` is needed"),
            Self::Unbuildable { .. } => one("docs/module.md says what such a directory has in it"),
            Self::Io { source, .. } | Self::Source { source, .. } => {
                refusal_hint(source.kind()).map_or_else(Vec::new, one)
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let (name, code) = error.kind();
        let mut problem = Self::new(code, name, Self::chain(&error));
        problem.hints = error.hints();
        if let StoreError::InvalidSet(report) = error {
            problem.problems = report.problems;
        }
        problem
    }
}
