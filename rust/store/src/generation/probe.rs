//! Asking a module library what it is, by a program that loads it together with the set's own Mesos.
//!
//! Compilers may fill in a module record only when the library is loaded, so reading the file is not enough; and code of
//! a package that is not active yet has no business in this process, which may be a Mesos. The program comes with the
//! dcos-bits package of the same set. What it said is kept by the digests of both libraries: asked once, a set is judged
//! again without running anything.

use std::io::Read;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dcos_core::validate::LibraryFacts;
use dcos_core::validate::facts::Probe;
use dcos_core::{Problem, Sha256};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};

use crate::store::Store;

/// The program within a dcos-bits package.
pub(crate) const PROBE: &str = "libexec/dcos-bits/dcos-module-probe";

/// How long the program may take. It gives a library 20 seconds itself, and tells of one that hangs.
const DEADLINE: Duration = Duration::from_secs(30);

/// The most that is read of the program's output.
const MAX_OUTPUT: u64 = 1 << 20;

/// The directory of answers below `state/`.
const ANSWERS: &str = "probes";

/// The format of an answer that this release reads and writes.
const FORMAT: u32 = 1;

/// Asks about libraries for one Mesos.
pub(crate) struct Prober<'a> {
    pub(crate) store: &'a Store,
    pub(crate) program: PathBuf,
    /// Mesos's library and its digest.
    pub(crate) mesos: PathBuf,
    pub(crate) mesos_sha256: Sha256,
}

/// An answer that is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    format: u32,
    library: Sha256,
    mesos: Sha256,
    symbols: Vec<String>,
    probe: Probe,
}

impl Prober<'_> {
    /// What is known of a library, asked for if it is not known yet. Whatever goes wrong here is a fact about the library
    /// or the lack of one, not an error.
    pub(crate) fn ask(&self, library: &Path, sha256: Sha256, symbols: &[&str]) -> LibraryFacts {
        let name = format!("{ANSWERS}/{}-{}.json", sha256.short(24), self.mesos_sha256.short(24));
        // An answer that can't be read is asked for again.
        if let Ok(Some(answer)) = self.store.read_document::<Answer>(&name)
            && answer.format == FORMAT
            && (answer.library, answer.mesos) == (sha256, self.mesos_sha256)
            && answer.symbols == symbols
        {
            return LibraryFacts::Probed(answer.probe);
        }
        let facts = self.run(library, symbols);
        if let LibraryFacts::Probed(probe) = &facts {
            let symbols = symbols.iter().map(|symbol| (*symbol).to_owned()).collect();
            let answer =
                Answer { format: FORMAT, library: sha256, mesos: self.mesos_sha256, symbols, probe: probe.clone() };
            if let Err(error) = self.store.write_document(&name, &answer) {
                tracing::warn!(library = %library.display(), "the answer is not kept: {}", Problem::chain(&error));
            }
        }
        facts
    }

    fn run(&self, library: &Path, symbols: &[&str]) -> LibraryFacts {
        let spawned = Command::new(&self.program)
            .arg("--mesos")
            .arg(&self.mesos)
            .arg(library)
            .args(symbols)
            // Nothing of our environment is a library's business, and no signal of our terminal is the program's.
            .env_clear()
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => {
                tracing::warn!(program = %self.program.display(), "could not run it: {error}");
                return LibraryFacts::Unknown;
            }
        };
        let output = reader(child.stdout.take());
        let errors = reader(child.stderr.take());
        let in_time = wait(&child);
        if !in_time && let Err(error) = child.kill() {
            tracing::warn!(program = %self.program.display(), "could not end it: {error}");
        }
        let status = child.wait();
        let (output, errors) = (output.join().unwrap_or_default(), errors.join().unwrap_or_default());
        if !in_time {
            return LibraryFacts::Fatal(format!("it was not done after {} seconds", DEADLINE.as_secs()));
        }
        match (serde_json::from_slice::<Probe>(&output), status) {
            (Ok(probe), Ok(status)) if status.signal().is_none() => LibraryFacts::Probed(probe),
            (_, Ok(status)) => {
                let errors = String::from_utf8_lossy(&errors);
                let last = errors.lines().last().map(|line| format!(", `{line}`")).unwrap_or_default();
                if status.signal().is_some() {
                    return LibraryFacts::Fatal(format!("{status}{last}"));
                }
                // A library can't do this: the program loads it in a child and tells of that child's end.
                tracing::warn!(program = %self.program.display(), "it could not tell: {status}{last}");
                LibraryFacts::Unknown
            }
            (_, Err(error)) => LibraryFacts::Fatal(error.to_string()),
        }
    }
}

/// Reads a pipe to its end, so that its writer never waits for us, and keeps the beginning.
fn reader(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What came before an error is still what it said.
            drop(pipe.by_ref().take(MAX_OUTPUT).read_to_end(&mut bytes));
            drop(std::io::copy(&mut pipe, &mut std::io::sink()));
        }
        bytes
    })
}

/// Waits until the process has ended; answers whether it did in time.
fn wait(child: &Child) -> bool {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let Some(Ok(handle)) = pid.map(|pid| pidfd_open(pid, PidfdFlags::empty())) else { return true };
    let started = std::time::Instant::now();
    loop {
        let left = DEADLINE.saturating_sub(started.elapsed());
        let timeout = Timespec::try_from(left).ok();
        match poll(&mut [PollFd::new(&handle, PollFlags::IN)], timeout.as_ref()) {
            Ok(0) => return false,
            Ok(_) => return true,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return true,
        }
    }
}
