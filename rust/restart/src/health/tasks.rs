//! Which tasks of an agent would not survive a restart of it.

use std::time::Duration;

use dcos_core::node::NodeConfig;

use super::judge;
use crate::http::Http;
use crate::plan::Doomed;

/// The asker is `begin`, which others wait for.
const DEADLINE: Duration = Duration::from_secs(2);

/// Asks the agent of `node` which of its tasks belong to frameworks that do not checkpoint.
pub(crate) fn doomed(node: &NodeConfig) -> Doomed {
    let asked = Http::new(DEADLINE).and_then(|http| http.get(&format!("{}/slave(1)/state", node.origin())));
    match asked {
        Ok(reply) if reply.status == 200 => Doomed::Known(judge::doomed(&reply.json())),
        Ok(reply) => Doomed::Unknown(format!("the agent answers {}", reply.status)),
        Err(silence) => Doomed::Unknown(format!("the agent does not answer: {silence}")),
    }
}
