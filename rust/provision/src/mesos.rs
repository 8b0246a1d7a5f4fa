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

    /// The agents that it lists: those that are registered, and those that it knows from before its restart or its election
    /// and has not heard of since. One that is marked gone while it is among the latter stays there, so that being listed
    /// does not say that an agent may come back. Unreachable ones are in neither list.
    ///
    /// # Errors
    /// Why it does not: it may not lead.
    pub async fn agents(&self) -> Result<Vec<Agent>, String> {
        let body = self.ask(&json!({"type": "GET_AGENTS"})).await.map_err(|refused| refused.text)?;
        let answer: Answer =
            serde_json::from_slice(&body).map_err(|error| format!("the master answered something else: {error}"))?;
        Ok(answer.get_agents.into_agents())
    }

    /// Makes a call about an agent. Each may be repeated. To mark one gone that the master does not know (any more) is as
    /// good as done: it knows those that are registered, awaited, unreachable or gone, and takes the mark for each of them.
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
        match (self.ask(&call).await, action) {
            (Err(Refused { status: Some(404), text }), remove::Action::MarkGone { agent }) if text.contains(agent) => {
                Ok(())
            }
            (answer, _) => answer.map(drop).map_err(|refused| refused.text),
        }
    }

    async fn ask(&self, call: &Value) -> Result<Vec<u8>, Refused> {
        let mut request = self.http.post(&self.api).timeout(DEADLINE).json(call);
        if let Some((principal, secret)) = &self.authentication {
            request = request.basic_auth(principal, Some(secret));
        }
        let broke = |error: reqwest::Error| Refused { status: None, text: Problem::chain(&error.without_url()) };
        let answer = request.send().await.map_err(broke)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(broke)?;
        if status.is_success() {
            return Ok(body.to_vec());
        }
        let text: String = String::from_utf8_lossy(&body).chars().take(COMPLAINT).collect();
        let text = format!("the master answered {status}: {}", text.trim());
        Err(Refused { status: Some(status.as_u16()), text })
    }
}

/// A call without success.
#[derive(Debug)]
struct Refused {
    /// The answer's status, if there was an answer.
    status: Option<u16>,
    text: String,
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
    /// From the registry, and not registered again yet.
    #[serde(default)]
    recovered_agents: Vec<Info>,
}

impl Agents {
    /// The registered ones first: one that came back under a new id is found by its name before the old one.
    fn into_agents(self) -> Vec<Agent> {
        let registered = self.agents.into_iter().map(Listed::into_agent);
        registered.chain(self.recovered_agents.into_iter().map(Info::into_agent)).collect()
    }
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

impl Info {
    /// An agent that is awaited. The registry has no address of it; a host name that is one will do.
    fn into_agent(self) -> Agent {
        let node = format!("{}:{}", self.hostname, self.port.unwrap_or_default());
        Agent {
            id: self.id.value,
            address: node.parse().ok(),
            node,
            registered: false,
            active: false,
            deactivated: false,
            drain: Drain::No,
            settled: None,
        }
    }
}

impl Listed {
    fn into_agent(self) -> Agent {
        let address: Option<SocketAddr> = self.pid.split_once('@').and_then(|(_, address)| address.parse().ok());
        let port = self.agent_info.port.or_else(|| address.map(|address| address.port())).unwrap_or_default();
        Agent {
            id: self.agent_info.id.value,
            node: format!("{}:{port}", self.agent_info.hostname),
            address,
            registered: true,
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
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::{Answer, Master};
    use crate::remove;
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
        let agents = answer.get_agents.into_agents();
        assert_eq!(agents[0].address.unwrap().to_string(), "10.0.0.5:5051");
        assert_eq!(
            agents.iter().map(|agent| agent.drain).collect::<Vec<_>>(),
            [Drain::No, Drain::Draining, Drain::Drained]
        );
        assert_eq!(agents[2].node, "c:5053");
        assert!(agents[0].active && agents[1].deactivated && !agents[2].active);
        assert!(agents.iter().all(|agent| agent.registered));
    }

    #[test]
    fn agents_that_have_not_come_back_yet_are_listed_as_such() {
        let json = r#"{"type":"GET_AGENTS","get_agents":{
            "agents":[{"agent_info":{"hostname":"a","port":5051,"id":{"value":"S0"}},"active":true,"pid":"slave(1)@10.0.0.5:5051"}],
            "recovered_agents":[{"hostname":"b.example","port":5051,"id":{"value":"S1"},"resources":[]},
                                {"hostname":"10.0.0.7","port":5052,"id":{"value":"S2"}}]}}"#;
        let answer: Answer = serde_json::from_str(json).unwrap();
        let agents = answer.get_agents.into_agents();
        let seen: Vec<_> =
            agents.iter().map(|agent| (agent.id.as_str(), agent.node.as_str(), agent.registered)).collect();
        assert_eq!(seen, [("S0", "a:5051", true), ("S1", "b.example:5051", false), ("S2", "10.0.0.7:5052", false)]);
        assert_eq!(agents[1].address, None, "a name is no address");
        assert_eq!(agents[2].address, Some(([10, 0, 0, 7], 5052).into()));
        assert!(!agents[1].active && !agents[2].active);
    }

    /// A master that answers every call so; what it was asked.
    fn master(status: &'static str, body: &'static str) -> (Master, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = String::new();
            let is_whole = |text: &str| {
                text.split_once("\r\n\r\n")
                    .is_some_and(|(_, body)| serde_json::from_str::<serde_json::Value>(body).is_ok())
            };
            while !is_whole(&asked) {
                let mut part = [0; 1024];
                let read = stream.read(&mut part).unwrap();
                assert!(read > 0, "it goes away in the middle: {asked}");
                asked.push_str(std::str::from_utf8(&part[..read]).unwrap());
            }
            let length = body.len();
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}").unwrap();
            asked
        });
        (Master::new(reqwest::Client::builder().no_proxy().build().unwrap(), &origin, None), thread)
    }

    #[tokio::test]
    async fn an_agent_that_the_master_does_not_know_is_as_good_as_marked() {
        let mark = remove::Action::MarkGone { agent: "S1".to_owned() };
        let unknown = "Agent 'S1' not found";
        let drain = remove::Action::Drain { agent: "S1".to_owned(), grace: 60 };
        for (action, status, body, done) in [
            (&mark, "200 OK", "", true),
            (&mark, "404 Not Found", unknown, true),
            // A master that has just been started knows no call yet.
            (&mark, "404 Not Found", "", false),
            (&mark, "503 Service Unavailable", "Agent 'S1' is already being transitioned to gone", false),
            (&drain, "404 Not Found", unknown, false),
        ] {
            let (master, asked) = master(status, body);
            let answer = master.call(action).await;
            assert_eq!(answer.is_ok(), done, "{action:?} {status}: {answer:?}");
            assert!(asked.join().unwrap().contains(r#"{"agent_id":{"value":"S1"}"#));
        }
    }
}
