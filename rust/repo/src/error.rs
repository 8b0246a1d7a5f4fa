//! What can go wrong between a node and its repositories, and how it looks to others.

use std::path::PathBuf;

use dcos_core::{ExitCode, Kind, PackageId, Problem, Sha256};
use dcos_store::StoreError;

use crate::credentials::InvalidCredentials;
use crate::signing::SigningError;
use crate::trust::Refusal;

/// Why a repository did not do what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// The URL of a repository or in its index can't be used.
    #[error("`{url}` can't be used as the address of {what}: {why}")]
    Url {
        /// The URL.
        url: String,
        /// What it was to lead to.
        what: String,
        /// Why not.
        why: String,
    },
    /// The file with the server's certificate authority can't be used.
    #[error("could not use `{}` as certificate authority", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file with our credentials can't be used.
    #[error(transparent)]
    Credentials(#[from] InvalidCredentials),
    /// The HTTP client could not be made.
    #[error("could not set up HTTP")]
    Setup(#[source] reqwest::Error),
    /// Nothing usable arrived, however often we tried.
    #[error("could not get `{url}`, tried {attempts} times")]
    Unreachable {
        /// The address.
        url: String,
        /// How often we tried since something last arrived.
        attempts: u32,
        /// What happened last.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server says no.
    #[error("could not get `{url}`: the server answers {status}")]
    Status {
        /// The address.
        url: String,
        /// Its answer.
        status: reqwest::StatusCode,
    },
    /// The server's certificate is by nobody that is believed here.
    #[error("could not get `{url}`: the server's certificate is not to be trusted")]
    Certificate {
        /// The address.
        url: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What is at the address is another file than when it was begun.
    #[error("`{0}` was replaced while it was fetched")]
    Changed(String),
    /// The server does not send parts of files.
    #[error("could not get a part of `{0}`: the server sends whole files only")]
    NoRanges(String),
    /// A file is not the one that was signed.
    #[error("`{url}` is not the file that was signed")]
    NotSigned {
        /// The address.
        url: String,
    },
    /// The package was revoked.
    #[error("`{id}` was revoked by whoever publishes the {repository} repository")]
    Revoked {
        /// The package.
        id: PackageId,
        /// The repository.
        repository: String,
    },
    /// More arrives than was announced.
    #[error("`{url}` is longer than the {limit} bytes that it may have")]
    TooLong {
        /// The address.
        url: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The archive has another size than its index says.
    #[error("`{url}` has {found} bytes, and its index says {expected}")]
    OtherSize {
        /// The address.
        url: String,
        /// The size in the index.
        expected: u64,
        /// The size that the server announces.
        found: u64,
    },
    /// The index is not one.
    #[error("`{url}` is not an index that this release can read")]
    Index {
        /// Its address or path.
        url: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The index has a format of another release.
    #[error("`{url}` has format {found}, and this release knows format {} only", dcos_core::index::FORMAT)]
    IndexFormat {
        /// Its address or path.
        url: String,
        /// Its format.
        found: u32,
    },
    /// The signed metadata of a repository is not to be trusted.
    #[error("the metadata of the {repository} repository can't be trusted: {why}")]
    Untrusted {
        /// The repository.
        repository: String,
        /// The kind of refusal.
        refusal: Refusal,
        /// What is wrong.
        why: String,
    },
    /// No repository has it.
    #[error("`{id}` is in no configured repository ({})", asked.join(", "))]
    NotFound {
        /// The package.
        id: PackageId,
        /// The repositories that were asked.
        asked: Vec<String>,
    },
    /// The package is in a repository that may not offer its kind.
    #[error("`{id}` is of kind `{kind}`, and the site repository may offer `mesos-config` and `plain` only")]
    WrongRepository {
        /// The package.
        id: PackageId,
        /// Its kind.
        kind: Kind,
    },
    /// A package says something else of itself than its repository does.
    #[error("`{id}` is not what the {repository} repository says of it: its `pkginfo.json` is another")]
    OtherPkgInfo {
        /// The package.
        id: PackageId,
        /// The repository.
        repository: String,
    },
    /// There is nowhere to fetch from.
    #[error("`{0}` can't be fetched: no repository is configured")]
    NoRepository(PackageId),
    /// An address was named where signed metadata is required.
    #[error("`{0}` can't be fetched from a named address: this node trusts its repositories' roots only")]
    UntrustedSource(PackageId),
    /// An address was named without a digest, or the other way round.
    #[error("`{0}` can't be fetched: a named address needs both `url` and `sha256`")]
    HalfSource(PackageId),
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of a repository's folder could not be read or written.
    #[error("could not {action} `{}`", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// The folder is not a repository.
    #[error("`{}` is not a repository: it has no `index.json`", .0.display())]
    NoIndex(PathBuf),
    /// A package of that id was published with other content.
    #[error("`{id}` is published already with other content (sha256 {published}; the new archive's is {offered})")]
    Differs {
        /// The package.
        id: PackageId,
        /// The digest of the published archive.
        published: Sha256,
        /// The digest of the archive that was to be published.
        offered: Sha256,
    },
    /// The signed metadata of a repository's folder can't be written.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// A copy without its signatures is worth less than the original.
    #[error("`{0}` has signed metadata, and no root of trust is named to verify it by")]
    SignedSource(String),
    /// Somebody else is publishing to the same folder.
    #[error("somebody else is publishing to `{}`", .0.display())]
    Publishing(PathBuf),
    /// A job's file is missing or not one.
    #[error("there is no job `{0}`")]
    NoJob(String),
    /// A job's file can't be read.
    #[error("the file of job `{id}` can't be used: {why}")]
    BadJob {
        /// The job.
        id: String,
        /// What is wrong with it.
        why: String,
    },
    /// Another worker has the job.
    #[error("job `{id}` is worked on by process {pid}")]
    JobTaken {
        /// The job.
        id: String,
        /// The other worker.
        pid: u32,
    },
    /// Something refused with a problem of its own.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// A thread of ours ended without an answer.
    #[error("a fetch ended unexpectedly")]
    Thread(#[source] tokio::task::JoinError),
}

impl RepoError {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    fn kind(&self) -> (&'static str, ExitCode) {
        match self {
            Self::Url { .. } => ("bad-url", ExitCode::Refused),
            Self::Authority { .. } | Self::Setup(_) => ("bad-tls", ExitCode::Usage),
            Self::Credentials(_) => ("bad-credentials", ExitCode::Usage),
            Self::Unreachable { .. } => ("repository-unreachable", ExitCode::Unreachable),
            Self::Status { status, .. } => match status.as_u16() {
                404 | 410 => ("not-in-repository", ExitCode::NotFound),
                401 | 403 => ("repository-refuses", ExitCode::Refused),
                500..=599 | 408 | 429 => ("repository-unreachable", ExitCode::Unreachable),
                _ => ("repository-refuses", ExitCode::Unexpected),
            },
            Self::Certificate { .. } => ("bad-certificate", ExitCode::Refused),
            Self::Changed(_) => ("archive-changed", ExitCode::Unreachable),
            Self::NoRanges(_) => ("no-ranges", ExitCode::Refused),
            Self::NotSigned { .. } => ("digest-mismatch", ExitCode::Refused),
            Self::Revoked { .. } => ("package-revoked", ExitCode::Refused),
            Self::TooLong { .. } | Self::OtherSize { .. } => ("wrong-size", ExitCode::Refused),
            Self::Index { .. } | Self::IndexFormat { .. } => ("bad-index", ExitCode::Refused),
            Self::Untrusted { refusal, .. } => (refusal.name(), ExitCode::Refused),
            Self::NotFound { .. } => ("no-such-package", ExitCode::NotFound),
            Self::WrongRepository { .. } => ("wrong-repository", ExitCode::Refused),
            Self::OtherPkgInfo { .. } => (Refusal::Malformed.name(), ExitCode::Refused),
            Self::NoRepository(_) => ("no-repository", ExitCode::Usage),
            Self::UntrustedSource(_) => ("untrusted-source", ExitCode::Refused),
            Self::HalfSource(_) => ("half-source", ExitCode::Usage),
            Self::Io { .. } | Self::Thread(_) => ("repository-io", ExitCode::Unexpected),
            Self::NoIndex(_) => ("no-such-repository", ExitCode::NotFound),
            Self::Differs { .. } => ("package-differs", ExitCode::Conflict),
            Self::Signing(error) => error.kind(),
            Self::SignedSource(_) => ("repository-signed", ExitCode::Refused),
            Self::Publishing(_) => ("repository-locked", ExitCode::Conflict),
            Self::NoJob(_) => ("no-such-job", ExitCode::NotFound),
            Self::BadJob { .. } => ("bad-job", ExitCode::Refused),
            Self::JobTaken { .. } => ("job-taken", ExitCode::Conflict),
            // Both become their own problem before this is asked.
            Self::Store(_) | Self::Problem(_) => ("unexpected", ExitCode::Unexpected),
        }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Status { status, .. } if matches!(status.as_u16(), 401 | 403) => {
                Some("name a file with credentials as `credentials` of the repository in `node.toml`")
            }
            Self::Credentials(InvalidCredentials::Open { .. }) => Some("`chmod o= FILE` closes it"),
            Self::Untrusted { refusal, .. } => refusal.hint(),
            Self::NotFound { .. } => Some("`dcos-pkg available` lists what the repositories offer"),
            Self::NoRepository(_) => Some(
                "name one as `[repositories.release]` in `node.toml`, or bring the archive with `dcos-pkg add FILE`",
            ),
            Self::WrongRepository { .. } => Some("publish it to the release repository"),
            Self::OtherPkgInfo { .. } => {
                Some("`dcos repo publish` writes the same to both: ask whoever publishes how it came there")
            }
            Self::Certificate { .. } => Some(
                "name the authority that it is by as `ca` of the repository in `node.toml`, and look at this clock",
            ),
            Self::Revoked { .. } => Some("take another version: `dcos-pkg available` lists them"),
            Self::NoIndex(_) => Some("`dcos repo init DIR` makes one"),
            Self::Differs { .. } => Some("a published id is never changed: give the new content a new version"),
            Self::Signing(error) => error.hint(),
            Self::SignedSource(_) => Some("name the file that its publisher gave out by `--root-json`"),
            Self::Publishing(_) => Some("try again when they are done"),
            Self::Url { .. } => Some("mend `url` of the repository in `node.toml`, or whoever wrote it into the index"),
            Self::Authority { .. } | Self::Setup(_) => {
                Some("`ca` of the repository in `node.toml` names a file in PEM")
            }
            Self::Unreachable { .. } => Some("`dcos doctor` asks each repository; what is local goes on working"),
            Self::Status { .. } => Some("is `url` of the repository right? `dcos doctor` asks it the same"),
            Self::Credentials(_) => Some("`{\"principal\": \"…\", \"secret\": \"…\"}` is what the file has"),
            Self::Changed(_) => Some("fetch it again; a published archive is never written over"),
            Self::NoRanges(_) => Some("fetch the whole package: `dcos-pkg remove ID`, then `dcos-pkg fetch ID`"),
            Self::NotSigned { .. } | Self::TooLong { .. } | Self::OtherSize { .. } => {
                Some("a cache or mirror that lags behind looks the same: if it lasts, somebody tampers")
            }
            Self::Index { .. } => Some("is `url` of the repository right? `dcos repo init DIR` makes one that is"),
            Self::IndexFormat { .. } => Some("a newer release published it: upgrade dcos-bits here first"),
            Self::UntrustedSource(_) => Some("publish it to a repository that this node trusts"),
            Self::HalfSource(_) => Some("say both, or neither: then the configured repositories are asked"),
            Self::NoJob(_) => Some("`GET /pkg/jobs` lists those that there are; old ones are forgotten"),
            Self::BadJob { .. } => Some("ask for the same again: that makes a new job"),
            Self::JobTaken { .. } => Some("it goes on there; `GET /pkg/jobs/ID` says how far it is"),
            // Their own problems have hints of their own; the rest is the system's failure.
            Self::Store(_) | Self::Problem(_) | Self::Io { .. } | Self::Thread(_) => None,
        }
    }
}

impl From<RepoError> for Problem {
    fn from(error: RepoError) -> Self {
        match error {
            RepoError::Store(error) => error.into(),
            RepoError::Problem(problem) => problem,
            error => {
                let (name, code) = error.kind();
                let problem = Self::new(code, name, Self::chain(&error));
                match error.hint() {
                    Some(hint) => problem.hint(hint),
                    None => problem,
                }
            }
        }
    }
}
