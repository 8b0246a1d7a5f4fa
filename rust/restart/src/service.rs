//! What the restart module offers to whoever serves HTTP or a command line: `begin`, `go`, `cancel`, `status`.
//!
//! These calls run inside Mesos, which may be killed at any time and is about to be: they only ever read, stage, and
//! write the journal. Everything that stops or starts a process is the helper's.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dcos_core::attempt::{AttemptReport, AttemptState};
use dcos_core::clock::{Clock, SystemClock};
use dcos_core::node::NodeConfig;
use dcos_core::ports::{Generation, NodeStore};
use dcos_core::validate::{Finding, Report};
use dcos_core::{ExitCode, PackageSet, Problem, Role, Sha256};
use serde::{Deserialize, Serialize};

use crate::before;
use crate::clean;
use crate::health::tasks::{Inhabitants, inhabitants};
use crate::host::{self, Lock};
use crate::journal::{FORMAT, Journal, Ticket};
use crate::kick;
use crate::moment::Moment;
use crate::phase::{Event, Phase};
use crate::plan::{Doomed, Facts, LastAttempt, Plan, Refusal, Request, foresee, refuse_all};
use crate::preflight;
use crate::records;

/// How long a ticket may be spent. Long enough for a controller that asks others in between, short enough that a halt
/// can wait for it.
pub const TICKET_LIFE: Duration = Duration::from_secs(10);

/// The answer of [`Restart::begin`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The attempt's name.
    pub attempt: String,
    /// What `go` needs; `None` after a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// How long the ticket is good, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_ms: Option<u64>,
    /// The generation of the set; `None` after a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// What `go` would do.
    pub plan: Plan,
}

/// The answer of [`Restart::go`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// The attempt that goes.
    pub attempt: String,
    /// Where it stands.
    pub state: AttemptState,
}

/// The Mesos that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningMesos {
    /// The generation that it was started from.
    pub generation: u64,
    /// That generation's packages.
    pub packages: PackageSet,
    /// That generation's version of Mesos.
    pub mesos_version: String,
    /// Its process.
    pub pid: u32,
}

/// The answer of [`Restart::status`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The node's name.
    pub node: String,
    /// The Mesos that runs; `None` if none does.
    pub running: Option<RunningMesos>,
    /// The active generation; `None` on a new node.
    pub active_generation: Option<u64>,
    /// The attempt under way.
    pub attempt: Option<AttemptReport>,
    /// The attempts that ended, newest first.
    pub last_attempts: Vec<AttemptReport>,
    /// What stands in the way of telling more, or of any restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// The restart of one node.
#[derive(Clone)]
pub struct Restart {
    store: Arc<dyn NodeStore>,
    node: Arc<NodeConfig>,
    node_file: PathBuf,
    clock: Arc<dyn Clock>,
}

/// What was found out before a decision.
struct Looked {
    report: Report,
    machine: Vec<Finding>,
    unclean: Vec<Finding>,
    doomed: Doomed,
}

impl Restart {
    /// Of the node that `node_file` describes and `store` keeps. Touches nothing.
    pub fn new(store: Arc<dyn NodeStore>, node: NodeConfig, node_file: PathBuf) -> Self {
        Self { store, node: Arc::new(node), node_file, clock: Arc::new(SystemClock) }
    }

    /// Plans a restart and, unless it is a dry run, makes the new generation and answers a ticket. A refusal names the first
    /// reason; that of a dry run names every one.
    ///
    /// # Errors
    /// Every [`crate::plan::Refusal`] under its name, a journal that can't be used, and the store's failures.
    pub fn begin(&self, request: &Request) -> Result<Begun, Problem> {
        crate::supervisor::supported(&self.node)?;
        if request.dry_run {
            return match self.preview(request)? {
                (_, Some(problem)) => Err(problem),
                (plan, None) => Ok(Begun {
                    attempt: request.attempt.clone(),
                    ticket: None,
                    expires_in_ms: None,
                    generation: None,
                    plan,
                }),
            };
        }
        // Asking Mesos and looking into packages takes a while, and the lock is what a helper at work waits for.
        let looked = self.look(request)?;
        let _lock = self.lock()?;
        let mut last = self.journal()?;
        // The helper may not have come to it yet, and what would replace it would forget it.
        if let Some(cancelled) = &last
            && let Some(before) = before::put_back(&*self.store, cancelled, &Moment::now())?
        {
            last = Some(before);
        }
        let (active, term) = (self.store.active()?, records::term(&*self.store)?);
        let (plan, refusals) = self.weigh(request, &looked, last.as_ref(), active.as_ref(), term)?;
        if let Some(refusal) = refusals.into_iter().next() {
            return Err(refusal.into());
        }
        // The helper may not have come to it: the journal that is about to be replaced must leave its report.
        if let Some(last) = last.as_ref().filter(|last| !last.closed) {
            records::keep_report(&*self.store, &last.report())?;
        }
        if request.term > term {
            records::keep_term(&*self.store, request.term)?;
        }
        let planned = self.planned(request, active.map(|active| active.number));
        records::reserve(&*self.store)?;
        before::keep(&*self.store, &planned.attempt, last.as_ref())?;
        planned.write(&*self.store)?;
        let staged = self.stage(&planned);
        let (ticket, journal) = match staged {
            Ok(staged) => staged,
            Err(problem) => {
                self.moved(&planned, Event::Failed, &problem.detail)?.write(&*self.store)?;
                return Err(problem);
            }
        };
        tracing::info!(attempt = journal.attempt, generation = journal.to, "staged");
        Ok(Begun {
            attempt: journal.attempt,
            ticket: Some(ticket),
            expires_in_ms: u64::try_from(TICKET_LIFE.as_millis()).ok(),
            generation: journal.to,
            plan,
        })
    }

