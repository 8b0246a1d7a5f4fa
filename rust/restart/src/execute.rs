//! Walks the journal: does what its phase names, and writes the next phase before doing that.
//!
//! The walker holds nothing that matters: kill it anywhere, make another, and that one reads the journal and goes on.
//! Everything it touches is behind a trait, so that tests can kill it between any two lines.
//!
//! [`Walker::step`] never blocks for long but for the end of Mesos; waiting in between is for the caller, who is woken by
//! kicks and by the end of Mesos.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dcos_core::attempt::{Answer, AttemptReport, AttemptState, CheckReport};
use dcos_core::clock::Clock;
use dcos_core::node::NodeConfig;
use dcos_core::ports::{Launch, NodeStore};
use dcos_core::{ExitCode, Problem};

use crate::health::watch::{Outcome, Watch};
use crate::health::{Finding, PROCESS, Prober, Question, Subject, Verdict, checks};
use crate::host::{Lock, state_directory};
use crate::journal::Journal;
use crate::moment::Moment;
use crate::phase::{Action, Event, Phase, Step, Way};
use crate::records;
use crate::service::{EXPIRED, is_stale};
use crate::supervisor::{Life, Supervisor};

/// How often a starting Mesos is asked whether it answers. Its first answer ends its absence.
const KNOCK_EVERY: Duration = Duration::from_millis(20);

/// How often a watched Mesos is asked everything.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// How often an unconfirmed or lost set is asked: it may stay so for hours.
const ASK_LATER_EVERY: Duration = Duration::from_secs(5);

/// How long to wait after the system or the store refused something that must be tried again.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The waits between two tries of a lost node's previous set double from the first to the last.
const FIRST_RETRY: Duration = Duration::from_secs(2);
const LAST_RETRY: Duration = Duration::from_secs(300);

/// A Mesos that lives, even if not well, is not stopped for another try before this.
const LIVING_RETRY: Duration = Duration::from_secs(120);

/// The clock of deadlines.
pub trait Ticks {
    /// Now.
    fn now(&self) -> Moment;
}

/// The boot clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct BootClock;

impl Ticks for BootClock {
    fn now(&self) -> Moment {
        Moment::now()
    }
}

/// Who is told of changes of state.
pub trait Pings {
    /// Makes sure that this state of this attempt is told, some time. Takes no time itself.
    fn note(&self, report: &AttemptReport, report_to: Option<&str>);
}

impl Pings for crate::outbox::Outbox {
    fn note(&self, report: &AttemptReport, report_to: Option<&str>) {
        Self::note(self, report, report_to);
    }
}

/// What the walker needs.
pub struct Parts<S> {
    /// The node's files.
    pub store: Arc<dyn NodeStore>,
    /// This host.
    pub node: NodeConfig,
    /// Who keeps Mesos running.
    pub supervisor: S,
    /// Who answers checks.
    pub prober: Box<dyn Prober>,
    /// Who is told.
    pub pings: Box<dyn Pings>,
    /// The clock of deadlines.
    pub ticks: Box<dyn Ticks>,
    /// The clock of records.
    pub clock: Box<dyn Clock>,
}

/// What is to be done after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The next step, at once.
    Again,
    /// The next step, after that time at the latest.
    Wait(Duration),
    /// Nothing, until somebody begins an attempt.
    Idle,
}

/// Walks journals.
pub struct Walker<S> {
    /// What it works with.
    pub parts: Parts<S>,
    watch: Option<Watching>,
}

/// A watch, and what it is a watch of.
struct Watching {
    attempt: String,
    generation: u64,
    way: Option<Way>,
    watch: Watch,
    answers: bool,
}

impl<S: Supervisor> Walker<S> {
    /// A walker that knows nothing yet.
    pub const fn new(parts: Parts<S>) -> Self {
        Self { parts, watch: None }
    }

