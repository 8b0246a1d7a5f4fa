//! The guard: starts the worker, and starts it again whenever it dies.
//!
//! It does nothing else, so that there is nothing in it to die of, and it knows nothing that would be lost with it: a
//! worker whose guard was killed starts another one. The guard does not keep a live worker from working while it waits
//! for it, and does not start a second one beside it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dcos_core::{ExitCode, Problem};

use crate::host::{Lock, state_directory};
use crate::worker;

/// The guard's lock below `state/`.
pub const LOCK: &str = "guard.lock";

/// The hidden subcommand of the helper that is the worker.
pub const WORKER: &str = "worker";

/// The waits before a worker that died young is started again double from the first to the last. The last is short: it may
/// be a worker in the middle of an attempt, with Mesos stopped.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LAST_WAIT: Duration = Duration::from_secs(2);

/// A worker that lived this long did not die of its start.
const GROWN_UP: Duration = Duration::from_secs(10);

/// Guards the worker of the node at `root` for ever. `program` is asked each time which helper to start.
///
/// # Errors
/// `helper-busy` if there is a guard; else only if its lock can't be had.
pub fn run(root: &Path, node_file: &Path, program: impl Fn() -> PathBuf) -> Result<std::convert::Infallible, Problem> {
    let state = state_directory(root);
    std::fs::create_dir_all(&state).map_err(|error| {
        let detail = format!("can't make `{}`: {error}", state.display());
        Problem::new(ExitCode::Unexpected, "helper-failed", detail)
    })?;
    let _lock = Lock::try_now(&state.join(LOCK))?;
    // Out of the session of whoever started it. It fails only for the first process of a terminal's job, which is meant
    // to end with it.
    let _ = rustix::process::setsid();
    let mut wait = FIRST_WAIT;
    loop {
        // A worker that an earlier guard left behind goes on working; this waits for its end.
        drop(Lock::wait(&state.join(worker::LOCK))?);
        let began = Instant::now();
        let program = program();
        // A helper is known by where it lies, not by the link that led there.
        let program = program.canonicalize().unwrap_or(program);
        let ended = Command::new(&program)
            .arg("--node")
            .arg(node_file)
            .arg(WORKER)
            .arg("--started-as")
            .arg(&program)
            .stdin(Stdio::null())
            .spawn()
            .and_then(|mut child| child.wait());
        if began.elapsed() >= GROWN_UP {
            wait = FIRST_WAIT;
        }
        match ended {
            Ok(status) => tracing::warn!(%status, ?wait, "the worker has ended: starting it again"),
            Err(error) => tracing::error!(program = %program.display(), %error, "can't start the worker"),
        }
        std::thread::sleep(wait);
        wait = (wait * 2).min(LAST_WAIT);
    }
}
