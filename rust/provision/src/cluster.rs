//! What provisioning needs of the cluster: the log, the agents, and Mesos's own calls.

use async_trait::async_trait;
use dcos_core::Problem;

use crate::operation::Operation;
use crate::remove;
use crate::world::Agent;

/// The cluster, as far as it matters here. Only the leading master answers.
#[async_trait]
pub trait Cluster: Send + Sync + 'static {
    /// Every operation that is remembered.
    ///
    /// # Errors
    /// If this master does not lead, or its log can't be read.
    async fn operations(&self) -> Result<Vec<Operation>, Problem>;

    /// Writes an operation in the place of what it was before; `None` where there was or shall be none.
    ///
    /// # Errors
    /// If it is not what it was before, or can't be written.
    async fn keep(&self, before: Option<&Operation>, after: Option<&Operation>) -> Result<(), Problem>;

    /// The agents, as the leading master lists them.
    ///
    /// # Errors
    /// Why they can't be listed.
    async fn agents(&self) -> Result<Vec<Agent>, String>;

    /// Why an agent must be left alone now, if it must.
    ///
    /// # Errors
    /// If that can't be told.
    async fn busy(&self, node: &str) -> Result<Option<String>, Problem>;

    /// Whether it is known what a new agent of a group would run.
    ///
    /// # Errors
    /// If it is not, or can't be told.
    async fn known(&self, group: &str) -> Result<(), Problem>;

    /// Whether an agent runs what its group should; `None` if that can't be told, or nothing is desired.
    async fn settled(&self, agent: &Agent, group: &str) -> Option<bool>;

    /// Makes a call of Mesos's own.
    ///
    /// # Errors
    /// What Mesos answered.
    async fn call(&self, action: &remove::Action) -> Result<(), String>;

    /// A word with which one new machine joins a group.
    ///
    /// # Errors
    /// If it can't be made.
    async fn token(&self, group: &str, seconds: u64) -> Result<String, Problem>;
}