    /// What a restart would do, and everything against it, as one problem. Changes nothing.
    ///
    /// # Errors
    /// A journal that can't be used, and the store's failures.
    pub fn preview(&self, request: &Request) -> Result<(Plan, Option<Problem>), Problem> {
        let looked = self.look(request)?;
        let mut last = Journal::read(&*self.store, &self.node.name())?;
        if let Some(journal) = last.as_mut().filter(|journal| is_stale(journal, &Moment::now(), &self.node)) {
            *journal = self.moved(journal, Event::Expired, EXPIRED)?;
        }
        let (active, term) = (self.store.active()?, records::term(&*self.store)?);
        let (plan, refusals) = self.weigh(request, &looked, last.as_ref(), active.as_ref(), term)?;
        Ok((plan, refuse_all(refusals)))
    }

    /// Looks at everything that a decision needs and that takes a while.
    fn look(&self, request: &Request) -> Result<Looked, Problem> {
        let running = self.running()?;
        let port = running.as_ref().map(|running| self.port_of(running.generation));
        let machine = preflight::judge(&preflight::look(&self.node, port));
        let Inhabitants { doomed, agent_id } = match self.node.role {
            Role::Master => Inhabitants { doomed: Doomed::Known(Vec::new()), agent_id: None },
            Role::Agent => inhabitants(&self.node, request.clean),
        };
        let mut report = self.store.validate(&request.set)?;
        let mut unclean = Vec::new();
        if request.clean {
            // What the old agent left will not be there.
            report = report.with_clean_work_dir();
            let pid = running.as_ref().map(|running| running.pid);
            if let Err(reasons) = clean::check(&self.node, agent_id.as_deref(), pid) {
                unclean = reasons.iter().map(clean::Unsafe::finding).collect();
            }
        }
        Ok(Looked { report, machine, unclean, doomed })
    }

    /// Where the Mesos of a generation was told to listen, if that can be told.
    fn port_of(&self, generation: u64) -> Option<u16> {
        let launch = self.store.launch(generation).ok()?;
        let told = launch.environment.iter().find(|(name, _)| name == "MESOS_PORT");
        told.and_then(|(_, port)| port.parse().ok())
    }

    fn weigh(
        &self,
        request: &Request,
        looked: &Looked,
        last: Option<&Journal>,
        active: Option<&Generation>,
        term: u64,
    ) -> Result<(Plan, Vec<Refusal>), Problem> {
        let reports = records::reports(&*self.store)?;
        let known: Vec<String> = reports.iter().map(|report| report.attempt.clone()).collect();
        let digest = request.set.digest();
        let failed = records::failed_sets(&*self.store)?.into_iter().find(|failed| failed.digest == digest);
        let last_attempt = last.map(|journal| LastAttempt {
            attempt: journal.attempt.clone(),
            state: journal.state(),
            over: journal.phase.is_over(),
        });
        let confirmed = reports.iter().find(|report| report.state == AttemptState::Confirmed);
        let facts = Facts {
            node: &self.node,
            active,
            last: last_attempt.as_ref(),
            known_attempts: &known,
            term,
            failed: failed.as_ref(),
            report: &looked.report,
            machine: &looked.machine,
            unclean: &looked.unclean,
            doomed: &looked.doomed,
            last_absence_ms: confirmed.and_then(|report| report.absence_ms),
        };
        Ok(foresee(request, facts))
    }

