//! Jobs: what a `dcos-pkg job run` does, so that hostile bytes and long work stay out of Mesos's address space.
//!
//! The job's file is its whole state (see [`dcos_core::job`]). A worker that is killed leaves finished packages in the
//! store and unfinished ones as partial downloads; the next one finds the former present and goes on with the latter.
//! What compares, puts right and removes (`care`) begins anew: nothing of it is harmed by being done twice.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dcos_core::job::{FORMAT, Job, JobKind, JobPackage, JobPackageState, JobState, WorkerProcess};
use dcos_core::{Clock, PackageId, Problem};
use dcos_store::Store;

use crate::error::RepoError;
use crate::fetch::{Event, Progress, Wanted, fetch, summary};
use crate::repositories::Repositories;

mod care;

/// How often progress is written at most. Whoever watches polls about as often; each write costs a sync.
const WRITE_INTERVAL: Duration = Duration::from_millis(250);

/// Works on the job `id` until its end, which is in the job that is returned and in its file.
///
/// # Errors
/// If there is no such job, its file can't be used, or another worker has it. Whatever happens to the packages is no
/// error here: it is [`Job::problem`].
pub async fn run(
    store: &Arc<Store>,
    repositories: &Repositories,
    clock: Arc<dyn Clock>,
    id: &str,
) -> Result<Job, RepoError> {
    let job = read(store, id)?;
    if job.state != JobState::Running {
        return Ok(job);
    }
    let Some(claim) = store.claim_job(id)? else {
        let pid = job.worker.map_or(0, |worker| worker.pid);
        return Err(RepoError::JobTaken { id: id.to_owned(), pid });
    };
    let file = Arc::new(JobFile::take(Arc::clone(store), job)?);
    let job = file.job();
    let problem = match job.kind {
        JobKind::Fetch => bring(store, repositories, &file, &job).await,
        JobKind::Verify => care::verify(store, &file, &job).await?,
        JobKind::Repair => care::repair(store, repositories, &file, &job).await,
        JobKind::Gc => care::gc(store, &file, &job).await?,
    };
    let job = file.finish(problem, clock.now())?;
    claim.discard()?;
    Ok(job)
}

async fn bring(store: &Arc<Store>, repositories: &Repositories, file: &Arc<JobFile>, job: &Job) -> Option<Problem> {
    let packages = job.packages.iter();
    let wanted: Vec<Wanted> = packages
        .map(|package| Wanted { id: package.id.clone(), url: package.url.clone(), sha256: package.sha256 })
        .collect();
    let progress: Arc<dyn Progress> = Arc::<JobFile>::clone(file);
    let answers = fetch(store, repositories, &wanted, &progress).await;
    let failed = wanted.into_iter().zip(&answers);
    let failed = failed.filter_map(|(wanted, answer)| Some((wanted.id, problem(answer.as_ref().err()?))));
    summary(answers.len(), failed.collect())
}

/// Reads the file of a job.
///
/// # Errors
/// If there is none of that id, or it can't be used.
pub fn read(store: &Store, id: &str) -> Result<Job, RepoError> {
    if !Job::is_id(id) {
        return Err(RepoError::NoJob(id.to_owned()));
    }
    let bytes = store.read_state(&Job::file_name(id))?.ok_or_else(|| RepoError::NoJob(id.to_owned()))?;
    let wrong = |why: String| RepoError::BadJob { id: id.to_owned(), why };
    let job: Job = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    match (job.format, job.id == id) {
        (FORMAT, true) => Ok(job),
        (FORMAT, false) => Err(wrong(format!("it is of job `{}`", job.id))),
        (other, _) => Err(wrong(format!("it has format {other}, and this release knows format {FORMAT} only"))),
    }
}

/// A job and its file, which follows at a distance.
struct JobFile {
    store: Arc<Store>,
    state: Mutex<State>,
}

struct State {
    job: Job,
    written_at: Instant,
}

impl JobFile {
    /// Writes ourselves into the file, so that whoever started the job can tell whether somebody works on it.
    fn take(store: Arc<Store>, mut job: Job) -> Result<Self, RepoError> {
        let pid = std::process::id();
        job.worker = dcos_store::start_time(pid).map(|start_time| WorkerProcess { pid, start_time });
        write(&store, &job)?;
        Ok(Self { store, state: Mutex::new(State { job, written_at: Instant::now() }) })
    }

    fn job(&self) -> Job {
        self.lock().job.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the job; the file follows at once if that is worth it, else within the interval.
    fn change(&self, at_once: bool, change: impl FnOnce(&mut Job)) {
        let mut state = self.lock();
        change(&mut state.job);
        if at_once || state.written_at.elapsed() >= WRITE_INTERVAL {
            state.written_at = Instant::now();
            // Progress that can't be written keeps nobody from working; the end, which counts, is written or an error.
            if let Err(error) = write(&self.store, &state.job) {
                tracing::warn!("could not write progress: {}", Problem::chain(&error));
            }
        }
    }

    /// Changes a package of the job.
    fn change_package(&self, id: &PackageId, at_once: bool, change: impl FnOnce(&mut JobPackage)) {
        self.change(at_once, |job| {
            if let Some(package) = job.packages.iter_mut().find(|package| package.id == *id) {
                change(package);
            }
        });
    }

    fn finish(&self, problem: Option<Problem>, now: jiff::Timestamp) -> Result<Job, RepoError> {
        let mut state = self.lock();
        state.job.state = if problem.is_none() { JobState::Done } else { JobState::Failed };
        state.job.problem = problem;
        state.job.finished_at = Some(now);
        state.job.worker = None;
        write(&self.store, &state.job)?;
        Ok(state.job.clone())
    }
}

fn problem(error: &RepoError) -> Problem {
    match error {
        RepoError::Problem(problem) => problem.clone(),
        // `fetch` makes a problem of everything before it answers.
        other => Problem::new(dcos_core::ExitCode::Unexpected, "fetch-failed", Problem::chain(other)),
    }
}

impl Progress for JobFile {
    fn event(&self, id: &PackageId, event: Event) {
        let at_once = !matches!(event, Event::Bytes(_));
        self.change_package(id, at_once, |package| match event {
            Event::Found { size } => {
                package.state = JobPackageState::Fetching;
                package.size = size.unwrap_or(0);
                package.detail = None;
            }
            Event::Bytes(bytes) => package.bytes = bytes,
            Event::Retrying(why) => package.detail = Some(why),
            Event::Present(fetched) => {
                package.state = JobPackageState::Present;
                package.detail = fetched.already.then(|| "it was in the store already".to_owned());
            }
            Event::Failed(problem) => {
                package.state = JobPackageState::Failed;
                package.detail = Some(problem.detail);
            }
        });
    }
}

fn write(store: &Store, job: &Job) -> Result<(), RepoError> {
    let wrong = |error: serde_json::Error| RepoError::BadJob { id: job.id.clone(), why: error.to_string() };
    let bytes = serde_json::to_vec(job).map_err(wrong)?;
    Ok(store.write_state(&Job::file_name(&job.id), &bytes)?)
}
