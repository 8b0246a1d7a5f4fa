//! Starting the helper: the guard, the worker that it guards, and the launcher that becomes Mesos.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dcos_core::{ExitCode, Problem};
use dcos_restart::guard;
use dcos_restart::health::probe::HttpProber;
use dcos_restart::health::{Check, Prober as _, Question, Subject, Verdict};
use dcos_restart::host::Lock;
use dcos_restart::supervisor::launcher;
use dcos_restart::supervisor::log::BoundedLog;
use dcos_restart::supervisor::systemd::units;
use dcos_restart::{RunningMesos, kick, worker};

use super::attempt::{render_status, running_line};
use super::place::Place;
use crate::output::Format;

/// How long the helper may take until its worker has its lock.
const WORKER_DEADLINE: Duration = Duration::from_secs(10);

/// How long the worker may take until it has started Mesos, which then has a deadline of its own.
const START_DEADLINE: Duration = Duration::from_secs(3);

/// How often to look meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long Mesos must have answered: one that dies of its modules may answer once before.
const SETTLED: Duration = Duration::from_millis(300);

/// Puts the helper into the background and waits until Mesos answers.
pub(super) fn start(format: Format, place: &Place, no_wait: bool) -> Result<ExitCode, Problem> {
    dcos_restart::supervisor::supported(&place.node)?;
    if !no_wait && place.store.active()?.is_none() {
        let detail = format!("can't start Mesos: no generation is active in `{}`", place.node.root.display());
        return Err(Problem::new(ExitCode::NotFound, "no-active-generation", detail)
            .hint("`dcos-pkg activate ID…` makes a set active"));
    }
    if units::is_used(&place.node) {
        return super::systemd::start(format, place, no_wait);
    }
    let mut child = if Lock::holder(&place.state(guard::LOCK)).is_ok_and(|holder| holder.is_some()) {
        kick::wake(&place.node.root);
        None
    } else {
        Some(spawn(place)?)
    };
    let began = Instant::now();
    while Lock::holder(&place.state(worker::LOCK)).is_ok_and(|holder| holder.is_none()) {
        ended(place, child.as_mut())?;
        if began.elapsed() > WORKER_DEADLINE {
            return Err(silent(place, "the helper does not come up", &BoundedLog::of_helper(&place.node.root), 0));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    if no_wait {
        return Ok(ExitCode::Done);
    }
    answers(format, place)
}

/// Waits until Mesos answers, and tells what runs.
pub(super) fn answers(format: Format, place: &Place) -> Result<ExitCode, Problem> {
    let running = wait_for_mesos(place)?;
    let status = place.restart().status()?;
    tracing::debug!(pid = running.pid, "Mesos answers");
    format.print(&status, render_status);
    Ok(ExitCode::Done)
}

/// Starts the guard as a process of its own.
fn spawn(place: &Place) -> Result<Child, Problem> {
    let failed = |what: &str, error: &std::io::Error| {
        Problem::new(ExitCode::Unexpected, "helper-failed", format!("can't {what}: {error}"))
    };
    let log = BoundedLog::of_helper(&place.node.root);
    let (file, _) = log.open().map_err(|error| failed(&format!("open `{}`", log.path().display()), &error))?;
    let second = file.try_clone().map_err(|error| failed("open the log", &error))?;
    let program = place.program();
    let mut command = Command::new(&program);
    command
        .arg("--node")
        .arg(&place.node_file)
        .args(["start", "--foreground"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(second);
    if let Some(filter) = std::env::var_os("DCOS_LOG") {
        command.env("DCOS_LOG", filter);
    }
    command.spawn().map_err(|error| failed(&format!("start `{}`", program.display()), &error))
}

/// Refuses to wait on for a guard that has ended, unless it ended because another guards already.
fn ended(place: &Place, child: Option<&mut Child>) -> Result<(), Problem> {
    let status = child.and_then(|child| child.try_wait().ok().flatten());
    match status {
        Some(status) if status.code() != Some(i32::from(ExitCode::Conflict.number())) => {
            let what = format!("the helper has ended ({status})");
            Err(silent(place, &what, &BoundedLog::of_helper(&place.node.root), 0))
        }
        _ => Ok(()),
    }
}

/// Waits until Mesos answers as the version that it should be, and still does a moment later.
fn wait_for_mesos(place: &Place) -> Result<RunningMesos, Problem> {
    let mut prober = HttpProber::new(&place.node)
        .map_err(|error| Problem::new(ExitCode::Unexpected, "helper-failed", error.to_string()))?;
    let check =
        Check { name: "version".to_owned(), question: Question::Version, deadline: Duration::ZERO, excusable: false };
    let deadline = START_DEADLINE + Duration::try_from_secs_f64(place.node.health.answer_deadline).unwrap_or_default();
    let began = Instant::now();
    let mut first: Option<(u32, Instant)> = None;
    let mut why = "none runs".to_owned();
    while began.elapsed() < deadline {
        if let Some(running) = place.restart().status()?.running {
            let subject = Subject { mesos_version: running.mesos_version.clone(), agent_id: None };
            let finding = prober.ask(&check, &subject);
            match (finding.verdict, first) {
                (Verdict::Yes, Some((pid, since))) if pid == running.pid => {
                    if since.elapsed() >= SETTLED {
                        return Ok(running);
                    }
                }
                (Verdict::Yes, _) => first = Some((running.pid, Instant::now())),
                _ => first = None,
            }
            why = finding.detail;
        } else {
            first = None;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let what = format!("Mesos does not answer within {:.0} s: {why}", deadline.as_secs_f64());
    if units::is_used(&place.node) {
        return Err(super::systemd::silent(place, &what));
    }
    let offset = dcos_restart::records::mesos(&*place.store).ok().flatten().map_or(0, |mesos| mesos.log_offset);
    Err(silent(place, &what, &BoundedLog::of_mesos(&place.node.root), offset)
        .hint("the helper goes on trying; `dcos-restart-helper stop` ends it"))
}

fn silent(place: &Place, what: &str, log: &BoundedLog, offset: u64) -> Problem {
    let lines = log.last_lines(offset);
    let mut detail = format!("{what}; {}", running_line(place.restart().status().ok().as_ref()));
    if !lines.is_empty() {
        detail.push_str(&format!("; the last lines of `{}` are:\n{}", log.path().display(), lines.join("\n")));
    }
    Problem::new(ExitCode::Unreachable, "mesos-does-not-answer", detail)
        .hint(format!("look at `{}`", log.path().display()))
}

/// The guard, in this process; the worker, where systemd is its guard.
pub(super) fn foreground(place: &Place) -> Result<ExitCode, Problem> {
    dcos_restart::supervisor::supported(&place.node)?;
    if units::is_used(&place.node) {
        return super::systemd::worker(place);
    }
    log_everything();
    match guard::run(&place.node.root, &place.node_file, || place.program())? {}
}

/// The worker, in this process. When another helper has become the node's, it takes this one's place; Mesos stays its
/// child, since the process is the same.
pub(super) fn worker(place: &Place, started_as: &Path) -> Result<ExitCode, Problem> {
    log_everything();
    let ended = worker::run(&place.store, &place.node, &place.node_file, &place.own, started_as)?;
    let worker::Ended::Successor(successor) = ended else { return Ok(ExitCode::Done) };
    tracing::info!(helper = %successor.display(), "another helper takes over");
    let error = Command::new(&successor)
        .arg("--node")
        .arg(&place.node_file)
        .arg(guard::WORKER)
        .arg("--started-as")
        .arg(&successor)
        .exec();
    let detail = format!("can't execute `{}`: {error}", successor.display());
    Err(Problem::new(ExitCode::Unexpected, "helper-failed", detail))
}

/// Becomes Mesos; comes back only if that fails.
pub(super) fn launch() -> Problem {
    Problem::new(ExitCode::Unexpected, "launch-failed", format!("can't start Mesos: {}", launcher::main()))
}

/// A background program has nobody to ask for more detail later.
pub(super) fn log_everything() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("DCOS_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // Where the log can't be written, the disk is full: that would be complained of to the same file, by a panic.
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .log_internal_errors(false);
    let _ = subscriber.try_init(); // nobody else logs in these processes
}
