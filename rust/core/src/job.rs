//! Long work of a node, as its file `state/jobs/<id>.json` tells it.
//!
//! Whoever asks for a job writes the file and starts a `dcos-pkg job run <id>`; from then on that worker alone writes
//! it, so one reader of the file knows how far the work is, also after Mesos has been restarted. A worker that was
//! killed left its job `running` and itself in [`Job::worker`]: who finds that process gone starts another one, which
//! goes on. A cancelled job's worker is ended first and the file written after.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::id::PackageId;
use crate::problem::Problem;

/// The format of the file that this release reads and writes.
pub const FORMAT: u32 = 1;

/// The directory below `state/`.
pub const DIRECTORY: &str = "jobs";

/// A job of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The file's format: [`FORMAT`].
    pub format: u32,
    /// The job's id: `[a-z0-9-]+`.
    pub id: String,
    /// What is to be done.
    pub kind: JobKind,
    /// Where it stands.
    pub state: JobState,
    /// The packages concerned.
    pub packages: Vec<JobPackage>,
    /// Why it failed.
    #[serde(default)]
    pub problem: Option<Problem>,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// When it came to an end.
    #[serde(default)]
    pub finished_at: Option<Timestamp>,
    /// Where the end is to be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<String>,
    /// The principal who asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// The process that works on it, or did until it died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerProcess>,
    /// For [`JobKind::Gc`]: only say what would go.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// For [`JobKind::Gc`], at its end: what went, or would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collected: Option<Collected>,
}

/// What a collection of garbage removed, or would.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Collected {
    /// The packages.
    pub packages: Vec<PackageId>,
    /// The generations.
    pub generations: Vec<u64>,
    /// The helpers, by digest.
    pub helpers: Vec<String>,
    /// The bytes of the packages' files.
    pub bytes: u64,
}

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Brings packages from the repositories into the store.
    Fetch,
    /// Compares packages with what was added, byte for byte.
    Verify,
    /// Compares them, and brings what is damaged of them again.
    Repair,
    /// Removes what nothing needs any more.
    Gc,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Not at its end yet.
    Running,
    /// All of it is done.
    Done,
    /// Some of it could not be done: [`Job::problem`] says what.
    Failed,
    /// Somebody ended it.
    Cancelled,
}

/// A package of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobPackage {
    /// The package.
    pub id: PackageId,
    /// Where it stands.
    pub state: JobPackageState,
    /// The bytes of the archive that have arrived.
    #[serde(default)]
    pub bytes: u64,
    /// The archive's size; 0 until it is known.
    #[serde(default)]
    pub size: u64,
    /// Why it stands there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The archive's address, where the asker named one instead of relying on the repositories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The digest that the archive must have; required with `url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
}

/// Where a package of a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobPackageState {
    /// Nothing was done for it yet.
    Waiting,
    /// It is compared with what was added.
    Checking,
    /// Its archive is under way.
    Fetching,
    /// It is in the store; after a comparison, as it was added.
    Present,
    /// It is in the store, and not as it was added.
    Damaged,
    /// It could not be brought, or not be compared.
    Failed,
}

/// A process, told apart from a later one of the same number by when it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerProcess {
    /// Its number; also that of its process group.
    pub pid: u32,
    /// When it started, in clock ticks after the boot: field 22 of `/proc/<pid>/stat`.
    pub start_time: u64,
}

impl JobKind {
    /// The kind as documents and ids spell it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Verify => "verify",
            Self::Repair => "repair",
            Self::Gc => "gc",
        }
    }
}

impl Job {
    /// A fetch of `packages` that nobody works on yet.
    pub fn fetch(id: impl Into<String>, packages: impl IntoIterator<Item = PackageId>, now: Timestamp) -> Self {
        Self::new(JobKind::Fetch, id, packages, now)
    }

    /// A job about `packages` that nobody works on yet.
    pub fn new(
        kind: JobKind,
        id: impl Into<String>,
        packages: impl IntoIterator<Item = PackageId>,
        now: Timestamp,
    ) -> Self {
        let packages = packages
            .into_iter()
            .map(|id| JobPackage {
                id,
                state: JobPackageState::Waiting,
                bytes: 0,
                size: 0,
                detail: None,
                url: None,
                sha256: None,
            })
            .collect();
        Self {
            format: FORMAT,
            id: id.into(),
            kind,
            state: JobState::Running,
            packages,
            problem: None,
            started_at: now,
            finished_at: None,
            callback: None,
            created_by: None,
            worker: None,
            dry_run: false,
            collected: None,
        }
    }

    /// The name of the file below `state/`.
    pub fn file_name(id: &str) -> String {
        format!("{DIRECTORY}/{id}.json")
    }

    /// Whether `id` may name a job: a file name of letters, digits and dashes, at most 64.
    pub fn is_id(id: &str) -> bool {
        (1..=64).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Job, JobKind};

    #[test]
    fn a_job_is_read_as_it_is_written() {
        let mut job = Job::fetch("fetch-1", ["mesos--1.11.0".parse().unwrap()], jiff::Timestamp::UNIX_EPOCH);
        job.packages[0].sha256 = Some(crate::Sha256::of(b""));
        job.worker = Some(super::WorkerProcess { pid: 1, start_time: 2 });
        let text = serde_json::to_string(&job).unwrap();
        assert_eq!(serde_json::from_str::<Job>(&text).unwrap(), job);
        for kind in [JobKind::Fetch, JobKind::Verify, JobKind::Repair, JobKind::Gc] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.word());
        }
    }

    #[test]
    fn an_id_is_a_plain_file_name() {
        assert!(Job::is_id("fetch-1"));
        for id in ["", "a/b", "..", "A", "a.json", &"a".repeat(65)] {
            assert!(!Job::is_id(id), "{id}");
        }
    }
}
