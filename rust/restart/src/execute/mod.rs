//! Walks the journal: does what its phase names, and writes the next phase before doing that.
//!
//! The walker holds nothing that matters: kill it anywhere, make another, and that one reads the journal and goes on.
//! Everything it touches is behind a trait, so that tests can kill it between any two lines.
//!
//! - [`enter`]: moving on; [`steps`]: what is done in each phase; [`watching`]: the longest of them
//! - [`words`]: what is said of an attempt
//!
//! [`Walker::step`] never blocks for long but for the end of Mesos; waiting in between is for the caller, who is woken by
//! kicks and by the end of Mesos.

mod enter;
mod steps;
mod watching;
mod words;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dcos_core::attempt::AttemptReport;
use dcos_core::clock::Clock;
use dcos_core::node::NodeConfig;
use dcos_core::ports::NodeStore;
use dcos_core::{ExitCode, Problem};

use self::watching::Watching;
pub use self::words::exit_code;
use crate::health::Prober;
use crate::journal::Journal;
use crate::moment::Moment;
use crate::phase::{Event, Phase, Step};
use crate::service::{EXPIRED, is_stale};
use crate::supervisor::{Life, Supervisor};

/// How often a starting Mesos is asked whether it answers. Its first answer ends its absence.
const KNOCK_EVERY: Duration = Duration::from_millis(20);

/// How often an unconfirmed or lost set is asked: it may stay so for hours.
const ASK_LATER_EVERY: Duration = Duration::from_secs(5);

/// How long to wait after the system or the store refused something that must be tried again.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

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
        if is_stale(&journal, &now, &self.parts.node) {
            return self.enter(&journal, Event::Expired, EXPIRED, |_| {});
        }
        let rebooted = journal.entered.boot != now.boot;
        match journal.phase {
            Phase::Moving { .. } | Phase::Unconfirmed | Phase::Lost if rebooted => {
                self.watch = None;
                self.enter(&journal, Event::Rebooted, &journal.detail, |_| {})
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
                self.put_back(&journal)
            }
        }
    }

    /// Goes on as far as that needs no Mesos: after it, `active` names the set that shall start. For the boot, where Mesos
    /// waits for it. Where Mesos runs nothing is done.
    ///
    /// # Errors
    /// As [`Walker::step`].
    pub fn decide(&mut self) -> Result<(), Problem> {
        loop {
            let Some(journal) = Journal::read(&*self.parts.store, &self.parts.node.name())? else { return Ok(()) };
            let Phase::Moving { step, .. } = journal.phase else { return Ok(()) };
            let rebooted = journal.entered.boot != self.parts.ticks.now().boot;
            let decided = matches!(step, Step::Starting | Step::Watching) && !rebooted;
            if decided || matches!(self.parts.supervisor.life()?, Life::Runs(_)) || self.step()? != Turn::Again {
                return Ok(());
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

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO)
}
