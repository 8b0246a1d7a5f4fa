//! Everything that a controller knows as one document, and back.
//!
//! A restored past must not do harm. So a restore is refused while a deployment is under way; what was under way when the
//! backup was made comes back paused, since its nodes may have gone on since; halts that stand now still stand after it,
//! since only an admin clears a halt, by its id; and terms never fall.

use dcos_api::types::records::{Backup, Restored};
use dcos_core::{ExitCode, Problem};
use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::desk::Desk;
use crate::member::refusal;
use crate::shell::DeployHandle;
use crate::state::{Fact, Paused, State};

/// The format of backups that this release writes and reads.
const FORMAT: u32 = 1;

/// A backup on its way to the controller.
pub(crate) struct Restoring {
    pub(crate) facts: Vec<Fact>,
    pub(crate) by: Option<String>,
    pub(crate) reply: oneshot::Sender<Result<Restored, Problem>>,
}

/// The state as a backup.
pub fn backup(state: &State, now: Timestamp) -> Backup {
    // Facts are what the log is written in, so they are always JSON.
    let facts = state.snapshot().iter().filter_map(|fact| serde_json::to_value(fact).ok()).collect();
    Backup { format: FORMAT, taken_at: now, term: state.desk.term, facts }
}

/// The facts of a backup.
///
/// # Errors
/// `invalid-backup` if it is of another format, or has something in it that this release does not know.
pub fn facts(backup: Backup) -> Result<Vec<Fact>, Problem> {
    let invalid =
        |why: String| refusal(ExitCode::Refused, "invalid-backup", format!("the backup can't be read: {why}"));
    if backup.format != FORMAT {
        return Err(invalid(format!("it has format {}, and this release knows format {FORMAT} only", backup.format)));
    }
    let read = backup.facts.into_iter().enumerate().map(|(place, fact)| {
        serde_json::from_value(fact).map_err(|error| invalid(format!("fact {}: {error}", place + 1)))
    });
    read.collect()
}

/// The state that comes of a backup in the place of `old`, and what to tell of it.
///
/// # Errors
/// `deployment-running` while one is under way.
pub(crate) fn restored(old: &State, facts: Vec<Fact>, by: Option<&str>) -> Result<(State, Restored), Problem> {
    if let Some(rollout) = old.rollouts.values().find(|rollout| !rollout.is_over()) {
        let text = format!("deployment `{}` is under way", rollout.id());
        return Err(refusal(ExitCode::Conflict, "deployment-running", text)
            .hint(format!("wait for its end, or end it: `dcos deploy abort {}`", rollout.id())));
    }
    let mut state = State::rebuild(facts);
    let mut paused = Vec::new();
    for rollout in state.rollouts.values_mut().filter(|rollout| !rollout.is_over()) {
        rollout.header.paused =
            Some(Paused { by: Some(format!("the restore by {}", by.unwrap_or("nobody in particular"))) });
        paused.push(rollout.id());
    }
    let desk: &mut Desk = &mut state.desk;
    desk.term = desk.term.max(old.desk.term);
    desk.newest_halt = desk.newest_halt.max(old.desk.newest_halt);
    for halt in &old.desk.halts {
        if !desk.halts.contains(halt) {
            desk.halts.retain(|other| other.id != halt.id);
            desk.halts.push(halt.clone());
        }
    }
    let halts = desk.halts.iter().map(|halt| halt.id.clone()).collect();
    let told = Restored { deployments: state.rollouts.len(), paused, halts };
    Ok((state, told))
}

impl DeployHandle {
    /// Everything that the controller knows.
    ///
    /// # Errors
    /// If the controller has no state to show.
    pub async fn backup(&self) -> Result<Backup, Problem> {
        self.read(|state, now| backup(state, now.wall)).await
    }

    /// Puts a backup in the place of everything that the controller knows.
    ///
    /// # Errors
    /// `invalid-backup`, `deployment-running`, or that the controller can't act now. Then nothing has changed.
    pub async fn restore(&self, backup: Backup, by: Option<String>) -> Result<Restored, Problem> {
        let facts = facts(backup)?;
        self.put_back(|reply| Restoring { facts, by, reply }).await
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use dcos_api::types::deploy::Halt;
    use jiff::Timestamp;

    use super::{backup, facts, restored};
    use crate::bench::Bench;
    use crate::event::Order;
    use crate::state::State;

    fn halt(id: &str, reason: &str) -> Halt {
        Halt { id: id.to_owned(), reason: reason.to_owned(), by: None, at: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn a_backup_says_everything_and_comes_back() {
        let mut bench = Bench::restarting(1, 3, "{}");
        bench.order(Order::Pulse).unwrap().unwrap();
        let taken = backup(&bench.state, Timestamp::UNIX_EPOCH);
        let again = State::rebuild(facts(taken.clone()).unwrap());
        assert_eq!(again.snapshot(), bench.state.snapshot());

        // Half of it was done when it was taken: it comes back paused, into a controller that had no part in it.
        let mut old = State::default();
        old.desk.term = u64::MAX;
        let (state, told) = restored(&old, facts(taken.clone()).unwrap(), Some("root")).unwrap();
        assert_eq!(told.paused, ["d1"]);
        assert!(state.rollouts[&1].header.paused.as_ref().unwrap().by.as_ref().unwrap().contains("root"));
        assert_eq!(state.desk.term, u64::MAX, "terms never fall");

        let refused = restored(&bench.state, facts(taken).unwrap(), None).unwrap_err();
        assert_eq!((refused.status, refused.name()), (409, "deployment-running"));
    }

    #[test]
    fn a_restore_clears_no_halt() {
        let (mut old, mut past) = (State::default(), State::default());
        old.desk.newest_halt = 3;
        old.desk.halts = vec![halt("h2", "of both"), halt("h3", "since then")];
        past.desk.newest_halt = 2;
        past.desk.halts = vec![halt("h1", "cleared since"), halt("h2", "of both")];
        let (state, told) = restored(&old, past.snapshot(), None).unwrap();
        assert_eq!(told.halts, ["h1", "h2", "h3"]);
        assert_eq!(state.desk.newest_halt, 3, "no id is given twice");
    }

    #[test]
    fn what_is_no_backup_is_refused() {
        let mut taken = backup(&State::default(), Timestamp::UNIX_EPOCH);
        taken.facts.push(serde_json::json!({"later": 1}));
        assert_eq!(facts(taken.clone()).unwrap_err().name(), "invalid-backup");
        taken.facts.clear();
        taken.format = 2;
        assert!(facts(taken).unwrap_err().detail.contains("format 2"));
    }
}
