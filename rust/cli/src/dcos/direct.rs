//! `dcos deploy --direct`: what is under way is finished from here, with every master down.
//!
//! It is the controller of the masters, over their own log, in this process: it takes office like the next leading master,
//! by the same rules, halts and windows included, and asks the nodes of unfinished deployments only. A log in ZooKeeper, or
//! a master's file, says then what came of it, and the masters agree as soon as they are back. What came of a backup is
//! written beside it, to be restored.

use std::path::{Path, PathBuf};
use std::time::Duration;

use dcos_api::types::deploy::{Deployment, DeploymentState, DeploymentSummary};
use dcos_api::types::records::Backup;
use dcos_core::credentials::Credential;
use dcos_core::{ExitCode, Problem};
use dcos_deploy::trust::Trust;
use dcos_deploy::zookeeper::{Address, ZooKeeperLog};
use dcos_deploy::{DeployHandle, MemoryStore, StateStore, backup, store};

use super::{Files, follow, summary};
use crate::output::{Format, say};

/// How often the controller is asked how far it is.
const INTERVAL: Duration = Duration::from_millis(250);

/// Where the state is.
enum State {
    Shared(Box<dyn StateStore>),
    /// The state of a backup, and where to write what comes of it.
    Copied(Box<dyn StateStore>, PathBuf),
}

pub(super) async fn run(
    format: Format,
    state: &str,
    credential: Option<Credential>,
    files: Files,
) -> Result<ExitCode, Problem> {
    let (log, copy) = match open(state, files)? {
        State::Shared(log) => (log, None),
        State::Copied(log, path) => (log, Some(path)),
    };
    let handle = dcos_deploy::direct(Trust::everywhere(credential), log).await?;
    let under_way: Vec<String> = unfinished(&handle).await?.into_iter().map(|deployment| deployment.id).collect();
    if under_way.is_empty() {
        let detail = format!("no deployment in `{state}` is under way");
        return Err(
            Problem::new(ExitCode::NotFound, "nothing-to-finish", detail).hint("start Mesos on the masters again")
        );
    }
    let ended = finish(&handle, &under_way).await?;
    if let Some(path) = copy {
        write(&path, &handle.backup().await?)?;
        say(&format!("restore it once the masters are back: `dcos deploy restore {} --yes`", path.display()));
    }
    format.print(&ended, |ended| {
        let line = |deployment: &Deployment| {
            let state = summary::state(deployment.state);
            format!("{}: {state}{}", summary::change(&deployment.change), because(&deployment.reason))
        };
        ended.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    let worst = ended.iter().find(|deployment| deployment.state != DeploymentState::Done);
    Ok(worst.map_or(ExitCode::Done, |worst| summary::outcome(&DeploymentSummary::of(worst))))
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

fn open(state: &str, files: Files) -> Result<State, Problem> {
    if state.starts_with("zk://") {
        let address = Address::parse(state).map_err(|error| {
            let detail = format!("`{state}` is no address of an ensemble: {error}");
            Problem::new(ExitCode::Usage, "bad-address", detail)
                .hint("such as `zk://10.0.0.1:2181,10.0.0.2:2181/mesos`, as the masters' `mesos.zk` has it")
        })?;
        return Ok(State::Shared(Box::new(ZooKeeperLog::new(address, "dcos deploy --direct"))));
    }
    let path = Path::new(state);
    let unusable = |why: &dyn std::fmt::Display| {
        Problem::new(ExitCode::NotFound, "no-state", format!("can't read the state in `{state}`: {why}"))
            .hint("it is `zk://…/mesos`, a master's `state/deploy/log`, or a file of `dcos deploy backup`")
    };
    let text = std::fs::read_to_string(path).map_err(|error| unusable(&error))?;
    if !text.starts_with('{') {
        return Ok(State::Shared(files(path.to_owned())));
    }
    let taken: Backup = serde_json::from_str(&text).map_err(|error| unusable(&error))?;
    let record = store::encode(&backup::facts(taken)?).map_err(|error| unusable(&error))?;
    let mut copy = MemoryStore::default();
    copy.append(&record).map_err(|error| unusable(&error))?;
    let mut finished = path.as_os_str().to_owned();
    finished.push(".finished");
    Ok(State::Copied(Box::new(copy), finished.into()))
}

/// What `dcos deploy backup` and this write: never over something that is there.
pub(super) fn write(path: &Path, backup: &Backup) -> Result<(), Problem> {
    let failed = |why: String| {
        Problem::new(ExitCode::Conflict, "not-written", format!("can't write the backup `{}`: {why}", path.display()))
    };
    let text = serde_json::to_string(backup).map_err(|error| failed(error.to_string()))?;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).open(path).map_err(|error| failed(error.to_string()))?;
    let written = std::io::Write::write_all(&mut file, text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|error| failed(error.to_string()))
}

async fn unfinished(handle: &DeployHandle) -> Result<Vec<Deployment>, Problem> {
    let all = handle.list().await?.deployments;
    Ok(all.into_iter().filter(|deployment| !deployment.state.is_final()).collect())
}

/// Waits until nothing goes on by itself, with a line for each change.
async fn finish(handle: &DeployHandle, ids: &[String]) -> Result<Vec<Deployment>, Problem> {
    let mut seen: Vec<Option<DeploymentSummary>> = vec![None; ids.len()];
    loop {
        for (id, seen) in ids.iter().zip(&mut seen) {
            if let Some(deployment) = handle.summary(Some(id)).await?.deployment {
                for line in follow::changes(seen.as_ref(), &deployment) {
                    say(&line);
                }
                *seen = Some(deployment);
            }
        }
        if seen.iter().flatten().all(|deployment| follow::is_over(deployment.state)) {
            break;
        }
        tokio::time::sleep(INTERVAL).await;
    }
    let mut ended = Vec::new();
    for id in ids {
        ended.push(handle.get(id).await?);
    }
    Ok(ended)
}
