//! A clean restart: the agent's work directory is wiped between the stop and the start, and its tasks end.
//!
//! There is one thing worse than not wiping: wiping what belongs to somebody else. So what may go is decided by what is
//! there and not by what is configured: the directory must be no link and no place that a system lives in, must belong to
//! this user, must hold the checkpoint of the very agent that runs (or ran), and nobody but that agent's own executors may
//! be at work in it. It is looked at twice, before the ticket is given out and again before anything is removed.
//!
//! What goes is what Mesos makes there ([`OURS`]); whatever else lies beside it stays.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use dcos_core::Role;
use dcos_core::node::NodeConfig;
use dcos_core::validate::Finding;

use crate::host;
use crate::supervisor::process::end_process;

/// What an agent keeps in its work directory.
pub const OURS: [&str; 9] =
    ["meta", "slaves", "containers", "provisioner", "fetch", "store", "volumes", "csi", "resource_provider_registry"];

/// How long a task may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(5);

/// How often an empty environment is looked at again, and how long is waited in between: an `execve` takes a millisecond,
/// on a busy machine some more.
const STARTING_LOOKS: u32 = 100;
const STARTING_PAUSE: Duration = Duration::from_millis(5);

/// The variables by which an executor, and what it started, says whose it is.
const MARKS: [&str; 2] = ["MESOS_SLAVE_ID", "MESOS_AGENT_ID"];

/// Why a work directory is not wiped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsafe {
    /// Only agents have one that can be done without.
    #[error("this node is a master: its registry is not wiped by a restart")]
    Master,
    /// The path leads through a link.
    #[error("the work directory `{0}` is, or lies behind, a symbolic link to `{1}`")]
    Link(PathBuf, PathBuf),
    /// The place is one that more than an agent lives in.
    #[error("the work directory `{0}` is no directory for an agent alone")]
    Place(PathBuf),
    /// It belongs to another user.
    #[error("the work directory `{path}` belongs to user {owner}, and this is user {us}")]
    Owner {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Who we are.
        us: u32,
    },
    /// It is not there, or can't be read.
    #[error("the work directory `{0}` can't be looked at: {1}")]
    Unreadable(PathBuf, String),
    /// It holds another agent's checkpoint.
    #[error("the work directory has the checkpoint of agent {found}, and the agent that runs here is {expected}")]
    AnotherAgent {
        /// The agent in the directory.
        found: String,
        /// The agent that runs.
        expected: String,
    },
    /// No agent has ever registered from it.
    #[error("the work directory `{0}` has no checkpoint of an agent")]
    NoAgent(PathBuf),
    /// Somebody else works in it.
    #[error("process {pid} (`{name}`) uses the work directory, and is no task of this agent")]
    InUse {
        /// The process.
        pid: u32,
        /// Its name.
        name: String,
    },
    /// Something is mounted in it.
    #[error("`{0}` is mounted in the work directory")]
    Mount(PathBuf),
}

impl Unsafe {
    /// As one of the reasons of a plan that is refused.
    pub fn finding(&self) -> Finding {
        Finding { code: "clean-unsafe".to_owned(), packages: Vec::new(), message: self.to_string(), hint: None }
    }
}

/// A work directory that was found to be this agent's alone.
#[derive(Debug)]
pub struct Wipeable {
    directory: PathBuf,
    /// The agent's executors, their tasks, and what these started.
    tasks: Vec<u32>,
}

/// Looks whether the work directory may be wiped. `agent` is the id of the agent that runs, or ran when the attempt began;
/// `mesos` its process.
///
/// # Errors
/// Every reason against it.
pub fn check(node: &NodeConfig, agent: Option<&str>, mesos: Option<u32>) -> Result<Wipeable, Vec<Unsafe>> {
    if node.role == Role::Master {
        return Err(vec![Unsafe::Master]);
    }
    let directory = &node.mesos.work_dir;
    let mut reasons = Vec::new();
    match directory.canonicalize() {
        Ok(real) if real != *directory => reasons.push(Unsafe::Link(directory.clone(), real)),
        Ok(_) => {}
        Err(error) => return Err(vec![Unsafe::Unreadable(directory.clone(), error.to_string())]),
    }
    let depth = directory.components().filter(|part| matches!(part, Component::Normal(_))).count();
    if depth < 2 || node.root.starts_with(directory) || directory.starts_with(&node.root) {
        reasons.push(Unsafe::Place(directory.clone()));
    }
    let us = rustix::process::geteuid().as_raw();
    match fs::metadata(directory) {
        Ok(metadata) if metadata.uid() != us => {
            reasons.push(Unsafe::Owner { path: directory.clone(), owner: metadata.uid(), us });
        }
        Ok(_) => {}
        Err(error) => reasons.push(Unsafe::Unreadable(directory.clone(), error.to_string())),
    }
    match (checkpointed(directory), agent) {
        (Some(found), Some(expected)) if found != expected => {
            reasons.push(Unsafe::AnotherAgent { found, expected: expected.to_owned() });
        }
        (None, None) => reasons.push(Unsafe::NoAgent(directory.clone())),
        // A wipe that was cut short has taken the checkpoint already.
        (Some(_) | None, _) => {}
    }
    if let Some(mount) = mounted(directory) {
        reasons.push(Unsafe::Mount(mount));
    }
    let tasks = match users(directory, agent, mesos) {
        Ok(tasks) => tasks,
        Err(others) => {
            reasons.extend(others);
            Vec::new()
        }
    };
    if reasons.is_empty() { Ok(Wipeable { directory: directory.clone(), tasks }) } else { Err(reasons) }
}

