//! Moving on: the journal first, then what follows from it.

use std::sync::Arc;

use dcos_core::attempt::Answer;
use dcos_core::{ExitCode, Problem};

use super::{Turn, Walker};
use crate::before;
use crate::host::{Lock, state_directory};
use crate::journal::Journal;
use crate::phase::{Action, Event, Phase};
use crate::records;
use crate::supervisor::Supervisor;

impl<S: Supervisor> Walker<S> {
    /// Does what follows from the phase and may have been missed: a helper that was killed after it wrote the journal, or
    /// a phase that was entered inside Mesos. What can't be done now is done at a later step; none of it holds up Mesos.
    pub(super) fn catch_up(&self, journal: &Journal) {
        if journal.phase != Phase::Planned {
            self.parts.pings.note(&journal.report(), journal.report_to.as_deref());
        }
        if journal.phase.is_over()
            && !journal.closed
            && let Err(problem) = self.close(journal)
        {
            tracing::warn!(problem = problem.detail, "can't keep what remains of an attempt yet");
        }
    }

    /// Enters what `event` leads to: first what must be true before, then the journal, then what follows from it.
    pub(super) fn enter(
        &self,
        seen: &Journal,
        event: Event,
        detail: &str,
        change: impl FnOnce(&mut Journal),
    ) -> Result<Turn, Problem> {
        self.enter_after(seen, &[event], detail, change)
    }

    /// Enters what several events lead to, one after the other, with one write of the journal: for steps of which there is
    /// nothing to do between the first and the last.
    pub(super) fn enter_after(
        &self,
        seen: &Journal,
        events: &[Event],
        detail: &str,
        change: impl FnOnce(&mut Journal),
    ) -> Result<Turn, Problem> {
        let store = &*self.parts.store;
        let lock = self.lock()?;
        let Some(current) = self.unmoved(seen)? else { return Ok(Turn::Again) };
        let (mut journal, mut actions, mut passed) = (current, Vec::new(), Vec::new());
        for event in events {
            let (next, more) = journal
                .after(*event, detail, &self.parts.ticks.now(), self.parts.clock.now())
                .map_err(|error| Problem::new(ExitCode::Unexpected, "walk-confused", error.to_string()))?;
            passed.push(next.report());
            actions.extend(more);
            journal = next;
        }
        change(&mut journal);
        // A node that does not roll back is worse than a set that is not remembered: the room that was set aside is for the
        // journal. Whoever closes the attempt tries again.
        if actions.contains(&Action::RememberFailed)
            && let Err(problem) = self.remember_failed(&journal)
        {
            tracing::error!(problem = problem.detail, "can't remember yet that a set failed");
        }
        tracing::info!(attempt = journal.attempt, from = ?seen.phase, to = ?journal.phase, detail = journal.detail, "step");
        if let Err(problem) = journal.write(store) {
            // Without the journal nothing may go on, not even back: now the room is needed that was set aside.
            if !records::release_reserve(store) {
                return Err(problem);
            }
            tracing::error!(problem = problem.detail, "can't write the journal: using the room that was set aside");
            journal.write(store)?;
        }
        drop(lock);
        for report in passed.iter().rev().skip(1).rev() {
            self.parts.pings.note(report, journal.report_to.as_deref());
        }
        self.catch_up(&journal);
        Ok(Turn::Again)
    }

    /// Goes on with what an attempt has replaced that was cancelled, if the node was not done with that.
    pub(super) fn put_back(&self, seen: &Journal) -> Result<Turn, Problem> {
        let store = &*self.parts.store;
        if before::replaced_by(store, seen)?.is_none() {
            return Ok(Turn::Idle);
        }
        let _lock = self.lock()?;
        let Some(cancelled) = self.unmoved(seen)? else { return Ok(Turn::Again) };
        let put_back = || before::put_back(store, &cancelled, &self.parts.ticks.now());
        put_back().or_else(|problem| if records::release_reserve(store) { put_back() } else { Err(problem) })?;
        Ok(Turn::Again)
    }

