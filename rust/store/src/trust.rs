//! `trust/<repository>/`: what a node has learned of whom to believe about a repository.
//!
//! It is one document, so that no crash leaves half of it new. Several fetches may learn at the same time, each from
//! what it read before it asked the network; the one that knows less must not undo what the other learned. So the
//! document is replaced under a lock of its own, by a function that sees what is there now. The lock is held for one
//! read and one write, never while anybody waits for a server.
//!
//! Beside it stands what a repository has revoked. That only grows, since a revoked id is never published again: so it
//! does not matter who learned it from which metadata, in which order, and nothing undoes it.

use std::collections::{BTreeMap, BTreeSet};

use dcos_core::{Kind, PackageId};
use rustix::fs::{FileType, OFlags};
use serde::{Deserialize, Serialize};

use crate::directory::Directory;
use crate::error::StoreError;
use crate::flock::Flock;
use crate::store::Store;

/// The directory at the top of a store.
pub(crate) const TRUST: &str = "trust";

/// The document in a repository's directory.
pub(crate) const DOCUMENT: &str = "trust.json";

/// What the repository has revoked.
const REVOKED: &str = "revoked.json";

/// The format of that which this release reads and writes.
const REVOKED_FORMAT: u32 = 1;

/// The lock beside them.
const LOCK: &str = "lock";

/// The repository whose word counts only for what it may offer: whoever holds a site's keys can't take Mesos away.
const SITE: &str = "site";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoked {
    format: u32,
    revoked: BTreeSet<PackageId>,
}

/// What was revoked on this node's repositories.
#[derive(Debug, Default)]
pub(crate) struct Revocations(BTreeMap<String, BTreeSet<PackageId>>);

impl Revocations {
    /// The repository that revoked a package of that kind; `None` if none has. About what came from a site's repository
    /// (`from_site`) its word counts, whatever kind it turned out to be of.
    pub(crate) fn of(&self, id: &PackageId, kind: Kind, from_site: bool) -> Option<&str> {
        let counts = |repository: &str| repository != SITE || kind.is_for_sites() || from_site;
        let found = self.0.iter().find(|(repository, ids)| counts(repository) && ids.contains(id));
        found.map(|(repository, _)| repository.as_str())
    }
}

impl Store {
    /// What is known of the repository; `None` before the first time.
    ///
    /// # Errors
    /// If it can't be read, or `repository` is no name of a directory.
    pub fn read_trust(&self, repository: &str) -> Result<Option<Vec<u8>>, StoreError> {
        check(repository)?;
        let Some(trust) = self.top(TRUST)? else { return Ok(None) };
        match trust.open_if_any(repository)? {
            Some(directory) => directory.read_if_any(DOCUMENT),
            None => Ok(None),
        }
    }

    /// Replaces what is known of the repository by what `decide` makes of it; `None` leaves it as it is.
    ///
    /// # Errors
    /// If it can't be read or written, or `repository` is no name of a directory.
    pub fn advance_trust(
        &self,
        repository: &str,
        decide: impl FnOnce(Option<&[u8]>) -> Option<Vec<u8>>,
    ) -> Result<(), StoreError> {
        check(repository)?;
        let directory = self.make_top(TRUST)?.ensure_directory(repository)?;
        let _locked = locked(&directory)?;
        // A writer that was killed left its half beside the whole.
        directory.remove_unfinished()?;
        match decide(directory.read_if_any(DOCUMENT)?.as_deref()) {
            Some(bytes) => directory.replace(DOCUMENT, &bytes),
            None => Ok(()),
        }
    }

    /// Remembers what the repository has revoked, as its verified metadata says; what was revoked before stays so.
    /// From then on no set with such a package is valid here, whether it is local or not.
    ///
    /// # Errors
    /// If what is known can't be read or written, or `repository` is no name of a directory.
    pub fn record_revoked<'a>(
        &self,
        repository: &str,
        ids: impl IntoIterator<Item = &'a PackageId>,
    ) -> Result<(), StoreError> {
        check(repository)?;
        let mut ids = ids.into_iter().peekable();
        // The usual case: nothing was ever revoked, and nothing is made on this node's disk.
        if ids.peek().is_none() {
            return Ok(());
        }
        let directory = self.make_top(TRUST)?.ensure_directory(repository)?;
        let _locked = locked(&directory)?;
        directory.remove_unfinished()?;
        let mut revoked = read_revoked(&directory)?;
        let before = revoked.len();
        revoked.extend(ids.cloned());
        if revoked.len() == before {
            return Ok(());
        }
        tracing::warn!(repository, new = revoked.len() - before, "packages were revoked");
        let document = serde_json::to_vec(&Revoked { format: REVOKED_FORMAT, revoked })
            .map_err(|error| StoreError::io("write", directory.path().join(REVOKED), error))?;
        directory.replace(REVOKED, &document)
    }

    /// What the repositories have revoked, as far as this node has heard.
    ///
    /// # Errors
    /// If it can't be read.
    pub(crate) fn revocations(&self) -> Result<Revocations, StoreError> {
        let mut revocations = Revocations::default();
        let Some(trust) = self.top(TRUST)? else { return Ok(revocations) };
        for entry in trust.entries()?.into_iter().filter(|entry| entry.kind == FileType::Directory) {
            if let Some(directory) = trust.open_if_any(&entry.name)? {
                revocations.0.insert(entry.name, read_revoked(&directory)?);
            }
        }
        Ok(revocations)
    }
}

