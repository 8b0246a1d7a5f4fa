//! Mesos as a child of the helper.
//!
//! Mesos is known by its process number together with its start time, written down in `state/mesos.json` before it
//! executes anything ([`super::launcher`]). So a helper that comes after a killed one finds it again, and holds it by a
//! pidfd, whose meaning can't change when numbers are used again. Whether Mesos is still a child matters only for how much
//! can be told of its end.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dcos_core::clock::{Clock as _, SystemClock};
use dcos_core::ports::{Launch, NodeStore};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid};

use super::log::BoundedLog;
use super::{Life, Running, Supervisor, SupervisorError, doze, launcher};
use crate::host;
use crate::kick::Listener;
use crate::records::{self, MesosRecord};

/// How long a process may take to vanish after SIGKILL. It has no say in it; only the kernel can be busy with it.
const KILL_DEADLINE: Duration = Duration::from_secs(10);

/// Keeps Mesos as a child process.
pub struct ProcessSupervisor {
    store: Arc<dyn NodeStore>,
    log: BoundedLog,
    launcher: PathBuf,
    launcher_arguments: Vec<OsString>,
    listener: Option<Listener>,
    held: Option<Held>,
    /// How the last Mesos ended, so that asking twice answers the same.
    end: Option<(MesosRecord, String)>,
}

/// A Mesos that is held by its pidfd.
struct Held {
    record: MesosRecord,
    pidfd: OwnedFd,
}

impl ProcessSupervisor {
    /// For the node of `root`. `launcher` is a helper's program; only who is to be woken by kicks has a `listener`.
    pub fn new(store: Arc<dyn NodeStore>, root: &Path, launcher: PathBuf, listener: Option<Listener>) -> Self {
        Self {
            store,
            log: BoundedLog::of_mesos(root),
            launcher,
            launcher_arguments: vec![launcher::SUBCOMMAND.into()],
            listener,
            held: None,
            end: None,
        }
    }

    /// Stops Mesos because a person wants none to run: its end is nobody's fault, and nobody starts it again.
    ///
    /// # Errors
    /// As [`Supervisor::stop`].
    pub fn stop_for_good(&mut self, deadline: Duration) -> Result<(), SupervisorError> {
        self.stop(deadline)?;
        self.store.remove_state("mesos.json").map_err(store("forget the stopped Mesos"))
    }

