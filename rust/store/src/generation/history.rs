//! What was active when, and how it went: `state/history.json`.

use dcos_core::attempt::AttemptState;
use dcos_core::ports::Generation;
use dcos_core::{PackageSet, Problem};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::lock::Locked;
use crate::store::Store;

/// The document below `state/`.
const FILE_NAME: &str = "history.json";

/// The format that this release reads and writes.
pub(crate) const FORMAT: u32 = 1;

/// The most entries that are kept: years of them.
const MAX_ENTRIES: usize = 1000;

/// The confirmed generations that stay whatever else goes.
pub(crate) const KEPT_CONFIRMED: usize = 2;

/// An activation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryEntry {
    /// The generation.
    pub generation: u64,
    /// Its packages.
    pub packages: PackageSet,
    /// When it was activated, or when its outcome was known if that came first.
    pub activated_at: Timestamp,
    /// How it went; `None` if nothing was started from it yet.
    pub outcome: Option<AttemptState>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct History {
    format: u32,
    entries: Vec<HistoryEntry>,
}

impl Store {
    /// The activations of this node, oldest first.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn history(&self) -> Result<Vec<HistoryEntry>, StoreError> {
        let Some(history) = self.read_document::<History>(FILE_NAME)? else { return Ok(Vec::new()) };
        match history.format {
            FORMAT => Ok(history.entries),
            found => {
                let path = self.root().join(crate::store::STATE).join(FILE_NAME);
                Err(StoreError::Format { path, found: found.into(), known: FORMAT })
            }
        }
    }

    /// Writes down an activation, or how one went. The outcome of the newest activation completes its entry, as long as
    /// that had none or was `unconfirmed`; any other starts an entry of its own.
    ///
    /// # Errors
    /// If the generation is unknown or the history can't be written.
    pub fn record(
        &self,
        _locked: &Locked,
        generation: u64,
        outcome: Option<AttemptState>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut entries = self.history()?;
        let open = |entry: &&mut HistoryEntry| {
            entry.generation == generation && matches!(entry.outcome, None | Some(AttemptState::Unconfirmed))
        };
        match entries.last_mut().filter(open).filter(|_| outcome.is_some()) {
            Some(entry) => entry.outcome = outcome,
            None => {
                let packages = self.generation(generation)?.set;
                entries.push(HistoryEntry { generation, packages, activated_at: at, outcome });
            }
        }
        let excess = entries.len().saturating_sub(MAX_ENTRIES);
        entries.drain(..excess);
        self.write_document(FILE_NAME, &History { format: FORMAT, entries })
    }

    /// The newest confirmed generation other than `except` that is still there.
    ///
    /// # Errors
    /// If the store can't be read.
    pub fn rollback_target(&self, except: u64) -> Result<Option<Generation>, StoreError> {
        self.newest(&self.history()?, |entry| {
            entry.generation != except && entry.outcome == Some(AttemptState::Confirmed)
        })
    }

    /// What a person who says `rollback` means: the newest confirmed generation other than the active one, or, on a
    /// node that never confirmed one, what was activated before.
    pub(crate) fn rollback_choice(&self, active: u64) -> Result<Option<Generation>, StoreError> {
        if let Some(confirmed) = self.rollback_target(active)? {
            return Ok(Some(confirmed));
        }
        let history = self.history()?;
        let end = history.iter().rposition(|entry| entry.generation == active).unwrap_or(history.len());
        self.newest(&history[..end], |entry| {
            entry.generation != active && matches!(entry.outcome, None | Some(AttemptState::Unconfirmed))
        })
    }

    fn newest(
        &self,
        entries: &[HistoryEntry],
        fits: impl Fn(&HistoryEntry) -> bool,
    ) -> Result<Option<Generation>, StoreError> {
        for entry in entries.iter().rev().filter(|entry| fits(entry)) {
            match self.generation(entry.generation) {
                Ok(generation) => return Ok(Some(generation)),
                Err(StoreError::NoGeneration(_)) => {}
                Err(error) => {
                    tracing::warn!(generation = entry.generation, "passed over: {}", Problem::chain(&error));
                }
            }
        }
        Ok(None)
    }
}

/// The generations of `entries` that stay because they were confirmed last.
pub(crate) fn last_confirmed(entries: &[HistoryEntry]) -> Vec<u64> {
    let mut kept = Vec::new();
    for entry in entries.iter().rev().filter(|entry| entry.outcome == Some(AttemptState::Confirmed)) {
        if !kept.contains(&entry.generation) {
            kept.push(entry.generation);
        }
        if kept.len() == KEPT_CONFIRMED {
            break;
        }
    }
    kept
}