    /// Spends a ticket: from here on the helper acts.
    ///
    /// # Errors
    /// `stale-ticket` if its time is over or it was withdrawn, `spent-ticket` if it was spent, `no-such-ticket` if it
    /// was never given out or another attempt has begun since. `helper-missing` if there is nobody to act.
    pub fn go(&self, ticket: &str) -> Result<Gone, Problem> {
        let digest = Sha256::of(ticket.as_bytes());
        let lock = self.lock()?;
        let journal = self.journal()?.filter(|journal| journal.ticket.as_ref().is_some_and(|it| it.sha256 == digest));
        let Some(journal) = journal else {
            return Err(Problem::new(
                ExitCode::Conflict,
                "stale-ticket",
                "no attempt of this node waits for that ticket",
            )
            .hint("begin again"));
        };
        match journal.phase {
            Phase::Staged => {}
            Phase::Cancelled => {
                let detail = format!("attempt `{}` was cancelled: {}", journal.attempt, journal.detail);
                return Err(Problem::new(ExitCode::Conflict, "stale-ticket", detail).hint("begin again"));
            }
            _ => {
                let detail = format!("the ticket of attempt `{}` was spent before", journal.attempt);
                return Err(Problem::new(ExitCode::Conflict, "spent-ticket", detail)
                    .hint("`dcos-restart-helper watch` follows the attempt"));
            }
        }
        let ordered = self.moved(&journal, Event::Ordered, "the ticket was spent; the helper takes over")?;
        ordered.write(&*self.store)?;
        drop(lock);
        // A node's first attempt brings the first helper.
        if let (Ok(None), Some(generation)) = (self.store.helper(), ordered.to)
            && let Err(problem) = self.store.install_helper(generation)
        {
            tracing::warn!(problem = problem.detail, "no helper is installed");
        }
        if let Err(problem) = kick::kick(&*self.store, &self.node, &self.node_file) {
            // Nobody acts: better no order than one that somebody takes up much later.
            let _lock = self.lock()?;
            if let Some(current) = self.journal()?.filter(|current| current.same_place(&ordered)) {
                self.moved(&current, Event::Expired, &problem.detail)?.write(&*self.store)?;
                return Err(problem);
            }
        }
        Ok(Gone { attempt: ordered.attempt, state: ordered.phase.state() })
    }

    /// Withdraws an attempt before its ticket is spent. One that was cancelled before stays so.
    ///
    /// # Errors
    /// `no-such-attempt`, or `attempt-started` once the ticket is spent.
    pub fn cancel(&self, attempt: &str) -> Result<AttemptReport, Problem> {
        let _lock = self.lock()?;
        let Some(journal) = self.journal()?.filter(|journal| journal.attempt == attempt) else {
            let known = records::reports(&*self.store)?.into_iter().find(|report| report.attempt == attempt);
            let (code, name, why) = match known {
                Some(report) if report.state == AttemptState::Cancelled => return Ok(report),
                Some(_) => (ExitCode::Conflict, "attempt-started", "it has ended"),
                None => (ExitCode::NotFound, "no-such-attempt", "there is none of that name on this node"),
            };
            return Err(Problem::new(code, name, format!("can't cancel attempt `{attempt}`: {why}")));
        };
        match journal.phase {
            Phase::Planned | Phase::Staged => {
                let cancelled = self.moved(&journal, Event::Cancelled, "withdrawn before anything was stopped")?;
                cancelled.write(&*self.store)?;
                Ok(cancelled.report())
            }
            Phase::Cancelled => Ok(journal.report()),
            _ => Err(Problem::new(
                ExitCode::Conflict,
                "attempt-started",
                format!("can't cancel attempt `{attempt}`: its ticket was spent"),
            )),
        }
    }

    /// What runs, what is active, and the attempts.
    ///
    /// # Errors
    /// If the store can't be read at all. A journal that can't be used is told in [`Status::problem`].
    pub fn status(&self) -> Result<Status, Problem> {
        let (journal, problem) = match Journal::read(&*self.store, &self.node.name()) {
            Ok(journal) => (journal, None),
            Err(problem) => (None, Some(problem)),
        };
        let mut last_attempts = records::reports(&*self.store)?;
        let mut attempt = None;
        if let Some(mut journal) = journal {
            if is_stale(&journal, &Moment::now(), &self.node) {
                // Nobody may have written it down yet: reading does not change the journal.
                journal = self.moved(&journal, Event::Expired, EXPIRED)?;
            }
            if journal.phase.is_over() {
                last_attempts.retain(|report| report.attempt != journal.attempt);
                last_attempts.insert(0, journal.report());
            } else {
                attempt = Some(journal.report());
            }
        }
        Ok(Status {
            node: self.node.name(),
            running: self.running()?,
            active_generation: self.store.active()?.map(|active| active.number),
            attempt,
            last_attempts,
            problem,
        })
    }