    /// Holds the Mesos of the record if it lives.
    fn hold(&mut self, record: MesosRecord) -> Result<bool, SupervisorError> {
        let Some(pid) = i32::try_from(record.pid).ok().and_then(Pid::from_raw) else { return Ok(false) };
        let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(rustix::io::Errno::SRCH) => return Ok(false),
            Err(error) => return Err(system(format!("watch process {}", record.pid), error.into())),
        };
        // Only now: the number can't be given to another process while the pidfd is held, so the start time that is
        // read is that of the process which is held.
        if host::start_time(record.pid) != Some(record.start_time) {
            return Ok(false);
        }
        self.held = Some(Held { record, pidfd });
        Ok(true)
    }

    /// Starts a launcher and lets it become Mesos once it is written down which process that is.
    fn spawn(&mut self, launch: &Launch) -> Result<MesosRecord, SupervisorError> {
        let (file, log_offset) = self.log.open().map_err(|error| system("open the log of Mesos", error))?;
        let second = file.try_clone().map_err(|error| system("open the log of Mesos", error))?;
        let mut child = Command::new(&self.launcher)
            .args(&self.launcher_arguments)
            .env_clear()
            .env("PATH", crate::SYSTEM_PATH)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(file)
            .stderr(second)
            .spawn()
            .map_err(|error| system(format!("start `{}`", self.launcher.display()), error))?;
        let record = MesosRecord {
            format: 1,
            pid: child.id(),
            // It waits for its order and can't have ended; if it was killed, the record names a process that is gone.
            start_time: host::start_time(child.id()).unwrap_or(0),
            boot_id: host::boot_id(),
            generation: launch.generation.number,
            log_offset,
            started_at: SystemClock.now(),
        };
        let written = records::keep_mesos(&*self.store, &record).map_err(store("write down which process is Mesos"));
        let ordered = written.and_then(|()| {
            let input =
                child.stdin.take().ok_or_else(|| system("reach the launcher", io::ErrorKind::BrokenPipe.into()))?;
            launcher::order(launch, input).map_err(|error| system("give the launcher its order", error))
        });
        if let Err(error) = ordered {
            // Without an order the launcher ends by itself; it must not stay as a zombie.
            drop(child.stdin.take());
            let _ = child.wait();
            return Err(error);
        }
        Ok(record)
    }

    /// Forgets the held process, which has ended, and says how it ended.
    fn bury(&mut self) -> String {
        const UNKNOWN: &str = "its status went to the helper that had started it";
        let Some(held) = self.held.take() else { return UNKNOWN.to_owned() };
        let status = waitid(WaitId::PidFd(held.pidfd.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
        let how = match status {
            Ok(Some(status)) if status.exited() => {
                format!("it exited with status {}", status.exit_status().unwrap_or_default())
            }
            Ok(Some(status)) => {
                let signal = status.terminating_signal().unwrap_or_default();
                format!("it was ended by signal {signal}{}", if status.dumped() { " (core dumped)" } else { "" })
            }
            // A helper before this one was its parent.
            Ok(None) | Err(_) => UNKNOWN.to_owned(),
        };
        self.end = Some((held.record, how.clone()));
        how
    }
}

impl Supervisor for ProcessSupervisor {
    fn life(&mut self) -> Result<Life, SupervisorError> {
        if let Some(held) = &self.held {
            if !ended(&held.pidfd, Duration::ZERO) {
                return Ok(Life::Runs(running(&held.record)));
            }
            return Ok(Life::Ended(self.bury()));
        }
        let record = match records::mesos(&*self.store) {
            Ok(record) => record,
            // Whoever made it unreadable, it is not known whether a Mesos runs; starting one could make two.
            Err(problem) => return Err(store("find out which process is Mesos")(problem)),
        };
        match record {
            Some(record) if record.boot_id == host::boot_id() => {
                let running = running(&record);
                if self.hold(record)? {
                    Ok(Life::Runs(running))
                } else {
                    let known = self.end.as_ref().filter(|(ended, _)| ended.pid == running.pid);
                    let how = known.map_or("it ended while no helper watched it", |(_, how)| how);
                    Ok(Life::Ended(how.to_owned()))
                }
            }
            _ => Ok(Life::Absent),
        }
    }

    fn stop(&mut self, deadline: Duration) -> Result<(), SupervisorError> {
        let Life::Runs(running) = self.life()? else { return Ok(()) };
        let Some(held) = &self.held else { return Ok(()) };
        tracing::info!(pid = running.pid, "stopping Mesos");
        terminate(&held.pidfd, running.pid, deadline)?;
        let how = self.bury();
        tracing::info!(pid = running.pid, how, "Mesos is gone");
        Ok(())
    }

    fn start(&mut self, launch: &Launch) -> Result<Running, SupervisorError> {
        if let Life::Runs(running) = self.life()? {
            if running.generation == launch.generation.number {
                return Ok(running);
            }
            return Err(SupervisorError::StillRuns { pid: running.pid, generation: running.generation });
        }
        let record = self.spawn(launch)?;
        let running = running(&record);
        tracing::info!(pid = running.pid, generation = running.generation, "started Mesos");
        // If it has ended already, `life` will say so.
        self.hold(record)?;
        Ok(running)
    }

    fn last_lines(&mut self) -> Vec<String> {
        let record = self.held.as_ref().map(|held| held.record.clone());
        match record.or_else(|| records::mesos(&*self.store).ok().flatten()) {
            Some(record) => self.log.last_lines(record.log_offset),
            None => Vec::new(),
        }
    }

    fn wait(&mut self, at_most: Duration) {
        doze(self.held.as_ref().map(|held| &held.pidfd), self.listener.as_ref(), at_most);
        if let Err(error) = self.log.rotate_if_large() {
            tracing::warn!(%error, "can't bound the log of Mesos");
        }
    }
}

fn running(record: &MesosRecord) -> Running {
    Running { generation: record.generation, pid: record.pid }
}

/// Whether the process of a pidfd ends within `at_most`.
pub(super) fn ended(pidfd: &OwnedFd, at_most: Duration) -> bool {
    let began = Instant::now();
    loop {
        let left = at_most.saturating_sub(began.elapsed());
        match poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&timespec(left))) {
            Ok(0) if left.is_zero() => return false,
            Ok(0) | Err(_) => {}
            Ok(_) => return true,
        }
    }
}

/// Ends a process: SIGTERM, and SIGKILL after `deadline`. `still_meant` is asked once the process can't change any more
/// behind its number.
///
/// # Errors
/// If it can't be signalled, or does not end.
pub fn end_process(pid: u32, deadline: Duration, still_meant: impl Fn() -> bool) -> Result<(), SupervisorError> {
    let Some(number) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(()) };
    let pidfd = match pidfd_open(number, PidfdFlags::empty()) {
        Ok(pidfd) => pidfd,
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        Err(error) => return Err(system(format!("find process {pid}"), error.into())),
    };
    if still_meant() { terminate(&pidfd, pid, deadline) } else { Ok(()) }
}

fn terminate(pidfd: &OwnedFd, pid: u32, deadline: Duration) -> Result<(), SupervisorError> {
    let send = |signal: Signal| match pidfd_send_signal(pidfd, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(system(format!("signal process {pid}"), error.into())),
    };
    send(Signal::TERM)?;
    if ended(pidfd, deadline) {
        return Ok(());
    }
    tracing::warn!(pid, ?deadline, "the process does not end: killing it");
    send(Signal::KILL)?;
    if ended(pidfd, KILL_DEADLINE) { Ok(()) } else { Err(SupervisorError::WontDie { pid }) }
}

pub(super) fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

fn system(what: impl Into<String>, source: io::Error) -> SupervisorError {
    SupervisorError::System { what: what.into(), source }
}

fn store(what: &'static str) -> impl Fn(dcos_core::Problem) -> SupervisorError {
    move |problem| SupervisorError::Store { what, problem: Box::new(problem) }
}
