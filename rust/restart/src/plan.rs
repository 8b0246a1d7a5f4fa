//! Whether a restart may begin, and what it would do. Facts come in as values; the only way out of here is an answer.

use dcos_core::attempt::AttemptState;
use dcos_core::node::NodeConfig;
use dcos_core::ports::Generation;
use dcos_core::validate::{Finding, Report};
use dcos_core::{ExitCode, PackageSet, Problem};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::records::FailedSet;

/// The longest name of an attempt.
const MAX_ATTEMPT_BYTES: usize = 128;

/// An order to restart into a set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The set that shall run.
    pub set: PackageSet,
    /// A name for the attempt, chosen by the caller and used once.
    pub attempt: String,
    /// The controller's term; 0 from a caller that is no controller.
    #[serde(default)]
    pub term: u64,
    /// The origin that is told of every change of state.
    #[serde(default)]
    pub report_to: Option<String>,
    /// Answer the plan and change nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Try a set that failed here before.
    #[serde(default)]
    pub retry_failed: bool,
    /// Go on although tasks will die.
    #[serde(default)]
    pub allow_task_loss: bool,
    /// Wipe the work directory: every task ends, and the agent gets a new id.
    #[serde(default)]
    pub clean: bool,
    /// The confirmation that `clean` needs.
    #[serde(default)]
    pub yes: bool,
}

/// The tasks that a restart of Mesos kills: those of frameworks that do not checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doomed {
    /// These, each as `<framework>/<task>`.
    Known(Vec<String>),
    /// It can't be told, and why.
    Unknown(String),
}

/// What is known of the last attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastAttempt {
    /// Its name.
    pub attempt: String,
    /// Where it stands.
    pub state: AttemptState,
    /// Whether another may take its place.
    pub over: bool,
}

/// What the decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// This host.
    pub node: &'a NodeConfig,
    /// The active generation.
    pub active: Option<&'a Generation>,
    /// The attempt of the journal.
    pub last: Option<&'a LastAttempt>,
    /// The names of earlier attempts.
    pub known_attempts: &'a [String],
    /// The newest term seen.
    pub term: u64,
    /// What is remembered of the wanted set, if it failed here.
    pub failed: Option<&'a FailedSet>,
    /// What validation says of the wanted set.
    pub report: &'a Report,
    /// What the machine lacks.
    pub machine: &'a [Finding],
    /// Why the work directory can't be wiped, where that is asked for.
    pub unclean: &'a [Finding],
    /// The tasks that would die.
    pub doomed: &'a Doomed,
    /// How long Mesos was absent in the last confirmed attempt.
    pub last_absence_ms: Option<u64>,
}

/// A step of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanStep {
    /// End the running Mesos.
    Stop,
    /// End the tasks and wipe the work directory.
    Wipe,
    /// Move `active`.
    Switch,
    /// Start the new Mesos.
    Start,
    /// Ask the checks.
    Watch,
}

impl PlanStep {
    /// The step as one word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Wipe => "wipe",
            Self::Switch => "switch",
            Self::Start => "start",
            Self::Watch => "watch",
        }
    }
}

/// What a restart would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The active set; empty on a new node.
    pub from: PackageSet,
    /// The wanted set.
    pub to: PackageSet,
    /// The steps in their order.
    pub steps: Vec<PlanStep>,
    /// The tasks that will die all the same, each as `<framework>/<task>`.
    pub tasks_lost: Vec<String>,
    /// How long Mesos will be absent, going by the last time.
    pub absence_estimate_ms: Option<u64>,
    /// What should be known and forbids nothing.
    pub notes: Vec<String>,
}

