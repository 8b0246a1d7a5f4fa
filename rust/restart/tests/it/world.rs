//! A node in memory: documents, generations, one process, a clock, and answers to checks.
//!
//! The world outlives the walkers that act in it, as a machine outlives its processes. A walker is killed by a panic out
//! of the world, before or after what it was about to do: what a SIGKILL does, at a place that a test can choose.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dcos_core::attempt::{AttemptReport, AttemptState};
use dcos_core::node::NodeConfig;
use dcos_core::ports::{Generation, Launch, NodeStore};
use dcos_core::validate::{Finding as Problems, Report};
use dcos_core::{Clock, ExitCode, PackageSet, Problem};
use dcos_restart::execute::{Parts, Pings, Ticks, Turn, Walker};
use dcos_restart::health::{Check, Finding, Prober, Question, Subject, Verdict};
use dcos_restart::journal::{FORMAT, Journal};
use dcos_restart::moment::Moment;
use dcos_restart::phase::Phase;
use dcos_restart::supervisor::{Life, Running, Supervisor, SupervisorError};
use jiff::Timestamp;

pub(crate) const OLD: u64 = 1;
pub(crate) const NEW: u64 = 2;

/// How the Mesos of a generation behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// It is well after a moment.
    Good,
    /// It ends that many milliseconds after its start.
    EndsAfter(u64),
    /// It lives and never answers.
    Silent,
    /// It answers and never leads.
    NeverLeads,
    /// It answers as another version.
    WrongVersion,
    /// It ends when it is asked for a path, and somebody holds its port: who asks from then on waits in vain.
    LeavesItsPort,
    /// Whether it leads can't be told until that time of the world.
    LeaderlessUntil(u64),
}

#[derive(Clone, Debug)]
struct Process {
    generation: u64,
    started_ms: u64,
    pid: u32,
}

/// Everything that a kill leaves behind.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) documents: BTreeMap<String, Vec<u8>>,
    pub(crate) active: Option<u64>,
    pub(crate) behaviour: BTreeMap<u64, Behaviour>,
    pub(crate) ms: u64,
    pub(crate) boot: u32,
    pub(crate) pings: Vec<AttemptState>,
    pub(crate) outcomes: Vec<(u64, AttemptState)>,
    pub(crate) starts: Vec<u64>,
    /// How often garbage was collected.
    pub(crate) collections: u32,
    /// How many switches fail from now on.
    pub(crate) failing_switches: u32,
    /// Whether the disk is full but for what was set aside.
    pub(crate) disk_full: bool,
    /// How long every wait takes at least, in milliseconds: a coarse world is walked through sooner.
    pub(crate) coarse: u64,
    process: Option<Process>,
    /// Whether the last process ended by itself.
    ended: bool,
    started_in: Option<u32>,
    next_pid: u32,
    /// After how many effects the walker is killed, and whether the last one still happens.
    fuel: Option<(u32, bool)>,
}

struct Killed;

/// A handle on the world, which plays every part that a walker needs.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<World>>);

pub(crate) fn set(ids: &[&str]) -> PackageSet {
    ids.iter().map(|id| id.parse().unwrap()).collect()
}

pub(crate) fn set_of(generation: u64) -> PackageSet {
    set(&[if generation == OLD { "mesos--1.10.0" } else { "mesos--1.11.0" }, "c--1"])
}

/// A node with an address of its own: `begin` looks whether its port is free by listening on it for a moment, and so do the
/// tests beside this one.
pub(crate) fn node(root: &std::path::Path) -> NodeConfig {
    static NODES: AtomicU32 = AtomicU32::new(0);
    let number = NODES.fetch_add(1, Ordering::Relaxed);
    let (high, middle, low) = (1 + std::process::id() % 250, 1 + number / 250 % 250, 1 + number % 250);
    let text = format!(
        "root = '{}'\nrole = 'master'\ngroup = 'm'\n[supervisor]\nkind = 'process'\n[health]\nhold = 5.0\n\
         [mesos]\nip = '127.{high}.{middle}.{low}'\nport = 5050\nwork_dir = '/nowhere'\n\
         [deploy]\nmasters = ['http://127.0.0.1:5050']",
        root.display()
    );
    NodeConfig::parse(&text).unwrap()
}

