//! Packages from repositories into the store, several at a time.

use std::sync::Arc;
use std::time::Duration;

use dcos_core::validate::Finding;
use dcos_core::{PackageId, Problem, Sha256};
use dcos_store::{Store, StoreError};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::arrival::{Arrival, Origin, conclude};
use crate::client::bare_source;
use crate::error::RepoError;
use crate::repositories::Repositories;

/// How many archives are under way at once. One server seldom gives a second connection more than it takes from the
/// first, and unpacking keeps two cores busy; the point is that a small package does not wait for Mesos.
const AT_ONCE: usize = 3;

/// How long to wait for the node's lock with a finished download in hand: others hold it for moments only.
pub(crate) const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// A package that is wanted in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The package.
    pub id: PackageId,
    /// An address outside the repositories; needs `sha256`.
    pub url: Option<String>,
    /// The digest that its archive must have, whatever an index says.
    pub sha256: Option<Sha256>,
}

/// A package that is in the store now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The digest of its archive.
    pub sha256: Sha256,
    /// The size of its archive in bytes.
    pub size: u64,
    /// Whether it was there before.
    pub already: bool,
}

/// What happens to a package on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It was found, with the size of its archive where that is known.
    Found {
        /// The size in bytes.
        size: Option<u64>,
    },
    /// So many bytes of its archive are here.
    Bytes(u64),
    /// A connection failed, and another attempt follows.
    Retrying(String),
    /// It is in the store.
    Present(Fetched),
    /// It could not be brought.
    Failed(Problem),
}

/// Whoever wants to know how far a fetch is. Called from several threads.
pub trait Progress: Send + Sync {
    /// Something happened to the package `id`.
    fn event(&self, id: &PackageId, event: Event);
}

impl From<PackageId> for Wanted {
    fn from(id: PackageId) -> Self {
        Self { id, url: None, sha256: None }
    }
}

/// Brings `wanted` into `store`. Every package gets its own answer, in the same order; one that fails does not keep the
/// others from coming.
pub async fn fetch(
    store: &Arc<Store>,
    repositories: &Repositories,
    wanted: &[Wanted],
    progress: &Arc<dyn Progress>,
) -> Vec<Result<Fetched, RepoError>> {
    let mut answers: Vec<Option<Result<Fetched, RepoError>>> = Vec::new();
    for wanted in wanted {
        answers.push(local(store, wanted).transpose());
    }
    let missing: Vec<usize> = (0..wanted.len()).filter(|place| answers[*place].is_none()).collect();
    let mut running = JoinSet::new();
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    for (place, origin) in missing.iter().zip(origins(repositories, wanted, &missing).await) {
        let (store, slots, progress) = (Arc::clone(store), Arc::clone(&slots), Arc::clone(progress));
        let (place, wanted) = (*place, wanted[*place].clone());
        match origin {
            Ok(origin) => running.spawn(async move {
                // The semaphore is never closed, so this is only ever a wait.
                let _slot = slots.acquire().await;
                let runtime = Handle::current();
                let bring = move || bring(&store, &runtime, &wanted.id, &origin, progress.as_ref());
                let answer = tokio::task::spawn_blocking(bring).await;
                (place, answer.unwrap_or_else(|error| Err(RepoError::Thread(error))))
            }),
            Err(error) => running.spawn(async move { (place, Err(error)) }),
        };
    }
    while let Some(finished) = running.join_next().await {
        // A task that panicked leaves its place empty, which is reported below.
        if let Ok((place, answer)) = finished {
            answers[place] = Some(answer);
        }
    }
    let answers = answers.into_iter().zip(wanted).map(|(answer, wanted)| {
        let lost = || {
            Err(RepoError::Problem(Problem::new(
                dcos_core::ExitCode::Unexpected,
                "lost-fetch",
                "a fetch ended without an answer",
            )))
        };
        let answer = answer.unwrap_or_else(lost);
        report(progress.as_ref(), &wanted.id, answer)
    });
    answers.collect()
}

/// One problem for packages that could not be brought, out of `all`; `None` if every one was. The first one's kind and
/// sentence count, and each package's own is a finding where there are several.
pub fn summary(all: usize, failed: Vec<(PackageId, Problem)>) -> Option<Problem> {
    summary_of(all, failed, "fetched")
}