/// Why a restart may not begin. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The attempt's name can't be used.
    #[error("`{0}` can't name an attempt: 1 to 128 letters, digits and `._:@/-` are needed")]
    InvalidAttempt(String),
    /// Another attempt is under way.
    #[error("attempt `{attempt}` is under way ({})", word(.state))]
    AttemptRunning {
        /// The attempt.
        attempt: String,
        /// Where it stands.
        state: AttemptState,
    },
    /// There was an attempt of that name.
    #[error("there was an attempt `{0}` on this node before")]
    AttemptKnown(String),
    /// A newer controller was here.
    #[error("the order is of term {given}, and this node has followed term {seen} since")]
    OldTerm {
        /// The order's term.
        given: u64,
        /// The newest term.
        seen: u64,
    },
    /// It is not allowed to tell that origin anything.
    #[error("`{0}` is not an origin that this node may report to")]
    OriginNotAllowed(String),
    /// The wanted set is active.
    #[error("generation {generation} with exactly this set is active")]
    AlreadyActive {
        /// The active generation.
        generation: u64,
    },
    /// The wanted set can't work here.
    #[error("the set is not valid on this node: {} found", count(.0.problems.len()))]
    InvalidSet(Report),
    /// The wanted set failed here.
    #[error("this set failed here in attempt `{}` at {}: {}", .0.attempt, second(.0.at), .0.detail)]
    FailedBefore(Box<FailedSet>),
    /// Tasks would die.
    #[error("{} of frameworks that do not checkpoint would die: {}", tasks(.0.len()), list(.0))]
    TaskLoss(Vec<String>),
    /// The machine lacks something that Mesos needs.
    #[error("this machine is not ready for a restart: {} found", count(.0.len()))]
    NotReady(Vec<Finding>),
    /// Wiping the work directory was asked for and not confirmed.
    #[error("a clean restart wipes `{work_dir}`, {tasks} would end, and the agent gets a new id")]
    CleanUnconfirmed {
        /// The directory.
        work_dir: String,
        /// How many tasks, in words.
        tasks: String,
    },
    /// The work directory must not be wiped.
    #[error("the work directory is not wiped: {} found", count(.0.len()))]
    CleanUnsafe(Vec<Finding>),
}

impl Refusal {
    /// Each reason by itself: those of a report, or the sentence.
    fn findings(&self) -> Vec<Finding> {
        match self {
            Self::InvalidSet(report) => report.problems.clone(),
            Self::NotReady(findings) | Self::CleanUnsafe(findings) => findings.clone(),
            other => {
                let problem = Problem::from(other.clone());
                vec![Finding {
                    code: problem.name().to_owned(),
                    packages: Vec::new(),
                    message: problem.detail,
                    hint: problem.hints.into_iter().next(),
                }]
            }
        }
    }
}

/// Every reason against a restart as one problem: the first one's, with all of them in it.
pub fn refuse_all(refusals: Vec<Refusal>) -> Option<Problem> {
    let findings: Vec<Finding> = refusals.iter().flat_map(Refusal::findings).collect();
    let several = refusals.len() > 1;
    let mut problem = Problem::from(refusals.into_iter().next()?);
    if several {
        problem.problems = findings;
    }
    Some(problem)
}

fn word(state: &AttemptState) -> String {
    serde_json::to_value(state).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn count(problems: usize) -> String {
    if problems == 1 { "one problem".to_owned() } else { format!("{problems} problems") }
}

fn tasks(number: usize) -> String {
    if number == 1 { "one task".to_owned() } else { format!("{number} tasks") }
}

fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The first few; a sentence with a thousand names is not read.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(SHOWN);
    shown.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let problem = |code, name| Self::new(code, name, refusal.to_string());
        match &refusal {
            Refusal::InvalidAttempt(_) => {
                problem(ExitCode::Usage, "invalid-attempt").hint("leave it out: a name is made up then")
            }
            Refusal::AttemptRunning { .. } => problem(ExitCode::Conflict, "attempt-running")
                .hint("`dcos-restart-helper watch` follows it; before `go` it can be cancelled"),
            Refusal::AttemptKnown(_) => problem(ExitCode::Conflict, "attempt-known").hint("choose a new name"),
            Refusal::OldTerm { .. } => {
                problem(ExitCode::Conflict, "old-term").hint("another master leads now: ask that one")
            }
            Refusal::OriginNotAllowed(_) => problem(ExitCode::Refused, "origin-not-allowed")
                .hint("name it in `deploy.masters` or `deploy.allowed_origins` of the node file"),
            Refusal::AlreadyActive { .. } => problem(ExitCode::Refused, "already-active")
                .hint("`dcos-restart-helper start` starts Mesos from it if it does not run"),
            Refusal::InvalidSet(report) => {
                let mut problem = problem(ExitCode::Refused, "invalid-set");
                problem.problems.clone_from(&report.problems);
                problem
            }
            Refusal::FailedBefore(_) => {
                problem(ExitCode::Refused, "failed-before").hint("`--retry-failed` tries it all the same")
            }
            Refusal::TaskLoss(_) => {
                problem(ExitCode::Refused, "task-loss").hint("`--allow-task-loss` goes on all the same")
            }
            Refusal::NotReady(findings) => {
                let mut problem = problem(ExitCode::Refused, "not-ready");
                problem.problems.clone_from(findings);
                problem
            }
            Refusal::CleanUnconfirmed { .. } => {
                problem(ExitCode::Refused, "clean-unconfirmed").hint("`--yes` (over HTTP `\"yes\": true`) confirms it")
            }
            Refusal::CleanUnsafe(findings) => {
                let mut problem = problem(ExitCode::Refused, "clean-unsafe");
                problem.problems.clone_from(findings);
                problem
            }
        }
    }
}

