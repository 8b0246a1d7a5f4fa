//! `staging/<job>/`: half-done work. Each entry is locked by whoever works in it; an unlocked one is nobody's.

use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;

use crate::directory::Directory;
use crate::error::StoreError;
use crate::flock::Flock;
use crate::partial;

/// An entry of `staging/`, ours as long as it lives; removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Staging {
    parent: Directory,
    name: String,
    directory: Flock<Directory>,
}

impl Staging {
    /// Makes an entry in `staging`.
    pub(crate) fn create(staging: &Directory) -> Result<Self, StoreError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            let name = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let directory = match staging.create_directory(&name) {
                Ok(directory) => directory,
                // Left by an earlier process of our number, or swept away between being made and opened: the next one.
                Err(error) if matches!(error.errno(), Some(Errno::EXIST | Errno::NOENT)) => continue,
                Err(error) => return Err(error),
            };
            // Before it was locked somebody's recovery may have taken it for a leftover.
            if let Some(directory) = lock(directory)?
                && staging.stat(&name)?.is_some()
            {
                return Ok(Self { parent: staging.duplicate()?, name, directory });
            }
        }
    }

    /// The entry's directory.
    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Err(error) = self.parent.remove_tree(&self.name) {
            // Not an error of whoever drops it: the next recovery removes it.
            tracing::warn!(entry = self.name, "could not remove a staging entry: {error}");
        }
    }
}

/// Removes the entries that nobody works in.
///
/// What can't be removed (an immutable file, a mount point, a disk that fails) is left with a warning: it is nobody's, and
/// a node has to be able to switch beside it.
pub(crate) fn recover(staging: &Directory) -> Result<(), StoreError> {
    for entry in staging.entries()?.into_iter().filter(|entry| entry.name != partial::DIRECTORY) {
        if let Err(error) = sweep(staging, &entry.name) {
            tracing::warn!(entry = entry.name, error = dcos_core::Problem::chain(&error), "a staging entry stays");
        }
    }
    Ok(())
}

fn sweep(staging: &Directory, name: &str) -> Result<(), StoreError> {
    match staging.open_if_any(name) {
        Ok(Some(directory)) => match lock(directory)? {
            Some(_ours) => staging.remove_tree(name),
            None => Ok(()),
        },
        // Removed in the meantime by whoever worked in it.
        Ok(None) => Ok(()),
        // Not a directory: nothing of ours.
        Err(_) => staging.remove_tree(name),
    }
}

/// Locks a directory, unless somebody else has.
fn lock(directory: Directory) -> Result<Option<Flock<Directory>>, StoreError> {
    let path = directory.path().to_owned();
    Ok(Flock::try_exclusive(directory).map_err(|error| StoreError::io("lock the directory", path, error))?.ok())
}
