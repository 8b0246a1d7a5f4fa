//! The store itself: where it is, its lock, its recovery, and the small documents below `state/`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use dcos_core::node::NodeConfig;
use rustix::fs::FileType;
use serde::de::DeserializeOwned;

use crate::directory::Directory;
use crate::error::StoreError;
use crate::lock::{self, Locked, Owner};
use crate::running::{self, Running};
use crate::{packages, staging};

/// The directories at the top of a store.
pub(crate) const PACKAGES: &str = "packages";
pub(crate) const GENERATIONS: &str = "generations";
pub(crate) const STAGING: &str = "staging";
pub(crate) const STATE: &str = "state";
pub(crate) const HELPER: &str = "helper";

/// The link at the top that says which generation is active.
pub(crate) const ACTIVE: &str = "active";

/// How long a change waits for another one to be done. Either holds the lock for milliseconds: packages are unpacked
/// before it is taken, and garbage is deleted after it was let go.
pub const LOCK_WAIT: Duration = Duration::from_secs(10);

/// The host that a store belongs to.
#[derive(Clone, Debug)]
pub struct NodeContext {
    /// The facts of the host.
    pub config: NodeConfig,
    /// The absolute path of the file that they are in, which modules are given.
    pub file: PathBuf,
}

/// The package tree of a node.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
    node: Option<NodeContext>,
}

impl Store {
    /// The store at `root`. Nothing is touched: a store that is not there yet is made by the first change.
    ///
    /// Without `node`, packages can be listed, added and removed; making a set ready needs it.
    ///
    /// # Errors
    /// If `root` is relative and the current directory can't be told.
    pub fn open(root: impl AsRef<Path>, node: Option<NodeContext>) -> Result<Self, StoreError> {
        let root = root.as_ref();
        let root = std::path::absolute(root).map_err(|error| StoreError::io("find", root, error))?;
        Ok(Self { root, node })
    }

    /// Where it is, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The host that it belongs to, if it was opened with one.
    pub fn node(&self) -> Option<&NodeContext> {
        self.node.as_ref()
    }

    /// Takes the node's lock at once, and brings the store in order if somebody died at work.
    ///
    /// # Errors
    /// [`StoreError::Busy`] with its holder if it is taken.
    pub fn lock(&self, command: &str) -> Result<Locked, StoreError> {
        self.lock_within(command, Duration::ZERO)
    }

    /// The same, waiting for it up to `wait`.
    ///
    /// # Errors
    /// [`StoreError::Busy`] with its holder if it was taken all that time.
    pub fn lock_within(&self, command: &str, wait: Duration) -> Result<Locked, StoreError> {
        let root = self.make()?;
        let state = root.ensure_directory(STATE)?;
        let locked = lock::take(&self.root, &state, command, wait)?;
        self.recover(&root, &state)?;
        Ok(locked)
    }

    /// Who holds the lock now. The inner `None` is a holder that did not leave its name yet.
    ///
    /// # Errors
    /// If the lock file can't be read.
    pub fn lock_holder(&self) -> Result<Option<Option<Owner>>, StoreError> {
        match self.top(STATE)? {
            Some(state) => lock::holder(&state),
            None => Ok(None),
        }
    }

    /// The Mesos of this store that runs now.
    ///
    /// # Errors
    /// If the document that names it can't be read.
    pub fn running(&self) -> Result<Option<Running>, StoreError> {
        Ok(self.read_document::<Running>(running::FILE_NAME)?.filter(Running::lives))
    }

    /// Opens the root, made if it is not there.
    pub(crate) fn make(&self) -> Result<Directory, StoreError> {
        Directory::make(&self.root)
    }

