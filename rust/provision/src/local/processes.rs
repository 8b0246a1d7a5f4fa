//! The processes of a local machine: those that carry its mark in their environment, and those that stand in its directory
//! or run a program from there, as the helper and the tasks do, whose environments are made anew.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_millis(20);

/// Kills every process of a machine, and waits until there is none. A machine that is switched off asks nobody either.
pub(super) fn end(id: &str, place: &Path, patience: Duration) -> io::Result<()> {
    let since = Instant::now();
    loop {
        let left = of(id, place)?;
        if left.is_empty() {
            return Ok(());
        }
        if since.elapsed() > patience {
            return Err(io::Error::other(format!("{} processes do not die", left.len())));
        }
        for process in left {
            // One that is gone meanwhile is what was wanted.
            kill_process(process, Signal::KILL).ok();
        }
        std::thread::sleep(PAUSE);
    }
}

fn of(id: &str, place: &Path) -> io::Result<Vec<Pid>> {
    let mark = format!("{}={id}", super::MARK).into_bytes();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let Some(pid) = path.file_name().and_then(|name| name.to_str()?.parse().ok()).and_then(Pid::from_raw) else {
            continue;
        };
        let marked =
            fs::read(path.join("environ")).is_ok_and(|all| all.split(|byte| *byte == 0).any(|one| one == mark));
        let inside = |link: &str| fs::read_link(path.join(link)).is_ok_and(|target| is_below(&target, place));
        // A zombie has neither environment nor directory: it is its parent's to bury.
        if marked || inside("cwd") || inside("exe") {
            found.push(pid);
        }
    }
    Ok(found)
}

/// Whether a path is the directory or below it. The kernel adds ` (deleted)` to what is removed.
fn is_below(path: &Path, directory: &Path) -> bool {
    let (path, directory) = (path.as_os_str().as_bytes(), directory.as_os_str().as_bytes());
    path.strip_prefix(directory).is_some_and(|rest| matches!(rest.first(), None | Some(b'/' | b' ')))
}
