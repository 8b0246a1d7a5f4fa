//! The jobs that look after what is in the store: verify, repair, gc.

use std::sync::Arc;

use dcos_core::job::{Collected, Job, JobPackageState};
use dcos_core::validate::Finding;
use dcos_core::{ExitCode, PackageId, Problem};
use dcos_store::{GcOptions, Store};

use super::JobFile;
use crate::error::RepoError;
use crate::fetch::Progress;
use crate::repair::repair as put_right;
use crate::repositories::Repositories;

/// How many differences of a package are told in its job; `dcos-pkg verify` prints all of them.
const MOST_TOLD: usize = 5;

/// A package that is not as it was added, or can't be looked at.
type Bad = (PackageId, Problem);

/// Compares every package of `job`; the problem names those that are damaged.
pub(super) async fn verify(store: &Arc<Store>, file: &Arc<JobFile>, job: &Job) -> Result<Option<Problem>, RepoError> {
    let mut bad = Vec::new();
    for package in &job.packages {
        if let Err(problem) = compare(store, file, &package.id).await? {
            bad.push((package.id.clone(), problem));
        }
    }
    let hint = "`POST /pkg/repair`, or `dcos-pkg repair`, brings what is damaged again";
    Ok(summary(job, bad, "not as it was added", "not as they were added").map(|problem| problem.hint(hint)))
}

/// Compares every package of `job`, and brings what is damaged again; the problem names those that still are.
pub(super) async fn repair(
    store: &Arc<Store>,
    repositories: &Repositories,
    file: &Arc<JobFile>,
    job: &Job,
) -> Option<Problem> {
    let progress: Arc<dyn Progress> = Arc::<JobFile>::clone(file);
    let mut bad = Vec::new();
    for package in &job.packages {
        let id = &package.id;
        // One that can't even be looked at is fetched again all the same.
        if matches!(compare(store, file, id).await, Ok(Ok(()))) {
            continue;
        }
        match put_right(store, repositories, id, &progress).await {
            Ok(paths) => file.change_package(id, true, |package| {
                package.state = JobPackageState::Present;
                package.detail = Some(format!("repaired: {}", told(&paths)));
            }),
            Err(error) => {
                let problem = Problem::from(error);
                file.change_package(id, true, |package| {
                    package.state = JobPackageState::Failed;
                    package.detail = Some(problem.detail.clone());
                });
                bad.push((id.clone(), problem));
            }
        }
    }
    summary(job, bad, "still not as it was added", "still not as they were added")
}

/// Removes what nothing needs; what went is in the job.
pub(super) async fn gc(store: &Arc<Store>, file: &Arc<JobFile>, job: &Job) -> Result<Option<Problem>, RepoError> {
    let options = GcOptions { dry_run: job.dry_run, ..GcOptions::default() };
    let collected = blocking(store, move |store| store.gc(&options)).await?;
    match collected {
        Ok(report) => {
            file.change(true, |job| {
                job.collected = Some(Collected {
                    packages: report.packages,
                    generations: report.generations,
                    helpers: report.helpers,
                    bytes: report.bytes,
                });
            });
            Ok(None)
        }
        Err(error) => Ok(Some(error.into())),
    }
}

/// Compares one package with its manifest; the inner error says how it differs.
async fn compare(store: &Arc<Store>, file: &JobFile, id: &PackageId) -> Result<Result<(), Problem>, RepoError> {
    // Its size is only for show: what is the matter with a package that can't be read is told below.
    let size = store.show(id).map_or(0, |package| package.summary.size);
    file.change_package(id, true, |package| {
        package.state = JobPackageState::Checking;
        (package.bytes, package.size, package.detail) = (0, size, None);
    });
    let name = id.clone();
    let found = blocking(store, move |store| store.verify(&name)).await?;
    let (state, answer) = match found {
        Ok(report) if report.ok => (JobPackageState::Present, Ok(())),
        Ok(report) => {
            let detail = told(&report.problems);
            (JobPackageState::Damaged, Err(Problem::new(ExitCode::Refused, "damaged", detail)))
        }
        Err(error) => (JobPackageState::Failed, Err(Problem::from(error))),
    };
    file.change_package(id, true, |package| {
        package.state = state;
        package.bytes = package.size;
        package.detail = answer.as_ref().err().map(|problem: &Problem| problem.detail.clone());
    });
    Ok(answer)
}

/// The first few of a list, and how many more there are.
fn told(all: &[String]) -> String {
    let first = all.iter().take(MOST_TOLD).cloned().collect::<Vec<_>>().join("; ");
    match all.len().checked_sub(MOST_TOLD) {
        None | Some(0) => first,
        Some(more) => format!("{first}; and {more} more"),
    }
}

fn summary(job: &Job, bad: Vec<Bad>, one: &str, several: &str) -> Option<Problem> {
    let findings: Vec<Finding> = bad
        .iter()
        .map(|(id, problem)| Finding {
            code: problem.name().to_owned(),
            packages: vec![id.clone()],
            message: problem.detail.clone(),
            hint: None,
        })
        .collect();
    let count = findings.len();
    let (id, mut first) = bad.into_iter().next()?;
    let are = if count == 1 { format!("is {one}") } else { format!("are {several}") };
    first.detail = format!("{count} of {} packages {are}: `{id}`: {}", job.packages.len(), first.detail);
    first.problems = findings;
    Some(first)
}

async fn blocking<T: Send + 'static>(
    store: &Arc<Store>,
    work: impl FnOnce(&Store) -> T + Send + 'static,
) -> Result<T, RepoError> {
    let store = Arc::clone(store);
    tokio::task::spawn_blocking(move || work(&store)).await.map_err(RepoError::Thread)
}
