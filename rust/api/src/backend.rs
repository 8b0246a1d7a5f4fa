//! What the router needs of a node and of a controller.
//!
//! Both are traits so that the router is tested without either, and narrow so that the crates behind them know nothing of
//! HTTP. Every refusal is a [`Problem`] with a stable name, which goes out as it is.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use dcos_core::attempt::AttemptReport;
use dcos_core::validate::Report;
use dcos_core::{PackageId, PackageSet, Problem};

use crate::Principal;
use crate::types::deploy::{
    Acknowledgement, ClusterNodes, CreateDeployment, DeployEvents, Deployment, DeploymentCommand, DeploymentPlan,
    Deployments, Halt, HaltRequest, Halts, Ping, PulseAnswer, ResumeRequest, Summary,
};
use crate::types::join::{JoinAnswer, JoinRequest, TokenAnswer, TokenRequest};
use crate::types::pins::{PinRequest, Pins, UnpinRequest};
use crate::types::pkg::{
    Active, AvailablePackages, CareRequest, FetchRequest, GcRequest, Job, Jobs, LocalPackages, NodeState, PackageDetail,
};
use crate::types::provision::{AddSlave, DecommissionSlave, Operation, Operations, Slaves};
use crate::types::records::{Audit, AuditEntry, Backup, DesiredSets, Restored};
use crate::types::restart::{BeginAnswer, BeginRequest, GoAnswer, GoRequest, RestartStatus};

/// A node: its packages, its jobs, its restart.
///
/// Methods block and are called where blocking is allowed, save [`NodeBackend::active`].
pub trait NodeBackend: Send + Sync + 'static {
    /// The active generation, `None` on a new node. Called on the thread of the HTTP server: it may read a symbolic
    /// link, and a file the first time that a generation is seen, and nothing that can take long.
    fn active(&self) -> Result<Option<Arc<Active>>, Problem>;

    /// The packages on the node.
    fn packages(&self) -> Result<LocalPackages, Problem>;

    /// One package; a problem with status 404 if it is not on the node.
    fn package(&self, id: &PackageId) -> Result<PackageDetail, Problem>;

    /// What the repositories offer. It asks them, so it may take seconds; the router keeps the answer for a while.
    fn available(&self) -> Result<AvailablePackages, Problem>;

    /// Everything at once. What can't be told is named in the answer's `problems` and does not fail it.
    fn state(&self) -> Result<NodeState, Problem>;

    /// Starts to get packages; already ended if all of them are on the node.
    fn fetch(&self, request: FetchRequest, by: &Principal) -> Result<Job, Problem>;

    /// Starts to compare packages with what was added.
    fn verify(&self, request: CareRequest, by: &Principal) -> Result<Job, Problem>;

    /// Starts to put packages right that are not as they were added.
    fn repair(&self, request: CareRequest, by: &Principal) -> Result<Job, Problem>;

    /// Starts to remove what nothing needs any more.
    fn gc(&self, request: GcRequest, by: &Principal) -> Result<Job, Problem>;

    /// The jobs under way and the last ones that ended, newest first.
    fn jobs(&self) -> Result<Jobs, Problem>;

    /// One job; a problem with status 404 if there is none of that id.
    fn job(&self, id: &str) -> Result<Job, Problem>;

    /// Withdraws a job. One that has ended stays as it is.
    fn cancel_job(&self, id: &str) -> Result<Job, Problem>;

    /// Whether a set could work on this node.
    fn validate(&self, set: &PackageSet) -> Result<Report, Problem>;

    /// Removes a package; 404 if it is not on the node, 409 if something needs it.
    fn remove_package(&self, id: &PackageId) -> Result<(), Problem>;

    /// Stages a set and hands out a ticket, or only plans if that is asked for.
    fn begin(&self, request: BeginRequest) -> Result<BeginAnswer, Problem>;

    /// Spends a ticket.
    fn go(&self, request: &GoRequest) -> Result<GoAnswer, Problem>;

    /// Withdraws an attempt before `go`.
    fn cancel_attempt(&self, attempt: &str) -> Result<AttemptReport, Problem>;

    /// What runs, and the attempts.
    fn restart_status(&self) -> Result<RestartStatus, Problem>;
}

/// What a method of [`DeployBackend`] answers with, in a while.
pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T, Problem>> + Send>>;

/// What became of a [`CreateDeployment`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is under way.
    Deployment(Box<Deployment>),
    /// It was a dry run.
    Plan(Box<DeploymentPlan>),
}

