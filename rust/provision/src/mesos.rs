//! Mesos's own calls, through the v1 operator API of a master.

use std::net::SocketAddr;
use std::time::Duration;

use dcos_core::Problem;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::remove;
use crate::world::{Agent, Drain};

/// How long the master may take over a call. Listing thousands of agents takes it some seconds.
const DEADLINE: Duration = Duration::from_secs(15);

/// How much of what Mesos answers to a refused call is shown.
const COMPLAINT: usize = 500;

/// The v1 operator API of a master.
#[derive(Clone, Debug)]
pub struct Master {
    http: reqwest::Client,
    api: String,
    authentication: Option<(String, String)>,
}

impl Master {
    /// The master at `origin`, such as `http://10.0.0.1:5050`. `authentication` is the principal and secret for Mesos's own
    /// API, where it demands one.
    pub fn new(http: reqwest::Client, origin: &str, authentication: Option<(String, String)>) -> Self {
        Self { http, api: format!("{}/api/v1", origin.trim_end_matches('/')), authentication }
    }

    /// The agents that it lists.
    ///
    /// # Errors
    /// Why it does not: it may not lead.
    pub async fn agents(&self) -> Result<Vec<Agent>, String> {
        let body = self.ask(&json!({"type": "GET_AGENTS"})).await?;
        let answer: Answer =
            serde_json::from_slice(&body).map_err(|error| format!("the master answered something else: {error}"))?;
        Ok(answer.get_agents.agents.into_iter().map(Listed::into_agent).collect())
    }

    /// Makes a call about an agent. Each may be repeated.
    ///
    /// # Errors
    /// What Mesos answered.
    pub async fn call(&self, action: &remove::Action) -> Result<(), String> {
        let id = |agent: &str| json!({"value": agent});
        let call = match action {
            remove::Action::Deactivate { agent } => {
                json!({"type": "DEACTIVATE_AGENT", "deactivate_agent": {"agent_id": id(agent)}})
            }
            remove::Action::Drain { agent, grace } => {
                let drain = json!({
                    "agent_id": id(agent),
                    "max_grace_period": {"nanoseconds": grace.saturating_mul(1_000_000_000)},
                    "mark_gone": false,
                });
                json!({"type": "DRAIN_AGENT", "drain_agent": drain})
            }
            remove::Action::MarkGone { agent } => {
                json!({"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": id(agent)}})
            }
            remove::Action::Terminate { .. } => return Err("a machine is the provider's".to_owned()),
        };
        self.ask(&call).await.map(drop)
    }

    async fn ask(&self, call: &Value) -> Result<Vec<u8>, String> {
        let mut request = self.http.post(&self.api).timeout(DEADLINE).json(call);
        if let Some((principal, secret)) = &self.authentication {
            request = request.basic_auth(principal, Some(secret));
        }
        let answer = request.send().await.map_err(|error| Problem::chain(&error.without_url()))?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(|error| Problem::chain(&error.without_url()))?;
        if status.is_success() {
            return Ok(body.to_vec());
        }
        let text: String = String::from_utf8_lossy(&body).chars().take(COMPLAINT).collect();
        Err(format!("the master answered {status}: {}", text.trim()))
    }
}

/// The answer to `GET_AGENTS`, as far as it matters here (`mesos/v1/master/master.proto`).
#[derive(Debug, Deserialize)]
struct Answer {
    get_agents: Agents,
}

#[derive(Debug, Deserialize)]
struct Agents {
    #[serde(default)]
    agents: Vec<Listed>,
}

#[derive(Debug, Deserialize)]
struct Listed {
    agent_info: Info,
    #[serde(default)]
    active: bool,
    #[serde(default)]
    deactivated: bool,
    /// `slave(1)@10.0.0.5:5051`.
    #[serde(default)]
    pid: String,
    #[serde(default)]
    drain_info: Option<DrainInfo>,
}

#[derive(Debug, Deserialize)]
struct Info {
    #[serde(default)]
    id: Id,
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    port: Option<u16>,
}

#[derive(Debug, Default, Deserialize)]
struct Id {
    #[serde(default)]
    value: String,
}

#[derive(Debug, Deserialize)]
struct DrainInfo {
    #[serde(default)]
    state: String,
}

impl Listed {
    fn into_agent(self) -> Agent {
        let address: Option<SocketAddr> = self.pid.split_once('@').and_then(|(_, address)| address.parse().ok());
        let port = self.agent_info.port.or_else(|| address.map(|address| address.port())).unwrap_or_default();
        Agent {
            id: self.agent_info.id.value,
            node: format!("{}:{port}", self.agent_info.hostname),
            address,
            active: self.active,
            deactivated: self.deactivated,
            drain: match self.drain_info.as_ref().map(|info| info.state.as_str()) {
                Some("DRAINED") => Drain::Drained,
                Some(_) => Drain::Draining,
                None => Drain::No,
            },
            settled: None,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::Answer;
    use crate::world::Drain;

    #[test]
    fn agents_are_read_with_their_draining() {
        let json = r#"{"type":"GET_AGENTS","get_agents":{"agents":[
            {"agent_info":{"hostname":"a","port":5051,"id":{"value":"S0"}},"active":true,"pid":"slave(1)@10.0.0.5:5051","later":1},
            {"agent_info":{"hostname":"b","port":5051,"id":{"value":"S1"}},"active":false,"deactivated":true,
             "pid":"slave(1)@10.0.0.6:5051","drain_info":{"state":"DRAINING","config":{}}},
            {"agent_info":{"hostname":"c","id":{"value":"S2"}},"pid":"slave(1)@10.0.0.7:5053","drain_info":{"state":"DRAINED"}}
        ]}}"#;
        let answer: Answer = serde_json::from_str(json).unwrap();
        let agents: Vec<_> = answer.get_agents.agents.into_iter().map(super::Listed::into_agent).collect();
        assert_eq!(agents[0].address.unwrap().to_string(), "10.0.0.5:5051");
        assert_eq!(
            agents.iter().map(|agent| agent.drain).collect::<Vec<_>>(),
            [Drain::No, Drain::Draining, Drain::Drained]
        );
        assert_eq!(agents[2].node, "c:5053");
        assert!(agents[0].active && agents[1].deactivated && !agents[2].active);
    }
}
