//! Provisioning behind the endpoints: the service as the router wants it, and the cluster as the service wants it: the
//! controller's log through its handle, agents and Mesos's own calls through the master that this runs in.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use dcos_api::Principal;
use dcos_api::backend::{Answer, ProvisionBackend};
use dcos_api::types::deploy::{Deployment, NodeState};
use dcos_api::types::join::TokenRequest;
use dcos_api::types::provision::{AddSlave, DecommissionSlave, Operation as Shown, Operations, Slaves};
use dcos_core::node::{NodeConfig, ProvisionFacts};
use dcos_core::{ExitCode, Problem, Role};
use dcos_deploy::DeployHandle;
use dcos_deploy::event::Keep;
use dcos_deploy::trust::secret;
use dcos_provision::Provisioning;
use dcos_provision::cluster::Cluster;
use dcos_provision::config::Config;
use dcos_provision::mesos::Master;
use dcos_provision::operation::{KIND, Operation};
use dcos_provision::program::Program;
use dcos_provision::remove::Action;
use dcos_provision::service::Pace;
use dcos_provision::world::Agent;

/// Starts provisioning as the node's file says; `beside` is where programs of ours are.
///
/// # Errors
/// What is wrong with its configuration.
pub(super) fn start(
    config: &NodeConfig,
    facts: &ProvisionFacts,
    handle: DeployHandle,
    beside: Option<&Path>,
) -> Result<Provisioned, Problem> {
    let broken = |what: &str, path: &Path, error: &dyn std::error::Error| {
        let text = format!("{what} `{}` failed: {}", path.display(), Problem::chain(error));
        Problem::new(ExitCode::Unreachable, "provisioning-failed", text)
            .hint("mend the file that `[provision]` of this master's `node.toml` names, and restart the master")
    };
    let text = std::fs::read_to_string(&facts.config).map_err(|error| broken("reading", &facts.config, &error))?;
    let provision = Config::parse(&text).map_err(|error| broken("reading", &facts.config, &error))?;
    let authentication = facts.mesos_credentials.as_deref().map(|path| {
        let text = secret(path).map_err(|error| {
            let problem = Problem::new(ExitCode::Unreachable, "provisioning-failed", Problem::chain(&error));
            match error.hint() {
                Some(hint) => problem.hint(hint).hint("then restart the master"),
                None => problem,
            }
        })?;
        let pair = text.trim().split_once(':').map(|(name, secret)| (name.to_owned(), secret.to_owned()));
        pair.ok_or_else(|| {
            let text = format!("`{}` does not hold `PRINCIPAL:SECRET`", path.display());
            Problem::new(ExitCode::Unreachable, "provisioning-failed", text)
        })
    });
    let builder = || {
        // Our own master is asked itself, whatever the environment of Mesos says.
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none())
    };
    // A machine without a list of authorities (no `ca-certificates`) speaks HTTP all the same.
    let built = builder().build().or_else(|_| builder().tls_certs_only([]).build());
    let http =
        built.map_err(|error| Problem::new(ExitCode::Unreachable, "provisioning-failed", Problem::chain(&error)))?;
    let master = Master::new(http, &config.origin(), authentication.transpose()?);
    let program = Program::new(&provision, beside).map_err(|error| broken("reading", &facts.config, &error))?;
    let cluster = MesosCluster { handle, master };
    Ok(Provisioned(Provisioning::start(provision, Arc::new(program), Arc::new(cluster), Pace::default())))
}

/// The provisioning of this process.
pub(super) struct Provisioned(Provisioning);

impl ProvisionBackend for Provisioned {
    fn add(&self, request: AddSlave, by: Principal) -> Answer<Shown> {
        let service = self.0.clone();
        Box::pin(async move { service.add(request, by.0).await })
    }

    fn decommission(&self, request: DecommissionSlave, by: Principal) -> Answer<Shown> {
        let service = self.0.clone();
        Box::pin(async move { service.decommission(request, by.0).await })
    }

    fn slaves(&self) -> Answer<Slaves> {
        let service = self.0.clone();
        Box::pin(async move { service.slaves().await })
    }

    fn operations(&self) -> Answer<Operations> {
        let service = self.0.clone();
        Box::pin(async move { service.operations().await })
    }

    fn operation(&self, id: String) -> Answer<Shown> {
        let service = self.0.clone();
        Box::pin(async move { service.operation(&id).await })
    }

    fn cancel(&self, id: String, by: Principal) -> Answer<Shown> {
        let service = self.0.clone();
        Box::pin(async move { service.cancel(&id, by.0).await })
    }
}

/// The cluster that this master leads, while it does.
struct MesosCluster {
    handle: DeployHandle,
    master: Master,
}

fn unreadable(error: &serde_json::Error) -> Problem {
    Problem::new(ExitCode::Unexpected, "unreadable-operation", format!("an operation can't be read: {error}"))
}

#[async_trait]
impl Cluster for MesosCluster {
    async fn operations(&self) -> Result<Vec<Operation>, Problem> {
        let documents = self.handle.documents(KIND).await?;
        let read = documents.into_iter().map(|(_, body)| serde_json::from_value(body));
        read.collect::<Result<_, _>>().map_err(|error| unreadable(&error))
    }

    async fn keep(&self, before: Option<&Operation>, after: Option<&Operation>) -> Result<(), Problem> {
        let Some(operation) = after.or(before) else { return Ok(()) };
        let value = |operation: Option<&Operation>| {
            operation.map(serde_json::to_value).transpose().map_err(|error| unreadable(&error))
        };
        let (id, before, after) = (operation.id.clone(), value(before)?, value(after)?);
        self.handle.keep(Keep { kind: KIND, id, before, after }).await
    }

    async fn agents(&self) -> Result<Vec<Agent>, String> {
        self.master.agents().await
    }

    async fn busy(&self, node: &str) -> Result<Option<String>, Problem> {
        let deployments = self.handle.list().await?.deployments;
        let running = deployments.iter().filter(|deployment| !deployment.state.is_final());
        Ok(running.filter_map(|deployment| in_the_way(deployment, node)).next())
    }

    async fn known(&self, group: &str) -> Result<(), Problem> {
        self.handle.wanted(group, Role::Agent).await.map(drop)
    }

    async fn settled(&self, agent: &Agent, group: &str) -> Option<bool> {
        let desired = self.handle.desired(group.to_owned()).await.ok()??;
        let active = self.handle.active(&format!("http://{}", agent.address?)).await?;
        Some(active == desired)
    }

    async fn call(&self, action: &Action) -> Result<(), String> {
        self.master.call(action).await
    }

    async fn token(&self, group: &str, seconds: u64) -> Result<String, Problem> {
        let request = TokenRequest { group: group.to_owned(), role: Role::Agent, set: None, expires_in: Some(seconds) };
        self.handle.token(&request, Some("provisioning".to_owned())).await.map(|answer| answer.token)
    }
}

/// Why a deployment keeps a node from being removed, if it does.
fn in_the_way(deployment: &Deployment, node: &str) -> Option<String> {
    let member = deployment.nodes.iter().find(|member| member.node == node)?;
    if member.state == NodeState::Restarting {
        return Some(format!("deployment `{}` is restarting it", deployment.id));
    }
    let is_canary = deployment.waves.first().is_some_and(|wave| wave.iter().any(|canary| canary == node));
    is_canary.then(|| format!("it is a canary of deployment `{}`, which is under way", deployment.id))
}
