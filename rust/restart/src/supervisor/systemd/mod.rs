//! Mesos as a unit of systemd, which starts it at a boot and after a crash, with no helper there.
//!
//! The helper is needed for restarts only: it tells systemd to stop and to start, and looks whether systemd has had to
//! start Mesos again meanwhile. A unit reads `active/environment` whenever it starts, so whoever starts it starts the
//! active generation, and the switch stays the one thing that decides what runs.
//!
//! Whether Mesos lives is asked of a pidfd, which costs nothing; systemd is asked when that says no. Of a crash that
//! systemd has repaired before anybody looked its restart counter tells: in an attempt that is an end like any other.
//!
//! - [`command`]: running `systemctl` and `journalctl`; [`status`]: what they answer
//! - [`units`]: the units of a node, and how they are brought in place

mod command;
mod status;
pub mod units;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dcos_core::clock::{Clock as _, SystemClock};
use dcos_core::node::NodeConfig;
use dcos_core::ports::{Launch, NodeStore};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

pub use self::command::CommandError;
use self::status::{PROPERTIES, UnitLife, UnitStatus};
use self::units::Names;
use super::process::{end_process, ended};
use super::{Life, Running, Supervisor, SupervisorError, doze};
use crate::host;
use crate::kick::Listener;
use crate::records::{self, MesosRecord};

/// How long systemd may take to answer a question. It is busy for longer only on a machine where nothing goes on.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// How long a unit may take to be started. At a boot its job waits for the network.
const START_DEADLINE: Duration = Duration::from_secs(90);

/// How long a unit may be between two states, and systemd unaware that a process has ended.
const SETTLE_DEADLINE: Duration = Duration::from_secs(5);

/// How often to look meanwhile.
const SETTLE_EVERY: Duration = Duration::from_millis(5);

/// How long the journal may take to hand out lines.
const JOURNAL_DEADLINE: Duration = Duration::from_secs(5);

/// How long a stop may take longer than Mesos was given: systemd kills it then, and only the kernel can be busy with it.
const STOP_MARGIN: Duration = Duration::from_secs(10);

/// Tells systemd what to do with the unit of Mesos.
pub struct SystemdSupervisor {
    store: Arc<dyn NodeStore>,
    unit: String,
    listener: Option<Listener>,
    held: Option<Held>,
    /// Restarts by systemd up to this number were before the attempt.
    forgiven: u32,
    /// The start that we ordered: its lines are those that a report wants, not those of systemd's restart after it.
    invocation: Option<String>,
    /// Nothing runs: we have just stopped it. Saves a question while Mesos is absent.
    stopped: bool,
}

/// A Mesos that is held by its pidfd.
struct Held {
    running: Running,
    pidfd: OwnedFd,
}

impl SystemdSupervisor {
    /// For the unit that the node file names; only who is to be woken by kicks has a `listener`.
    pub fn new(store: Arc<dyn NodeStore>, node: &NodeConfig, listener: Option<Listener>) -> Self {
        let unit = Names::of(node).mesos;
        Self { store, unit, listener, held: None, forgiven: 0, invocation: None, stopped: false }
    }

    fn status(&self) -> Result<UnitStatus, SupervisorError> {
        let text = command::run("systemctl", &["show", &self.unit, PROPERTIES], ANSWER_DEADLINE)
            .map_err(systemd(format!("find out how `{}` is", self.unit)))?;
        Ok(UnitStatus::parse(&text))
    }

    /// What the unit amounts to once it is neither here nor there.
    fn settled(&mut self) -> Result<UnitLife, SupervisorError> {
        let began = Instant::now();
        loop {
            let life = self.status()?.life(self.forgiven);
            match life {
                UnitLife::Runs(pid) if self.hold(pid)?.is_some() => return Ok(life),
                // systemd is about to learn that it has ended.
                UnitLife::Runs(_) | UnitLife::Changes => {}
                UnitLife::Ended(_) | UnitLife::Absent | UnitLife::Unknown => return Ok(life),
            }
            if began.elapsed() > SETTLE_DEADLINE {
                let source = std::io::ErrorKind::TimedOut.into();
                let what = format!("tell whether `{}` runs: it changes all the time", self.unit);
                return Err(SupervisorError::System { what, source });
            }
            std::thread::sleep(SETTLE_EVERY);
        }
    }