impl Wipeable {
    /// Ends the tasks and removes what the agent kept. Doing it twice is doing it once.
    ///
    /// # Errors
    /// What could not be ended or removed.
    pub fn wipe(&self) -> Result<(), String> {
        for pid in &self.tasks {
            let began = host::start_time(*pid);
            tracing::info!(pid, "ending a task");
            end_process(*pid, GRACE, || began.is_some() && host::start_time(*pid) == began)
                .map_err(|error| format!("can't end task process {pid}: {error}"))?;
        }
        for name in OURS {
            let path = self.directory.join(name);
            // Links are removed and not followed.
            #[expect(clippy::disallowed_methods, reason = "it is Mesos's directory and none of the store's")]
            match fs::remove_dir_all(&path) {
                Ok(()) => tracing::info!(path = %path.display(), "wiped"),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(format!("can't remove `{}`: {error}", path.display())),
            }
        }
        Ok(())
    }
}

/// The id of the agent that last registered from a work directory.
fn checkpointed(directory: &Path) -> Option<String> {
    let target = fs::read_link(directory.join("meta/slaves/latest")).ok()?;
    target.file_name().and_then(|name| name.to_str()).map(str::to_owned)
}

/// A file system that is mounted below the directory.
fn mounted(directory: &Path) -> Option<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mount_below(&table, directory)
}

fn mount_below(table: &str, directory: &Path) -> Option<PathBuf> {
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(|point| point.replace("\\040", " "));
    points.map(PathBuf::from).find(|point| point.starts_with(directory) && point != directory)
}

/// The processes of this agent's tasks; or whoever else uses the directory.
fn users(directory: &Path, agent: Option<&str>, mesos: Option<u32>) -> Result<Vec<u32>, Vec<Unsafe>> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let (mut tasks, mut others) = (Vec::new(), Vec::new());
    for pid in pids.iter().copied().filter(|pid| Some(*pid) != mesos && *pid != std::process::id()) {
        if is_marked(&read_environment(pid), agent) {
            tasks.push(pid);
        } else if uses(pid, directory) {
            let list = if is_marked(&settled_environment(pid), agent) { &mut tasks } else { &mut others };
            list.push(pid);
        }
    }
    // What Mesos starts a container by stands above its executor, as far as Mesos itself.
    let above: Vec<u32> =
        tasks.iter().flat_map(|task| ancestors(*task).take_while(|parent| Some(*parent) != mesos)).collect();
    let reasons: Vec<Unsafe> = others
        .into_iter()
        .filter_map(|pid| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned();
            // What a task started may have an environment of its own: then its parents tell.
            let below = ancestors(pid).any(|parent| tasks.contains(&parent));
            if below || (above.contains(&pid) && name.starts_with("mesos-")) {
                tasks.push(pid);
                return None;
            }
            Some(Unsafe::InUse { pid, name })
        })
        .collect();
    if reasons.is_empty() { Ok(tasks) } else { Err(reasons) }
}

/// Whether an environment says that its process is a task, or an executor, of this agent.
fn is_marked(environment: &[u8], agent: Option<&str>) -> bool {
    let Some(agent) = agent else { return false };
    let mut variables = environment.split(|byte| *byte == 0).filter_map(|variable| std::str::from_utf8(variable).ok());
    variables
        .any(|variable| variable.split_once('=').is_some_and(|(name, value)| MARKS.contains(&name) && value == agent))
}

fn read_environment(pid: u32) -> Vec<u8> {
    fs::read(format!("/proc/{pid}/environ")).unwrap_or_default()
}

/// What a process was started with, waited for. The kernel shows nothing while one program takes the place of another
/// (`execve` swaps the memory before it writes the environment there): an empty environment is believed when it lasts.
fn settled_environment(pid: u32) -> Vec<u8> {
    for _ in 0..STARTING_LOOKS {
        let environment = read_environment(pid);
        // Threads of the kernel run no program, and have no environment to wait for.
        if !environment.is_empty() || fs::read_link(format!("/proc/{pid}/exe")).is_err() {
            return environment;
        }
        std::thread::sleep(STARTING_PAUSE);
    }
    Vec::new()
}

/// Whether a process is at work below a directory: its program, its directory, its open files, or what it was told.
fn uses(pid: u32, directory: &Path) -> bool {
    let place = PathBuf::from(format!("/proc/{pid}"));
    let below = |link: PathBuf| fs::read_link(link).is_ok_and(|path| path.starts_with(directory));
    if ["cwd", "exe", "root"].iter().any(|name| below(place.join(name))) {
        return true;
    }
    let mut files = fs::read_dir(place.join("fd")).into_iter().flatten().flatten();
    if files.any(|entry| below(entry.path())) {
        return true;
    }
    // Another Mesos that was told to work there, and has nothing open at the moment.
    let told = |text: &[u8], prefix: &str| {
        let mut words = text.split(|byte| *byte == 0).filter_map(|word| std::str::from_utf8(word).ok());
        words.any(|word| word.strip_prefix(prefix).is_some_and(|path| Path::new(path) == directory))
    };
    told(&fs::read(place.join("cmdline")).unwrap_or_default(), "--work_dir=")
        || told(&fs::read(place.join("environ")).unwrap_or_default(), "MESOS_WORK_DIR=")
}

/// The parents of a process, nearest first.
fn ancestors(pid: u32) -> impl Iterator<Item = u32> {
    let parent = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let parent: u32 = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()?;
        (parent > 1).then_some(parent)
    };
    std::iter::successors(parent(&pid), parent)
}

#[cfg(test)]
#[path = "clean_tests.rs"]
mod tests;
