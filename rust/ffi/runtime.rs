//! The one tokio runtime of the module: two threads, started when the first module is made, never stopped.
//!
//! Mesos never destroys an anonymous module and the library is never unloaded, so there is no moment at which the
//! runtime could be shut down; the threads end with the process.

use std::io;
use std::sync::{Mutex, PoisonError};

use tokio::runtime::{Builder, Handle, Runtime};

/// Enough for a node's own work; the cores belong to Mesos and its tasks.
const WORKERS: usize = 2;

/// Blocking calls (reading the store) that may run side by side; tokio's default of 512 threads would be no guest's.
const BLOCKING: usize = 8;

/// Holds the runtime once it exists. A failed start is tried again by the next caller.
static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);

/// The handle of the module's runtime, which is started by the first call.
///
/// # Errors
///
/// If its threads or file descriptors cannot be had.
pub fn handle() -> io::Result<Handle> {
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = runtime.as_ref() {
        return Ok(runtime.handle().clone());
    }
    let started = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING)
        .thread_name("dcos-bits")
        .enable_all()
        .build()?;
    let handle = started.handle().clone();
    *runtime = Some(started);
    Ok(handle)
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_runtime() {
        let first = handle().expect("a runtime");
        let second = handle().expect("the same runtime");
        assert_eq!(first.id(), second.id());
        assert_eq!(first.metrics().num_workers(), WORKERS);
    }
}
