//! Provisioning without Mesos, for `tests/aws`: the real service and the real provider program, and a stand-in for the
//! cluster whose log is a file and whose agents are the running machines. It dies at a numbered write of the log if told
//! to.
//!
//! usage: provisioning PROVISION.TOML LOG DIRECT-TOML add COUNT | remove AGENT | finish [--die N]
//!
//! `DIRECT-TOML` is a configuration whose end point is the provider's own, without faults: agents are read there.

#![expect(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods, reason = "a program for tests")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use dcos_api::types::provision::{AddSlave, DecommissionSlave, OperationState};
use dcos_core::{ExitCode, Problem};
use dcos_provision::Provisioning;
use dcos_provision::cluster::Cluster;
use dcos_provision::config::Config;
use dcos_provision::operation::Operation;
use dcos_provision::program::Program;
use dcos_provision::provider::{MachineState, Provider};
use dcos_provision::remove::Action;
use dcos_provision::service::Pace;
use dcos_provision::world::{Agent, Drain};

type Failure = Box<dyn std::error::Error>;

/// The stand-in. Agents that were marked gone are remembered in a file beside the log.
struct Stand {
    log: PathBuf,
    direct: Program,
    /// Counts the instants at which a process may die: before and after each write.
    instants: AtomicUsize,
    die: Option<usize>,
}

impl Stand {
    fn instant(&self) {
        if Some(self.instants.fetch_add(1, Ordering::SeqCst) + 1) == self.die {
            eprintln!("died");
            std::process::abort();
        }
    }

    fn load(&self) -> Result<Vec<Operation>, Problem> {
        match std::fs::read(&self.log) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| failed(&error.to_string())),
            Err(_) => Ok(Vec::new()),
        }
    }

    fn gone(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.log.with_extension("gone")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

fn failed(why: &str) -> Problem {
    Problem::new(ExitCode::Unreachable, "stand-in", why)
}

#[async_trait]
impl Cluster for Stand {
    async fn operations(&self) -> Result<Vec<Operation>, Problem> {
        self.load()
    }

    async fn keep(&self, before: Option<&Operation>, after: Option<&Operation>) -> Result<(), Problem> {
        self.instant();
        let mut all = self.load()?;
        match before {
            Some(before) => match all.iter().position(|known| known == before) {
                Some(place) => drop(all.remove(place)),
                None => return Err(failed("changed meanwhile")),
            },
            None if all.iter().any(|known| Some(&known.id) == after.map(|after| &after.id)) => {
                return Err(failed("changed meanwhile"));
            }
            None => {}
        }
        all.extend(after.cloned());
        let new = self.log.with_extension("new");
        let bytes = serde_json::to_vec(&all).map_err(|error| failed(&error.to_string()))?;
        std::fs::write(&new, bytes)
            .and_then(|()| std::fs::rename(&new, &self.log))
            .map_err(|error| failed(&error.to_string()))?;
        self.instant();
        Ok(())
    }

    async fn agents(&self) -> Result<Vec<Agent>, String> {
        let gone = self.gone();
        let machines = self.direct.list().await.map_err(|failure| failure.detail)?;
        let running = machines.iter().filter(|machine| machine.state == MachineState::Running);
        // With a broken image no machine ever joins.
        let broken = std::env::var_os("STAND_IN_IMAGE_IS_BROKEN").is_some();
        let joins = running.filter(|_| !broken);
        let agents = joins.map(|machine| Agent {
            id: format!("agent-{}", machine.id),
            node: machine.address.map(|address| format!("{address}:5051")).unwrap_or_default(),
            address: machine.address.map(|address| (address, 5051).into()),
            registered: true,
            active: true,
            deactivated: true,
            drain: Drain::Drained,
            settled: None,
        });
        Ok(agents.filter(|agent| !gone.contains(&agent.id)).collect())
    }

    async fn busy(&self, _: &str) -> Result<Option<String>, Problem> {
        Ok(None)
    }

    async fn known(&self, _: &str) -> Result<(), Problem> {
        Ok(())
    }

    async fn settled(&self, _: &Agent, _: &str) -> Option<bool> {
        Some(true)
    }

    async fn call(&self, action: &Action) -> Result<(), String> {
        if let Action::MarkGone { agent } = action {
            let mut gone = self.gone();
            gone.push(agent.clone());
            std::fs::write(self.log.with_extension("gone"), gone.join("\n")).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    async fn token(&self, _: &str, _: u64) -> Result<String, Problem> {
        // Another one each time, as the real ones are.
        Ok(format!("{:x}", jiff::Timestamp::now().as_nanosecond()))
    }
}

fn read(path: &Path) -> Result<Config, Failure> {
    Ok(Config::parse(&std::fs::read_to_string(path)?)?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let die = words.iter().position(|word| word == "--die").map(|at| words.drain(at..).nth(1).unwrap_or_default());
    let [config, log, direct, rest @ ..] = words.as_slice() else {
        return Err("usage: see the top of this file".into());
    };
    let config = read(Path::new(config))?;
    let provider = Program::new(&config, None)?;
    let direct = Program::new(&read(Path::new(direct))?, None)?;
    let die = die.map(|number| number.parse()).transpose()?;
    let stand = Arc::new(Stand { log: log.into(), direct, instants: AtomicUsize::new(0), die });
    let pace = Pace { busy: Duration::from_millis(200), idle: Duration::from_millis(200) };
    let service = Provisioning::start(config, Arc::new(provider), stand.clone(), pace);
    let asked = match rest {
        [word, count] if word == "add" => {
            let request = AddSlave { count: count.parse()?, class: None, key: None, dry_run: false };
            service.add(request, None).await
        }
        [word, agent] if word == "remove" => {
            let request = DecommissionSlave { agent: agent.clone(), grace: 1, keep_instance: false, dry_run: false };
            service.decommission(request, None).await
        }
        _ => service
            .operations()
            .await
            .map(|all| all.operations.into_iter().next())
            .and_then(|newest| newest.ok_or_else(|| failed("nothing was begun"))),
    };
    let operation = match asked {
        Ok(operation) => operation,
        Err(problem) => {
            println!("{}", serde_json::to_string(&problem)?);
            std::process::exit(3);
        }
    };
    loop {
        let now = service.operation(&operation.id).await?;
        if now.state != OperationState::Running {
            println!("{}", serde_json::to_string(&now)?);
            eprintln!("instants {}", stand.instants.load(Ordering::SeqCst));
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
