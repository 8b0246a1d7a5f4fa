//! Puts the concrete parts of a node together, once, for the modules inside Mesos and for `dcos-node` alike.
//!
//! - `node`: the store, the restart and the jobs as the router wants them
//! - `jobs`, `worker`, `origins`: long work, the processes that do it, and where they may call back to
//! - `controller`: the controller of deployments, on a master; `desired`: what the store hears of it
//!
//! [`open`] runs on Mesos's main thread before it recovers. So it reads one file and asks the kernel whether the root can
//! be written, and leaves the rest to threads of its own: jobs that an earlier process left, the controller's log. It
//! changes nothing: a configuration that can't be used leaves no trace but the reason.

mod controller;
mod desired;
mod jobs;
mod node;
mod origins;
mod provisioning;
mod worker;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use dcos_api::{Controller, Parts, Provisioner};
use dcos_core::clock::SystemClock;
use dcos_core::node::{DEFAULT_PATH, InvalidNodeConfig, NodeConfig};
use dcos_core::role::Role;
use dcos_core::{ExitCode, Problem};
use dcos_deploy::zookeeper::{Address, InvalidAddress, ZooKeeperLog};
use dcos_deploy::{DeployHandle, StateStore};
use dcos_restart::Restart;
use dcos_store::{NodeContext, Store, StoreError};
use rustix::fs::{Access, Mode, OFlags, access};
use rustix::io::Errno;

use self::controller::{Controlled, Log};
use self::desired::Desired;
use self::jobs::{Jobs, Patience};
use self::node::{Node, worker_program};
use self::origins::Origins;
use self::worker::Workers;

/// The module parameter that names the node's file.
const NODE: &str = "node";

/// A node that can answer.
#[derive(Debug)]
pub struct Opened {
    /// Answers every endpoint, by its full path.
    pub router: axum::Router,
    /// The largest request body that is accepted, in bytes.
    pub body_limit: usize,
}