    /// Holds a process, and makes sure that it is written down as the node's Mesos. `None` if it is gone.
    fn hold(&mut self, pid: u32) -> Result<Option<Running>, SupervisorError> {
        let Some(number) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
        let pidfd = match pidfd_open(number, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(rustix::io::Errno::SRCH) => return Ok(None),
            Err(error) => {
                return Err(SupervisorError::System { what: format!("watch process {pid}"), source: error.into() });
            }
        };
        let Some(record) = written_down(&*self.store, pid)? else { return Ok(None) };
        let running = Running { generation: record.generation, pid };
        self.held = Some(Held { running: running.clone(), pidfd });
        Ok(Some(running))
    }

    /// The Mesos that somebody started by hand, as far as it was written down: a node that is being adopted has one.
    fn beside_the_unit(&mut self) -> Result<Option<Running>, SupervisorError> {
        let record = records::mesos(&*self.store).map_err(store("find out which process is Mesos"))?;
        match record.filter(lives) {
            Some(record) => self.hold(record.pid),
            None => Ok(None),
        }
    }
}

impl Supervisor for SystemdSupervisor {
    fn life(&mut self) -> Result<Life, SupervisorError> {
        if let Some(held) = &self.held {
            if !ended(&held.pidfd, Duration::ZERO) {
                return Ok(Life::Runs(held.running.clone()));
            }
            self.held = None;
        }
        match self.settled()? {
            UnitLife::Ended(how) => Ok(Life::Ended(how)),
            UnitLife::Runs(_) => Ok(self.held.as_ref().map_or(Life::Absent, |held| Life::Runs(held.running.clone()))),
            absent => match self.beside_the_unit()? {
                Some(running) => Ok(Life::Runs(running)),
                None if absent == UnitLife::Unknown => Err(SupervisorError::NoUnit { unit: self.unit.clone() }),
                None => Ok(Life::Absent),
            },
        }
    }

    /// A unit that waits to be started, as at a boot, is left to wait: stopping it would take it out of the queue.
    fn stop(&mut self, deadline: Duration) -> Result<(), SupervisorError> {
        let before = self.status()?;
        if !matches!(before.active.as_str(), "inactive" | "failed") {
            tracing::info!(unit = self.unit, pid = before.main_pid, "stopping Mesos");
            let what = format!("stop `{}`", self.unit);
            match command::run("systemctl", &["stop", &self.unit], deadline) {
                Ok(_) => {}
                // The unit gives it more time than the node does.
                Err(CommandError::Late { .. }) => {
                    tracing::warn!(unit = self.unit, ?deadline, "Mesos does not end: killing it");
                    let kill = ["kill", "--kill-who=main", "--signal=KILL", &self.unit];
                    command::run("systemctl", &kill, ANSWER_DEADLINE).map_err(systemd(what.clone()))?;
                    command::run("systemctl", &["stop", &self.unit], STOP_MARGIN).map_err(systemd(what))?;
                }
                Err(error) => return Err(systemd(what)(error)),
            }
        }
        self.held = None;
        if let Some(running) = self.beside_the_unit()? {
            end_process(running.pid, deadline, || {
                self.held.as_ref().is_some_and(|held| !ended(&held.pidfd, Duration::ZERO))
            })?;
            self.held = None;
        }
        self.stopped = true;
        tracing::info!(unit = self.unit, "Mesos is gone");
        Ok(())
    }

    fn start(&mut self, launch: &Launch) -> Result<Running, SupervisorError> {
        if !std::mem::take(&mut self.stopped) {
            match self.life()? {
                Life::Runs(running) if running.generation == launch.generation.number => return Ok(running),
                Life::Runs(Running { generation, pid }) => return Err(SupervisorError::StillRuns { pid, generation }),
                Life::Ended(_) | Life::Absent => {}
            }
        }
        self.forgiven = 0;
        self.invocation = None;
        let mut started = command::run("systemctl", &["start", &self.unit], START_DEADLINE);
        let mut status = self.status()?;
        if started.is_err() && !status.has_run_and_ended() {
            // A unit of somebody else's may have a limit of starts, and it may be reached.
            tracing::warn!(unit = self.unit, "it did not start: once more, as if it had never failed");
            started = command::run("systemctl", &["reset-failed", &self.unit], ANSWER_DEADLINE)
                .and_then(|_| command::run("systemctl", &["start", &self.unit], START_DEADLINE));
            status = self.status()?;
        }
        if let Err(error) = started
            && !status.has_run_and_ended()
        {
            return Err(systemd(format!("start `{}`", self.unit))(error));
        }
        self.invocation = Some(status.invocation).filter(|id| !id.is_empty());
        // If it has ended already, `life` will say so.
        let running = match status.main_pid {
            0 => None,
            pid => self.hold(pid)?,
        };
        let generation = launch.generation.number;
        let running = running.unwrap_or(Running { generation, pid: status.main_pid });
        tracing::info!(unit = self.unit, pid = running.pid, generation, "started Mesos");
        if running.generation == generation {
            return Ok(running);
        }
        Err(SupervisorError::StillRuns { pid: running.pid, generation: running.generation })
    }

