//! A node behind the endpoints: its store, its restart and its jobs as the router wants them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use dcos_api::Principal;
use dcos_api::backend::NodeBackend;
use dcos_api::types::PROTOCOL;
use dcos_api::types::pkg::{
    Active, AvailablePackages, CareRequest, FetchRequest, GcRequest, Job, JobKind, Jobs as JobList, LocalPackage,
    LocalPackages, MetadataState, NodeState, PackageDetail, Running,
};
use dcos_api::types::restart::{BeginAnswer, BeginRequest, GoAnswer, GoRequest, RestartPlan, RestartStatus};
use dcos_core::attempt::AttemptReport;
use dcos_core::node::NodeConfig;
use dcos_core::ports::Generation;
use dcos_core::validate::Report;
use dcos_core::{ExitCode, Kind, PackageId, PackageSet, Problem};
use dcos_restart::Restart;
use dcos_store::{Freshness, PackageSummary, Store, StoreError};

use super::jobs::Jobs;

/// A node.
pub(super) struct Node {
    pub(super) config: NodeConfig,
    pub(super) store: Arc<Store>,
    pub(super) restart: Restart,
    pub(super) jobs: Arc<Jobs>,
    /// The generation that was active when somebody last asked; a generation never changes.
    pub(super) seen: Mutex<Option<Arc<Active>>>,
}

impl NodeBackend for Node {
    /// One `readlink`, and the generation's file if it is another one than before.
    fn active(&self) -> Result<Option<Arc<Active>>, Problem> {
        let Some(number) = self.store.active_number()? else { return Ok(None) };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(active) = seen.as_ref().filter(|active| active.generation == number) {
            return Ok(Some(Arc::clone(active)));
        }
        let active = self.store.generation(number)?;
        Ok(Some(Arc::clone(seen.insert(Arc::new(active_of(active))))))
    }

    fn packages(&self) -> Result<LocalPackages, Problem> {
        let packages = self.store.list()?.into_iter().map(local).collect();
        Ok(LocalPackages { packages })
    }

    fn package(&self, id: &PackageId) -> Result<PackageDetail, Problem> {
        let package = self.store.show(id)?;
        let options = match package.pkginfo.kind {
            Kind::MesosConfig => self.store.options(id)?,
            Kind::Mesos | Kind::Module | Kind::Plain => None,
        };
        let LocalPackage { id, kind, sha256, size, active } = local(package.summary);
        Ok(PackageDetail { id, kind, sha256, size, active, pkginfo: package.pkginfo, options })
    }

    fn available(&self) -> Result<AvailablePackages, Problem> {
        self.jobs.available()
    }

    fn state(&self) -> Result<NodeState, Problem> {
        let mut problems = Vec::new();
        let mut told = Told(&mut problems);
        let active = told.or_default(self.active()).map(|active| Active::clone(&active));
        let packages = told.or_default(self.store.ids());
        let metadata = told.or_default(self.store.freshness());
        let (jobs, unreadable) = told.or_default(self.jobs.all());
        let status = told.or_default(self.restart.status().map(Some));
        problems.extend(unreadable);
        let (mut running, mut last_attempt) = (None, None);
        if let Some(status) = status {
            problems.extend(status.problem);
            running = status.running.map(running_of);
            last_attempt = status.attempt.or_else(|| status.last_attempts.into_iter().next());
        }
        Ok(NodeState {
            protocol: PROTOCOL,
            node: self.config.name(),
            role: self.config.role,
            group: self.config.group.clone(),
            active,
            running,
            packages,
            jobs: jobs.into_iter().map(Job::from).collect(),
            last_attempt,
            metadata: metadata.into_iter().map(metadata_of).collect(),
            problems,
        })
    }

    fn fetch(&self, request: FetchRequest, by: &Principal) -> Result<Job, Problem> {
        // A package that can't be looked at is fetched, and the worker says what is the matter with it.
        let present = |id: &PackageId| self.store.show(id).ok().map(|package| package.summary.sha256);
        self.jobs.fetch(request, by, present).map(Job::from)
    }

    fn verify(&self, request: CareRequest, by: &Principal) -> Result<Job, Problem> {
        self.care(JobKind::Verify, request, by)
    }

    fn repair(&self, request: CareRequest, by: &Principal) -> Result<Job, Problem> {
        self.care(JobKind::Repair, request, by)
    }

    fn gc(&self, request: GcRequest, by: &Principal) -> Result<Job, Problem> {
        self.jobs.gc(request, by).map(Job::from)
    }

    fn jobs(&self) -> Result<JobList, Problem> {
        let (jobs, _) = self.jobs.all()?;
        Ok(JobList { jobs: jobs.into_iter().map(Job::from).collect() })
    }

    fn job(&self, id: &str) -> Result<Job, Problem> {
        self.jobs.get(id).map(Job::from)
    }

    fn cancel_job(&self, id: &str) -> Result<Job, Problem> {
        self.jobs.cancel(id).map(Job::from)
    }

