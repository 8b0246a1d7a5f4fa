//! What the restart needs of whoever keeps the node's files. The store implements it; tests of the plan use a fake.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::attempt::AttemptState;
use crate::problem::Problem;
use crate::set::PackageSet;
use crate::validate::Report;

/// A generation: a set made ready to be started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// Its number, from 1.
    pub number: u64,
    /// Its packages.
    pub set: PackageSet,
    /// The version of its Mesos.
    pub mesos_version: String,
    /// The names of the modules that its config enables.
    pub modules: Vec<String>,
}

/// How to start the Mesos of a generation. All paths are physical: they stay valid when `active` moves on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The generation.
    pub generation: Generation,
    /// `bin/mesos-master` or `bin/mesos-agent` of its mesos package.
    pub program: std::path::PathBuf,
    /// Its arguments. A generation of the store has none: all of it is in the environment.
    pub arguments: Vec<String>,
    /// The directory to start it in; `/` if it does not matter.
    pub directory: Option<std::path::PathBuf>,
    /// The whole environment, as rendered.
    pub environment: Vec<(String, String)>,
    /// The paths on Mesos's port that answer 200 when the generation's modules work, from their pkginfo.
    pub health_paths: Vec<String>,
}

/// The files of a node, as far as a restart needs them. Methods block; each changing one holds the node's lock.
///
/// Refusals come as [`Problem`]s with stable names, since they go to whoever asked for the restart.
pub trait NodeStore: Send + Sync {
    /// The active generation; `None` on a new node.
    fn active(&self) -> Result<Option<Generation>, Problem>;

    /// Validates `set` against what is local and against the active generation.
    fn validate(&self, set: &PackageSet) -> Result<Report, Problem>;

    /// Makes a generation of a valid set, on stable storage; the existing one if there is one of the same set and config.
    fn stage(&self, set: &PackageSet) -> Result<Generation, Problem>;

    /// Moves `active` to an existing generation: one rename and one directory sync.
    fn switch(&self, generation: u64) -> Result<(), Problem>;

    /// How to start that generation.
    fn launch(&self, generation: u64) -> Result<Launch, Problem>;

    /// Appends to the history how an activation ended; a confirmed one becomes a rollback target.
    fn record_outcome(&self, generation: u64, outcome: AttemptState, at: Timestamp) -> Result<(), Problem>;

    /// The newest confirmed generation other than `except`.
    fn rollback_target(&self, except: u64) -> Result<Option<Generation>, Problem>;

    /// Reads a small durable document of the node, below `state/`; `None` if there is none.
    fn read_state(&self, name: &str) -> Result<Option<Vec<u8>>, Problem>;

    /// Replaces a small durable document: temporary file, sync, rename, directory sync.
    fn write_state(&self, name: &str, bytes: &[u8]) -> Result<(), Problem>;

    /// Removes a small durable document; fine if there is none.
    fn remove_state(&self, name: &str) -> Result<(), Problem>;

    /// The names of the documents in a directory below `state/` (`outbox`, `jobs`), in order of name.
    fn list_state(&self, directory: &str) -> Result<Vec<String>, Problem>;

    /// Puts the helper of a generation's dcos-bits package under `helper/<sha256>/`, makes it the current one, and
    /// answers its path.
    fn install_helper(&self, generation: u64) -> Result<std::path::PathBuf, Problem>;

    /// The current helper; `None` before the first is installed.
    fn helper(&self) -> Result<Option<std::path::PathBuf>, Problem>;

    /// Removes what nothing needs, as far as the node's disk budget asks for it. May take a while.
    fn collect_garbage(&self) -> Result<(), Problem>;
}
