//! The jobs of a node: who asked for what, and a worker process for each that is under way.
//!
//! A job is its file (`state/jobs/<id>.json`), and the file has one writer at a time: this process until the worker is
//! started, the worker while it lives, this process again once it is gone. Each job under way has a thread that waits for
//! its worker and then decides in [`Jobs::attend`]: the work is finished, was withdrawn, or goes on with a new worker.
//! A worker outlives Mesos; the next Mesos finds it by the file, or finds it gone and starts another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dcos_api::Principal;
use dcos_api::types::pkg::{self as wire, CareRequest, FetchPackage, FetchRequest, GcRequest};
use dcos_core::job::{DIRECTORY, Job, JobKind, JobPackageState, JobState};
use dcos_core::ports::NodeStore;
use dcos_core::{Clock, ExitCode, PackageId, Problem, Sha256};
use rustix::process::Signal;

use super::origins::Origins;
use super::worker::{Process, Workers, end, lives};

/// How many jobs that have ended are remembered.
const REMEMBERED: usize = 50;

/// How often a worker that dies at its work is started again before the job is given up.
const MOST_STARTS: u32 = 3;

/// How long is waited for workers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Before one that died is started again, times the number of starts so far.
    pub(super) pause: Duration,
    /// For one to end after SIGTERM before it is killed, and after that.
    pub(super) end: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { pause: Duration::from_secs(1), end: Duration::from_secs(3) }
    }
}

/// The jobs of a node.
pub(super) struct Jobs {
    store: Arc<dyn NodeStore>,
    clock: Arc<dyn Clock>,
    workers: Workers,
    origins: Origins,
    most: usize,
    patience: Patience,
    live: Mutex<BTreeMap<String, Live>>,
    changed: Condvar,
}

/// A job that a thread of this process attends to.
#[derive(Debug, Default)]
struct Live {
    /// Its worker, while that has not been reaped: the number can't be another process's.
    worker: Option<u32>,
    /// Whether it was withdrawn.
    cancelled: bool,
}

/// Who wrote that a job has ended, and so who has its caller told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EndedBy {
    Us,
    Worker,
}