/// What the restart that `request` asks for would do, or the first reason against it.
///
/// # Errors
/// The refusal.
pub fn plan(request: &Request, facts: Facts<'_>) -> Result<Plan, Refusal> {
    let (plan, refusals) = foresee(request, facts);
    refusals.into_iter().next().map_or(Ok(plan), Err)
}

/// What the restart that `request` asks for would do, and every reason against it.
///
/// The order of the reasons is that in which they help: what the caller got wrong, then what stands in the way now, then
/// what is wrong with the set or the machine, last what may be overridden.
pub fn foresee(request: &Request, facts: Facts<'_>) -> (Plan, Vec<Refusal>) {
    let mut refusals = Vec::new();
    if !is_attempt_name(&request.attempt) {
        refusals.push(Refusal::InvalidAttempt(request.attempt.clone()));
    }
    if let Some(origin) = &request.report_to
        && crate::outbox::origin_of(origin).is_none_or(|origin| !crate::outbox::is_allowed(&origin, facts.node))
    {
        refusals.push(Refusal::OriginNotAllowed(origin.clone()));
    }
    // Term 0 is a person at the node, who outranks no controller and is outranked by none.
    if request.term != 0 && request.term < facts.term {
        refusals.push(Refusal::OldTerm { given: request.term, seen: facts.term });
    }
    if let Some(last) = facts.last
        && !last.over
    {
        refusals.push(Refusal::AttemptRunning { attempt: last.attempt.clone(), state: last.state });
    } else if facts.last.is_some_and(|last| last.attempt == request.attempt)
        || facts.known_attempts.contains(&request.attempt)
    {
        refusals.push(Refusal::AttemptKnown(request.attempt.clone()));
    }
    // A clean restart into the same set is one that changes something all the same.
    if let Some(active) = facts.active
        && active.set == request.set
        && !request.clean
    {
        refusals.push(Refusal::AlreadyActive { generation: active.number });
    }
    if !facts.report.valid {
        refusals.push(Refusal::InvalidSet(facts.report.clone()));
    }
    if !facts.machine.is_empty() {
        refusals.push(Refusal::NotReady(facts.machine.to_vec()));
    }
    if let Some(failed) = facts.failed
        && !request.retry_failed
    {
        refusals.push(Refusal::FailedBefore(Box::new(failed.clone())));
    }
    let mut notes: Vec<String> = facts.report.notes.iter().map(|note| note.message.clone()).collect();
    let tasks_lost = match facts.doomed {
        Doomed::Known(tasks) => tasks.clone(),
        Doomed::Unknown(why) => {
            notes.push(format!("it can't be told which tasks would die: {why}"));
            Vec::new()
        }
    };
    let mut steps = vec![PlanStep::Stop, PlanStep::Switch, PlanStep::Start, PlanStep::Watch];
    if request.clean {
        steps.insert(1, PlanStep::Wipe);
        if !facts.unclean.is_empty() {
            refusals.push(Refusal::CleanUnsafe(facts.unclean.to_vec()));
        }
        if !request.yes {
            let work_dir = facts.node.mesos.work_dir.display().to_string();
            refusals.push(Refusal::CleanUnconfirmed { work_dir, tasks: tasks(tasks_lost.len()) });
        }
    } else if !tasks_lost.is_empty() && !request.allow_task_loss {
        refusals.push(Refusal::TaskLoss(tasks_lost.clone()));
    }
    let plan = Plan {
        from: facts.active.map(|active| active.set.clone()).unwrap_or_default(),
        to: request.set.clone(),
        steps,
        tasks_lost,
        absence_estimate_ms: facts.last_absence_ms,
        notes,
    };
    (plan, refusals)
}

fn is_attempt_name(text: &str) -> bool {
    (1..=MAX_ATTEMPT_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:@/-".contains(&byte))
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
