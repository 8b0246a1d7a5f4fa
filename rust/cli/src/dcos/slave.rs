//! `dcos slave`: the agents, under the name that the command has had from the start.

use dcos_api::types::deploy::ClusterNodes;
use dcos_core::{ExitCode, Problem, Role};

use super::args::Slave;
use super::deploy;
use crate::client::Client;
use crate::output::Format;

/// Runs one of the commands.
pub(super) async fn run(client: &Client, format: Format, command: Slave) -> Result<ExitCode, Problem> {
    let Slave::List = command;
    let mut cluster: ClusterNodes = client.get("/deploy/nodes").await?;
    cluster.nodes.retain(|node| node.role == Role::Agent);
    format.print(&cluster, |cluster| deploy::node_table(cluster.nodes.iter()));
    Ok(ExitCode::Done)
}