impl Jobs {
    pub(super) fn new(
        store: Arc<dyn NodeStore>,
        clock: Arc<dyn Clock>,
        workers: Workers,
        origins: Origins,
        most: usize,
        patience: Patience,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            clock,
            workers,
            origins,
            most,
            patience,
            live: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// What the repositories offer.
    pub(super) fn available(&self) -> Result<wire::AvailablePackages, Problem> {
        self.workers.available()
    }

    /// Takes up the jobs under way that an earlier process of this node left.
    pub(super) fn resume(self: &Arc<Self>) {
        let (jobs, problems) = match self.all() {
            Ok(all) => all,
            Err(problem) => return tracing::error!("taking up the jobs of this node failed: {problem}"),
        };
        for problem in problems {
            tracing::error!("{problem}");
        }
        for job in jobs {
            if job.state == JobState::Running {
                tracing::info!("job {} is taken up", job.id);
                self.take_up(&mut self.lock(), &job.id, false);
            }
        }
    }

    /// Starts to get packages. `present` tells the digest of a package that is on the node.
    pub(super) fn fetch(
        self: &Arc<Self>,
        request: FetchRequest,
        by: &Principal,
        present: impl Fn(&PackageId) -> Option<Sha256>,
    ) -> Result<Job, Problem> {
        // Held until the job's file is there: two callers get two ids, or the same job if they ask for the same.
        let live = self.lock();
        let job = self.job_of(request, by, present)?;
        self.begin(live, job)
    }

    /// Starts to compare packages, or to put them right: those that are named, or all that `present` knows.
    pub(super) fn care(
        self: &Arc<Self>,
        kind: JobKind,
        request: CareRequest,
        by: &Principal,
        present: impl Fn() -> Result<Vec<PackageId>, Problem>,
    ) -> Result<Job, Problem> {
        let named: BTreeSet<PackageId> = match request.packages.as_slice() {
            [] => present()?.into_iter().collect(),
            named => named.iter().cloned().collect(),
        };
        let live = self.lock();
        let mut job = self.new_job(kind, named, request.callback, by)?;
        if job.packages.is_empty() {
            job.state = JobState::Done;
            job.finished_at = Some(job.started_at);
        }
        self.begin(live, job)
    }

    /// Starts to remove what nothing needs.
    pub(super) fn gc(self: &Arc<Self>, request: GcRequest, by: &Principal) -> Result<Job, Problem> {
        let live = self.lock();
        let mut job = self.new_job(JobKind::Gc, [], request.callback, by)?;
        job.dry_run = request.dry_run;
        self.begin(live, job)
    }

    /// Writes a job down and has it worked on, unless one that does the same is under way.
    fn begin(self: &Arc<Self>, mut live: MutexGuard<'_, BTreeMap<String, Live>>, job: Job) -> Result<Job, Problem> {
        if let Some(callback) = &job.callback {
            self.origins.check(callback)?;
        }
        let (jobs, _) = self.all()?;
        let under_way = jobs.iter().filter(|other| other.state == JobState::Running);
        if let Some(same) = under_way.clone().find(|other| asks_for_the_same(other, &job)) {
            return Ok(same.clone());
        }
        let count = under_way.count();
        if job.state == JobState::Running && count >= self.most {
            let detail =
                format!("{count} jobs are under way, and `limits.jobs` of this node's `node.toml` is {}", self.most);
            return Err(Problem::new(ExitCode::Conflict, "too-many-jobs", detail).hint("wait for some to end"));
        }
        self.write(&job)?;
        if job.state == JobState::Running || job.callback.is_some() {
            self.take_up(&mut live, &job.id, false);
        }
        self.forget_old(&jobs);
        Ok(job)
    }

    /// The jobs, newest first, and what is wrong with files that can't be read.
    pub(super) fn all(&self) -> Result<(Vec<Job>, Vec<Problem>), Problem> {
        let (mut jobs, mut problems) = (Vec::new(), Vec::new());
        for name in self.store.list_state(DIRECTORY)?.iter().rev() {
            let Some(id) = name.strip_suffix(".json").filter(|id| Job::is_id(id)) else { continue };
            match self.read(id) {
                Ok(Some(job)) => jobs.push(job),
                Ok(None) => {} // forgotten meanwhile
                Err(problem) => problems.push(problem),
            }
        }
        jobs.sort_by(|left, right| (right.started_at, &right.id).cmp(&(left.started_at, &left.id)));
        Ok((jobs, problems))
    }

    /// One job.
    pub(super) fn get(&self, id: &str) -> Result<Job, Problem> {
        // An id that is none names no job, and must name no other file either.
        let job = if Job::is_id(id) { self.read(id)? } else { None };
        job.ok_or_else(|| {
            Problem::new(ExitCode::NotFound, "no-such-job", format!("there is no job `{id}` on this node"))
                .hint("jobs that ended long ago are forgotten; `GET /pkg/jobs` lists the others")
        })
    }

    /// Withdraws a job, and waits until its worker is gone.
    pub(super) fn cancel(self: &Arc<Self>, id: &str) -> Result<Job, Problem> {
        let job = self.get(id)?;
        if job.state != JobState::Running {
            return Ok(job);
        }
        let mut live = self.lock();
        self.take_up(&mut live, id, true);
        for signal in [Signal::TERM, Signal::KILL] {
            if let Some(worker) = live.get(id).and_then(|live| live.worker) {
                end(worker, signal);
            }
            let waited = self.changed.wait_timeout_while(live, self.patience.end, |live| live.contains_key(id));
            live = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(live);
        self.get(id)
    }

    /// Has a thread attend to a job, unless one does already.
    fn take_up(self: &Arc<Self>, live: &mut BTreeMap<String, Live>, id: &str, cancelled: bool) {
        if let Some(known) = live.get_mut(id) {
            known.cancelled |= cancelled;
            self.changed.notify_all();
            return;
        }
        live.insert(id.to_owned(), Live { worker: None, cancelled });
        let (jobs, name) = (Arc::clone(self), id.to_owned());
        let thread = std::thread::Builder::new().name("dcos-bits-job".to_owned());
        if let Err(error) = thread.spawn(move || jobs.attend(&name)) {
            // The job stays as it is; the next process of this node takes it up.
            tracing::error!("a thread for job {id} can't be had: {error}");
            live.remove(id);
        }
    }

    /// Sees a job through to its end.
    fn attend(&self, id: &str) {
        let ended = self.see_through(id);
        self.lock().remove(id);
        self.changed.notify_all();
        match ended {
            Ok((job, by)) => {
                match (job.state, &job.problem) {
                    (JobState::Cancelled, _) => tracing::info!("job {id} was withdrawn"),
                    (JobState::Failed, Some(problem)) => tracing::info!("job {id} has failed: {problem}"),
                    (JobState::Running | JobState::Done | JobState::Failed, _) => tracing::info!("job {id} is done"),
                }
                if by == EndedBy::Us && job.callback.is_some() {
                    self.tell(id);
                }
            }
            Err(problem) => tracing::error!("job {id} is left alone: {problem}"),
        }
    }

    /// Has the caller told. The worker does that when it ends a job itself, and nothing else when it finds one ended; so
    /// there is one place that calls others, with the node's credentials, and it is not in this process.
    fn tell(&self, id: &str) {
        match self.workers.start(id) {
            Ok(child) => drop(Process::Child(child).reap()),
            Err(problem) => tracing::warn!("whoever asked for job {id} is not told of its end: {problem}"),
        }
    }

    fn see_through(&self, id: &str) -> Result<(Job, EndedBy), Problem> {
        let (mut starts, mut by) = (0, EndedBy::Us);
        let mut last = String::new();
        loop {
            let job = self.get(id)?;
            if job.state != JobState::Running {
                return Ok((job, by));
            }
            let process = match job.worker.filter(|worker| lives(*worker)) {
                // It may be another's: of a Mesos before this one, or of a `dcos-node` beside it.
                Some(worker) => self.adopted(id, Process::Adopted(worker)),
                None if self.is_cancelled(id) => return self.finish(job, JobState::Cancelled, None),
                None if starts == MOST_STARTS => {
                    let detail = format!("job {id} was given up: its worker {last}, {MOST_STARTS} times");
                    let problem = Problem::new(ExitCode::Unexpected, "worker-died", detail);
                    return self.finish(job, JobState::Failed, Some(problem));
                }
                None => {
                    self.pause(id, self.patience.pause * starts);
                    starts += 1;
                    match self.started(id) {
                        Ok(Some(process)) => process,
                        Ok(None) => continue,
                        Err(problem) => return self.finish(job, JobState::Failed, Some(problem)),
                    }
                }
            };
            process.wait();
            by = EndedBy::Worker;
            let mut live = self.lock();
            last = process.reap();
            if let Some(live) = live.get_mut(id) {
                live.worker = None;
            }
        }
    }

    /// Notes the worker, so that it can be ended, and ends it if the job was withdrawn before.
    fn adopted(&self, id: &str, process: Process) -> Process {
        let mut live = self.lock();
        if let Some(live) = live.get_mut(id) {
            live.worker = Some(process.id());
            if live.cancelled {
                end(process.id(), Signal::TERM);
            }
        }
        process
    }

    /// Starts a worker, unless the job was withdrawn.
    fn started(&self, id: &str) -> Result<Option<Process>, Problem> {
        let mut live = self.lock();
        match live.get_mut(id) {
            Some(live) if !live.cancelled => {
                let child = self.workers.start(id)?;
                live.worker = Some(child.id());
                Ok(Some(Process::Child(child)))
            }
            _ => Ok(None),
        }
    }

    fn is_cancelled(&self, id: &str) -> bool {
        self.lock().get(id).is_some_and(|live| live.cancelled)
    }

    /// Waits, unless the job is withdrawn meanwhile.
    fn pause(&self, id: &str, pause: Duration) {
        let waits = |live: &mut BTreeMap<String, Live>| live.get(id).is_some_and(|live| !live.cancelled);
        drop(self.changed.wait_timeout_while(self.lock(), pause, waits));
    }

    fn finish(&self, mut job: Job, state: JobState, problem: Option<Problem>) -> Result<(Job, EndedBy), Problem> {
        for package in &mut job.packages {
            if matches!(package.state, JobPackageState::Fetching | JobPackageState::Checking) {
                package.state = JobPackageState::Waiting;
            }
        }
        job.state = state;
        job.problem = problem;
        job.finished_at = Some(self.clock.now());
        job.worker = None;
        self.write(&job)?;
        Ok((job, EndedBy::Us))
    }

    /// Forgets the oldest jobs that have ended.
    fn forget_old(&self, jobs: &[Job]) {
        for job in jobs.iter().filter(|job| job.state != JobState::Running).skip(REMEMBERED) {
            if let Err(problem) = self.store.remove_state(&Job::file_name(&job.id)) {
                tracing::warn!("forgetting job {} failed: {problem}", job.id);
            }
        }
    }

    /// A job that is to get what the request names and is not there.
    fn job_of(
        &self,
        request: FetchRequest,
        by: &Principal,
        present: impl Fn(&PackageId) -> Option<Sha256>,
    ) -> Result<Job, Problem> {
        let mut wanted: BTreeMap<PackageId, FetchPackage> = BTreeMap::new();
        for package in request.packages {
            if package.url.is_some() && package.sha256.is_none() {
                let detail = format!("`{}` is asked for from an address of its own, without its sha256", package.id);
                return Err(Problem::new(ExitCode::Refused, "digest-missing", detail));
            }
            if let Some(other) = wanted.get(&package.id)
                && *other != package
            {
                let detail = format!("`{}` is asked for twice, in different ways", package.id);
                return Err(Problem::new(ExitCode::Refused, "invalid-request", detail));
            }
            wanted.insert(package.id.clone(), package);
        }
        let mut job = self.new_job(JobKind::Fetch, wanted.keys().cloned(), request.callback, by)?;
        for (package, asked) in job.packages.iter_mut().zip(wanted.into_values()) {
            let local = present(&package.id);
            // A local one of another digest is the worker's to refuse, like any other archive that is not as it should be.
            if local.is_some_and(|local| asked.sha256.is_none_or(|wanted| wanted == local)) {
                package.state = JobPackageState::Present;
                package.detail = Some("it was on the node already".to_owned());
            }
            package.url = asked.url;
            package.sha256 = asked.sha256;
        }
        if job.packages.iter().all(|package| package.state == JobPackageState::Present) {
            job.state = JobState::Done;
            job.finished_at = Some(job.started_at);
        }
        Ok(job)
    }

    /// A job that nobody works on yet.
    fn new_job(
        &self,
        kind: JobKind,
        packages: impl IntoIterator<Item = PackageId>,
        callback: Option<String>,
        by: &Principal,
    ) -> Result<Job, Problem> {
        let now = self.clock.now();
        let mut job = Job::new(kind, self.new_id(kind, now)?, packages, now);
        job.callback = callback;
        job.created_by.clone_from(&by.0);
        Ok(job)
    }

    /// An id that is in use nowhere; those of a kind sort by time.
    fn new_id(&self, kind: JobKind, now: jiff::Timestamp) -> Result<String, Problem> {
        let second = format!("{}-{}", kind.word(), now.strftime("%Y%m%d-%H%M%S"));
        let names: BTreeSet<String> = self.store.list_state(DIRECTORY)?.into_iter().collect();
        let free =
            (1..=9999).map(|count| format!("{second}-{count:04}")).find(|id| !names.contains(&format!("{id}.json")));
        free.ok_or_else(|| {
            Problem::new(ExitCode::Conflict, "too-many-jobs", "too many jobs were asked for in one second")
        })
    }

    fn read(&self, id: &str) -> Result<Option<Job>, Problem> {
        let name = Job::file_name(id);
        let Some(bytes) = self.store.read_state(&name)? else { return Ok(None) };
        let job: Job = serde_json::from_slice(&bytes).map_err(|error| {
            Problem::new(
                ExitCode::Unexpected,
                "job-unreadable",
                format!("`state/{name}` is not the file of a job: {error}"),
            )
        })?;
        if job.format != dcos_core::job::FORMAT {
            let detail =
                format!("`state/{name}` has format {}, and this release reads {}", job.format, dcos_core::job::FORMAT);
            return Err(Problem::new(ExitCode::Unexpected, "job-unreadable", detail));
        }
        Ok(Some(job))
    }

    fn write(&self, job: &Job) -> Result<(), Problem> {
        let bytes = serde_json::to_vec_pretty(job).map_err(|error| {
            Problem::new(ExitCode::Unexpected, "unexpected", format!("writing job {} failed: {error}", job.id))
        })?;
        self.store.write_state(&Job::file_name(&job.id), &bytes)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether two jobs do the same with the same packages from the same places and tell the same caller.
fn asks_for_the_same(one: &Job, other: &Job) -> bool {
    let asked = |job: &Job| -> Vec<_> {
        job.packages.iter().map(|package| (package.id.clone(), package.url.clone(), package.sha256)).collect()
    };
    let what = |job: &Job| (job.kind, job.dry_run);
    what(one) == what(other) && one.callback == other.callback && asked(one) == asked(other)
}

#[cfg(test)]
#[path = "jobs_tests.rs"]
#[expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and writes where it likes"
)]
mod tests;
