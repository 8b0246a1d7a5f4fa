//! Packages in the store put right: the damaged files fetched again by their ranges, or the whole archive where that can't
//! be.
//!
//! Directories and links need nothing from anywhere, and a file is the right one if it has the digest that was noted when
//! the package was added. So nothing that a repository says about ranges has to be believed; if it is wrong, the whole
//! archive is fetched, which decides.

use std::sync::Arc;

use dcos_core::{PackageId, Problem};
use dcos_store::{Mending, Store};
use tokio::runtime::Handle;

use crate::arrival::{Arrival, Origin, conclude};
use crate::download::Source;
use crate::error::RepoError;
use crate::fetch::{Event, Fetched, LOCK_TIMEOUT, Progress};
use crate::files::{FileIndex, Place};
use crate::range::Range;
use crate::repositories::{Located, Repositories};

/// Who holds the node's lock, for others.
const LOCK_NAME: &str = "dcos-pkg repair";

/// Replaces what differs in the store from what was added; answers the paths that did. Fetches nothing if nothing has to
/// be.
///
/// # Errors
/// If something can't be fetched, or what the repositories have is another package than the one that was added.
pub async fn repair(
    store: &Arc<Store>,
    repositories: &Repositories,
    id: &PackageId,
    progress: &Arc<dyn Progress>,
) -> Result<Vec<String>, RepoError> {
    let (shared, wanted) = (Arc::clone(store), id.clone());
    let mending = blocking(move || Ok(shared.mending(&wanted)?)).await?;
    let mending = match mending {
        Some(mending) if mending.wanted().is_empty() => {
            let store = Arc::clone(store);
            return blocking(move || finish(&store, mending)).await;
        }
        other => other,
    };
    let located = repositories.locate(std::slice::from_ref(id)).await.pop();
    let located = located.unwrap_or_else(|| Err(RepoError::NoRepository(id.clone())))?;
    let archive = located.entry.sha256;
    let task = Task {
        store: Arc::clone(store),
        progress: Arc::clone(progress),
        runtime: Handle::current(),
        id: id.clone(),
        origin: located.origin()?,
    };
    let pieces = match &mending {
        Some(mending) if mending.archive() == archive => pieces(&located, mending).await?,
        _ => None,
    };
    blocking(move || match (mending, pieces) {
        (Some(mending), Some(pieces)) => task.by_pieces(mending, &pieces),
        _ => task.whole(),
    })
    .await
}

/// Where the wanted files are; `None` if that is not known of all of them, or the whole archive is no more to fetch.
async fn pieces(located: &Located<'_>, mending: &Mending) -> Result<Option<Vec<(String, Place)>>, RepoError> {
    let index = match located.file_index().await {
        Ok(index) => index,
        Err(error @ RepoError::Unreachable { .. }) => return Err(error),
        Err(error) => {
            tracing::warn!(id = %located.entry.id, "no use of the index of its files: {}", Problem::chain(&error));
            None
        }
    };
    let belongs = |index: &FileIndex| index.id == located.entry.id && index.archive == mending.archive();
    let Some(index) = index.filter(belongs) else { return Ok(None) };
    let wanted = mending.wanted().into_iter();
    let pieces: Option<Vec<_>> = wanted.map(|path| index.files.get(&path).map(|place| (path, *place))).collect();
    let size =
        |pieces: &Vec<(String, Place)>| pieces.iter().fold(0, |sum: u64, (_, place)| sum.saturating_add(place.length));
    Ok(pieces.filter(|pieces| size(pieces) < located.entry.size))
}

struct Task {
    store: Arc<Store>,
    progress: Arc<dyn Progress>,
    runtime: Handle,
    id: PackageId,
    origin: Origin,
}

impl Task {
    /// Fetches each file by its range.
    fn by_pieces(&self, mut mending: Mending, pieces: &[(String, Place)]) -> Result<Vec<String>, RepoError> {
        let total = pieces.iter().map(|(_, place)| place.length).sum();
        self.progress.event(&self.id, Event::Found { size: Some(total) });
        let mut bytes = 0;
        for (path, place) in pieces {
            match self.piece(&self.origin.source, &mut mending, path, *place) {
                Ok(()) => {}
                Err(error @ RepoError::Unreachable { .. }) => return Err(error),
                Err(error) => {
                    let why = format!("{}; the whole archive is fetched", Problem::chain(&error));
                    self.progress.event(&self.id, Event::Retrying(why));
                    drop(mending);
                    return self.whole();
                }
            }
            bytes += place.length;
            self.progress.event(&self.id, Event::Bytes(bytes));
        }
        let paths = finish(&self.store, mending)?;
        self.present();
        Ok(paths)
    }

    fn piece(&self, source: &Source, mending: &mut Mending, path: &str, place: Place) -> Result<(), RepoError> {
        let mut range = Range::new(source, self.runtime.clone(), place.offset, place.length);
        let received = mending.receive(path, &mut range, place.skip);
        // The store knows only that it could not read; the network's own error is the one to tell.
        received.map_err(|error| range.take_failure().unwrap_or_else(|| error.into()))
    }

    fn whole(&self) -> Result<Vec<String>, RepoError> {
        self.progress.event(&self.id, Event::Found { size: self.origin.source.size() });
        let (store, progress) = (self.store.as_ref(), self.progress.as_ref());
        let arrival = Arrival { store, runtime: &self.runtime, id: &self.id, origin: &self.origin, progress };
        let partial = arrival.claim()?;
        let (staged, partial) = arrival.receive(partial)?;
        let locked = store.lock_within(LOCK_NAME, LOCK_TIMEOUT)?;
        let paths = conclude(partial, store.repair(&locked, staged))?;
        self.present();
        Ok(paths)
    }

    fn present(&self) {
        let size = self.origin.source.size().unwrap_or_default();
        let fetched = Fetched { sha256: self.origin.sha256, size, already: true };
        self.progress.event(&self.id, Event::Present(fetched));
    }
}

fn finish(store: &Store, mending: Mending) -> Result<Vec<String>, RepoError> {
    let locked = store.lock_within(LOCK_NAME, LOCK_TIMEOUT)?;
    Ok(store.mend(&locked, mending)?)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RepoError> + Send + 'static,
) -> Result<T, RepoError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(RepoError::Thread(error)))
}
