//! Packages in the store put right, with their archives fetched again.

use std::sync::Arc;

use dcos_core::PackageId;
use dcos_store::Store;
use tokio::runtime::Handle;

use crate::arrival::{Arrival, Origin};
use crate::error::RepoError;
use crate::fetch::{Event, Fetched, LOCK_TIMEOUT, Progress};
use crate::repositories::Repositories;

/// Fetches `id` again and replaces what differs in the store; answers the paths that did.
///
/// # Errors
/// If it can't be fetched, or what the repositories have is another package than the one that was added.
pub async fn repair(
    store: &Arc<Store>,
    repositories: &Repositories,
    id: &PackageId,
    progress: &Arc<dyn Progress>,
) -> Result<Vec<String>, RepoError> {
    let located = repositories.locate(std::slice::from_ref(id)).await.pop();
    let located = located.unwrap_or_else(|| Err(RepoError::NoRepository(id.clone())))?;
    let origin = Origin { source: located.client.archive(&located.entry)?, sha256: located.entry.sha256 };
    let (store, progress, runtime) = (Arc::clone(store), Arc::clone(progress), Handle::current());
    let id = id.clone();
    let put_right = move || {
        progress.event(&id, Event::Found { size: origin.source.size() });
        let arrival =
            Arrival { store: &store, runtime: &runtime, id: &id, origin: &origin, progress: progress.as_ref() };
        let partial = arrival.claim()?;
        let (staged, partial) = arrival.receive(partial)?;
        let locked = store.lock_within("dcos-pkg repair", LOCK_TIMEOUT)?;
        let paths = store.repair(&locked, staged)?;
        partial.discard()?;
        let size = origin.source.size().unwrap_or_default();
        progress.event(&id, Event::Present(Fetched { sha256: origin.sha256, size, already: true }));
        Ok(paths)
    };
    tokio::task::spawn_blocking(put_right).await.unwrap_or_else(|error| Err(RepoError::Thread(error)))
}