/// Which master decides about the cluster, seen from one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leader {
    /// This one.
    Here,
    /// The one at this origin.
    At(String),
    /// None that is known of, for this reason.
    Nobody(Problem),
}

/// Agents that come and go with their machines. The futures own what they need, as a [`DeployBackend`]'s do.
pub trait ProvisionBackend: Send + Sync + 'static {
    /// Begins to make new agents, or says whether that could work.
    fn add(&self, request: AddSlave, by: Principal) -> Answer<Operation>;

    /// Begins to remove an agent, or says whether that could work.
    fn decommission(&self, request: DecommissionSlave, by: Principal) -> Answer<Operation>;

    /// Agents and machines.
    fn slaves(&self) -> Answer<Slaves>;

    /// The operations that are remembered, newest first.
    fn operations(&self) -> Answer<Operations>;

    /// One operation; 404 if there is none of that id.
    fn operation(&self, id: String) -> Answer<Operation>;

    /// Withdraws an operation; 409 if it is too late.
    fn cancel(&self, id: String, by: Principal) -> Answer<Operation>;
}

/// A controller of deployments.
///
/// The futures own what they need, so that a controller may be a handle to a task.
pub trait DeployBackend: Send + Sync + 'static {
    /// Which master decides. On every other one all else is refused.
    fn leader(&self) -> Leader {
        Leader::Here
    }

    /// Plans a deployment, and begins it unless only the plan is wanted.
    fn create(&self, request: CreateDeployment, by: Principal) -> Answer<Created>;

    /// The deployments, newest first.
    fn deployments(&self) -> Answer<Deployments>;

    /// One deployment; 404 if there is none of that id.
    fn deployment(&self, id: String) -> Answer<Deployment>;

    /// A deployment in short, and the halts that stand: the newest one if none is named; 404 if there is none of that id.
    fn summary(&self, id: Option<String>) -> Answer<Summary>;

    /// Tells a deployment something.
    fn command(&self, id: String, command: DeploymentCommand, by: Principal) -> Answer<Deployment>;

    /// What each group should run.
    fn desired(&self) -> Answer<DesiredSets>;

    /// Writes down a change that was asked for, and its answer. The number is the backend's to give.
    fn record(&self, entry: AuditEntry) -> Answer<()>;

    /// The changes that were asked for, after the entry `after`.
    fn audit(&self, after: u64) -> Answer<Audit>;

    /// Everything that the controller knows.
    fn backup(&self) -> Answer<Backup>;

    /// Puts a backup in the place of everything that the controller knows.
    fn restore(&self, backup: Backup, by: Principal) -> Answer<Restored>;

    /// The term of office.
    fn term(&self) -> Answer<u64>;

    /// The nodes of the cluster.
    fn nodes(&self) -> Answer<ClusterNodes>;

    /// What the repositories of a node of the cluster offer, as that node says; 404 if there is none of that name.
    fn node_available(&self, node: String) -> Answer<AvailablePackages>;

    /// A package on a node of the cluster, as that node says; 404 if there is no such node, or no such package on it.
    fn node_package(&self, node: String, id: PackageId) -> Answer<PackageDetail>;

    /// Halts everything. It answers once no node can be started any more.
    fn halt(&self, request: HaltRequest, by: Principal) -> Answer<Halt>;

    /// The halts that stand.
    fn halts(&self) -> Answer<Halts>;

    /// Clears one halt; answers those that still stand.
    fn resume(&self, request: ResumeRequest, by: Principal) -> Answer<Halts>;

    /// What is pinned.
    fn pins(&self) -> Answer<Pins>;

    /// Leaves a node or a group as it is; answers what is pinned now.
    fn pin(&self, request: PinRequest, by: Principal) -> Answer<Pins>;

    /// Takes a pin out; 404 if there is none.
    fn unpin(&self, request: UnpinRequest, by: Principal) -> Answer<Pins>;

    /// Takes in a monitor's heartbeat.
    fn pulse(&self, by: Principal) -> Answer<PulseAnswer>;

    /// Takes in a node's ping.
    fn ping(&self, ping: Ping) -> Answer<Acknowledgement>;

    /// What happened after the event `after`.
    fn events(&self, after: u64) -> Answer<DeployEvents>;

    /// Makes a join token.
    fn token(&self, request: TokenRequest, by: Principal) -> Answer<TokenAnswer>;

    /// Takes a new machine in, if its token is good.
    fn join(&self, request: JoinRequest) -> Answer<JoinAnswer>;
}
