//! One archive from the network into staging: downloaded, verified and unpacked, and nothing left behind if it is not fit.

use std::io;
use std::time::Duration;

use dcos_core::{PackageId, PkgInfo, Sha256};
use dcos_store::{Expected, Partial, Staged, Store, StoreError};
use tokio::runtime::Handle;

use crate::download::{Download, Source, Watch};
use crate::error::RepoError;
use crate::fetch::{Event, Progress};

/// How often to look whether another fetch of the same archive is over.
const CLAIM_RETRY: Duration = Duration::from_millis(200);

/// How often an archive may be replaced while it is fetched: a web server's folder is put right once.
const MAX_CHANGES: u32 = 3;

/// Where a package comes from.
pub(crate) struct Origin {
    pub(crate) source: Source,
    pub(crate) sha256: Sha256,
    pub(crate) promised: Option<Promised>,
}

/// What a repository says of a package. What it may offer was judged by that, so the archive must say the same of itself.
pub(crate) struct Promised {
    pub(crate) repository: String,
    pub(crate) pkginfo: PkgInfo,
}

/// A package on its way. What it does blocks.
pub(crate) struct Arrival<'a> {
    pub(crate) store: &'a Store,
    pub(crate) runtime: &'a Handle,
    pub(crate) id: &'a PackageId,
    pub(crate) origin: &'a Origin,
    pub(crate) progress: &'a dyn Progress,
}

impl Arrival<'_> {
    /// The right to fetch the archive; waits while somebody else has it.
    pub(crate) fn claim(&self) -> Result<Partial, RepoError> {
        let mut told = false;
        loop {
            if let Some(partial) = self.store.partial(&self.origin.sha256)? {
                return Ok(partial);
            }
            if !told {
                let why = "another fetch of it is under way: waiting for that".to_owned();
                self.progress.event(self.id, Event::Retrying(why));
                told = true;
            }
            // A fetch that dies lets go of its lock, so this ends with it at the latest.
            std::thread::sleep(CLAIM_RETRY);
        }
    }

    /// Brings the archive into staging; the caller discards the partial once the package is where it belongs. Of what
    /// can only be wrong nothing stays.
    pub(crate) fn receive(&self, mut partial: Partial) -> Result<(Staged, Partial), RepoError> {
        let mut changes = 0;
        loop {
            let (received, replayed) = self.attempt(&mut partial)?;
            let error = match received {
                Ok(staged) => return Ok((staged, partial)),
                Err(error) => error,
            };
            match error {
                // What is here is no worse for the connection having failed.
                RepoError::Unreachable { .. } => return Err(error),
                RepoError::Store(ref cause) if is_full(cause) => {
                    partial.discard()?;
                    return Err(error);
                }
                RepoError::Store(ref cause) if !is_about_the_bytes(cause) => return Err(error),
                RepoError::Changed(_) if changes < MAX_CHANGES => {
                    changes += 1;
                    self.progress.event(self.id, Event::Retrying(error.to_string()));
                    partial.empty()?;
                }
                RepoError::Store(_) if replayed => {
                    // The rest of an earlier download may be to blame: once more, all of it from the network.
                    let why = "what an earlier fetch left is damaged".to_owned();
                    self.progress.event(self.id, Event::Retrying(why));
                    partial.empty()?;
                }
                error => {
                    partial.discard()?;
                    return Err(error);
                }
            }
        }
    }

    /// One pass over the archive, and whether some of it came from an earlier download.
    fn attempt(&self, partial: &mut Partial) -> Result<(Result<Staged, RepoError>, bool), RepoError> {
        let source = &self.origin.source;
        let mut watch = Reporter { id: self.id, progress: self.progress };
        let mut download = Download::new(source, partial.file(), self.runtime.clone(), &mut watch)
            .map_err(RepoError::io("use the unfinished download of", source.url()))?;
        let replayed = download.replayed() > 0;
        let expected = Expected {
            id: Some(self.id.clone()),
            sha256: Some(self.origin.sha256),
            size: source.size(),
            origin: source.url().to_owned(),
            ..Expected::default()
        };
        let received = self.store.receive(&mut download, &expected);
        // The store knows only that it could not read; the network's own error is the one to tell.
        let received = received.map_err(|error| download.take_failure().unwrap_or_else(|| error.into()));
        Ok((received.and_then(|staged| self.as_promised(staged)), replayed))
    }

    fn as_promised(&self, staged: Staged) -> Result<Staged, RepoError> {
        match &self.origin.promised {
            Some(promised) if promised.pkginfo != *staged.pkginfo() => {
                Err(RepoError::OtherPkgInfo { id: self.id.clone(), repository: promised.repository.clone() })
            }
            _ => Ok(staged),
        }
    }
}

/// The end of a package's way: what was downloaded of it goes once it is where it belongs, and stays if that failed.
pub(crate) fn conclude<T>(partial: Partial, placed: Result<T, StoreError>) -> Result<T, RepoError> {
    match placed {
        Err(error) if !is_full(&error) => Err(error.into()),
        placed => {
            partial.discard()?;
            Ok(placed?)
        }
    }
}

/// Whether the disk is full. Then a download that could be gone on with is in the way of whoever makes room.
fn is_full(error: &StoreError) -> bool {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
}

/// Whether other bytes could have gone well.
const fn is_about_the_bytes(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Archive { .. }
            | StoreError::Source { .. }
            | StoreError::Digest { .. }
            | StoreError::PkgInfo { .. }
            | StoreError::OtherPackage { .. }
    )
}

struct Reporter<'a> {
    id: &'a PackageId,
    progress: &'a dyn Progress,
}

impl Watch for Reporter<'_> {
    fn bytes(&mut self, count: u64) {
        self.progress.event(self.id, Event::Bytes(count));
    }

    fn retrying(&mut self, why: &str) {
        self.progress.event(self.id, Event::Retrying(why.to_owned()));
    }
}

#[cfg(test)]
#[path = "arrival_tests.rs"]
mod tests;
