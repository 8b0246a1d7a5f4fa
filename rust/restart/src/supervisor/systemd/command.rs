//! Asking systemd, by its own programs.
//!
//! `systemctl` and not D-Bus: as root it talks to systemd over a socket of its own, so that a node whose bus is broken
//! can still be restarted; it needs no runtime in a helper that has none, and no library that would weigh more than the
//! rest of the helper; and what was done can be done again by whoever reads the log. It costs about 5 ms a call, the same
//! as the bare `systemctl stop` that our absence is measured against. What must be known often, whether Mesos lives, is
//! asked of a pidfd and not of systemd.
//!
//! What a program prints goes into memory files: no pipe that fills up can hold it up, and no thread is needed to read.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::fd::AsFd as _;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::MemfdFlags;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::supervisor::process::timespec;

/// How much of what a program complained about is kept, in bytes: its end says why.
const COMPLAINT_BYTES: usize = 2000;

/// How a program ended, and what it said.
#[derive(Debug)]
pub(crate) struct Said {
    /// Its exit status.
    pub(crate) status: ExitStatus,
    /// All of its stdout.
    pub(crate) out: String,
    /// The end of its stderr.
    pub(crate) complaint: String,
}

/// Why a program did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It can't be run, or not be waited for.
    #[error("`{line}` can't be run")]
    NotRun {
        /// The command line.
        line: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It did not end in time, and was ended.
    #[error("`{line}` did not end within {} s", .deadline.as_secs_f64())]
    Late {
        /// The command line.
        line: String,
        /// How long it had.
        deadline: Duration,
    },
    /// It failed.
    #[error("`{line}` ended with {status}: {complaint}")]
    Failed {
        /// The command line.
        line: String,
        /// Its exit status.
        status: ExitStatus,
        /// The end of what it wrote to stderr.
        complaint: String,
    },
}

/// Runs one of systemd's programs to its successful end; answers its stdout.
pub(crate) fn run(program: &str, arguments: &[&str], deadline: Duration) -> Result<String, CommandError> {
    let line = || [&[program], arguments].concat().join(" ");
    let began = Instant::now();
    let said = said(program, arguments, deadline)
        .map_err(|source| CommandError::NotRun { line: line(), source })?
        .ok_or_else(|| CommandError::Late { line: line(), deadline })?;
    tracing::debug!(line = line(), status = %said.status, ms = began.elapsed().as_millis(), "asked systemd");
    if said.status.success() {
        return Ok(said.out);
    }
    Err(CommandError::Failed { line: line(), status: said.status, complaint: said.complaint })
}

/// Runs a program; `None` if it had to be ended.
fn said(program: &str, arguments: &[&str], deadline: Duration) -> io::Result<Option<Said>> {
    let (mut out, mut complaint) = (memory("stdout")?, memory("stderr")?);
    let mut child = Command::new(program)
        .args(arguments)
        // Who asks may be Mesos or a shell: neither's environment is systemd's business.
        .env_clear()
        .env("PATH", crate::SYSTEM_PATH)
        .env("LC_ALL", "C")
        .env("SYSTEMD_COLORS", "0")
        .env("SYSTEMD_PAGER", "")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(complaint.try_clone()?)
        .spawn()?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
    // It is our child and was not waited for: the number is its own.
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    let began = Instant::now();
    while let left @ Duration { .. } = deadline.saturating_sub(began.elapsed())
        && !left.is_zero()
    {
        if matches!(poll(&mut [PollFd::new(&pidfd.as_fd(), PollFlags::IN)], Some(&timespec(left))), Ok(1..)) {
            break;
        }
    }
    let Some(status) = child.try_wait()? else {
        child.kill()?;
        child.wait()?;
        return Ok(None);
    };
    let complaint = read(&mut complaint)?;
    let end = complaint.trim_end();
    let start = end.len().saturating_sub(COMPLAINT_BYTES);
    let start = (start..=end.len()).find(|at| end.is_char_boundary(*at)).unwrap_or(0);
    Ok(Some(Said { status, out: read(&mut out)?, complaint: end[start..].to_owned() }))
}

fn memory(name: &str) -> io::Result<File> {
    Ok(rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC)?.into())
}

fn read(file: &mut File) -> io::Result<String> {
    file.rewind()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{CommandError, run};
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn more_than_a_pipe_holds_is_read() {
        let out = run("seq", &["50000"], LONG).unwrap();
        assert_eq!(out.lines().count(), 50_000);
    }

    #[test]
    fn a_failure_says_what_was_run_and_the_end_of_the_complaint() {
        let error = run("sh", &["-c", "seq 5000 >&2; echo no such unit >&2; exit 5"], LONG).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("exit status: 5") && text.ends_with("no such unit"), "{text}");
        assert!(text.len() < 3000);
        assert!(matches!(run("/nonexistent/systemctl", &[], LONG), Err(CommandError::NotRun { .. })));
    }

    #[test]
    fn a_program_that_hangs_is_ended() {
        let error = run("sleep", &["60"], Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, CommandError::Late { .. }), "{error}");
    }
}
