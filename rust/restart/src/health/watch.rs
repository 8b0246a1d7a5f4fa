//! Findings over time: when a watched Mesos is well, when it is not, and when that can't be told.

use std::time::Duration;

use dcos_core::attempt::{Answer, CheckReport};

use super::{Check, Finding, Verdict};
use crate::moment::Moment;

/// A set that is neither well for long nor bad for long is given this many times its deadlines before that is taken for
/// an answer.
const PATIENCE: u32 = 3;

/// How long it may take, once others work again, until this node has noticed: an agent without ZooKeeper finds its master
/// at its next try to register, which may be a minute away, or when pings have not come for 75 s.
const RECOVERY_OF_OTHERS: Duration = Duration::from_secs(90);

/// What the rounds so far amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Go on asking.
    Pending(String),
    /// Every check has said yes for the whole hold time.
    Well,
    /// Some check could not tell by its deadline; all others are well.
    Undecided(String),
    /// A check says no.
    Failed(String),
}

/// The checks of one Mesos, from its start.
#[derive(Debug)]
pub struct Watch {
    tracked: Vec<Tracked>,
    hold: Duration,
    /// When everything that can be told began to be well.
    settled: Option<Moment>,
    entered: Moment,
    /// Until when it must have become one thing or the other; `None` once that was decided, or if there is no hurry.
    patience: Option<Duration>,
}

#[derive(Debug)]
struct Tracked {
    check: Check,
    excused: bool,
    asked: bool,
    last: Finding,
    /// Whether others have failed since it was last well.
    others_failed: bool,
    /// Since when it has not been well, in the way in which it is not well now; `None` while it is well.
    since: Option<Moment>,
}

impl Watch {
    /// Watches a Mesos that was started at `entered`. Where the `baseline`, the old set's answers, was not a yes, this one
    /// is not held to it: putting the old set back would make nothing better.
    pub fn new(checks: Vec<Check>, hold: Duration, entered: &Moment, baseline: &[CheckReport]) -> Self {
        let longest = checks.iter().map(|check| check.deadline).max().unwrap_or_default();
        let was_unwell = |name: &str| baseline.iter().any(|old| old.name == name && old.answer != Answer::Yes);
        let tracked = checks
            .into_iter()
            .map(|check| Tracked {
                excused: check.excusable && was_unwell(&check.name),
                asked: false,
                last: Finding::new(Verdict::NotYet, "not asked yet"),
                others_failed: false,
                since: Some(entered.clone()),
                check,
            })
            .collect();
        Self { tracked, hold, settled: None, entered: entered.clone(), patience: Some((longest + hold) * PATIENCE) }
    }

    /// The same watch, for a set that may take any time.
    #[must_use]
    pub fn without_end(mut self) -> Self {
        self.patience = None;
        // Whoever looks for the first time may see others come back without having seen that they were away.
        for tracked in self.tracked.iter_mut().filter(|tracked| tracked.check.excusable) {
            tracked.others_failed = true;
        }
        self
    }

    /// The checks, in the order in which [`Watch::round`] wants their findings.
    pub fn checks(&self) -> impl Iterator<Item = &Check> {
        self.tracked.iter().map(|tracked| &tracked.check)
    }

    /// The last answers.
    pub fn reports(&self) -> Vec<CheckReport> {
        self.tracked.iter().map(|tracked| tracked.last.report(&tracked.check.name)).collect()
    }

    /// Weighs one finding per check, asked at `now`.
    pub fn round(&mut self, findings: Vec<Finding>, now: &Moment) -> Outcome {
        for (tracked, finding) in self.tracked.iter_mut().zip(findings) {
            tracked.take(finding, now);
        }
        if let Some(failed) = self.tracked.iter().find(|tracked| tracked.has_failed(now)) {
            return Outcome::Failed(failed.sentence());
        }
        let waited = now.since(&self.entered).unwrap_or(Duration::MAX);
        let out_of_patience = self.patience.is_some_and(|patience| waited >= patience);
        if let Some(pending) = self.tracked.iter().find(|tracked| tracked.is_pending(now)) {
            self.settled = None;
            if !out_of_patience {
                return Outcome::Pending(pending.sentence());
            }
            if pending.others_failed {
                self.patience = None;
                return Outcome::Undecided(pending.sentence());
            }
            return Outcome::Failed(format!("it does not stay well: {}", pending.sentence()));
        }
        let settled = self.settled.get_or_insert_with(|| now.clone());
        let held = now.since(settled).unwrap_or_default();
        if held < self.hold {
            return Outcome::Pending(format!(
                "well for {:.0} s of the {:.0} s that it has to hold",
                held.as_secs_f64(),
                self.hold.as_secs_f64()
            ));
        }
        match self.tracked.iter().find(|tracked| tracked.last.verdict != Verdict::Yes) {
            Some(undecided) => {
                self.patience = None;
                Outcome::Undecided(undecided.sentence())
            }
            None => Outcome::Well,
        }
    }
}

impl Tracked {
    fn take(&mut self, mut finding: Finding, now: &Moment) {
        if self.excused && matches!(finding.verdict, Verdict::No | Verdict::NotYet) {
            finding.verdict = Verdict::CannotTell;
            finding.detail.push_str(" (as before the restart)");
        }
        self.since = match finding.verdict {
            Verdict::Yes => None,
            // The first finding keeps the moment of the start. Later, whoever turns from well to not well, or from one
            // way of not being well to another, has its deadline anew: a master that comes back gives the agent time.
            verdict if self.since.is_some() && (!self.asked || self.last.verdict == verdict) => self.since.take(),
            _ => Some(now.clone()),
        };
        self.others_failed = match finding.verdict {
            Verdict::Yes => false,
            Verdict::CannotTell => true,
            Verdict::NotYet | Verdict::No => self.others_failed,
        };
        self.asked = true;
        self.last = finding;
    }

    fn is_late(&self, now: &Moment) -> bool {
        let waited = self.since.as_ref().map(|since| now.since(since).unwrap_or(Duration::MAX));
        waited.is_some_and(|waited| waited >= self.deadline())
    }

    fn deadline(&self) -> Duration {
        match self.last.verdict {
            Verdict::NotYet if self.others_failed => self.check.deadline.max(RECOVERY_OF_OTHERS),
            _ => self.check.deadline,
        }
    }

    fn has_failed(&self, now: &Moment) -> bool {
        match self.last.verdict {
            Verdict::No => true,
            Verdict::NotYet => self.is_late(now),
            Verdict::Yes | Verdict::CannotTell => false,
        }
    }

    fn is_pending(&self, now: &Moment) -> bool {
        matches!(self.last.verdict, Verdict::NotYet | Verdict::CannotTell) && !self.is_late(now)
    }

    fn sentence(&self) -> String {
        format!("`{}`: {}", self.check.name, self.last.detail)
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