    /// Opens a directory at the top, if there is one. For readers, who make nothing.
    pub(crate) fn top(&self, name: &str) -> Result<Option<Directory>, StoreError> {
        match Directory::at(&self.root) {
            Ok(root) => root.open_if_any(name),
            Err(error) if error.errno() == Some(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens a directory at the top, made if it is not there.
    pub(crate) fn make_top(&self, name: &str) -> Result<Directory, StoreError> {
        self.make()?.ensure_directory(name)
    }

    /// Opens the directory for half-done work, made if it is not there.
    pub(crate) fn make_scratch(&self) -> Result<Directory, StoreError> {
        self.make()?.ensure_scratch(STAGING)
    }

    /// Brings the store in order after a crash: what was not committed is taken away.
    fn recover(&self, root: &Directory, state: &Directory) -> Result<(), StoreError> {
        if let Some(staging) = root.open_if_any(STAGING)? {
            staging::recover(&staging)?;
        }
        root.remove_unfinished()?;
        if let Some(helper) = root.open_if_any(HELPER)? {
            helper.remove_unfinished()?;
        }
        state.remove_unfinished()?;
        for entry in state.entries()?.into_iter().filter(|entry| entry.kind == FileType::Directory) {
            if let Some(directory) = state.open_if_any(&entry.name)? {
                directory.remove_unfinished()?;
            }
        }
        root.open_if_any(PACKAGES)?.map_or(Ok(()), |packages| packages::recover(&packages))
    }

    /// Reads a small durable document below `state/`; `None` if there is none.
    ///
    /// # Errors
    /// If it can't be read, or the name is not one.
    pub fn read_state(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let (directories, file) = split_state_name(name)?;
        let Some(mut directory) = self.top(STATE)? else { return Ok(None) };
        for name in directories {
            match directory.open_if_any(name)? {
                Some(found) => directory = found,
                None => return Ok(None),
            }
        }
        directory.read_if_any(file)
    }

    /// Replaces a small durable document below `state/`, by a rename. It takes no lock: documents don't depend on each
    /// other, each has one writer, and the journal of a restart must not wait for anybody.
    ///
    /// # Errors
    /// If it can't be written, or the name is not one.
    pub fn write_state(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let (directories, file) = split_state_name(name)?;
        let mut directory = self.make_top(STATE)?;
        for name in directories {
            directory = directory.ensure_directory(name)?;
        }
        directory.replace(file, bytes)
    }

    /// Removes a small durable document below `state/`; fine if there is none.
    ///
    /// # Errors
    /// If it can't be removed, or the name is not one.
    pub fn remove_state(&self, name: &str) -> Result<(), StoreError> {
        let (directories, file) = split_state_name(name)?;
        let Some(mut directory) = self.top(STATE)? else { return Ok(()) };
        for name in directories {
            match directory.open_if_any(name)? {
                Some(found) => directory = found,
                None => return Ok(()),
            }
        }
        if directory.has(file)? {
            directory.remove_file(file)?;
            directory.sync()?;
        }
        Ok(())
    }

    /// The documents in a directory below `state/`, in order of name; none if there is no such directory.
    ///
    /// # Errors
    /// If it can't be read, or the name is not one.
    pub fn list_state(&self, name: &str) -> Result<Vec<String>, StoreError> {
        let (directories, last) = split_state_name(name)?;
        let Some(mut directory) = self.top(STATE)? else { return Ok(Vec::new()) };
        for name in directories.into_iter().chain([last]) {
            match directory.open_if_any(name)? {
                Some(found) => directory = found,
                None => return Ok(Vec::new()),
            }
        }
        let entries = directory.entries()?.into_iter();
        Ok(entries.map(|entry| entry.name).filter(|name| !name.starts_with('.')).collect())
    }

    /// Reads a JSON document below `state/`.
    pub(crate) fn read_document<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        let Some(bytes) = self.read_state(name)? else { return Ok(None) };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| StoreError::damaged(self.root.join(STATE).join(name), error))
    }

    /// Replaces a JSON document below `state/`.
    pub(crate) fn write_document<T: serde::Serialize>(&self, name: &str, value: &T) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(value)
            .map_err(|error| StoreError::io("write", self.root.join(STATE).join(name), error))?;
        self.write_state(name, &bytes)
    }
}

/// The directories and the file of a name such as `attempts/a1.json`. Hidden names are ours, for what is unfinished.
fn split_state_name(name: &str) -> Result<(Vec<&str>, &str), StoreError> {
    let mut parts: Vec<&str> = name.split('/').collect();
    let plain = |part: &&str| !part.is_empty() && !part.starts_with('.') && !part.contains('\0') && part.len() < 200;
    match parts.pop() {
        Some(file) if plain(&file) && parts.iter().all(plain) && file != lock::FILE_NAME => Ok((parts, file)),
        _ => Err(StoreError::StateName(name.to_owned())),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Store, StoreError};

    #[test]
    fn documents_are_written_read_listed_and_removed() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path().join("store"), None).unwrap();
        assert_eq!(store.read_state("journal.json").unwrap(), None);
        store.write_state("outbox/1.json", b"one").unwrap();
        store.write_state("outbox/1.json", b"two").unwrap();
        assert_eq!(store.read_state("outbox/1.json").unwrap().as_deref(), Some(&b"two"[..]));
        assert_eq!(store.list_state("outbox").unwrap(), ["1.json"]);
        store.remove_state("outbox/1.json").unwrap();
        store.remove_state("outbox/1.json").unwrap();
        assert!(store.list_state("outbox").unwrap().is_empty());
    }

    #[test]
    fn names_stay_below_state() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path(), None).unwrap();
        for name in ["", "/etc/passwd", "../x", "a/../b", ".hidden", "a//b", "lock", "a\0"] {
            assert!(matches!(store.write_state(name, b""), Err(StoreError::StateName(_))), "{name:?}");
        }
    }

    #[test]
    fn the_second_at_the_lock_is_told_who_holds_it() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path(), None).unwrap();
        assert_eq!(store.lock_holder().unwrap(), None);
        let locked = store.lock("first").unwrap();
        let Err(StoreError::Busy { owner: Some(owner), .. }) = store.lock("second") else { panic!("it was free") };
        assert_eq!((owner.command.as_str(), owner.pid), ("first", std::process::id()));
        assert_eq!(store.lock_holder().unwrap(), Some(Some(owner)));
        drop(locked);
        drop(store.lock("second").unwrap());
    }
}