    fn last_lines(&mut self) -> Vec<String> {
        let known = self.invocation.clone();
        let invocation = known.map_or_else(|| self.status().map(|status| status.invocation), Ok);
        let lines = invocation.map_err(|error| error.to_string()).and_then(|invocation| {
            // What a process wrote just before it died may be on its way still.
            if let Err(error) = command::run("journalctl", &["--sync"], JOURNAL_DEADLINE) {
                tracing::debug!(%error, "the journal does not say that it has everything");
            }
            // Of Mesos itself, and of systemd about it.
            let (own, about) = (format!("_SYSTEMD_INVOCATION_ID={invocation}"), format!("INVOCATION_ID={invocation}"));
            let lines = format!("--lines={}", super::log::TAIL_LINES);
            let arguments = ["--quiet", "--no-pager", "--output=cat", &lines, &own, "+", &about];
            command::run("journalctl", &arguments, JOURNAL_DEADLINE).map_err(|error| error.to_string())
        });
        match lines {
            Ok(text) => text.lines().map(super::log::shortened).collect(),
            Err(why) => vec![format!("can't read what `{}` has logged: {why}", self.unit)],
        }
    }

    fn wait(&mut self, at_most: Duration) {
        doze(self.held.as_ref().map(|held| &held.pidfd), self.listener.as_ref(), at_most);
        if self.held.as_ref().is_some_and(|held| ended(&held.pidfd, Duration::ZERO)) {
            // Else whoever waits would be woken by it again and again.
            self.held = None;
        }
    }

    fn forgive(&mut self) -> Result<(), SupervisorError> {
        self.forgiven = self.status()?.restarts;
        Ok(())
    }
}

/// Writes down that a process is the node's Mesos, if it is not; answers what is written. `None` if it is gone.
///
/// # Errors
/// If the store refuses.
pub fn written_down(files: &dyn NodeStore, pid: u32) -> Result<Option<MesosRecord>, SupervisorError> {
    let Some(start_time) = host::start_time(pid) else { return Ok(None) };
    let known = records::mesos(files).map_err(store("find out which process is Mesos"))?;
    let same = |record: &MesosRecord| record.pid == pid && record.start_time == start_time && lives(record);
    if let Some(record) = known.filter(same) {
        return Ok(Some(record));
    }
    let active = || files.active().map(|active| active.map_or(0, |active| active.number));
    let generation = generation_of(pid).map_or_else(active, Ok).map_err(store("find out which generation runs"))?;
    let boot_id = host::boot_id();
    let record =
        MesosRecord { format: 1, pid, start_time, boot_id, generation, log_offset: 0, started_at: SystemClock.now() };
    records::keep_mesos(files, &record).map_err(store("write down which process is Mesos"))?;
    Ok(Some(record))
}

fn lives(record: &MesosRecord) -> bool {
    record.boot_id == host::boot_id() && host::start_time(record.pid) == Some(record.start_time)
}

/// The generation that a process was started from: its environment names the generation's modules.
fn generation_of(pid: u32) -> Option<u64> {
    generation_in(&std::fs::read(format!("/proc/{pid}/environ")).ok()?)
}

fn generation_in(environment: &[u8]) -> Option<u64> {
    let modules = environment.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(b"MESOS_MODULES="))?;
    let mut names = std::str::from_utf8(modules).ok()?.rsplit('/');
    let (_file, number, directory) = (names.next()?, names.next()?, names.next()?);
    (directory == "generations").then(|| number.parse().ok()).flatten()
}

fn systemd(what: String) -> impl FnOnce(CommandError) -> SupervisorError {
    move |source| SupervisorError::Systemd { what, source }
}

fn store(what: &'static str) -> impl Fn(dcos_core::Problem) -> SupervisorError {
    move |problem| SupervisorError::Store { what, problem: Box::new(problem) }
}

#[cfg(test)]
mod tests {
    use super::generation_in;

    #[test]
    fn a_process_tells_its_generation_by_its_modules() {
        let environment = b"PATH=/bin\0MESOS_MODULES=file:///opt/dcos/generations/12/modules.json\0A=b\0";
        assert_eq!(generation_in(environment), Some(12));
        assert_eq!(generation_in(b"MESOS_MODULES=/etc/mesos/modules.json\0"), None);
        assert_eq!(generation_in(b"MESOS_MODULES_DIR=/opt/dcos/generations/12/modules.json\0"), None);
        assert_eq!(generation_in(b""), None);
    }
}
