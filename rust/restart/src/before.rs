//! The attempt that another one has replaced, kept until that one goes.
//!
//! There is one journal. An attempt that is over may be replaced, and two of those are not done with: an unconfirmed set is
//! asked on, and a lost node tries its previous set again. If the attempt that replaced such a one never goes (its ticket
//! expires, it is withdrawn, its set can't be staged), the node would stay as it is for good. So `begin` keeps the journal
//! that it replaces, and once the new attempt is cancelled that journal is put back.
//!
//! The document is bound to the attempt that replaced it, by name: it means something only while the journal is that
//! attempt's and cancelled. So the order of writes makes every kill harmless: `begin` writes it before the new journal, and
//! whoever puts it back writes the journal before it takes it away. One that is left over leads nowhere, and is taken away
//! when an attempt has ended that did go, or by the next `begin`.

use dcos_core::Problem;
use dcos_core::ports::NodeStore;
use serde::{Deserialize, Serialize};

use crate::journal::Journal;
use crate::moment::Moment;
use crate::phase::{Phase, Step, Way};
use crate::records;

/// The document's name below `state/`.
pub const NAME: &str = "journal-before.json";

const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Before {
    format: u32,
    /// The attempt that replaced it.
    attempt: String,
    /// The journal that was replaced.
    journal: Journal,
}

/// Keeps `last`, which attempt `attempt` is about to replace, if the node is not done with it. To be called with the
/// journal's lock held, before the new journal is written.
///
/// # Errors
/// As the store's.
pub(crate) fn keep(store: &dyn NodeStore, attempt: &str, last: Option<&Journal>) -> Result<(), Problem> {
    let unfinished = |journal: &&Journal| {
        matches!(journal.phase, Phase::Unconfirmed | Phase::Lost | Phase::Moving { way: Way::Again, .. })
    };
    match last.filter(unfinished) {
        Some(journal) => {
            let before = Before { format: FORMAT, attempt: attempt.to_owned(), journal: journal.clone() };
            records::write(store, NAME, &before)
        }
        None => forget(store),
    }
}

/// Takes away what is kept, if there is anything.
///
/// # Errors
/// As the store's.
pub(crate) fn forget(store: &dyn NodeStore) -> Result<(), Problem> {
    if store.read_state(NAME)?.is_some() { store.remove_state(NAME) } else { Ok(()) }
}

/// What `cancelled` has replaced and the node has to go on with; `None` if there is nothing, or it is not cancelled.
///
/// # Errors
/// As the store's. A document that can't be used is nothing.
pub(crate) fn replaced_by(store: &dyn NodeStore, cancelled: &Journal) -> Result<Option<Journal>, Problem> {
    if cancelled.phase != Phase::Cancelled {
        return Ok(None);
    }
    let Some(bytes) = store.read_state(NAME)? else { return Ok(None) };
    let before: Before = match serde_json::from_slice(&bytes) {
        Ok(before) => before,
        Err(error) => {
            tracing::debug!(%error, "can't read `state/{NAME}`");
            return Ok(None);
        }
    };
    let usable = before.format == FORMAT && before.journal.node == cancelled.node;
    Ok((usable && before.attempt == cancelled.attempt).then_some(before.journal))
}

/// Puts back what `cancelled` has replaced; answers the journal that is the node's now, if there was anything. To be called
/// with the journal's lock held.
///
/// # Errors
/// If the report of the cancelled attempt can't be kept, or the journal not be written: then nothing is put back yet.
pub(crate) fn put_back(store: &dyn NodeStore, cancelled: &Journal, now: &Moment) -> Result<Option<Journal>, Problem> {
    let Some(mut journal) = replaced_by(store, cancelled)? else { return Ok(None) };
    // Whoever began it looks for its end by its name.
    records::keep_report(store, &cancelled.report())?;
    // Its waits begin anew, unless the machine was started again since: that is for the walker to find out.
    if journal.entered.boot == now.boot {
        journal.entered = now.clone();
    }
    // Somebody may have started Mesos meanwhile, and `active` moves only while none runs: it is stopped once more.
    if let Phase::Moving { way: Way::Again, step } = &mut journal.phase
        && *step == Step::Stopped
    {
        *step = Step::Stopping;
    }
    journal.write(store)?;
    if let Err(problem) = forget(store) {
        tracing::warn!(problem = problem.detail, "`state/{NAME}` is left over");
    }
    tracing::info!(attempt = journal.attempt, cancelled = cancelled.attempt, "going on with what was before");
    Ok(Some(journal))
}
