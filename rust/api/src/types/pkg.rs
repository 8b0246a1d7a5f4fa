//! `/pkg`: the packages of a node, what is under way with them, and the state of the node as a whole.

use dcos_core::attempt::AttemptReport;
use dcos_core::job as file;
pub use dcos_core::job::{Collected, JobKind, JobPackageState, JobState};
use dcos_core::{Kind, PackageId, PackageSet, PkgInfo, Problem, Role, Sha256};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The active generation: answer of `GET /pkg/active` and of `dcos-pkg active --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Active {
    /// Its number, from 1.
    pub generation: u64,
    /// Its packages.
    pub packages: PackageSet,
    /// The names of the modules that its config enables.
    pub modules: Vec<String>,
    /// The version of its Mesos.
    pub mesos_version: String,
}

/// What the live Mesos was started from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Running {
    /// The generation.
    pub generation: u64,
    /// Its packages.
    pub packages: PackageSet,
    /// The version of its Mesos.
    pub mesos_version: String,
    /// The process id of Mesos.
    pub pid: u32,
}

/// A package that is on the node; `dcos-pkg list --json` is an array of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LocalPackage {
    /// Its id.
    pub id: PackageId,
    /// What it is to a set.
    pub kind: Kind,
    /// The digest of the archive that it came from.
    pub sha256: Sha256,
    /// The size of its files, in bytes.
    pub size: u64,
    /// Whether the active generation uses it.
    pub active: bool,
}

/// Answer of `GET /pkg/packages`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LocalPackages {
    /// The packages on the node, in the order of their ids.
    pub packages: Vec<LocalPackage>,
}

/// Answer of `GET /pkg/packages/<id>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PackageDetail {
    /// Its id.
    pub id: PackageId,
    /// What it is to a set.
    pub kind: Kind,
    /// The digest of the archive that it came from.
    pub sha256: Sha256,
    /// The size of its files, in bytes.
    pub size: u64,
    /// Whether the active generation uses it.
    pub active: bool,
    /// What it says about itself.
    pub pkginfo: PkgInfo,
    /// For a `mesos-config`: the options that it was generated from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<serde_json::Value>,
}

/// A package that a repository offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AvailablePackage {
    /// Its id.
    pub id: PackageId,
    /// What it is to a set.
    pub kind: Kind,
    /// Which of the node's repositories offers it: `release` or `site`.
    pub repository: String,
    /// The size of the archive, in bytes.
    pub size: u64,
    /// The digest of the archive.
    pub sha256: Sha256,
    /// Whether it is on the node already.
    pub local: bool,
    /// What it says about itself.
    pub pkginfo: PkgInfo,
}

/// Answer of `GET /pkg/available` and of `dcos-pkg available --json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AvailablePackages {
    /// What the node's repositories offer, in the order of ids.
    pub packages: Vec<AvailablePackage>,
}

/// Answer of `GET /pkg/state`: everything that a caller may want to know of the node, in one scrape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeState {
    /// The version of the protocol: 1.
    pub protocol: u32,
    /// The node's name, `host:port`.
    pub node: String,
    /// What it is in its cluster.
    pub role: Role,
    /// The group that it belongs to.
    pub group: String,
    /// The active generation; `null` on a new node.
    pub active: Option<Active>,
    /// What the live Mesos was started from; `null` if none runs or it can't be told.
    pub running: Option<Running>,
    /// The packages on the node, in order.
    pub packages: Vec<PackageId>,
    /// The jobs under way and the last ones that ended, newest first.
    pub jobs: Vec<Job>,
    /// The attempt under way, else the last one; `null` if there was none.
    pub last_attempt: Option<AttemptReport>,
    /// How long the signed metadata that this node has seen lasts, the first to expire first; absent without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<MetadataState>,
    /// What could not be told, and why: the rest of the answer is still true.
    pub problems: Vec<Problem>,
}

/// How long a role of a repository's signed metadata lasts, as far as this node has seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MetadataState {
    /// `release` or `site`.
    pub repository: String,
    /// `root`, `targets`, `snapshot` or `timestamp`.
    pub role: String,
    /// When it expires.
    pub expires: Timestamp,
    /// When the repository's metadata was last found good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<Timestamp>,
}

/// `POST /pkg/fetch`: get packages onto the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FetchRequest {
    /// What to get.
    pub packages: Vec<FetchPackage>,
    /// Where the finished [`Job`] is posted to; its origin must be one that the node's configuration names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<String>,
}

/// A package to get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FetchPackage {
    /// Its id.
    pub id: PackageId,
    /// Where its archive is; the node's repositories are asked if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The digest that its archive must have; what the repository's index says if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
}

/// `POST /pkg/verify` and `POST /pkg/repair`: compare packages with what was added, and put right what is not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CareRequest {
    /// The packages; all that are on the node if none is named.
    #[serde(default)]
    pub packages: Vec<PackageId>,
    /// As in [`FetchRequest`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<String>,
}

/// `POST /pkg/gc`: remove what nothing needs any more. A field that is not known is refused, though it may come from a newer
/// release: a `dry_run` that was misspelt must not remove anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GcRequest {
    /// Only say what would go.
    #[serde(default)]
    pub dry_run: bool,
    /// As in [`FetchRequest`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<String>,
}

/// Long work on a node: answer of `POST /pkg/{fetch,verify,repair,gc}`, `GET /pkg/jobs/<id>` and `DELETE /pkg/jobs/<id>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Job {
    /// Its id; those of a kind sort by the time of their making.
    pub id: String,
    /// What it does.
    pub kind: JobKind,
    /// Where it stands.
    pub state: JobState,
    /// How far each package is.
    pub packages: Vec<JobPackage>,
    /// Why it failed; `null` unless it did.
    pub problem: Option<Problem>,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// When it ended; `null` before.
    pub finished_at: Option<Timestamp>,
    /// For a `gc`: whether it was only to say what would go.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// For a `gc` at its end: what went, or would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collected: Option<Collected>,
}

/// A package in a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobPackage {
    /// Its id.
    pub id: PackageId,
    /// How far it is.
    pub state: JobPackageState,
    /// How many bytes of the archive have come; for a comparison, how many bytes of the files are compared.
    pub bytes: u64,
    /// The size of the archive, or of the files, in bytes; 0 while it is not known.
    pub size: u64,
    /// Why it failed, or what it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Answer of `GET /pkg/jobs`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Jobs {
    /// The jobs under way and the last ones that ended, newest first.
    pub jobs: Vec<Job>,
}

/// `POST /pkg/validate`: could this set work here? The answer is a [`dcos_core::validate::Report`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ValidateRequest {
    /// The whole set.
    pub set: PackageSet,
}

impl From<file::Job> for Job {
    /// What others may see of a job's file.
    fn from(job: file::Job) -> Self {
        let file::Job { id, kind, state, packages, problem, started_at, finished_at, dry_run, collected, .. } = job;
        let packages = packages.into_iter().map(JobPackage::from).collect();
        Self { id, kind, state, packages, problem, started_at, finished_at, dry_run, collected }
    }
}

impl From<file::JobPackage> for JobPackage {
    fn from(package: file::JobPackage) -> Self {
        let file::JobPackage { id, state, bytes, size, detail, .. } = package;
        Self { id, state, bytes, size, detail }
    }
}
