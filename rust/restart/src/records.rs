//! The small documents beside the journal: what outlives an attempt.
//!
//! Readers of a durable file refuse what they don't know by name; none of these is needed to keep Mesos running, so
//! whoever can't read one says so and goes on where that is safe.

use dcos_core::attempt::AttemptReport;
use dcos_core::ports::NodeStore;
use dcos_core::{ExitCode, PackageSet, Problem, Sha256};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// How many ended attempts are kept.
const KEPT_ATTEMPTS: usize = 20;

/// How many failed sets are remembered; the oldest are forgotten first.
const KEPT_FAILURES: usize = 100;

const FORMAT: u32 = 1;
const FAILED: &str = "failed-sets.json";
const TERM: &str = "term.json";
const MESOS: &str = "mesos.json";
const ATTEMPTS: &str = "attempts";
const RESERVE: &str = "reserve";

/// Room for what an attempt writes between the end of a Mesos and its own, many times over.
const RESERVED_BYTES: usize = 256 * 1024;

/// A set that failed on this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailedSet {
    /// Its digest ([`PackageSet::digest`]).
    pub digest: Sha256,
    /// Its packages, for whoever reads the file.
    pub set: PackageSet,
    /// The attempt in which it failed.
    pub attempt: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub detail: String,
}

/// The Mesos that was started last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MesosRecord {
    /// The document's format.
    pub format: u32,
    /// Its process.
    pub pid: u32,
    /// When that started, in clock ticks since the boot: with the number it names the process.
    pub start_time: u64,
    /// The boot in which it runs.
    pub boot_id: String,
    /// The generation that it was started from.
    pub generation: u64,
    /// Where its lines begin in the log.
    pub log_offset: u64,
    /// When it was started.
    pub started_at: Timestamp,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FailedSets {
    format: u32,
    sets: Vec<FailedSet>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Term {
    format: u32,
    term: u64,
}

/// Reads a document; `None` if there is none.
///
/// # Errors
/// `unreadable-state` if it is cut off or of another shape.
pub fn read<T: DeserializeOwned>(store: &dyn NodeStore, name: &str) -> Result<Option<T>, Problem> {
    let Some(bytes) = store.read_state(name)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        Problem::new(ExitCode::Unexpected, "unreadable-state", format!("can't read `state/{name}`: {error}"))
    })
}

/// Replaces a document.
///
/// # Errors
/// As the store's.
pub fn write<T: Serialize>(store: &dyn NodeStore, name: &str, value: &T) -> Result<(), Problem> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| {
        Problem::new(ExitCode::Unexpected, "unwritable-state", format!("can't render `state/{name}`: {error}"))
    })?;
    bytes.push(b'\n');
    store.write_state(name, &bytes)
}

/// Sets room aside on the disk while there is some: a disk that gets full in the middle of an attempt must not keep the
/// journal from being written, or the node would stay without a Mesos.
///
/// # Errors
/// If there is no room now. Nothing was stopped yet, so this is the time to find out.
pub fn reserve(store: &dyn NodeStore) -> Result<(), Problem> {
    store.write_state(RESERVE, &vec![b'.'; RESERVED_BYTES])
}

/// Gives the room back that was set aside; answers whether there was any.
pub fn release_reserve(store: &dyn NodeStore) -> bool {
    matches!(store.read_state(RESERVE), Ok(Some(_))) && store.remove_state(RESERVE).is_ok()
}

/// The sets that failed on this node, oldest first.
///
/// # Errors
/// As [`read`].
pub fn failed_sets(store: &dyn NodeStore) -> Result<Vec<FailedSet>, Problem> {
    Ok(read::<FailedSets>(store, FAILED)?.unwrap_or_default().sets)
}

/// Remembers a failed set, in place of what was known of the same set.
///
/// # Errors
/// As [`read`] and [`write`].
pub fn remember_failed(store: &dyn NodeStore, failed: FailedSet) -> Result<(), Problem> {
    let mut sets = failed_sets(store)?;
    sets.retain(|known| known.digest != failed.digest);
    sets.push(failed);
    let surplus = sets.len().saturating_sub(KEPT_FAILURES);
    sets.drain(..surplus);
    write(store, FAILED, &FailedSets { format: FORMAT, sets })
}

/// Forgets that a set failed: it was confirmed since.
///
/// # Errors
/// As [`read`] and [`write`].
pub fn forget_failed(store: &dyn NodeStore, digest: Sha256) -> Result<(), Problem> {
    let mut sets = failed_sets(store)?;
    let known = sets.len();
    sets.retain(|failed| failed.digest != digest);
    if sets.len() == known { Ok(()) } else { write(store, FAILED, &FailedSets { format: FORMAT, sets }) }
}

/// The newest term that a controller came with; 0 if none did.
///
/// # Errors
/// As [`read`].
pub fn term(store: &dyn NodeStore) -> Result<u64, Problem> {
    Ok(read::<Term>(store, TERM)?.unwrap_or_default().term)
}

/// Keeps a controller's term.
///
/// # Errors
/// As [`write`].
pub fn keep_term(store: &dyn NodeStore, term: u64) -> Result<(), Problem> {
    write(store, TERM, &Term { format: FORMAT, term })
}

/// The Mesos that was started last; it may be dead.
///
/// # Errors
/// As [`read`].
pub fn mesos(store: &dyn NodeStore) -> Result<Option<MesosRecord>, Problem> {
    read(store, MESOS)
}

/// Keeps which Mesos was started.
///
/// # Errors
/// As [`write`].
pub fn keep_mesos(store: &dyn NodeStore, record: &MesosRecord) -> Result<(), Problem> {
    write(store, MESOS, record)
}

/// Keeps the report of an ended attempt, in place of an earlier one of the same attempt, and drops the oldest.
///
/// # Errors
/// As the store's.
pub fn keep_report(store: &dyn NodeStore, report: &AttemptReport) -> Result<(), Problem> {
    // Twenty digits hold every millisecond of a 64 bit number: the order of the names is the order of the attempts.
    let begun = u64::try_from(report.started_at.as_millisecond()).unwrap_or(0);
    let name = format!("{ATTEMPTS}/{begun:020}-{}.json", Sha256::of(report.attempt.as_bytes()).short(12));
    write(store, &name, report)?;
    let names = store.list_state(ATTEMPTS)?;
    let surplus = names.len().saturating_sub(KEPT_ATTEMPTS);
    names.iter().take(surplus).try_for_each(|name| store.remove_state(&format!("{ATTEMPTS}/{name}")))
}

/// The reports of the ended attempts, newest first. One that can't be read is left out.
///
/// # Errors
/// If the store can't list them.
pub fn reports(store: &dyn NodeStore) -> Result<Vec<AttemptReport>, Problem> {
    let mut names = store.list_state(ATTEMPTS)?;
    names.reverse();
    Ok(names.iter().filter_map(|name| read(store, &format!("{ATTEMPTS}/{name}")).ok().flatten()).collect())
}
