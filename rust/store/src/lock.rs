//! The node's lock: whoever changes packages, generations or `active` holds it, briefly, and says who that is.
//!
//! It is an `flock` on `state/lock`, so the kernel lets go of it when its holder dies, however that happens. The record
//! in the file is for people: it is only as true as the lock is held. Functions that change something take a
//! [`Locked`], so there is no way to forget it; and there is no way to get one without recovery having run.

use std::fmt;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::directory::Directory;
use crate::error::StoreError;
use crate::flock::Flock;

/// The file below `state/`.
pub(crate) const FILE_NAME: &str = "lock";

/// How often a taken lock is tried again. It is held for milliseconds.
const RETRY: Duration = Duration::from_millis(5);

/// Who holds the lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// The record's format: 1.
    pub format: u32,
    /// The process.
    pub pid: u32,
    /// What it does, such as `dcos-pkg gc`.
    pub command: String,
    /// Since when.
    pub since: Timestamp,
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` (pid {}) since {:.0}", self.command, self.pid, self.since)
    }
}

/// The node's lock, held. Dropping it lets go.
#[derive(Debug)]
#[must_use = "the lock is held only as long as this lives"]
pub struct Locked {
    _file: Flock<File>,
}

/// Takes the lock, waiting for it up to `wait`.
pub(crate) fn take(root: &Path, state: &Directory, command: &str, wait: Duration) -> Result<Locked, StoreError> {
    let mut open = state.open_with(FILE_NAME, OFlags::RDWR | OFlags::CREATE)?;
    let failed = |action| move |error: std::io::Error| StoreError::io(action, state.path().join(FILE_NAME), error);
    let deadline = Instant::now() + wait;
    let file = loop {
        open = match Flock::try_exclusive(open).map_err(failed("lock"))? {
            Ok(file) => break file,
            Err(open) if Instant::now() < deadline => open,
            Err(_) => return Err(StoreError::Busy { root: root.to_owned(), owner: owner(state) }),
        };
        std::thread::sleep(RETRY);
    };
    let owner = Owner { format: 1, pid: std::process::id(), command: command.to_owned(), since: Timestamp::now() };
    if let Err(error) = sign(&file, &owner) {
        // On a full disk as well the lock has to be had: by the collection that makes room, and by a rollback.
        tracing::warn!(%error, "the lock is held without a record of who holds it");
    }
    Ok(Locked { _file: file })
}

/// Writes the record, in place: another file would be another lock. Whoever reads it half-written names nobody.
fn sign(mut file: &File, owner: &Owner) -> std::io::Result<()> {
    let record = serde_json::to_vec(owner)?;
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(&record)
}

/// Who took the lock last.
pub(crate) fn owner(state: &Directory) -> Option<Owner> {
    let bytes = state.read_if_any(FILE_NAME).ok()??;
    serde_json::from_slice(&bytes).ok()
}

/// Who holds the lock now, without waiting for it; `None` if nobody does.
pub(crate) fn holder(state: &Directory) -> Result<Option<Option<Owner>>, StoreError> {
    if !state.has(FILE_NAME)? {
        return Ok(None);
    }
    let file = state.open_file(FILE_NAME)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
        Err(Errno::WOULDBLOCK) => Ok(Some(owner(state))),
        // Held for an instant, let go at once (see [`Flock`]). Whoever tries in this instant tries again.
        Ok(()) => {
            let _ = rustix::fs::flock(&file, FlockOperation::Unlock);
            Ok(None)
        }
        Err(error) => Err(StoreError::io("lock", state.path().join(FILE_NAME), error)),
    }
}
