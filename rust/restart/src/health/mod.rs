//! Whether a Mesos comes up cleanly: checks as data, each with its own deadline and three answers.
//!
//! - [`judge`] reads answers of Mesos: pure
//! - [`probe`] asks for them over HTTP
//! - [`watch`] weighs findings over time: pure
//! - [`tasks`]: which tasks would not survive a restart
//!
//! A [`Finding`] has four values where an [`Answer`] has three: *not yet* is what a check says that has time left. At its
//! deadline it turns into *no*, because the set had its chance; *cannot tell* never does, because somebody else failed.

pub mod judge;
pub mod probe;
pub mod tasks;
pub mod watch;

use std::time::Duration;

use dcos_core::Role;
use dcos_core::attempt::{Answer, CheckReport};
use dcos_core::node::{HealthFacts, NodeConfig};
use dcos_core::ports::Launch;
use serde::{Deserialize, Serialize};

/// The name of the check that the supervisor answers: the process lives and has not been restarted.
pub const PROCESS: &str = "process";

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// `/version` answers and names the set's version.
    Version,
    /// The agent has recovered, without errors.
    Recovered,
    /// The agent is registered, and the leading master lists it as active under the same id.
    Registered,
    /// The master leads and has recovered its registry, or follows one that leads.
    Leading,
    /// This path answers 200.
    Path(String),
}

/// A check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its name in reports.
    pub name: String,
    /// What is asked.
    pub question: Question,
    /// How long it may say *not yet*, or be unable to tell.
    pub deadline: Duration,
    /// Whether it may depend on others than the set, so that what the old set did not say yes to is not held against
    /// the new one.
    pub excusable: bool,
}

/// What a check says now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is well.
    Yes,
    /// It is not well; it may become so.
    NotYet,
    /// It will not become well, and the set is to blame.
    No,
    /// It can't be told from here.
    CannotTell,
}

/// A verdict and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, for an operator.
    pub detail: String,
}

impl Finding {
    /// A finding.
    pub fn new(verdict: Verdict, detail: impl Into<String>) -> Self {
        Self { verdict, detail: detail.into() }
    }

    /// The finding as others are told. What is not well yet can't be told yet.
    pub fn report(&self, check: &str) -> CheckReport {
        let answer = match self.verdict {
            Verdict::Yes => Answer::Yes,
            Verdict::No => Answer::No,
            Verdict::NotYet | Verdict::CannotTell => Answer::CannotTell,
        };
        CheckReport { name: check.to_owned(), answer, detail: self.detail.clone() }
    }
}

/// The checks of a node's role for one generation, in the order in which they are asked and shown.
pub fn checks(node: &NodeConfig, launch: &Launch) -> Vec<Check> {
    let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO);
    let HealthFacts { answer_deadline, register_deadline, .. } = node.health;
    let (answer, register) = (seconds(answer_deadline), seconds(register_deadline));
    let check =
        |name: &str, question, deadline, excusable| Check { name: name.to_owned(), question, deadline, excusable };
    let mut checks = vec![check("version", Question::Version, answer, false)];
    match node.role {
        Role::Agent => {
            checks.push(check("recovered", Question::Recovered, register, false));
            checks.push(check("registered", Question::Registered, register, true));
        }
        Role::Master => checks.push(check("leading", Question::Leading, register, true)),
    }
    let own_deadline = |check: &mut Check| {
        if let Some(own) = node.health.deadlines.get(&check.name) {
            check.deadline = seconds(*own);
        }
    };
    for path in launch.health_paths.iter().chain(&node.health.checks) {
        if !checks.iter().any(|known| known.name == *path) {
            checks.push(check(path, Question::Path(path.clone()), answer, true));
        }
    }
    checks.iter_mut().for_each(own_deadline);
    checks
}

/// Who answers checks.
pub trait Prober {
    /// What `check` says of the Mesos that is running now, which was started as `subject` says.
    fn ask(&mut self, check: &Check, subject: &Subject) -> Finding;

    /// The agent id in the work directory; `None` before the first registration, and on a master.
    fn agent_id(&mut self) -> Option<String>;
}

/// What the answers are compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The set's version of Mesos.
    pub mesos_version: String,
    /// The agent id of before the restart, which it must keep; `None` on a first start.
    pub agent_id: Option<String>,
}