impl Shared {
    /// A node that runs the old generation.
    pub(crate) fn new(old: Behaviour, new: Behaviour) -> Self {
        Self(Arc::new(Mutex::new(World {
            documents: BTreeMap::new(),
            active: Some(OLD),
            behaviour: [(OLD, old), (NEW, new)].into(),
            ms: 1_000_000,
            boot: 1,
            pings: Vec::new(),
            outcomes: Vec::new(),
            starts: Vec::new(),
            collections: 0,
            failing_switches: 0,
            disk_full: false,
            coarse: 1,
            // It has run for long: what it does soon after a start it has not done.
            process: Some(Process { generation: OLD, started_ms: 1_000_000, pid: 100 }),
            ended: false,
            started_in: Some(1),
            next_pid: 101,
            fuel: None,
        })))
    }

    /// The world, to look at and to change.
    pub(crate) fn get(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something that lasts happens; or the walker is killed at it.
    fn effect<T>(&self, effect: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.get();
        let killed = match &mut world.fuel {
            Some((0, late)) => Some(*late),
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        };
        if killed.is_some() {
            world.fuel = None;
        }
        if killed == Some(false) {
            drop(world);
            resume_unwind(Box::new(Killed));
        }
        let value = effect(&mut world);
        drop(world);
        if killed == Some(true) {
            resume_unwind(Box::new(Killed));
        }
        value
    }

    /// The machine is started again.
    pub(crate) fn reboot(&self) {
        let mut world = self.get();
        world.boot += 1;
        world.ms = 10_000;
        world.process = None;
        world.ended = false;
    }

    /// Mesos is started by who keeps it running, and no walker is asked.
    pub(crate) fn start_by_itself(&self, generation: u64) {
        let mut world = self.get();
        world.process = Some(Process { generation, started_ms: world.ms, pid: world.next_pid });
        world.next_pid += 1;
        world.ended = false;
        world.started_in = Some(world.boot);
    }

    /// The generation that runs.
    pub(crate) fn running(&self) -> Option<u64> {
        let mut world = self.get();
        world.look();
        world.process.as_ref().map(|process| process.generation)
    }

    /// Writes the journal of an attempt whose ticket was spent.
    pub(crate) fn order(&self, node: &NodeConfig, from: Option<u64>) -> Journal {
        let journal = Journal {
            format: FORMAT,
            node: node.name(),
            attempt: "a1".to_owned(),
            term: 1,
            report_to: None,
            set: set_of(NEW),
            from,
            to: Some(NEW),
            ticket: None,
            phase: Phase::Ordered,
            entered: self.now(),
            started_at: Timestamp::UNIX_EPOCH,
            changed_at: Timestamp::UNIX_EPOCH,
            detail: String::new(),
            baseline: Vec::new(),
            checks: Vec::new(),
            agent_id: None,
            gone: None,
            absence_ms: None,
            log: Vec::new(),
            failure: None,
            retries: 0,
            clean: false,
            closed: false,
        };
        journal.write(self).unwrap();
        journal
    }

    pub(crate) fn journal(&self, node: &NodeConfig) -> Journal {
        Journal::read(self, &node.name()).unwrap().unwrap()
    }

    pub(crate) fn walker(&self, node: &NodeConfig) -> Walker<Self> {
        Walker::new(Parts {
            store: Arc::new(self.clone()),
            node: node.clone(),
            supervisor: self.clone(),
            prober: Box::new(self.clone()),
            pings: Box::new(self.clone()),
            ticks: Box::new(self.clone()),
            clock: Box::new(self.clone()),
        })
    }

    /// Lets a fresh walker walk until it is idle, is killed after `fuel` effects, or `limit_ms` of the world are over.
    /// Answers whether it was killed.
    pub(crate) fn walk(&self, node: &NodeConfig, fuel: Option<(u32, bool)>, limit_ms: u64) -> bool {
        let until = self.get().ms + limit_ms;
        self.until_killed(fuel, || {
            let mut walker = self.walker(node);
            let mut stuck = 0;
            while self.get().ms < until {
                match walker.step() {
                    Ok(Turn::Again) => {
                        stuck += 1;
                        assert!(stuck < 1000, "it goes round in circles: {:?}", self.journal(node).phase);
                    }
                    Ok(Turn::Wait(wait)) => {
                        stuck = 0;
                        walker.parts.supervisor.wait(wait);
                    }
                    Ok(Turn::Idle) => return,
                    Err(_) => walker.parts.supervisor.wait(Duration::from_secs(1)),
                }
            }
        })
    }

    /// Does something that is killed after `fuel` effects. Answers whether it was.
    pub(crate) fn until_killed(&self, fuel: Option<(u32, bool)>, act: impl FnOnce()) -> bool {
        self.get().fuel = fuel;
        let acted = catch_unwind(AssertUnwindSafe(act));
        self.get().fuel = None;
        match acted {
            Ok(()) => false,
            Err(panic) if panic.is::<Killed>() => true,
            Err(panic) => resume_unwind(panic),
        }
    }
}

impl World {
    /// Lets the process end if its time has come.
    fn look(&mut self) {
        if let Some(process) = &self.process
            && let Some(Behaviour::EndsAfter(ms)) = self.behaviour.get(&process.generation)
            && process.pid != 100
            && self.ms >= process.started_ms + ms
        {
            self.process = None;
            self.ended = true;
        }
    }
}

impl Ticks for Shared {
    fn now(&self) -> Moment {
        let world = self.get();
        Moment { boot: world.boot.to_string(), ms: world.ms }
    }
}

impl Clock for Shared {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

impl Shared {
    fn now(&self) -> Moment {
        Ticks::now(self)
    }
}

impl Pings for Shared {
    fn note(&self, report: &AttemptReport, _: Option<&str>) {
        let state = report.state;
        if self.get().pings.last() != Some(&state) {
            self.effect(|world| world.pings.push(state));
        }
    }
}

impl Supervisor for Shared {
    fn life(&mut self) -> Result<Life, SupervisorError> {
        let mut world = self.get();
        world.look();
        Ok(match &world.process {
            Some(process) => Life::Runs(Running { generation: process.generation, pid: process.pid }),
            None if world.started_in == Some(world.boot) && world.ended => {
                Life::Ended("it exited with status 1".to_owned())
            }
            None => Life::Absent,
        })
    }