    fn validate(&self, set: &PackageSet) -> Result<Report, Problem> {
        Ok(self.store.validate(set)?)
    }

    fn remove_package(&self, id: &PackageId) -> Result<(), Problem> {
        let locked = self.store.lock_within("remove a package", dcos_store::LOCK_WAIT)?;
        Ok(self.store.remove(&locked, id)?)
    }

    fn begin(&self, request: BeginRequest) -> Result<BeginAnswer, Problem> {
        let BeginRequest { set, attempt, term, report_to, dry_run, retry_failed, allow_task_loss, clean, yes } =
            request;
        let request =
            dcos_restart::Request { set, attempt, term, report_to, dry_run, retry_failed, allow_task_loss, clean, yes };
        let begun = self.restart.begin(&request)?;
        let plan = begun.plan;
        Ok(BeginAnswer {
            protocol: PROTOCOL,
            attempt: begun.attempt,
            ticket: begun.ticket,
            expires_in_ms: begun.expires_in_ms,
            generation: begun.generation,
            plan: RestartPlan {
                from: plan.from,
                to: plan.to,
                steps: plan.steps.iter().map(|step| step.word().to_owned()).collect(),
                tasks_lost: plan.tasks_lost,
                absence_estimate_ms: plan.absence_estimate_ms,
                notes: plan.notes,
            },
        })
    }

    fn go(&self, request: &GoRequest) -> Result<GoAnswer, Problem> {
        let gone = self.restart.go(&request.ticket)?;
        Ok(GoAnswer { attempt: gone.attempt, state: gone.state })
    }

    fn cancel_attempt(&self, attempt: &str) -> Result<AttemptReport, Problem> {
        self.restart.cancel(attempt)
    }

    fn restart_status(&self) -> Result<RestartStatus, Problem> {
        let status = self.restart.status()?;
        Ok(RestartStatus {
            protocol: PROTOCOL,
            node: status.node,
            running: status.running.map(running_of),
            active_generation: status.active_generation,
            attempt: status.attempt,
            last_attempts: status.last_attempts,
            problem: status.problem,
        })
    }
}

impl Node {
    /// Packages that are named must be here: an id that is not is a mistake, which the caller should see at once.
    fn care(&self, kind: JobKind, request: CareRequest, by: &Principal) -> Result<Job, Problem> {
        if let Some(absent) = request.packages.iter().find(|id| !self.store.has(id)) {
            return Err(StoreError::NotLocal((*absent).clone()).into());
        }
        let present = || self.store.ids().map_err(Problem::from);
        self.jobs.care(kind, request, by, present).map(Job::from)
    }
}

/// Collects what could not be told.
struct Told<'a>(&'a mut Vec<Problem>);

impl Told<'_> {
    fn or_default<T: Default, E: Into<Problem>>(&mut self, told: Result<T, E>) -> T {
        told.unwrap_or_else(|problem| {
            self.0.push(problem.into());
            T::default()
        })
    }
}

/// Where the worker's program is: the one that a test names, the one beside this program (`dcos-node`), or the one in
/// the active dcos-bits package, which is where a Mesos finds it.
pub(super) fn worker_program(store: &Store) -> Result<PathBuf, Problem> {
    const NAME: &str = "dcos-pkg";
    if let Some(named) = std::env::var_os("DCOS_PKG") {
        return Ok(named.into());
    }
    let beside = std::env::current_exe().ok().map(|exe| exe.with_file_name(NAME)).filter(|path| path.is_file());
    if let Some(beside) = beside {
        return Ok(beside);
    }
    let packages = store.root().join("packages");
    let active = store.active()?.map(|active| active.set).unwrap_or_default();
    let ours = active.iter().filter(|id| id.name().as_str() == "dcos-bits");
    let mut found = ours.map(|id| packages.join(id.to_string()).join("bin").join(NAME));
    found.find(|path| path.is_file()).ok_or_else(|| {
        let detail = "the program `dcos-pkg` is neither in the active dcos-bits package nor beside this one";
        Problem::new(ExitCode::NotFound, "no-worker", detail).hint("activate a set with a dcos-bits package in it")
    })
}

fn active_of(generation: Generation) -> Active {
    let Generation { number, set, mesos_version, modules } = generation;
    Active { generation: number, packages: set, modules, mesos_version }
}

fn metadata_of(known: Freshness) -> MetadataState {
    let Freshness { repository, role, expires, seen_at } = known;
    MetadataState { repository, role: role.to_owned(), expires, seen_at }
}

fn running_of(running: dcos_restart::RunningMesos) -> Running {
    let dcos_restart::RunningMesos { generation, packages, mesos_version, pid } = running;
    Running { generation, packages, mesos_version, pid }
}

fn local(package: PackageSummary) -> LocalPackage {
    let PackageSummary { id, kind, sha256, size, active } = package;
    LocalPackage { id, kind, sha256, size, active }
}