fn read_revoked(directory: &Directory) -> Result<BTreeSet<PackageId>, StoreError> {
    let Some(bytes) = directory.read_if_any(REVOKED)? else { return Ok(BTreeSet::new()) };
    let path = directory.path().join(REVOKED);
    let document: Revoked = serde_json::from_slice(&bytes).map_err(|error| StoreError::damaged(&path, error))?;
    match document.format {
        REVOKED_FORMAT => Ok(document.revoked),
        found => Err(StoreError::Format { path, found: found.into(), known: REVOKED_FORMAT }),
    }
}

/// The lock file, locked until it is dropped.
fn locked(directory: &Directory) -> Result<Flock<std::fs::File>, StoreError> {
    let file = directory.open_with(LOCK, OFlags::RDWR | OFlags::CREATE)?;
    Flock::exclusive(file).map_err(|error| StoreError::io("lock", directory.path().join(LOCK), error))
}

fn check(repository: &str) -> Result<(), StoreError> {
    let plain = !repository.is_empty() && repository.bytes().all(|byte| byte.is_ascii_lowercase());
    if plain { Ok(()) } else { Err(StoreError::StateName(repository.to_owned())) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use dcos_core::{Kind, PackageId};

    use crate::{Store, StoreError};

    #[test]
    fn what_is_known_is_kept_and_decided_upon() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path().join("store"), None).unwrap();
        assert_eq!(store.read_trust("release").unwrap(), None);
        store.advance_trust("release", |present| present.is_none().then(|| b"one".to_vec())).unwrap();
        store.advance_trust("release", |present| present.is_none().then(|| b"two".to_vec())).unwrap();
        assert_eq!(store.read_trust("release").unwrap().as_deref(), Some(&b"one"[..]));
        assert_eq!(store.read_trust("site").unwrap(), None);
    }

    #[test]
    fn of_many_who_learn_at_once_nobody_is_lost() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path(), None).unwrap();
        let learn = || store.advance_trust("site", |present| Some([present.unwrap_or_default(), b"x"].concat()));
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(learn)).collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
        });
        assert_eq!(store.read_trust("site").unwrap().map(|bytes| bytes.len()), Some(8));
    }

    #[test]
    fn what_was_revoked_stays_so_and_a_site_speaks_only_for_its_own() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path().join("store"), None).unwrap();
        let id = |text: &str| text.parse::<PackageId>().unwrap();
        store.record_revoked("release", []).unwrap();
        assert!(!store.root().exists());
        store.record_revoked("release", [&id("a--1"), &id("b--1")]).unwrap();
        store.record_revoked("release", [&id("b--1")]).unwrap();
        store.record_revoked("site", [&id("mesos--1.11.0"), &id("conf--1")]).unwrap();
        let revocations = store.revocations().unwrap();
        let by = |text: &str, kind| revocations.of(&id(text), kind, false);
        assert_eq!(by("a--1", Kind::Module), Some("release"));
        assert_eq!(by("a--2", Kind::Module), None);
        assert_eq!(by("conf--1", Kind::MesosConfig), Some("site"));
        assert_eq!(by("mesos--1.11.0", Kind::Mesos), None);
        assert_eq!(revocations.of(&id("mesos--1.11.0"), Kind::Mesos, true), Some("site"));
    }

    #[test]
    fn a_repository_is_one_word() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path(), None).unwrap();
        for name in ["", "..", "a/b", ".a", "A"] {
            assert!(matches!(store.read_trust(name), Err(StoreError::StateName(_))), "{name:?}");
            assert!(matches!(store.advance_trust(name, |_| None), Err(StoreError::StateName(_))), "{name:?}");
        }
    }
}
