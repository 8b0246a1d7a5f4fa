//! `staging/partial/`: what unfinished downloads have brought so far, by the digest of what they shall become.
//!
//! Unlike the rest of `staging/` these files are worth something without the process that wrote them: the next fetch
//! goes on from there. Nothing in them is believed, the digest of the whole decides, so they are not synced either. Each
//! is locked by the fetch that writes it; one that nobody has touched for a day is swept away.

use std::fs::File;
use std::time::{Duration, SystemTime};

use dcos_core::Sha256;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::directory::Directory;
use crate::error::StoreError;
use crate::flock::Flock;
use crate::store::{STAGING, Store};

/// The directory below `staging/`; recovery leaves it alone.
pub(crate) const DIRECTORY: &str = "partial";

/// How long a download may lie unfinished: who retries at all retries within a day.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// A file of an unfinished download, locked as long as this lives. It stays when this is dropped.
#[derive(Debug)]
pub struct Partial {
    directory: Directory,
    name: String,
    file: Flock<File>,
}

impl Store {
    /// The partial download of the archive with that digest, empty if there was none; `None` while another fetch has it.
    ///
    /// # Errors
    /// If it can't be made or opened.
    pub fn partial(&self, sha256: &Sha256) -> Result<Option<Partial>, StoreError> {
        self.claim(&sha256.to_string())
    }

    /// The right to work on the job of that id; `None` while another worker has it. To be discarded at the job's end.
    ///
    /// # Errors
    /// If it can't be made or opened, or `id` is no id of a job.
    pub fn claim_job(&self, id: &str) -> Result<Option<Partial>, StoreError> {
        if !dcos_core::job::Job::is_id(id) {
            return Err(StoreError::StateName(id.to_owned()));
        }
        self.claim(&format!("job-{id}"))
    }

    fn claim(&self, name: &str) -> Result<Option<Partial>, StoreError> {
        let directory = self.make_scratch()?.ensure_scratch(DIRECTORY)?;
        loop {
            let file = directory.open_with(name, OFlags::RDWR | OFlags::CREATE)?;
            let Some(file) = lock(file, &directory, name)? else { return Ok(None) };
            // Whoever had it may have removed it between our opening and our locking: then ours has no name any more.
            if is_named(&file, &directory, name)? {
                return Ok(Some(Partial { directory, name: name.to_owned(), file }));
            }
        }
    }

    /// Removes the partial downloads that nobody works on and nobody has touched for a day.
    ///
    /// # Errors
    /// If the directory can't be read or changed.
    pub fn sweep_partials(&self, now: SystemTime) -> Result<usize, StoreError> {
        let Some(staging) = self.top(STAGING)? else { return Ok(0) };
        let Some(directory) = staging.open_if_any(DIRECTORY)? else { return Ok(0) };
        let mut swept = 0;
        for entry in directory.entries()? {
            let file = match directory.open_file(&entry.name) {
                // Its fetch is done with it.
                Err(error) if error.errno() == Some(Errno::NOENT) => continue,
                file => file?,
            };
            let touched = file.metadata().and_then(|metadata| metadata.modified());
            let idle = touched.is_ok_and(|touched| now.duration_since(touched).is_ok_and(|age| age > KEPT));
            if idle && let Some(_ours) = lock(file, &directory, &entry.name)? {
                directory.remove_file(&entry.name)?;
                swept += 1;
            }
        }
        Ok(swept)
    }
}

impl Partial {
    /// The file, for reading and writing.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Throws away what is in it, and keeps the right to fill it.
    ///
    /// # Errors
    /// If the file can't be cut off.
    pub fn empty(&mut self) -> Result<(), StoreError> {
        self.file
            .set_len(0)
            .map_err(|error| StoreError::io("empty the file", self.directory.path().join(&self.name), error))
    }

    /// Removes it.
    ///
    /// # Errors
    /// If it can't be removed.
    pub fn discard(self) -> Result<(), StoreError> {
        self.directory.remove_file(&self.name)
    }
}

fn lock(file: File, directory: &Directory, name: &str) -> Result<Option<Flock<File>>, StoreError> {
    let locked = Flock::try_exclusive(file);
    Ok(locked.map_err(|error| StoreError::io("lock the file", directory.path().join(name), error))?.ok())
}

fn is_named(file: &File, directory: &Directory, name: &str) -> Result<bool, StoreError> {
    let ours =
        rustix::fs::fstat(file).map_err(|error| StoreError::io("look at", directory.path().join(name), error))?;
    Ok(directory.stat(name)?.is_some_and(|named| (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::io::Write as _;
    use std::time::{Duration, SystemTime};

    use super::Store;
    use dcos_core::Sha256;

    #[test]
    fn a_partial_outlives_its_fetch_and_belongs_to_one_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path(), None).unwrap();
        let sha256 = Sha256::of(b"x");
        let mut first = store.partial(&sha256).unwrap().unwrap();
        first.file().write_all(b"half").unwrap();
        assert!(store.partial(&sha256).unwrap().is_none());
        drop(first);
        // Recovery, which runs with every lock, must not take it for a leftover.
        drop(store.lock("test").unwrap());
        let mut second = store.partial(&sha256).unwrap().unwrap();
        assert_eq!(std::io::read_to_string(second.file()).unwrap(), "half");
        second.discard().unwrap();
        assert_eq!(store.partial(&sha256).unwrap().unwrap().file().metadata().unwrap().len(), 0);
    }

    #[test]
    fn only_old_and_idle_partials_are_swept() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path(), None).unwrap();
        let tomorrow = SystemTime::now() + Duration::from_secs(25 * 60 * 60);
        let held = store.partial(&Sha256::of(b"held")).unwrap().unwrap();
        drop(store.partial(&Sha256::of(b"idle")).unwrap());
        assert_eq!(store.sweep_partials(SystemTime::now()).unwrap(), 0);
        assert_eq!(store.sweep_partials(tomorrow).unwrap(), 1);
        drop(held);
        assert_eq!(store.sweep_partials(tomorrow).unwrap(), 1);
    }
}
