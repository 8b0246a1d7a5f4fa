//! The helper at work: walks attempts, and outside of them keeps Mesos running.
//!
//! There is one worker per node, by a lock that it holds for its life. It keeps nothing in memory that a successor would
//! miss, so there is no orderly way to end it and none is needed: SIGKILL will do. Mesos is in a session of its own and
//! does not notice.
//!
//! Under the `process` supervisor the worker stays for ever, as the one who starts a crashed Mesos. systemd does that
//! itself: there the worker ends when it has nothing to do, and whoever begins an attempt has systemd start it again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dcos_core::clock::SystemClock;
use dcos_core::node::NodeConfig;
use dcos_core::ports::NodeStore;
use dcos_core::{ExitCode, Problem};

use crate::execute::{BootClock, Parts, Turn, Walker};
use crate::health::probe::HttpProber;
use crate::host::{Lock, LockError, state_directory};
use crate::journal::Journal;
use crate::kick::{self, Listener};
use crate::lost::StatusWatch;
use crate::outbox::Outbox;
use crate::phase::Phase;
use crate::supervisor::log::BoundedLog;
use crate::supervisor::systemd::units;
use crate::supervisor::{self, Life, Supervisor};

/// The worker's lock below `state/`.
pub const LOCK: &str = "helper.lock";

/// How often the worker looks at the journal without having been kicked, and at its guard.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long to wait after something failed that should not.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// The waits before a crashed Mesos is started again: none for the first, then doubling from the first to the last.
const FIRST_RESTART: Duration = Duration::from_secs(1);
const LAST_RESTART: Duration = Duration::from_secs(60);

/// How long there must have been nothing to do before a worker that is not needed ends. In that time the outbox writes
/// down what it was handed over.
const LINGER: Duration = Duration::from_secs(3);

/// Why a worker has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// This program shall take its place.
    Successor(PathBuf),
    /// There is nothing to do, and systemd starts another one when there is.
    Done,
}

/// Runs the worker of a node; waits for another one to end first. Comes back only if it can't go on, is not needed any
/// more, or with the program that shall take its place. `own` is the program of this process, `started_as` the helper
/// that it was started from: the two differ where a helper is only a wrapper.
///
/// # Errors
/// If the lock, the socket, the outbox or an HTTP client can't be had.
pub fn run(
    store: &Arc<dyn NodeStore>,
    node: &NodeConfig,
    node_file: &Path,
    own: &Path,
    started_as: &Path,
) -> Result<Ended, Problem> {
    crate::supervisor::supported(node)?;
    let _lock = Lock::wait(&state_directory(&node.root).join(LOCK))?;
    let listener = Listener::bind(&node.root).map_err(|error| failed("listen for kicks", &error))?;
    let mut walker = walker(store, node, own, Some(listener))?;
    install_first_helper(&**store);
    let mut keeper = Keeper::new(Duration::try_from_secs_f64(node.health.hold).unwrap_or_default());
    let mut guard = GuardWatch::new(node, node_file, started_as);
    let log = BoundedLog::of_helper(&node.root);
    let under_systemd = units::is_used(node);
    let mut idle_since: Option<Instant> = None;
    let mut status = StatusWatch::default();
    let mut complaint = String::new();
    tracing::info!(node = node.name(), "the helper is at work");
    loop {
        // Before anything is stopped: from then on nobody else may answer.
        status.keep(walker.is_walking().unwrap_or(false), store, node);
        let turn = match walker.step() {
            Ok(turn) => {
                complaint.clear();
                turn
            }
            Err(problem) => {
                if problem.detail != complaint {
                    tracing::error!(problem = problem.name(), problem.detail);
                    complaint = problem.detail;
                }
                Turn::Wait(AFTER_FAILURE)
            }
        };
        let mut wait = match turn {
            Turn::Again => continue,
            Turn::Wait(wait) => wait.min(LOOK_EVERY),
            Turn::Idle => LOOK_EVERY,
        };
        if !under_systemd && may_keep(&**store, node) {
            wait = wait.min(keeper.look(&**store, &mut walker.parts.supervisor));
        }
        if !under_systemd {
            guard.look();
        }
        if let Some(successor) = successor(&walker, started_as) {
            return Ok(Ended::Successor(successor));
        }
        if under_systemd && turn == Turn::Idle && store.list_state("outbox")?.is_empty() {
            if idle_since.get_or_insert_with(Instant::now).elapsed() >= LINGER {
                // From here on nobody can be woken: whoever began an attempt before this is seen by the last look, and
                // whoever begins one after it finds nobody, and has another worker started.
                kick::forget(&node.root);
                let journal = Journal::read(&**store, &node.name())?;
                let idle = journal.is_none_or(|journal| journal.phase.is_over());
                return Ok(if idle { Ended::Done } else { Ended::Successor(started_as.to_owned()) });
            }
        } else {
            idle_since = None;
        }
        if let Err(error) = log.rotate_if_large() {
            tracing::warn!(%error, "can't bound the log of the helper");
        }
        walker.parts.supervisor.wait(wait);
    }
}

