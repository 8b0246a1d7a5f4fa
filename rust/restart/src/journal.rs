//! The journal: one small document that says what a node's last attempt is about to do.
//!
//! It is replaced as a whole before each step (`NodeStore::write_state`: a reader sees the old one or the new one). Two
//! parties write it: the restart module inside Mesos until the ticket is spent, the helper from then on. Both hold
//! [`crate::host::Lock`] on `journal.lock` from reading to writing, and the helper gives up a step whose journal has
//! become somebody else's ([`Journal::same_place`]).
//!
//! A journal that can't be read is never overwritten and never guessed at: it is refused by name, and a person moves it
//! aside (`dcos-restart-helper resume --discard`).

use dcos_core::attempt::{AttemptReport, AttemptState, CheckReport};
use dcos_core::ports::NodeStore;
use dcos_core::{ExitCode, PackageSet, Problem, Sha256};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::moment::Moment;
use crate::phase::{Action, Event, Phase, Unexpected, Way, next};

/// The document's name below `state/`.
pub const NAME: &str = "journal.json";

/// The format that this release reads and writes.
pub const FORMAT: u32 = 1;

/// A ticket, as far as it is kept: who reads the journal does not learn it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ticket {
    /// The digest of the ticket.
    pub sha256: Sha256,
    /// Until when it may be spent.
    pub expires: Moment,
}

/// The journal of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// The document's format: [`FORMAT`].
    pub format: u32,
    /// The node's name; a journal of another node is refused.
    pub node: String,
    /// The attempt's name.
    pub attempt: String,
    /// The controller's term.
    pub term: u64,
    /// The origin that asked to be told.
    pub report_to: Option<String>,
    /// The wanted set.
    pub set: PackageSet,
    /// The generation that was active before; `None` on a first start.
    pub from: Option<u64>,
    /// The generation of the wanted set, once it is made.
    pub to: Option<u64>,
    /// The ticket, once it is out.
    pub ticket: Option<Ticket>,
    /// Where the attempt stands.
    pub phase: Phase,
    /// When the phase was entered, on the clock that deadlines are measured by.
    pub entered: Moment,
    /// When the attempt was asked for.
    pub started_at: Timestamp,
    /// When the state that others see was entered.
    pub changed_at: Timestamp,
    /// Why it stands there, for an operator.
    pub detail: String,
    /// What the old set answered before it was stopped.
    pub baseline: Vec<CheckReport>,
    /// The last answers of the set that is being watched.
    pub checks: Vec<CheckReport>,
    /// The agent id of before; the new Mesos must have the same one.
    pub agent_id: Option<String>,
    /// When the old Mesos was found gone.
    pub gone: Option<Moment>,
    /// How long Mesos was absent.
    pub absence_ms: Option<u64>,
    /// The last lines that a Mesos of the wanted set logged, where it failed.
    pub log: Vec<String>,
    /// Why the wanted set was given up.
    pub failure: Option<String>,
    /// How often the previous set was tried again.
    pub retries: u32,
    /// Whether the work directory is wiped before the wanted set is started. Left out where it is not, so that a release
    /// that does not know it reads every other journal.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clean: bool,
    /// Whether everything that follows the end of an attempt is done.
    pub closed: bool,
}

/// A journal that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It is cut off, or not of the right shape.
    #[error("the journal of the last restart can't be read")]
    Unreadable(#[source] serde_json::Error),
    /// A newer release wrote it.
    #[error("the journal of the last restart has format {0}; this release reads format {FORMAT}")]
    FromTheFuture(u64),
    /// It came here with somebody else's files.
    #[error("the journal of the last restart is of node `{journal}`, and this is `{node}`")]
    OfAnotherNode {
        /// The node that it names.
        journal: String,
        /// This node.
        node: String,
    },
}