    /// Does one step of the attempt under way, if there is one.
    ///
    /// # Errors
    /// If the journal can't be used or written. Then nothing was done that it does not name, and nothing may be.
    pub fn step(&mut self) -> Result<Turn, Problem> {
        let Some(journal) = Journal::read(&*self.parts.store, &self.parts.node.name())? else { return Ok(Turn::Idle) };
        self.catch_up(&journal);
        let now = self.parts.ticks.now();
        if is_stale(&journal, &now) {
            return self.enter(&journal, Event::Expired, EXPIRED.to_owned(), |_| {});
        }
        let rebooted = journal.entered.boot != now.boot;
        match journal.phase {
            Phase::Moving { .. } | Phase::Unconfirmed | Phase::Lost if rebooted => {
                self.watch = None;
                self.enter(&journal, Event::Rebooted, journal.detail.clone(), |_| {})
            }
            Phase::Planned | Phase::Staged => {
                let expires = journal.ticket.as_ref().and_then(|ticket| ticket.expires.since(&now));
                Ok(Turn::Wait(expires.unwrap_or(TRY_AGAIN_AFTER).max(KNOCK_EVERY)))
            }
            Phase::Ordered => self.take_over(&journal),
            Phase::Moving { way, step } => match step {
                Step::Stopping => self.stop(&journal, way),
                Step::Stopped => self.switch(&journal, way),
                Step::Switched => self.prepare(&journal, way),
                Step::Starting => self.start(&journal, way),
                Step::Watching => self.watch(&journal, Some(way)),
            },
            Phase::Unconfirmed => self.watch(&journal, None),
            Phase::Lost => self.wait_for_retry(&journal),
            Phase::Confirmed | Phase::RolledBack | Phase::Cancelled => {
                self.watch = None;
                Ok(Turn::Idle)
            }
        }
    }