    /// Writes what was learnt without moving on, if an answer has changed.
    pub(super) fn refresh(&self, seen: &Journal, updated: &Journal) -> Result<(), Problem> {
        let answers = |journal: &Journal| -> Vec<(String, Answer)> {
            journal.checks.iter().map(|check| (check.name.clone(), check.answer)).collect()
        };
        if answers(seen) == answers(updated) && seen.absence_ms == updated.absence_ms {
            return Ok(());
        }
        let _lock = self.lock()?;
        if self.unmoved(seen)?.is_some() { updated.write(&*self.parts.store) } else { Ok(()) }
    }

    fn lock(&self) -> Result<Lock, Problem> {
        Ok(Lock::wait(&state_directory(&self.parts.node.root).join("journal.lock"))?)
    }

    /// The journal of now, if it still stands where it was seen; to be called with the lock held.
    fn unmoved(&self, seen: &Journal) -> Result<Option<Journal>, Problem> {
        let current = Journal::read(&*self.parts.store, &self.parts.node.name())?;
        Ok(current.filter(|current| current.same_place(seen)))
    }

    /// Refuses the attempt's set from now on.
    fn remember_failed(&self, journal: &Journal) -> Result<(), Problem> {
        let store = &*self.parts.store;
        let digest = journal.set.digest();
        let known = |failed: &records::FailedSet| failed.digest == digest && failed.attempt == journal.attempt;
        if records::failed_sets(store)?.iter().any(known) {
            return Ok(());
        }
        let failed = records::FailedSet {
            digest,
            set: journal.set.clone(),
            attempt: journal.attempt.clone(),
            at: self.parts.clock.now(),
            detail: journal.failure.clone().unwrap_or_else(|| journal.detail.clone()),
        };
        records::remember_failed(store, failed)
    }

    /// Keeps what remains of an ended attempt, then notes that this is done.
    fn close(&self, journal: &Journal) -> Result<(), Problem> {
        let store = &*self.parts.store;
        // What is not done with may still need the room.
        if journal.phase != Phase::Lost && before::replaced_by(store, journal)?.is_none() {
            records::release_reserve(store);
        }
        // A set that has answered checks has run, and its end was its own doing.
        if matches!(journal.phase, Phase::RolledBack | Phase::Lost) && !journal.checks.is_empty() {
            self.remember_failed(journal)?;
        }
        records::keep_report(store, &journal.report())?;
        if let Some(generation) = journal.to {
            store.record_outcome(generation, journal.state(), self.parts.clock.now())?;
        }
        if journal.phase == Phase::Confirmed {
            records::forget_failed(store, journal.set.digest())?;
            if let Some(generation) = journal.to
                && let Err(problem) = store.install_helper(generation)
            {
                // The set may be one without us (`--leave`): the helper that runs is good enough.
                tracing::warn!(problem = problem.detail, "keeping the helper that runs");
            }
        }
        let _lock = self.lock()?;
        if let Some(mut current) = self.unmoved(journal)? {
            current.closed = true;
            current.write(store)?;
            // It did go, so nothing comes back that it replaced.
            if journal.phase != Phase::Cancelled
                && let Err(problem) = before::forget(store)
            {
                tracing::warn!(problem = problem.detail, "`state/{}` is left over", before::NAME);
            }
            if journal.phase == Phase::Confirmed {
                self.collect_garbage();
            }
        }
        Ok(())
    }

    /// Makes room, beside whatever comes next: nobody waits for it, and nothing depends on it. One that is cut short, or
    /// is not begun, is made up for by the next.
    fn collect_garbage(&self) {
        let store = Arc::clone(&self.parts.store);
        let collect = move || {
            if let Err(problem) = store.collect_garbage() {
                tracing::warn!(problem = problem.detail, "can't collect garbage");
            }
        };
        if let Err(error) = std::thread::Builder::new().name("dcos-gc".to_owned()).spawn(collect) {
            tracing::warn!(%error, "can't start a thread that collects garbage");
        }
    }
}