/// The same of packages that could not be `done`: `fetched`, `repaired`.
pub fn summary_of(all: usize, failed: Vec<(PackageId, Problem)>, done: &str) -> Option<Problem> {
    let findings = failed.iter().map(|(id, problem)| Finding {
        code: problem.name().to_owned(),
        packages: vec![id.clone()],
        message: problem.detail.clone(),
        hint: problem.hints.first().cloned(),
    });
    let findings: Vec<Finding> = findings.collect();
    let (_, mut first) = failed.into_iter().next()?;
    if findings.len() > 1 {
        first.detail = format!("{} of {all} packages could not be {done}", findings.len());
        first.hints.clear();
        first.problems = findings;
    }
    Some(first)
}

/// Tells `progress` how it ended. The error goes on as the problem that was told.
fn report(progress: &dyn Progress, id: &PackageId, answer: Result<Fetched, RepoError>) -> Result<Fetched, RepoError> {
    match answer {
        Ok(fetched) => {
            progress.event(id, Event::Present(fetched.clone()));
            Ok(fetched)
        }
        Err(error) => {
            let problem = Problem::from(error);
            progress.event(id, Event::Failed(problem.clone()));
            Err(problem.into())
        }
    }
}

/// The package as it is in the store already, if it is.
fn local(store: &Store, wanted: &Wanted) -> Result<Option<Fetched>, RepoError> {
    if !store.has(&wanted.id) {
        return Ok(None);
    }
    let summary = store.show(&wanted.id)?.summary;
    match wanted.sha256 {
        Some(offered) if offered != summary.sha256 => {
            Err(StoreError::Differs { id: wanted.id.clone(), present: summary.sha256, offered }.into())
        }
        _ => Ok(Some(Fetched { sha256: summary.sha256, size: summary.size, already: true })),
    }
}

/// Where each of the missing packages is to be had.
async fn origins(repositories: &Repositories, wanted: &[Wanted], missing: &[usize]) -> Vec<Result<Origin, RepoError>> {
    let unnamed: Vec<PackageId> = missing
        .iter()
        .map(|place| &wanted[*place])
        .filter(|wanted| wanted.url.is_none())
        .map(|wanted| wanted.id.clone())
        .collect();
    let located = if unnamed.is_empty() { Vec::new() } else { repositories.locate(&unnamed).await };
    let mut located = located.into_iter();
    let mut origins = Vec::new();
    for wanted in missing.iter().map(|place| &wanted[*place]) {
        origins.push(match (&wanted.url, wanted.sha256, repositories.trusts_roots()) {
            (Some(_), _, true) => Err(RepoError::UntrustedSource(wanted.id.clone())),
            (Some(url), Some(sha256), false) => {
                bare_source(url).map(|source| Origin { source, sha256, promised: None })
            }
            (Some(_), None, false) => Err(RepoError::HalfSource(wanted.id.clone())),
            (None, stated, _) => match located.next() {
                Some(Ok(located)) => located.origin().and_then(|origin| match stated {
                    Some(offered) if offered != located.entry.sha256 => {
                        Err(RepoError::Differs { id: wanted.id.clone(), published: located.entry.sha256, offered })
                    }
                    _ => Ok(origin),
                }),
                Some(Err(error)) => Err(error),
                None => Err(RepoError::NoRepository(wanted.id.clone())),
            },
        });
    }
    origins
}

/// Downloads, verifies, unpacks and commits one package. Blocks.
fn bring(
    store: &Store,
    runtime: &Handle,
    id: &PackageId,
    origin: &Origin,
    progress: &dyn Progress,
) -> Result<Fetched, RepoError> {
    progress.event(id, Event::Found { size: origin.source.size() });
    let arrival = Arrival { store, runtime, id, origin, progress };
    let partial = arrival.claim()?;
    if store.has(id) {
        // Somebody else fetched it while we waited.
        partial.discard()?;
        let summary = store.show(id)?.summary;
        return Ok(Fetched { sha256: summary.sha256, size: summary.size, already: true });
    }
    let (staged, partial) = arrival.receive(partial)?;
    let locked = store.lock_within("dcos-pkg fetch", LOCK_TIMEOUT)?;
    let added = conclude(partial, store.commit(&locked, staged))?;
    Ok(Fetched { sha256: added.sha256, size: added.size, already: added.already })
}