/// Why a node cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A parameter that there is not; a typo must not silently mean the default.
    #[error("there is no parameter `{0}`; `{NODE}` is the one that there is")]
    Parameter(String),
    /// Its file is named relative to nobody knows what.
    #[error("the parameter `{NODE}` is `{0}`, and an absolute path is needed")]
    Relative(PathBuf),
    /// Its file could not be read.
    #[error("reading `{path}` failed")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Its file could not be understood.
    #[error("`{path}` is not a node configuration")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        source: InvalidNodeConfig,
    },
    /// Its root can't be used.
    #[error("the root `{root}` can't be written")]
    Root {
        /// The root.
        root: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Its store can't be opened.
    #[error("opening the store failed")]
    Store(#[source] StoreError),
}

/// Opens the node that the module parameters name. To be called inside a runtime, which the parts then use.
///
/// # Errors
///
/// [`OpenError`] says what is wrong with the configuration or the node.
pub fn open(parameters: &BTreeMap<String, String>) -> Result<Opened, OpenError> {
    let (path, config) = read(parameters)?;
    check_root(&config.root).map_err(|source| OpenError::Root { root: config.root.clone(), source })?;
    let context = NodeContext { config: config.clone(), file: path.clone() };
    let store = Arc::new(Store::open(&config.root, Some(context)).map_err(OpenError::Store)?);

    let finder = Arc::clone(&store);
    let workers = Workers::new(Box::new(move || worker_program(&finder)), path.clone());
    let jobs = Jobs::new(
        store.clone(),
        Arc::new(SystemClock),
        workers,
        Origins::of(&config.deploy),
        config.limits.jobs,
        Patience::default(),
    );
    let restart = Restart::new(store.clone(), config.clone(), path);
    let (deploy, handle) = controller(&config, store.clone());
    let provision = provisioner(&config, handle, &store);

    let resumed = Arc::clone(&jobs);
    if let Err(error) = std::thread::Builder::new().name("dcos-bits-jobs".to_owned()).spawn(move || resumed.resume()) {
        tracing::error!("a thread that takes up the jobs of this node can't be had: {error}");
    }
    let node = Node { config: config.clone(), store, restart, jobs, seen: Mutex::default() };
    let parts = Parts { provision, ..Parts::new(&config, Arc::new(node), deploy) };
    let router = dcos_api::router(parts);
    Ok(Opened { router, body_limit: config.limits.body })
}

/// The role of the node that the module parameters name, if it can be read.
pub fn role(parameters: &BTreeMap<String, String>) -> Option<Role> {
    read(parameters).ok().map(|(_, config)| config.role)
}

/// The controller, on a master; on an agent, where it is. One that can't be started takes nothing else down with it.
fn controller(config: &NodeConfig, store: Arc<Store>) -> (Controller, Option<DeployHandle>) {
    match config.role {
        Role::Agent => (Controller::Elsewhere(config.deploy.masters.clone()), None),
        Role::Master => {
            let broken = |detail: String| {
                tracing::error!("{detail}");
                (Controller::Broken(Problem::new(ExitCode::Unreachable, "controller-failed", detail)), None)
            };
            let log = log(config).map(|log| Box::new(Desired::new(log, store)));
            match log.map(|log| dcos_deploy::start(config, log)) {
                Ok(Ok(handle)) => {
                    let controlled = Controlled(handle.clone(), Arc::new(config.clone()));
                    (Controller::Here(Arc::new(controlled)), Some(handle))
                }
                Ok(Err(error)) => broken(Problem::chain(&error)),
                Err(error) => broken(error.to_string()),
            }
        }
    }
}

/// Provisioning, on a master whose file says so. A provider's program is looked for beside our own worker.
fn provisioner(config: &NodeConfig, deploy: Option<DeployHandle>, store: &Store) -> Provisioner {
    let (Some(facts), Some(handle)) = (&config.provision, deploy) else { return Provisioner::NotConfigured };
    let worker = worker_program(store).ok();
    let beside = worker.as_deref().and_then(Path::parent);
    match provisioning::start(config, facts, handle, beside) {
        Ok(provisioned) => Provisioner::Here(Arc::new(provisioned)),
        Err(problem) => {
            tracing::error!("{}", problem.detail);
            Provisioner::Broken(problem)
        }
    }
}

/// A controller's log in a file. Nobody is asked before it is loaded.
pub fn log_file(path: PathBuf) -> Box<dyn StateStore> {
    Box::new(Log::at(path))
}

/// Where the controller keeps what it knows: with other masters beside this one, where they all can go on from.
fn log(config: &NodeConfig) -> Result<Box<dyn StateStore>, InvalidAddress> {
    match &config.mesos.zk {
        None => Ok(Box::new(Log::at(config.root.join("state/deploy/log")))),
        Some(zk) => Ok(Box::new(ZooKeeperLog::new(Address::parse(zk)?, &config.name()))),
    }
}

fn read(parameters: &BTreeMap<String, String>) -> Result<(PathBuf, NodeConfig), OpenError> {
    if let Some(unknown) = parameters.keys().find(|key| *key != NODE) {
        return Err(OpenError::Parameter(unknown.clone()));
    }
    let path = PathBuf::from(parameters.get(NODE).map_or(DEFAULT_PATH, String::as_str));
    if !path.is_absolute() {
        return Err(OpenError::Relative(path));
    }
    match std::fs::read_to_string(&path) {
        Ok(text) => match NodeConfig::parse(&text) {
            Ok(config) => Ok((path, config)),
            Err(source) => Err(OpenError::Parse { path, source }),
        },
        Err(source) => Err(OpenError::Read { path, source }),
    }
}

/// Whether the root can be written; one that is not there yet, whether it could be made, as on a new node.
fn check_root(root: &Path) -> std::io::Result<()> {
    let mut place = root;
    loop {
        match can_write(place) {
            Err(Errno::NOENT) => match place.parent() {
                Some(parent) => place = parent,
                None => return Err(Errno::NOENT.into()),
            },
            checked => return checked.map_err(Into::into),
        }
    }
}

/// Asks by making a file without a name, which nobody sees and which is gone at once: for root, and on a file system that
/// is mounted read-only, permission bits tell nothing.
fn can_write(directory: &Path) -> Result<(), Errno> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    match rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR) {
        Ok(_) => Ok(()),
        // A file system without such files: then the bits must do.
        Err(Errno::OPNOTSUPP | Errno::ISDIR) => access(directory, Access::WRITE_OK | Access::EXEC_OK),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[path = "compose/tests.rs"]
#[expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and writes where it likes"
)]
mod tests;