/// Decides which set the Mesos of a node shall start from, and does nothing else: for a boot, where Mesos waits for it.
/// Where a worker is at work, that decides.
///
/// # Errors
/// As [`run`], and if the journal can't be used.
pub fn decide(store: &Arc<dyn NodeStore>, node: &NodeConfig, own: &Path) -> Result<(), Problem> {
    let _lock = match Lock::try_now(&state_directory(&node.root).join(LOCK)) {
        Err(LockError::Held { .. }) => return Ok(()),
        lock => lock?,
    };
    walker(store, node, own, None)?.decide()
}

fn walker(
    store: &Arc<dyn NodeStore>,
    node: &NodeConfig,
    own: &Path,
    listener: Option<Listener>,
) -> Result<Walker<Box<dyn Supervisor>>, Problem> {
    let prober = HttpProber::new(node).map_err(|error| failed("make an HTTP client", &error))?;
    let pings = Outbox::open(Arc::clone(store), node)?;
    Ok(Walker::new(Parts {
        store: Arc::clone(store),
        node: node.clone(),
        supervisor: supervisor::of_node(node, store, own.to_owned(), listener),
        prober: Box::new(prober),
        pings: Box::new(pings),
        ticks: Box::new(BootClock),
        clock: Box::new(SystemClock),
    }))
}

fn failed(what: &str, error: &dyn std::error::Error) -> Problem {
    Problem::new(ExitCode::Unexpected, "helper-failed", format!("can't {what}: {}", Problem::chain(error)))
}

/// Whether Mesos is to be kept running as it is: not while an attempt is moving it. A journal that can't be used moves
/// nothing, and Mesos must run all the same.
fn may_keep(store: &dyn NodeStore, node: &NodeConfig) -> bool {
    match Journal::read(store, &node.name()) {
        Ok(Some(journal)) => !matches!(journal.phase, Phase::Moving { .. } | Phase::Lost),
        Ok(None) | Err(_) => true,
    }
}

/// The first helper of a node comes from the set that is active when it starts.
fn install_first_helper(store: &dyn NodeStore) {
    let installed = store.helper().and_then(|helper| match (helper, store.active()?) {
        (None, Some(active)) => store.install_helper(active.number).map(|_| ()),
        _ => Ok(()),
    });
    if let Err(problem) = installed {
        tracing::warn!(problem = problem.detail, "no helper is installed");
    }
}

/// The helper that shall go on instead of this one: another is current, and nothing is under way.
fn successor<S: Supervisor>(walker: &Walker<S>, started_as: &Path) -> Option<PathBuf> {
    let current = walker.helper()?.canonicalize().ok()?;
    (current != started_as && !walker.is_walking().unwrap_or(true)).then_some(current)
}

