//! `trust/<repository>/`: what a node has learned of whom to believe about a repository.
//!
//! It is one document, so that no crash leaves half of it new. Several fetches may learn at the same time, each from
//! what it read before it asked the network; the one that knows less must not undo what the other learned. So the
//! document is replaced under a lock of its own, by a function that sees what is there now. The lock is held for one
//! read and one write, never while anybody waits for a server.

use std::os::fd::AsFd as _;

use rustix::fs::{FlockOperation, OFlags};

use crate::directory::Directory;
use crate::error::StoreError;
use crate::store::Store;

/// The directory at the top of a store.
const TRUST: &str = "trust";

/// The document in a repository's directory.
const DOCUMENT: &str = "trust.json";

/// The lock beside it.
const LOCK: &str = "lock";

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
}

/// The lock file, locked until it is dropped.
fn locked(directory: &Directory) -> Result<std::fs::File, StoreError> {
    let file = directory.open_with(LOCK, OFlags::RDWR | OFlags::CREATE)?;
    rustix::fs::flock(file.as_fd(), FlockOperation::LockExclusive)
        .map_err(|error| StoreError::io("lock", directory.path().join(LOCK), std::io::Error::from(error)))?;
    Ok(file)
}

fn check(repository: &str) -> Result<(), StoreError> {
    let plain = !repository.is_empty() && repository.bytes().all(|byte| byte.is_ascii_lowercase());
    if plain { Ok(()) } else { Err(StoreError::StateName(repository.to_owned())) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
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
    fn a_repository_is_one_word() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path(), None).unwrap();
        for name in ["", "..", "a/b", ".a", "A"] {
            assert!(matches!(store.read_trust(name), Err(StoreError::StateName(_))), "{name:?}");
            assert!(matches!(store.advance_trust(name, |_| None), Err(StoreError::StateName(_))), "{name:?}");
        }
    }
}
