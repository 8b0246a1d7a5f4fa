//! Asking a Mesos that was started, round by round, until it is well, is not, or nobody can tell.

use std::time::Duration;

use dcos_core::Problem;
use dcos_core::attempt::{Answer, CheckReport};
use dcos_core::ports::Launch;

use super::words::{ended_back, told};
use super::{ASK_LATER_EVERY, KNOCK_EVERY, TRY_AGAIN_AFTER, Turn, Walker, seconds};
use crate::health::watch::{Outcome, Watch};
use crate::health::{Finding, PROCESS, Question, Subject, Verdict, checks};
use crate::journal::Journal;
use crate::phase::{Event, Way};
use crate::supervisor::{Life, Supervisor};

/// How often a watched Mesos is asked everything.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// An answer that takes longer may never come, because nobody is there any more who would give it.
const SLOW_ANSWER: Duration = Duration::from_secs(1);

/// A watch, and what it is a watch of.
pub(super) struct Watching {
    attempt: String,
    generation: u64,
    way: Option<Way>,
    watch: Watch,
    answers: bool,
}

impl<S: Supervisor> Walker<S> {
    /// Asks a started Mesos once. `way` is `None` for a set that is unconfirmed, and watched on.
    pub(super) fn watch(&mut self, journal: &Journal, way: Option<Way>) -> Result<Turn, Problem> {
        match self.parts.supervisor.life()? {
            Life::Runs(_) => {}
            Life::Ended(how) => {
                return self.fail(journal, way.unwrap_or(Way::Forward), &format!("Mesos has ended: {how}"));
            }
            Life::Absent if way.is_some() => {
                // Somebody took it away on purpose, and this helper was started since: as after a reboot.
                self.watch = None;
                return self.enter(journal, Event::Rebooted, &journal.detail, |_| {});
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
                self.enter(journal, Event::Well, &detail, keep)
            }
            Outcome::Undecided(why) if way.is_some() => {
                let detail = if back { ended_back(journal, &why) } else { format!("it can't be told: {why}") };
                self.enter(journal, Event::Undecided, &detail, keep)
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
    pub(super) fn ask(&mut self, journal: &Journal, way: Option<Way>, launch: &Launch) -> Outcome {
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
            agent_id: journal.agent_id.clone().filter(|_| !first_start && !journal.clean),
        };
        let Some(watching) = &mut self.watch else { return Outcome::Pending("not asked yet".to_owned()) };
        let asked: Vec<_> = watching.watch.checks().cloned().collect();
        let mut findings = Vec::with_capacity(asked.len());
        // The version is the first question. Where nothing answers it, the others would only find out the same, each after
        // a while; and a Mesos that hangs has to be found out within its deadline.
        let mut answers = true;
        for check in &asked {
            if !answers {
                findings.push(Finding::new(Verdict::NotYet, "it does not answer"));
                continue;
            }
            let asked_at = self.parts.ticks.now();
            let finding = self.parts.prober.ask(check, &subject);
            // Its port may outlive it in a child's hands, and then every question of the round would be waited for.
            if self.parts.ticks.now().since(&asked_at).is_none_or(|took| took >= SLOW_ANSWER)
                && !matches!(self.parts.supervisor.life(), Ok(Life::Runs(_)))
            {
                return Outcome::Pending("it does not run any more".to_owned());
            }
            if check.question == Question::Version {
                answers = finding.verdict == Verdict::Yes;
                watching.answers = watching.answers || answers;
            }
            findings.push(finding);
        }
        watching.watch.round(findings, &self.parts.ticks.now())
    }

    fn answers(&self) -> bool {
        self.watch.as_ref().is_some_and(|watching| watching.answers)
    }

    pub(super) fn reports(&self) -> Vec<CheckReport> {
        let process = CheckReport { name: PROCESS.to_owned(), answer: Answer::Yes, detail: "it runs".to_owned() };
        let watched = self.watch.iter().flat_map(|watching| watching.watch.reports());
        std::iter::once(process).chain(watched).collect()
    }
}