/// Keeps Mesos running outside of attempts.
struct Keeper {
    /// How long it has to live to count as having come up.
    hold: Duration,
    starts: u32,
    since: Option<Instant>,
    due: Option<Instant>,
}

impl Keeper {
    const fn new(hold: Duration) -> Self {
        Self { hold, starts: 0, since: None, due: None }
    }

    /// Starts Mesos from the active generation if it does not run and its time has come; answers when to look again.
    fn look(&mut self, store: &dyn NodeStore, supervisor: &mut impl Supervisor) -> Duration {
        let life = match supervisor.life() {
            Ok(life) => life,
            Err(error) => {
                tracing::error!(error = Problem::chain(&error), "can't tell whether Mesos runs");
                return LOOK_EVERY;
            }
        };
        let how = match life {
            Life::Runs(_) => {
                self.due = None;
                if self.since.get_or_insert_with(Instant::now).elapsed() >= self.hold {
                    self.starts = 0;
                }
                return LOOK_EVERY;
            }
            Life::Ended(how) => how,
            Life::Absent => "none has run yet".to_owned(),
        };
        self.since = None;
        let wait = restart_wait(self.starts);
        let due = *self.due.get_or_insert_with(|| {
            if self.starts > 0 {
                let lines = supervisor.last_lines();
                let last = lines.last().map_or("", String::as_str);
                tracing::warn!(how, ?wait, last_line = last, "Mesos does not run: starting it again");
            }
            Instant::now() + wait
        });
        let left = due.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            return left;
        }
        self.due = None;
        let started = store.active().and_then(|active| match active {
            Some(active) => supervisor.start(&store.launch(active.number)?).map(Some).map_err(Problem::from),
            None => Ok(None),
        });
        match started {
            Ok(Some(_)) => self.starts = self.starts.saturating_add(1),
            Ok(None) => tracing::debug!("no generation is active: there is no Mesos to start"),
            Err(problem) => {
                self.starts = self.starts.saturating_add(1);
                tracing::error!(problem = problem.detail, "can't start Mesos");
            }
        }
        LOOK_EVERY
    }
}

/// How long to wait before a Mesos that was started that often without coming up is started again.
fn restart_wait(starts: u32) -> Duration {
    match starts.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => FIRST_RESTART.saturating_mul(2_u32.saturating_pow(doublings.min(16))).min(LAST_RESTART),
    }
}

/// Brings back a guard that was killed: else the next death of the worker would be noticed by nobody.
struct GuardWatch<'a> {
    node: &'a NodeConfig,
    node_file: &'a Path,
    program: &'a Path,
    parent: Option<rustix::process::Pid>,
    looked: Instant,
}

impl<'a> GuardWatch<'a> {
    fn new(node: &'a NodeConfig, node_file: &'a Path, program: &'a Path) -> Self {
        Self { node, node_file, program, parent: rustix::process::getppid(), looked: Instant::now() }
    }

    fn look(&mut self) {
        if rustix::process::getppid() == self.parent || self.looked.elapsed() < LOOK_EVERY {
            return;
        }
        self.looked = Instant::now();
        let lock = state_directory(&self.node.root).join(crate::guard::LOCK);
        if matches!(Lock::holder(&lock), Ok(None)) {
            tracing::warn!("the guard is gone: starting another");
            if let Err(error) = kick::spawn(self.program, self.node_file) {
                tracing::error!(%error, "can't start a guard");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LAST_RESTART, restart_wait};
    use std::time::Duration;

    #[test]
    fn the_first_restart_is_at_once_and_later_ones_wait_longer_up_to_a_minute() {
        let waits: Vec<u64> = (0..9).map(|starts| restart_wait(starts).as_secs()).collect();
        assert_eq!(waits, [0, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(restart_wait(u32::MAX), LAST_RESTART.max(Duration::ZERO));
    }
}
