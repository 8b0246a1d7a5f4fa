//! The steps, each done and then left behind. Doing one twice does what doing it once does.

use std::time::Duration;

use dcos_core::Problem;
use dcos_core::ports::Launch;

use super::words::{ended_back, reason, told};
use super::{ASK_LATER_EVERY, TRY_AGAIN_AFTER, Turn, Walker, seconds, target};
use crate::clean;
use crate::health::watch::Outcome;
use crate::health::{Finding, PROCESS, Subject, Verdict, checks};
use crate::identity;
use crate::journal::Journal;
use crate::phase::{Event, Phase, Step, Way};
use crate::supervisor::{Life, Supervisor};

impl<S: Supervisor> Walker<S> {
    /// Asks the old set the checks before it is stopped: what it can't tell is not held against the new one.
    pub(super) fn take_over(&mut self, journal: &Journal) -> Result<Turn, Problem> {
        if let Err(problem) = self.launch(journal) {
            // Nothing was stopped yet, and nothing will be.
            let detail = format!("can't prepare the start: {}", problem.detail);
            return self.enter(journal, Event::Expired, &detail, |_| {});
        }
        self.parts.supervisor.forgive()?;
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
        self.enter(journal, Event::Ready, "stopping Mesos", |journal| {
            journal.agent_id = agent_id;
            journal.baseline = baseline;
        })
    }

    pub(super) fn stop(&mut self, journal: &Journal, way: Way) -> Result<Turn, Problem> {
        self.watch = None;
        let deadline = seconds(self.parts.node.health.stop_deadline);
        match self.parts.supervisor.stop(deadline) {
            Ok(()) => {
                let now = self.parts.ticks.now();
                self.enter(journal, Event::Gone, &told(journal, way, "Mesos is gone"), |journal| {
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

    pub(super) fn switch(&mut self, journal: &Journal, way: Way) -> Result<Turn, Problem> {
        if way != Way::Forward {
            self.keep_identity(journal);
        }
        if way == Way::Forward
            && journal.clean
            && let Err(why) = self.wipe(journal)
        {
            return self.fail(journal, way, &format!("the work directory was not wiped: {why}"));
        }
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
                self.enter_after(journal, &events, &told(journal, way, "starting Mesos"), |_| {})
            }
            Ok(()) => self.enter(journal, Event::Switched, &told(journal, way, "the set is active"), |_| {}),
            Err(problem) => self.fail(journal, way, &format!("can't make the set active: {}", problem.detail)),
        }
    }

    /// Wipes the work directory, if it is still that of the agent that was looked at.
    fn wipe(&self, journal: &Journal) -> Result<(), String> {
        match clean::check(&self.parts.node, journal.agent_id.as_deref(), None) {
            Ok(wipeable) => wipeable.wipe(),
            Err(reasons) => Err(reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
        }
    }

    /// The previous set shall come back as the agent that it was, also where the wanted one registered as another.
    fn keep_identity(&self, journal: &Journal) {
        let Some(id) = journal.agent_id.as_deref().filter(|_| !journal.clean) else { return };
        match identity::restore(&self.parts.node.mesos.work_dir, id) {
            Ok(true) => tracing::warn!(id, "another agent was in the work directory: the one of before is put back"),
            Ok(false) => {}
            Err(error) => tracing::error!(id, %error, "can't bring the agent of before back"),
        }
    }

    pub(super) fn prepare(&mut self, journal: &Journal, way: Way) -> Result<Turn, Problem> {
        match self.launch(journal) {
            Ok(_) => self.enter(journal, Event::Prepared, &told(journal, way, "starting Mesos"), |_| {}),
            Err(problem) => self.fail(journal, way, &format!("can't prepare the start: {}", problem.detail)),
        }
    }

    pub(super) fn start(&mut self, journal: &Journal, way: Way) -> Result<Turn, Problem> {
        let started =
            self.launch(journal).and_then(|launch| self.parts.supervisor.start(&launch).map_err(Problem::from));
        match started {
            Ok(running) => {
                let detail = told(journal, way, &format!("Mesos was started as process {}", running.pid));
                self.enter(journal, Event::Started, &detail, |_| {})
            }
            Err(problem) => self.fail(journal, way, &problem.detail),
        }
    }

    pub(super) fn launch(&self, journal: &Journal) -> Result<Launch, Problem> {
        self.parts.store.launch(target(journal)?)
    }

    /// The way can't be gone on: turn around, or be lost.
    pub(super) fn fail(&mut self, journal: &Journal, way: Way, why: &str) -> Result<Turn, Problem> {
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
        self.enter(journal, Event::Failed, &detail, move |journal| {
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
    pub(super) fn wait_for_retry(&mut self, journal: &Journal) -> Result<Turn, Problem> {
        let least = match self.parts.supervisor.life()? {
            Life::Runs(running) => {
                let launch = self.parts.store.launch(running.generation)?;
                let right = Some(running.generation) == journal.target();
                if right && self.ask(journal, Some(Way::Again), &launch) == Outcome::Well {
                    return self.enter(journal, Event::Well, &ended_back(journal, ""), |_| {});
                }
                Some(seconds(self.parts.node.health.living_retry))
            }
            Life::Ended(_) => Some(Duration::ZERO),
            // Nothing was tried yet since the machine was started.
            Life::Absent => None,
        };
        let health = &self.parts.node.health;
        let (first, last) = (seconds(health.first_retry), seconds(health.last_retry));
        let doubled = first.saturating_mul(2_u32.saturating_pow(journal.retries.min(16))).min(last);
        let wait = least.map_or(Duration::ZERO, |least| doubled.max(least));
        let waited = self.parts.ticks.now().since(&journal.entered).unwrap_or(Duration::MAX);
        match wait.checked_sub(waited) {
            Some(left) if !left.is_zero() => Ok(Turn::Wait(left.min(ASK_LATER_EVERY))),
            _ => {
                tracing::warn!(tries = journal.retries + 1, "trying the previous set again");
                self.enter(journal, Event::RetryDue, &journal.detail, |_| {})
            }
        }
    }
}