impl From<Unusable> for Problem {
    fn from(error: Unusable) -> Self {
        let name = match &error {
            Unusable::Unreadable(_) => "journal-unreadable",
            Unusable::FromTheFuture(_) => "journal-from-the-future",
            Unusable::OfAnotherNode { .. } => "journal-of-another-node",
        };
        Self::new(ExitCode::Refused, name, format!("{}; nothing was changed", Self::chain(&error)))
            .hint("look at `state/journal.json`, then `dcos-restart-helper resume --discard` moves it aside")
    }
}

impl Journal {
    /// Reads the text of a journal of `node`.
    ///
    /// # Errors
    /// If it is cut off, of another format, or of another node.
    pub fn parse(bytes: &[u8], node: &str) -> Result<Self, Unusable> {
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(Unusable::Unreadable)?;
        // The format is looked at first: a newer one may have fields that would otherwise be the complaint.
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(format) if format != u64::from(FORMAT) => return Err(Unusable::FromTheFuture(format)),
            _ => {}
        }
        let journal: Self = serde_json::from_value(value).map_err(Unusable::Unreadable)?;
        if journal.node != node {
            return Err(Unusable::OfAnotherNode { journal: journal.node, node: node.to_owned() });
        }
        Ok(journal)
    }

    /// The node's journal; `None` if there was no attempt yet.
    ///
    /// # Errors
    /// As [`Journal::parse`], and if the store can't be read.
    pub fn read(store: &dyn NodeStore, node: &str) -> Result<Option<Self>, Problem> {
        match store.read_state(NAME)? {
            Some(bytes) => Ok(Some(Self::parse(&bytes, node)?)),
            None => Ok(None),
        }
    }

    /// Makes this the node's journal.
    ///
    /// # Errors
    /// If the store can't write it: then nothing that it announces may be done.
    pub fn write(&self, store: &dyn NodeStore) -> Result<(), Problem> {
        crate::records::write(store, NAME, self)
    }

    /// The journal after `event`, and what is to be done then.
    ///
    /// # Errors
    /// If the event can't happen now.
    pub fn after(
        &self,
        event: Event,
        detail: impl Into<String>,
        now: &Moment,
        at: Timestamp,
    ) -> Result<(Self, Vec<Action>), Unexpected> {
        let (phase, actions) = next(self.phase, event, self.from.is_some())?;
        let mut journal = self.clone();
        journal.detail = detail.into();
        if phase != self.phase || event == Event::Rebooted {
            journal.entered = now.clone();
        }
        if phase.state() != self.phase.state() {
            journal.changed_at = at;
            // Whatever follows a change of what others are told is still to be done, also where the attempt was
            // over before: an unconfirmed set that is confirmed later ends a second time.
            journal.closed = false;
        }
        if phase == (Phase::Moving { way: Way::Again, step: crate::phase::Step::Stopping }) && phase != self.phase {
            journal.retries = journal.retries.saturating_add(1);
        }
        journal.phase = phase;
        Ok((journal, actions))
    }

    /// The generation that the walk is bringing up; `None` before it is made.
    pub fn target(&self) -> Option<u64> {
        match self.phase {
            Phase::Moving { way: Way::Back | Way::Again, .. } | Phase::RolledBack | Phase::Lost => {
                self.from.or(self.to)
            }
            _ => self.to,
        }
    }

    /// Whether `other` is this attempt in this phase: if not, somebody else has moved it.
    pub fn same_place(&self, other: &Self) -> bool {
        self.attempt == other.attempt && self.phase == other.phase && self.retries == other.retries
    }

    /// The attempt as others are told.
    pub fn report(&self) -> AttemptReport {
        AttemptReport {
            attempt: self.attempt.clone(),
            state: self.phase.state(),
            detail: self.detail.clone(),
            set: self.set.clone(),
            generation: self.to,
            previous_generation: self.from,
            started_at: self.started_at,
            changed_at: self.changed_at,
            checks: self.checks.clone(),
            absence_ms: self.absence_ms,
            log: self.log.clone(),
        }
    }

    /// The state that others are told.
    pub const fn state(&self) -> AttemptState {
        self.phase.state()
    }
}
