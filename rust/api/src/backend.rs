//! What the router needs of a node and of a controller.
//!
//! Both are traits so that the router is tested without either, and narrow so that the crates behind them know nothing of
//! HTTP. Every refusal is a [`Problem`] with a stable name, which goes out as it is.

use std::sync::Arc;

use dcos_core::validate::Report;
use dcos_core::{PackageId, PackageSet, Problem};

use crate::Principal;
use crate::types::pkg::{Active, AvailablePackages, FetchRequest, Job, Jobs, LocalPackages, NodeState, PackageDetail};
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
    fn cancel_attempt(&self, attempt: &str) -> Result<RestartStatus, Problem>;

    /// What runs, and the attempts.
    fn restart_status(&self) -> Result<RestartStatus, Problem>;
}
