//! The controller of deployments behind the endpoints: its handle as the router wants it, its log as the store keeps it.

use std::path::PathBuf;
use std::sync::Arc;

use dcos_api::Principal;
use dcos_api::backend::{Answer, Created, DeployBackend, Leader};
use dcos_api::types::deploy::{
    Acknowledgement, ClusterNodes, CreateDeployment, DeployEvents, Deployment, DeploymentCommand, Deployments, Halt,
    HaltRequest, Halts, Ping, PulseAnswer, ResumeRequest, Summary,
};
use dcos_api::types::join::{JoinAnswer, JoinRequest, TokenAnswer, TokenRequest};
use dcos_api::types::pins::{PinRequest, Pins, UnpinRequest};
use dcos_api::types::pkg::{AvailablePackages, PackageDetail};
use dcos_api::types::records::{Audit, AuditEntry, Backup, DesiredSets, Restored};
use dcos_core::PackageId;
use dcos_core::node::NodeConfig;
use dcos_deploy::{DeployHandle, StateStore, StoreError};
use dcos_store::AppendLog;

/// The controller of this process.
pub(super) struct Controlled(pub(super) DeployHandle, pub(super) Arc<NodeConfig>);

impl DeployBackend for Controlled {
    fn leader(&self) -> Leader {
        self.0.leader()
    }

    fn create(&self, request: CreateDeployment, by: Principal) -> Answer<Created> {
        let handle = self.0.clone();
        Box::pin(async move {
            Ok(match handle.create(request, by.0).await? {
                dcos_deploy::Created::Plan(plan) => Created::Plan(Box::new(plan)),
                dcos_deploy::Created::Deployment(deployment) => Created::Deployment(Box::new(deployment)),
            })
        })
    }

    fn deployments(&self) -> Answer<Deployments> {
        let handle = self.0.clone();
        Box::pin(async move { handle.list().await })
    }

    fn deployment(&self, id: String) -> Answer<Deployment> {
        let handle = self.0.clone();
        Box::pin(async move { handle.get(&id).await })
    }

    fn summary(&self, id: Option<String>) -> Answer<Summary> {
        let handle = self.0.clone();
        Box::pin(async move { handle.summary(id.as_deref()).await })
    }

    fn command(&self, id: String, command: DeploymentCommand, by: Principal) -> Answer<Deployment> {
        let handle = self.0.clone();
        Box::pin(async move { handle.command(&id, command, by.0).await })
    }

    fn desired(&self) -> Answer<DesiredSets> {
        let handle = self.0.clone();
        Box::pin(async move { handle.desired_sets().await })
    }

    fn record(&self, entry: AuditEntry) -> Answer<()> {
        let handle = self.0.clone();
        Box::pin(async move { handle.record(entry).await })
    }

    fn audit(&self, after: u64) -> Answer<Audit> {
        let handle = self.0.clone();
        Box::pin(async move { handle.audit(after).await })
    }

    fn backup(&self) -> Answer<Backup> {
        let handle = self.0.clone();
        Box::pin(async move { handle.backup().await })
    }

    fn restore(&self, backup: Backup, by: Principal) -> Answer<Restored> {
        let handle = self.0.clone();
        Box::pin(async move { handle.restore(backup, by.0).await })
    }

    fn term(&self) -> Answer<u64> {
        let handle = self.0.clone();
        Box::pin(async move { handle.term().await })
    }

    fn nodes(&self) -> Answer<ClusterNodes> {
        let handle = self.0.clone();
        Box::pin(async move { handle.nodes().await })
    }

    fn node_available(&self, node: String) -> Answer<AvailablePackages> {
        let handle = self.0.clone();
        Box::pin(async move { handle.node_available(&node).await })
    }

    fn node_package(&self, node: String, id: PackageId) -> Answer<PackageDetail> {
        let handle = self.0.clone();
        Box::pin(async move { handle.node_package(&node, &id).await })
    }

    fn halt(&self, request: HaltRequest, by: Principal) -> Answer<Halt> {
        let handle = self.0.clone();
        Box::pin(async move { handle.halt(request, by.0).await })
    }

    fn halts(&self) -> Answer<Halts> {
        let handle = self.0.clone();
        Box::pin(async move { handle.halts().await })
    }

    fn resume(&self, request: ResumeRequest, by: Principal) -> Answer<Halts> {
        let handle = self.0.clone();
        Box::pin(async move { handle.resume(request, by.0).await })
    }

    fn pins(&self) -> Answer<Pins> {
        let handle = self.0.clone();
        Box::pin(async move { handle.pins().await })
    }

    fn pin(&self, request: PinRequest, by: Principal) -> Answer<Pins> {
        let handle = self.0.clone();
        Box::pin(async move { handle.pin(request, by.0).await })
    }

    fn unpin(&self, request: UnpinRequest, by: Principal) -> Answer<Pins> {
        let handle = self.0.clone();
        Box::pin(async move { handle.unpin(request, by.0).await })
    }

    fn pulse(&self, by: Principal) -> Answer<PulseAnswer> {
        let handle = self.0.clone();
        Box::pin(async move { handle.pulse(by.0).await })
    }

    fn ping(&self, ping: Ping) -> Answer<Acknowledgement> {
        let handle = self.0.clone();
        Box::pin(async move { handle.ping(ping).await })
    }

    fn events(&self, after: u64) -> Answer<DeployEvents> {
        let handle = self.0.clone();
        Box::pin(async move { handle.events(after).await })
    }

    fn token(&self, request: TokenRequest, by: Principal) -> Answer<TokenAnswer> {
        let handle = self.0.clone();
        Box::pin(async move { handle.token(&request, by.0).await })
    }

    fn join(&self, request: JoinRequest) -> Answer<JoinAnswer> {
        let (handle, config) = (self.0.clone(), Arc::clone(&self.1));
        Box::pin(async move { handle.join(request, &config).await })
    }
}

/// The controller's log: a file of the store, one record a line. Opened when it is loaded, on the controller's own
/// thread, since Mesos must not wait for it.
pub(super) struct Log {
    path: PathBuf,
    open: Option<AppendLog>,
}

impl Log {
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path, open: None }
    }

    fn open(&mut self) -> Result<&mut AppendLog, StoreError> {
        self.open.as_mut().ok_or_else(|| StoreError::Failed("the log was not loaded before it was written".into()))
    }
}

impl StateStore for Log {
    fn load(&mut self) -> Result<Vec<Vec<u8>>, StoreError> {
        // The one that is open still holds the lock of its folder.
        self.open = None;
        let (log, records) = AppendLog::open(&self.path).map_err(|error| StoreError::Failed(error.into()))?;
        self.open = Some(log);
        Ok(records.into_iter().map(String::into_bytes).collect())
    }

    fn append(&mut self, record: &[u8]) -> Result<(), StoreError> {
        let record = text(record)?;
        self.open()?.append(record).map_err(|error| StoreError::Failed(error.into()))
    }

    fn replace(&mut self, records: &[Vec<u8>]) -> Result<(), StoreError> {
        let records = records.iter().map(|record| text(record)).collect::<Result<Vec<_>, _>>()?;
        self.open()?.compact(records).map_err(|error| StoreError::Failed(error.into()))
    }
}

/// A record as a line of text; the controller writes JSON.
fn text(record: &[u8]) -> Result<&str, StoreError> {
    std::str::from_utf8(record).map_err(|error| StoreError::Failed(error.into()))
}
