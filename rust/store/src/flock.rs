//! An `flock` that is let go of for certain.
//!
//! Closing the file would not do. A child that another thread is forking just then has the file open as well, until it
//! executes its program, and with it the lock: whoever asks next would be told that somebody holds it.

use std::ops::{Deref, DerefMut};
use std::os::fd::AsFd;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

/// Something open that is locked exclusively as long as this lives.
#[derive(Debug)]
pub struct Flock<T: AsFd>(T);

impl<T: AsFd> Flock<T> {
    /// Locks it unless somebody else has; then it is the error.
    ///
    /// # Errors
    /// If the kernel refuses, as on a file system without locks.
    pub fn try_exclusive(open: T) -> Result<Result<Self, T>, std::io::Error> {
        loop {
            match rustix::fs::flock(&open, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Ok(Self(open))),
                Err(Errno::WOULDBLOCK) => return Ok(Err(open)),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Locks it, waiting for whoever has it.
    ///
    /// # Errors
    /// As [`Flock::try_exclusive`].
    pub fn exclusive(open: T) -> Result<Self, std::io::Error> {
        loop {
            match rustix::fs::flock(&open, FlockOperation::LockExclusive) {
                Ok(()) => return Ok(Self(open)),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl<T: AsFd> Deref for Flock<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: AsFd> DerefMut for Flock<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: AsFd> Drop for Flock<T> {
    fn drop(&mut self) {
        // It can't fail on a lock that is held; if it did, closing would be what is left.
        let _ = rustix::fs::flock(&self.0, FlockOperation::Unlock);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::Flock;

    #[test]
    fn it_is_free_at_once_though_another_process_still_has_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = || file.reopen().unwrap();
        let held = Flock::try_exclusive(open()).unwrap().unwrap();
        // What a child has between its fork and its program: the same open file under another number.
        let inherited = held.try_clone().unwrap();
        assert!(Flock::try_exclusive(open()).unwrap().is_err());
        drop(held);
        assert!(Flock::try_exclusive(open()).unwrap().is_ok());
        drop(inherited);
    }
}
