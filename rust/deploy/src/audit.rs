//! The record of changes: who asked what of the controller, and what was answered.
//!
//! It is kept in the log, so it goes with the controller from master to master and into backups. It is a ring: entry
//! `number` takes the place of the one a thousand before it, so it is bounded however long a cluster lives. A change that
//! two requests make at once is decided by [`crate::event::Keep`]: the later one takes the next number.

use dcos_api::types::records::{Audit, AuditEntry};
use dcos_core::Problem;
use serde_json::Value;

use crate::event::Keep;
use crate::shell::DeployHandle;
use crate::state::State;

/// What entries are kept as.
const KIND: &str = "audit";

/// How many are kept.
const KEPT: u64 = 1_000;

/// How many are told at once.
const TOLD: usize = 500;

/// How often a number that another request has taken meanwhile is let go for the next.
const TRIES: usize = 20;

/// Where an entry is kept.
fn place(number: u64) -> String {
    format!("{:03}", number % KEPT)
}

fn entries(state: &State) -> impl Iterator<Item = &Value> {
    let of_kind = state.desk.documents.iter().filter(|((kind, _), _)| kind == KIND);
    of_kind.map(|(_, body)| body)
}

fn number(entry: &Value) -> u64 {
    entry["number"].as_u64().unwrap_or(0)
}

impl DeployHandle {
    /// Writes an entry down, under the next number. It is on stable storage when this returns.
    ///
    /// # Errors
    /// That the controller can't act now.
    pub async fn record(&self, entry: AuditEntry) -> Result<(), Problem> {
        let mut tries = 0;
        loop {
            let (next, before) = self
                .read(|state, _| {
                    let next = entries(state).map(number).max().unwrap_or(0) + 1;
                    let place = (KIND.to_owned(), place(next));
                    (next, state.desk.documents.get(&place).cloned())
                })
                .await?;
            // An entry is texts and numbers, which are always JSON.
            let after = serde_json::to_value(AuditEntry { number: next, ..entry.clone() }).ok();
            match self.keep(Keep { kind: KIND, id: place(next), before, after }).await {
                Err(problem) if problem.name() == "changed-meanwhile" && tries < TRIES => tries += 1,
                kept => return kept,
            }
        }
    }

    /// The entries after the one of that number, oldest first.
    ///
    /// # Errors
    /// If the controller has no state to show.
    pub async fn audit(&self, after: u64) -> Result<Audit, Problem> {
        self.read(move |state, _| {
            let mut later: Vec<&Value> = entries(state).filter(|entry| number(entry) > after).collect();
            later.sort_by_key(|entry| number(entry));
            // Only this module writes these, and what a later release adds is ignored.
            let told = later.into_iter().take(TOLD).filter_map(|entry| serde_json::from_value(entry.clone()).ok());
            let entries: Vec<AuditEntry> = told.collect();
            let next = entries.last().map_or(after, |entry| entry.number);
            Audit { entries, next }
        })
        .await
    }
}
