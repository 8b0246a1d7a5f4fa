//! Which tasks of an agent would not survive a restart of it, and which agent that is.

use std::time::Duration;

use dcos_core::node::NodeConfig;
use serde_json::Value;

use super::judge;
use crate::http::Http;
use crate::outbox::credential;
use crate::plan::Doomed;

/// The asker is `begin`, which others wait for.
const DEADLINE: Duration = Duration::from_secs(2);

/// What the running agent says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Inhabitants {
    /// The tasks that would end.
    pub(crate) doomed: Doomed,
    /// The agent's id, if it has one.
    pub(crate) agent_id: Option<String>,
}

/// Asks the agent of `node` which of its tasks would end: those of frameworks that do not checkpoint, or all of them if
/// its work directory is to be wiped.
pub(crate) fn inhabitants(node: &NodeConfig, clean: bool) -> Inhabitants {
    let unknown = |why: String| Inhabitants { doomed: Doomed::Unknown(why), agent_id: None };
    let url = format!("{}/slave(1)/state", node.origin());
    let asked = Http::new(DEADLINE).and_then(|http| http.get(&url, credential(node).as_ref()));
    match asked {
        Ok(reply) if reply.status == 200 => {
            let state = reply.json();
            let tasks = if clean { judge::all_tasks(&state) } else { judge::doomed(&state) };
            let agent_id = state.get("id").and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_owned);
            Inhabitants { doomed: Doomed::Known(tasks), agent_id }
        }
        Ok(reply) => unknown(format!("the agent answers {}", reply.status)),
        Err(silence) => unknown(format!("the agent does not answer: {silence}")),
    }
}