    fn running(&self) -> Result<Option<RunningMesos>, Problem> {
        let Some(mesos) = records::mesos(&*self.store)? else { return Ok(None) };
        if mesos.boot_id != host::boot_id() || host::start_time(mesos.pid) != Some(mesos.start_time) {
            return Ok(None);
        }
        let generation = self.store.launch(mesos.generation)?.generation;
        Ok(Some(RunningMesos {
            generation: generation.number,
            packages: generation.set,
            mesos_version: generation.mesos_version,
            pid: mesos.pid,
        }))
    }

    fn lock(&self) -> Result<Lock, Problem> {
        Ok(Lock::wait(&host::state_directory(&self.node.root).join("journal.lock"))?)
    }

    /// The journal, with a ticket or an order that has gone stale withdrawn. To be called with the lock held.
    fn journal(&self) -> Result<Option<Journal>, Problem> {
        let Some(journal) = Journal::read(&*self.store, &self.node.name())? else { return Ok(None) };
        // Who plans holds the lock until the ticket is out: a plan that is found with the lock in hand lost its planner.
        if journal.phase != Phase::Planned && !is_stale(&journal, &Moment::now(), &self.node) {
            return Ok(Some(journal));
        }
        let expired = self.moved(&journal, Event::Expired, EXPIRED)?;
        expired.write(&*self.store)?;
        Ok(Some(expired))
    }

    fn planned(&self, request: &Request, from: Option<u64>) -> Journal {
        let now = self.clock.now();
        Journal {
            format: FORMAT,
            node: self.node.name(),
            attempt: request.attempt.clone(),
            term: request.term,
            report_to: request.report_to.clone(),
            set: request.set.clone(),
            from,
            to: None,
            ticket: None,
            phase: Phase::Planned,
            entered: Moment::now(),
            started_at: now,
            changed_at: now,
            detail: "the generation is being made".to_owned(),
            baseline: Vec::new(),
            checks: Vec::new(),
            agent_id: None,
            gone: None,
            absence_ms: None,
            log: Vec::new(),
            failure: None,
            retries: 0,
            clean: request.clean,
            closed: false,
        }
    }

    fn stage(&self, planned: &Journal) -> Result<(String, Journal), Problem> {
        let generation = self.store.stage(&planned.set)?;
        let secret = host::random::<16>().map_err(|error| {
            Problem::new(ExitCode::Unexpected, "no-randomness", format!("can't make a ticket: {error}"))
        })?;
        let ticket = host::hex(&secret);
        let mut journal = self.moved(planned, Event::Staged, "the generation is made; a ticket is out")?;
        journal.to = Some(generation.number);
        journal.ticket =
            Some(Ticket { sha256: Sha256::of(ticket.as_bytes()), expires: Moment::now().after(TICKET_LIFE) });
        journal.write(&*self.store)?;
        Ok((ticket, journal))
    }

    fn moved(&self, journal: &Journal, event: Event, detail: &str) -> Result<Journal, Problem> {
        match journal.after(event, detail, &Moment::now(), self.clock.now()) {
            // The helper does what follows: it finds the journal not closed. Tests of the phases show that none of
            // these events can fail where it is used.
            Ok((journal, _)) => Ok(journal),
            Err(error) => Err(Problem::new(ExitCode::Conflict, "attempt-moved-on", error.to_string())),
        }
    }
}

/// The detail of an attempt whose time ran out before anything was stopped.
pub(crate) const EXPIRED: &str = "nobody went on in time; nothing was stopped";

/// Whether an attempt waits for somebody whose time is over.
pub(crate) fn is_stale(journal: &Journal, now: &Moment, node: &NodeConfig) -> bool {
    let order_life = Duration::try_from_secs_f64(node.health.order_life).unwrap_or_default();
    match (journal.phase, &journal.ticket) {
        (Phase::Planned, _) => now.is_past(&journal.entered.after(order_life)),
        (Phase::Staged, Some(ticket)) => now.is_past(&ticket.expires),
        (Phase::Staged, None) => true,
        (Phase::Ordered, _) => now.is_past(&journal.entered.after(order_life)),
        _ => false,
    }
}