    fn stop(&mut self, _: Duration) -> Result<(), SupervisorError> {
        self.effect(|world| {
            world.ms += 5;
            world.process = None;
            // As in the real one: a record of this boot whose process is gone.
            world.ended = true;
        });
        Ok(())
    }

    fn start(&mut self, launch: &Launch) -> Result<Running, SupervisorError> {
        let generation = launch.generation.number;
        if let Life::Runs(running) = self.life()? {
            assert_eq!(running.generation, generation, "two sets would run at once");
            return Ok(running);
        }
        self.effect(|world| {
            let pid = world.next_pid;
            world.next_pid += 1;
            world.process = Some(Process { generation, started_ms: world.ms, pid });
            world.ended = false;
            world.started_in = Some(world.boot);
            world.starts.push(generation);
            Ok(Running { generation, pid })
        })
    }

    fn last_lines(&mut self) -> Vec<String> {
        vec!["the last line".to_owned()]
    }

    fn wait(&mut self, at_most: Duration) {
        let mut world = self.get();
        world.ms += u64::try_from(at_most.as_millis()).unwrap().max(world.coarse);
    }
}

impl Prober for Shared {
    fn ask(&mut self, check: &Check, subject: &Subject) -> Finding {
        let mut world = self.get();
        world.look();
        let port_is_left = world.behaviour.values().any(|behaviour| matches!(behaviour, Behaviour::LeavesItsPort));
        let new_runs = world.process.as_ref().is_some_and(|process| process.generation == NEW);
        if port_is_left && new_runs && matches!(check.question, Question::Path(_)) {
            world.process = None;
            world.ended = true;
        }
        if port_is_left && world.process.is_none() {
            world.ms += 2_000;
        }
        let Some(process) = &world.process else { return Finding::new(Verdict::NotYet, "nobody answers") };
        let behaviour = world.behaviour[&process.generation];
        let young = process.pid != 100 && world.ms < process.started_ms + 200;
        let verdict = match (&check.question, behaviour) {
            (_, Behaviour::Silent) => Verdict::NotYet,
            _ if young => Verdict::NotYet,
            (Question::Version, Behaviour::WrongVersion) => Verdict::No,
            (Question::Leading, Behaviour::NeverLeads) => Verdict::NotYet,
            (Question::Leading, Behaviour::LeaderlessUntil(ms)) if world.ms < ms => Verdict::CannotTell,
            _ => Verdict::Yes,
        };
        assert!(subject.mesos_version.starts_with("1.1"));
        Finding::new(verdict, "so")
    }