    /// Does what follows from the phase and may have been missed: a helper that was killed after it wrote the journal, or
    /// a phase that was entered inside Mesos. What can't be done now is done at a later step; none of it holds up Mesos.
    fn catch_up(&self, journal: &Journal) {
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
    fn enter(
        &self,
        seen: &Journal,
        event: Event,
        detail: String,
        change: impl FnOnce(&mut Journal),
    ) -> Result<Turn, Problem> {
        self.enter_after(seen, &[event], detail, change)
    }

    /// Enters what several events lead to, one after the other, with one write of the journal: for steps of which there is
    /// nothing to do between the first and the last.
    fn enter_after(
        &self,
        seen: &Journal,
        events: &[Event],
        detail: String,
        change: impl FnOnce(&mut Journal),
    ) -> Result<Turn, Problem> {
        let store = &*self.parts.store;
        let lock = self.lock()?;
        let Some(current) = self.unmoved(seen)? else { return Ok(Turn::Again) };
        let (mut journal, mut actions, mut passed) = (current, Vec::new(), Vec::new());
        for event in events {
            let (next, more) = journal
                .after(*event, detail.as_str(), &self.parts.ticks.now(), self.parts.clock.now())
                .map_err(|error| Problem::new(ExitCode::Unexpected, "walk-confused", error.to_string()))?;
            passed.push(next.report());
            actions.extend(more);
            journal = next;
        }
        change(&mut journal);
        if actions.contains(&Action::RememberFailed) {
            let failed = records::FailedSet {
                digest: journal.set.digest(),
                set: journal.set.clone(),
                attempt: journal.attempt.clone(),
                at: self.parts.clock.now(),
                detail: journal.detail.clone(),
            };
            // A set that is not remembered may fail once more; a node that does not roll back is worse.
            if let Err(problem) = records::remember_failed(store, failed) {
                tracing::error!(problem = problem.detail, "can't remember that a set failed");
            }
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

    fn lock(&self) -> Result<Lock, Problem> {
        Ok(Lock::wait(&state_directory(&self.parts.node.root).join("journal.lock"))?)
    }

    /// The journal of now, if it still stands where it was seen; to be called with the lock held.
    fn unmoved(&self, seen: &Journal) -> Result<Option<Journal>, Problem> {
        let current = Journal::read(&*self.parts.store, &self.parts.node.name())?;
        Ok(current.filter(|current| current.same_place(seen)))
    }

    /// Keeps what remains of an ended attempt, then notes that this is done.
    fn close(&self, journal: &Journal) -> Result<(), Problem> {
        let store = &*self.parts.store;
        if journal.phase != Phase::Lost {
            records::release_reserve(store);
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
        }
        Ok(())
    }

    /// Asks the old set the checks before it is stopped: what it can't tell is not held against the new one.
    fn take_over(&mut self, journal: &Journal) -> Result<Turn, Problem> {
        if let Err(problem) = self.launch(journal) {
            // Nothing was stopped yet, and nothing will be.
            let detail = format!("can't prepare the start: {}", problem.detail);
            return self.enter(journal, Event::Expired, detail, |_| {});
        }
        let agent_id = self.parts.prober.agent_id();
        let mut baseline = Vec::new();
        // A Mesos that does not run tells nothing, and excuses nothing.
        if let Life::Runs(running) = self.parts.supervisor.life()? {
            let launch = self.parts.store.launch(running.generation)?;
            let subject =
                Subject { mesos_version: launch.generation.mesos_version.clone(), agent_id: agent_id.clone() };
            for check in checks(&self.parts.node, &launch) {
                let mut finding = self.parts.prober.ask(&check, &subject);
                // The old set has had all its time.
                if finding.verdict == Verdict::NotYet {
                    finding.verdict = Verdict::No;
                }
                baseline.push(finding.report(&check.name));
            }
        }
        self.enter(journal, Event::Ready, "stopping Mesos".to_owned(), |journal| {
            journal.agent_id = agent_id;
            journal.baseline = baseline;
        })
    }

    fn stop(&mut self, journal: &Journal, way: Way) -> Result<Turn, Problem> {
        self.watch = None;
        let deadline = seconds(self.parts.node.health.stop_deadline);
        match self.parts.supervisor.stop(deadline) {
            Ok(()) => {
                let now = self.parts.ticks.now();
                self.enter(journal, Event::Gone, told(journal, way, "Mesos is gone"), |journal| {
                    if way == Way::Forward {
                        journal.gone = Some(now);
                    }
                })
            }
            Err(error) => {
                tracing::error!(error = Problem::chain(&error), "can't stop Mesos");
                Ok(Turn::Wait(TRY_AGAIN_AFTER))
            }
        }
    }

    fn switch(&mut self, journal: &Journal, way: Way) -> Result<Turn, Problem> {
        let store = &*self.parts.store;
        let switched = target(journal).and_then(|generation| {
            let active = store.active()?.map(|active| active.number);
            // Done before, by a helper that was killed right after it.
            if active == Some(generation) { Ok(()) } else { store.switch(generation) }
        });
        match switched {
            // How to start it was looked up before the old one was stopped; if that still works there is nothing to prepare.
            Ok(()) if self.launch(journal).is_ok() => {
                let events = [Event::Switched, Event::Prepared];
                self.enter_after(journal, &events, told(journal, way, "starting Mesos"), |_| {})
            }
            Ok(()) => self.enter(journal, Event::Switched, told(journal, way, "the set is active"), |_| {}),
            Err(problem) => self.fail(journal, way, &format!("can't make the set active: {}", problem.detail)),
        }
    }

    fn prepare(&mut self, journal: &Journal, way: Way) -> Result<Turn, Problem> {
        match self.launch(journal) {
            Ok(_) => self.enter(journal, Event::Prepared, told(journal, way, "starting Mesos"), |_| {}),
            Err(problem) => self.fail(journal, way, &format!("can't prepare the start: {}", problem.detail)),
        }
    }

    fn start(&mut self, journal: &Journal, way: Way) -> Result<Turn, Problem> {
        let started =
            self.launch(journal).and_then(|launch| self.parts.supervisor.start(&launch).map_err(Problem::from));
        match started {
            Ok(running) => {
                let detail = told(journal, way, &format!("Mesos was started as process {}", running.pid));
                self.enter(journal, Event::Started, detail, |_| {})
            }
            Err(problem) => self.fail(journal, way, &problem.detail),
        }
    }

    fn launch(&self, journal: &Journal) -> Result<Launch, Problem> {
        self.parts.store.launch(target(journal)?)
    }

    /// Asks a started Mesos once. `way` is `None` for a set that is unconfirmed, and watched on.
    fn watch(&mut self, journal: &Journal, way: Option<Way>) -> Result<Turn, Problem> {
        match self.parts.supervisor.life()? {
            Life::Runs(_) => {}
            Life::Ended(how) => {
                return self.fail(journal, way.unwrap_or(Way::Forward), &format!("Mesos has ended: {how}"));
            }
            Life::Absent if way.is_some() => {
                // Somebody took it away on purpose, and this helper was started since: as after a reboot.
                self.watch = None;
                return self.enter(journal, Event::Rebooted, journal.detail.clone(), |_| {});
            }
            Life::Absent => return Ok(Turn::Wait(TRY_AGAIN_AFTER)),
        }
        let launch = self.launch(journal)?;
        let outcome = self.ask(journal, way, &launch);
        let mut updated = journal.clone();
        let back = matches!(way, Some(Way::Back | Way::Again));
        if !back {
            // On the way back what the wanted set answered stays: that is what whoever reads the report looks for.
            updated.checks = self.reports();
        }
        if updated.absence_ms.is_none() && way == Some(Way::Forward) && self.answers() {
            updated.absence_ms = journal
                .gone
                .as_ref()
                .and_then(|gone| self.parts.ticks.now().since(gone))
                .and_then(|absence| u64::try_from(absence.as_millis()).ok());
        }
        let (checks, absence_ms) = (updated.checks.clone(), updated.absence_ms);
        let keep = move |journal: &mut Journal| {
            journal.checks = checks;
            journal.absence_ms = absence_ms;
        };
        match outcome {
            Outcome::Pending(why) => {
                updated.detail = told(journal, way.unwrap_or(Way::Forward), &why);
                self.refresh(journal, &updated)?;
                Ok(Turn::Wait(match (self.answers(), way) {
                    (false, Some(_)) => KNOCK_EVERY,
                    (true, Some(_)) => ASK_EVERY,
                    (_, None) => ASK_LATER_EVERY,
                }))
            }
            Outcome::Well => {
                let detail = if back { ended_back(journal, "") } else { "every check says yes".to_owned() };
                self.enter(journal, Event::Well, detail, keep)
            }
            Outcome::Undecided(why) if way.is_some() => {
                let detail = if back { ended_back(journal, &why) } else { format!("it can't be told: {why}") };
                self.enter(journal, Event::Undecided, detail, keep)
            }
            Outcome::Undecided(why) => {
                updated.detail = format!("it can't be told: {why}");
                self.refresh(journal, &updated)?;
                Ok(Turn::Wait(ASK_LATER_EVERY))
            }
            Outcome::Failed(why) => self.fail(journal, way.unwrap_or(Way::Forward), &why),
        }
    }

    /// One round of the checks of the generation that was started.
    fn ask(&mut self, journal: &Journal, way: Option<Way>, launch: &Launch) -> Outcome {
        let generation = launch.generation.number;
        let known = self.watch.as_ref().is_some_and(|watching| {
            watching.attempt == journal.attempt
                && watching.generation == generation
                // An unconfirmed set goes on where its attempt ended.
                && (watching.way == way || (way.is_none() && watching.way == Some(Way::Forward)))
        });
        if !known {
            let hold = seconds(self.parts.node.health.hold);
            let checks = checks(&self.parts.node, launch);
            let watch = match way {
                Some(_) => Watch::new(checks, hold, &journal.entered, &journal.baseline),
                // What is watched on has all the time that it needs, from whenever somebody looks again.
                None => Watch::new(checks, hold, &self.parts.ticks.now(), &journal.baseline).without_end(),
            };
            self.watch = Some(Watching { attempt: journal.attempt.clone(), generation, way, watch, answers: false });
        }
        let first_start = journal.from.is_none();
        let subject = Subject {
            mesos_version: launch.generation.mesos_version.clone(),
            agent_id: journal.agent_id.clone().filter(|_| !first_start),
        };
        let Some(watching) = &mut self.watch else { return Outcome::Pending("not asked yet".to_owned()) };
        let asked: Vec<_> = watching.watch.checks().cloned().collect();
        let mut findings = Vec::with_capacity(asked.len());
        for check in &asked {
            if check.question != Question::Version && !watching.answers {
                // Nothing answers on its port yet; the other questions would only find out the same.
                findings.push(Finding::new(Verdict::NotYet, "it does not answer yet"));
                continue;
            }
            let finding = self.parts.prober.ask(check, &subject);
            if check.question == Question::Version {
                watching.answers = watching.answers || finding.verdict == Verdict::Yes;
            }
            findings.push(finding);
        }
        watching.watch.round(findings, &self.parts.ticks.now())
    }

    fn answers(&self) -> bool {
        self.watch.as_ref().is_some_and(|watching| watching.answers)
    }

    fn reports(&self) -> Vec<CheckReport> {
        let process = CheckReport { name: PROCESS.to_owned(), answer: Answer::Yes, detail: "it runs".to_owned() };
        let watched = self.watch.iter().flat_map(|watching| watching.watch.reports());
        std::iter::once(process).chain(watched).collect()
    }

    /// Writes what was learnt without moving on, if an answer has changed.
    fn refresh(&self, seen: &Journal, updated: &Journal) -> Result<(), Problem> {
        let answers = |journal: &Journal| -> Vec<(String, Answer)> {
            journal.checks.iter().map(|check| (check.name.clone(), check.answer)).collect()
        };
        if answers(seen) == answers(updated) && seen.absence_ms == updated.absence_ms {
            return Ok(());
        }
        let _lock = self.lock()?;
        if self.unmoved(seen)?.is_some() { updated.write(&*self.parts.store) } else { Ok(()) }
    }

    /// The way can't be gone on: turn around, or be lost.
    fn fail(&mut self, journal: &Journal, way: Way, why: &str) -> Result<Turn, Problem> {
        let mut checks = self.reports();
        if let Some(process) = checks.first_mut()
            && !matches!(self.parts.supervisor.life(), Ok(Life::Runs(_)))
        {
            *process = Finding::new(Verdict::No, why).report(PROCESS);
        }
        self.watch = None;
        let log = self.parts.supervisor.last_lines();
        let started = matches!(journal.phase, Phase::Moving { step: Step::Watching, .. } | Phase::Unconfirmed);
        let detail = match way {
            Way::Forward => why.to_owned(),
            Way::Back | Way::Again => format!("{}; the previous set does not come up either: {why}", reason(journal)),
        };
        self.enter(journal, Event::Failed, detail, move |journal| {
            if way == Way::Forward {
                journal.failure = Some(why.to_owned());
                if started {
                    journal.checks = checks;
                    journal.log = log;
                }
            }
        })
    }

    /// Between two tries of the previous set. It may come right by itself meanwhile.
    fn wait_for_retry(&mut self, journal: &Journal) -> Result<Turn, Problem> {
        let lives = match self.parts.supervisor.life()? {
            Life::Runs(running) => {
                let launch = self.parts.store.launch(running.generation)?;
                let right = Some(running.generation) == journal.target();
                if right && self.ask(journal, Some(Way::Again), &launch) == Outcome::Well {
                    return self.enter(journal, Event::Well, ended_back(journal, ""), |_| {});
                }
                true
            }
            Life::Ended(_) | Life::Absent => false,
        };
        let doubled = FIRST_RETRY.saturating_mul(2_u32.saturating_pow(journal.retries.min(16))).min(LAST_RETRY);
        let wait = if lives { doubled.max(LIVING_RETRY) } else { doubled };
        let waited = self.parts.ticks.now().since(&journal.entered).unwrap_or(Duration::MAX);
        match wait.checked_sub(waited) {
            Some(left) if !left.is_zero() => Ok(Turn::Wait(left.min(ASK_LATER_EVERY))),
            _ => {
                tracing::warn!(tries = journal.retries + 1, "trying the previous set again");
                self.enter(journal, Event::RetryDue, journal.detail.clone(), |_| {})
            }
        }
    }

    /// The helper that should run, if the store names one.
    pub fn helper(&self) -> Option<PathBuf> {
        self.parts.store.helper().ok().flatten()
    }

    /// Whether an attempt is under way that must not be disturbed.
    pub fn is_walking(&self) -> Result<bool, Problem> {
        let journal = Journal::read(&*self.parts.store, &self.parts.node.name())?;
        Ok(journal.is_some_and(|journal| {
            matches!(journal.phase, Phase::Ordered | Phase::Moving { .. } | Phase::Lost) || !journal.phase.is_over()
        }))
    }
}

fn target(journal: &Journal) -> Result<u64, Problem> {
    journal.target().ok_or_else(|| {
        Problem::new(ExitCode::Unexpected, "walk-confused", "the journal names no generation to walk to")
    })
}

/// What to say of a step: on the way back, why it is the way back.
fn told(journal: &Journal, way: Way, detail: &str) -> String {
    match way {
        Way::Forward => detail.to_owned(),
        Way::Back => reason(journal),
        Way::Again => journal.detail.clone(),
    }
}

fn reason(journal: &Journal) -> String {
    journal.failure.clone().unwrap_or_else(|| journal.detail.clone())
}

fn ended_back(journal: &Journal, undecided: &str) -> String {
    let mut detail = reason(journal);
    if !undecided.is_empty() {
        detail.push_str(&format!("; of the previous set it can't be told: {undecided}"));
    }
    detail
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO)
}

/// The state that a person would call an attempt's end, for a command's exit code.
pub const fn exit_code(state: AttemptState) -> ExitCode {
    match state {
        AttemptState::Confirmed => ExitCode::Done,
        AttemptState::RolledBack => ExitCode::RolledBack,
        AttemptState::Lost => ExitCode::NeedsPerson,
        AttemptState::Cancelled => ExitCode::Conflict,
        // It runs, and nobody can say that it is well: the deadline is over.
        AttemptState::Unconfirmed => ExitCode::Unreachable,
        AttemptState::Planned
        | AttemptState::Staged
        | AttemptState::Stopping
        | AttemptState::Stopped
        | AttemptState::Switched
        | AttemptState::Starting
        | AttemptState::Watching
        | AttemptState::RollingBack => ExitCode::Unexpected,
    }
}
