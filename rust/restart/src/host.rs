//! What only the machine can tell or hold: processes as `/proc` shows them, the boot's id, random bytes, and locks.
//!
//! The store keeps every durable document. Locks, the socket and the logs are not documents but belongings of live
//! processes; they lie in `state/` too, and this module and [`crate::kick`] and [`crate::supervisor`] alone touch them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

/// The id of this boot; empty where the kernel does not tell, so that all moments count as of one boot.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// `N` bytes of the kernel's random source.
///
/// # Errors
/// If the source can't be read.
pub fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// When a process started, in clock ticks since the boot. `None` if there is none of that number, or it has ended and
/// only waits to be reaped.
///
/// A number alone does not name a process for long; a number with its start time does.
pub fn start_time(pid: u32) -> Option<u64> {
    parse_start_time(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_start_time(stat: &str) -> Option<u64> {
    // The command in parentheses may itself contain spaces and parentheses: fields count from the last one.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    match fields.next()? {
        "Z" | "X" | "x" => None,
        // The state was field 3; 18 further on is field 22.
        _ => fields.nth(18)?.parse().ok(),
    }
}

/// The `state` directory of a root.
pub fn state_directory(root: &Path) -> PathBuf {
    root.join("state")
}

/// An exclusive lock, held while the value lives, that says whose it is.
///
/// The kernel frees it when its holder dies, however that happens. It is not inherited by programs that are started.
#[derive(Debug)]
pub struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a process that is being forked off just now has the file too, until its `execve`.
        let _ = rustix::fs::flock(&self.0, FlockOperation::Unlock);
    }
}

/// Why a lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else holds it.
    #[error("`{path}` is held by process {}", .pid.map_or_else(|| "?".to_owned(), |pid| pid.to_string()))]
    Held {
        /// The lock's file.
        path: PathBuf,
        /// The process that wrote its number into it.
        pid: Option<u32>,
    },
    /// Its file can't be opened or locked.
    #[error("can't lock `{path}`")]
    Io {
        /// The lock's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Lock {
    /// Takes the lock, waiting for whoever holds it.
    ///
    /// # Errors
    /// If its file can't be made or locked.
    pub fn wait(path: &Path) -> Result<Self, LockError> {
        Self::take(path, FlockOperation::LockExclusive)
    }

    /// Takes the lock if it is free.
    ///
    /// # Errors
    /// [`LockError::Held`] if it is not.
    pub fn try_now(path: &Path) -> Result<Self, LockError> {
        Self::take(path, FlockOperation::NonBlockingLockExclusive)
    }

    /// Who holds the lock, without taking it for longer than the question needs; `None` if it is free.
    ///
    /// # Errors
    /// If its file can't be opened.
    pub fn holder(path: &Path) -> Result<Option<u32>, LockError> {
        match Self::try_now(path) {
            Ok(_) => Ok(None),
            // A holder that has not written its number yet is about to.
            Err(LockError::Held { pid, .. }) => Ok(pid.or(Some(0))),
            Err(error) => Err(error),
        }
    }

    fn take(path: &Path, operation: FlockOperation) -> Result<Self, LockError> {
        let io = |source| LockError::Io { path: path.to_owned(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(io)?;
        loop {
            match rustix::fs::flock(&file, operation) {
                Ok(()) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    let mut text = String::new();
                    let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                    return Err(LockError::Held { path: path.to_owned(), pid });
                }
                Err(error) => return Err(io(error.into())),
            }
        }
        // Whose it is helps people and `stop`; the lock itself does not depend on it.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", std::process::id()));
        Ok(Self(file))
    }
}

impl From<LockError> for dcos_core::Problem {
    fn from(error: LockError) -> Self {
        let problem = |code, name| Self::new(code, name, Self::chain(&error));
        match &error {
            LockError::Held { .. } => problem(dcos_core::ExitCode::Conflict, "helper-busy")
                .hint("`dcos-restart-helper status` says what it does; `watch` waits for its end"),
            LockError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                problem(dcos_core::ExitCode::NotFound, "not-a-node").hint(
                    "nothing was installed below that root yet: is it the right one? `dcos-restart-helper bootstrap` makes a node",
                )
            }
            LockError::Io { .. } => problem(dcos_core::ExitCode::Unexpected, "lock-failed"),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Lock, LockError, parse_start_time, random, start_time};

    #[test]
    fn a_lock_is_had_once_and_names_its_holder() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.lock");
        assert_eq!(Lock::holder(&path).unwrap(), None);
        let held = Lock::wait(&path).unwrap();
        assert_eq!(Lock::holder(&path).unwrap(), Some(std::process::id()));
        assert!(matches!(Lock::try_now(&path), Err(LockError::Held { .. })));
        drop(held);
        Lock::try_now(&path).unwrap();
    }

    #[test]
    fn a_command_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) R (b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20";
        assert_eq!(parse_start_time(stat), Some(777));
        assert_eq!(parse_start_time(&stat.replace(") S", ") Z")), None);
        assert!(start_time(std::process::id()).is_some_and(|ticks| ticks > 0));
        assert_eq!(start_time(0), None);
    }

    #[test]
    fn random_bytes_differ() {
        assert_ne!(random::<16>().unwrap(), random::<16>().unwrap());
    }
}