    fn agent_id(&mut self) -> Option<String> {
        None
    }
}

impl NodeStore for Shared {
    fn active(&self) -> Result<Option<Generation>, Problem> {
        let active = self.get().active;
        active.map(|active| Ok(self.launch(active)?.generation)).transpose()
    }

    fn validate(&self, set: &PackageSet) -> Result<Report, Problem> {
        let valid = set.iter().any(|id| id.name().as_str() == "mesos");
        let none = Problems { code: "no-mesos".to_owned(), packages: vec![], message: "no".to_owned(), hint: None };
        Ok(Report { valid, problems: if valid { vec![] } else { vec![none] }, notes: vec![] })
    }

    fn stage(&self, set: &PackageSet) -> Result<Generation, Problem> {
        if set.named(&"unstageable".parse().unwrap()).next().is_some() {
            return Err(Problem::new(ExitCode::Unexpected, "disk-full", "no space left"));
        }
        Ok(self.launch(NEW)?.generation)
    }

    fn switch(&self, generation: u64) -> Result<(), Problem> {
        self.effect(|world| {
            if world.failing_switches > 0 {
                world.failing_switches -= 1;
                return Err(Problem::new(ExitCode::Unexpected, "disk-full", "no space left"));
            }
            assert!(world.process.is_none(), "`active` moves while a Mesos runs");
            world.active = Some(generation);
            Ok(())
        })
    }

    fn launch(&self, generation: u64) -> Result<Launch, Problem> {
        let mesos_version = if generation == OLD { "1.10.0" } else { "1.11.0" }.to_owned();
        Ok(Launch {
            generation: Generation { number: generation, set: set_of(generation), mesos_version, modules: vec![] },
            program: PathBuf::from("/nowhere"),
            arguments: vec![],
            directory: None,
            environment: vec![],
            health_paths: vec![],
        })
    }

    fn record_outcome(&self, generation: u64, outcome: AttemptState, _: Timestamp) -> Result<(), Problem> {
        self.effect(|world| world.outcomes.push((generation, outcome)));
        Ok(())
    }

    fn rollback_target(&self, _: u64) -> Result<Option<Generation>, Problem> {
        Ok(None)
    }

    fn read_state(&self, name: &str) -> Result<Option<Vec<u8>>, Problem> {
        Ok(self.get().documents.get(name).cloned())
    }

    fn write_state(&self, name: &str, bytes: &[u8]) -> Result<(), Problem> {
        self.effect(|world| {
            if world.disk_full && world.documents.contains_key("reserve") {
                return Err(Problem::new(ExitCode::Unexpected, "disk-full", "no space left"));
            }
            world.documents.insert(name.to_owned(), bytes.to_vec());
            Ok(())
        })
    }

    fn remove_state(&self, name: &str) -> Result<(), Problem> {
        self.effect(|world| world.documents.remove(name));
        Ok(())
    }

    fn list_state(&self, directory: &str) -> Result<Vec<String>, Problem> {
        let prefix = format!("{directory}/");
        let world = self.get();
        Ok(world.documents.keys().filter_map(|name| name.strip_prefix(&prefix).map(str::to_owned)).collect())
    }

    fn install_helper(&self, _: u64) -> Result<PathBuf, Problem> {
        Ok(PathBuf::from("/nowhere/helper"))
    }

    fn collect_garbage(&self) -> Result<(), Problem> {
        self.get().collections += 1;
        Err(Problem::new(ExitCode::Conflict, "locked", "somebody else is at work"))
    }

    fn helper(&self) -> Result<Option<PathBuf>, Problem> {
        Ok(None)
    }
}
