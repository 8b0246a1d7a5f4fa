//! Which nodes there are: agents from the real master's own list, masters from the configuration.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use dcos_core::Role;
use dcos_core::node::NodeConfig;
use serde::Deserialize;
use tokio::task::JoinSet;

use crate::client::NodeClient;
use crate::event::{Seen, Trouble};
use crate::registry::Demands;

/// How long the master may take to list its agents.
const DEADLINE: Duration = Duration::from_secs(5);

/// Where a master says what is in its registry.
const REGISTRY: &str = "/registrar(1)/registry";

/// How long it may take over that: every agent is in there.
const REGISTRY_DEADLINE: Duration = Duration::from_secs(30);

/// A node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name, `host:port`.
    pub node: String,
    /// The origin of its endpoints.
    pub url: String,
    /// Its role.
    pub role: Role,
    /// For an agent: the id that the master knows it by.
    pub agent_id: Option<String>,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// For an agent, whether the master lists it as active; for a master, whether it answers.
    pub alive: bool,
    /// Whether the controller runs in it.
    pub host: bool,
}

impl Listed {
    /// As much of it as the controller needs.
    pub fn seen(&self) -> Seen {
        Seen { node: self.node.clone(), alive: self.alive, master: self.role == Role::Master }
    }
}

/// Where the inventory is read.
#[derive(Clone, Debug)]
pub struct Inventory {
    client: NodeClient,
    source: Source,
}

/// Who says which nodes there are.
#[derive(Clone, Debug)]
enum Source {
    /// The master around this controller.
    Master(Master),
    /// The nodes of a deployment that is finished without any master, by their names, origins and roles.
    Nodes(Arc<RwLock<Vec<(String, String, Role)>>>),
}

/// The master around this controller, and the others.
#[derive(Clone, Debug)]
struct Master {
    own_name: String,
    own_url: String,
    /// The other masters' origins.
    others: Vec<String>,
}

/// Why there is no inventory now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoInventory {
    /// Another master leads.
    #[error("this master does not lead")]
    NotLeading,
    /// The master does not list its agents.
    #[error("{0}")]
    Silent(String),
}

impl Inventory {
    /// The inventory of the cluster that this master belongs to.
    pub fn new(client: NodeClient, node: &NodeConfig) -> Self {
        let own_url = node.origin();
        let trimmed = node.deploy.masters.iter().map(|url| url.trim_end_matches('/').to_owned());
        let own_address = format!("http://{}", node.name());
        let others = trimmed.filter(|url| *url != own_url && *url != own_address).collect();
        Self { client, source: Source::Master(Master { own_name: node.name(), own_url, others }) }
    }

    /// An inventory without a master: nodes are there if they answer. They are named later.
    pub fn direct(client: NodeClient) -> Self {
        Self { client, source: Source::Nodes(Arc::default()) }
    }

    /// Whether there is no master to ask.
    pub fn is_direct(&self) -> bool {
        matches!(self.source, Source::Nodes(_))
    }

    /// Names the nodes of a direct inventory: name, origin and role of each.
    pub fn name(&self, nodes: Vec<(String, String, Role)>) {
        if let Source::Nodes(named) = &self.source {
            // Whoever panicked while writing left either the old list or the new one.
            *named.write().unwrap_or_else(std::sync::PoisonError::into_inner) = nodes;
        }
    }

    /// Every node of the cluster, masters first, by name.
    ///
    /// # Errors
    /// If this master does not lead, or does not answer.
    pub async fn read(&self) -> Result<Vec<Listed>, NoInventory> {
        match &self.source {
            Source::Master(master) => self.of_cluster(master).await,
            Source::Nodes(nodes) => {
                let nodes = nodes.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
                Ok(self.of_nodes(nodes).await)
            }
        }
    }

    /// What the registry of the masters demands of each of them.
    ///
    /// # Errors
    /// Why that can't be told, in words.
    pub async fn demands(&self) -> Demands {
        let Source::Master(master) = &self.source else { return Err("there is no master to ask".to_owned()) };
        let read: Result<Registry, Trouble> = self.client.get(&master.own_url, REGISTRY, REGISTRY_DEADLINE).await;
        let registry = read.map_err(|trouble| trouble.to_string())?;
        Ok(registry.minimum_capabilities.into_iter().map(|demand| demand.capability).collect())
    }

    async fn of_nodes(&self, nodes: Vec<(String, String, Role)>) -> Vec<Listed> {
        let mut asked = JoinSet::new();
        for (node, url, role) in nodes {
            let client = self.client.clone();
            asked.spawn(async move {
                let alive = client.state(&url).await.is_ok();
                Listed { node, url, role, agent_id: None, attributes: BTreeMap::new(), alive, host: false }
            });
        }
        let mut listed = asked.join_all().await;
        listed.sort_by(|left, right| (left.role, &left.node).cmp(&(right.role, &right.node)));
        listed
    }

    async fn of_cluster(&self, Master { own_name, own_url, others }: &Master) -> Result<Vec<Listed>, NoInventory> {
        let mut asked = JoinSet::new();
        for url in others {
            let (client, url) = (self.client.clone(), url.clone());
            asked.spawn(async move {
                let state = client.state(&url).await;
                (url, state)
            });
        }
        let answer: Result<Slaves, Trouble> = self.client.get(own_url, "/master/slaves", DEADLINE).await;
        let slaves = answer.map_err(|trouble| match trouble {
            Trouble::Refused(problem) if problem.status == 307 => NoInventory::NotLeading,
            Trouble::Refused(_) | Trouble::Unreachable(_) => NoInventory::Silent(trouble.to_string()),
        })?;
        let mut nodes = vec![master(own_name.clone(), own_url.clone(), true, true)];
        while let Some(joined) = asked.join_next().await {
            if let Ok((url, state)) = joined {
                let name = state.as_ref().map_or_else(|_| host_and_port(&url), |state| state.node.clone());
                nodes.push(master(name, url, state.is_ok(), false));
            }
        }
        nodes.extend(slaves.into_nodes());
        nodes.sort_by(|left, right| (left.role, &left.node).cmp(&(right.role, &right.node)));
        Ok(nodes)
    }
}

fn master(node: String, url: String, alive: bool, host: bool) -> Listed {
    Listed { node, url, role: Role::Master, agent_id: None, attributes: BTreeMap::new(), alive, host }
}

fn host_and_port(url: &str) -> String {
    url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/').to_owned()
}

/// The answer of a master's `GET /master/slaves`, as far as it matters here.
#[derive(Debug, Default, Deserialize)]
struct Slaves {
    slaves: Vec<Slave>,
    /// Known from before the master's restart, and not registered again yet.
    #[serde(default)]
    recovered_slaves: Vec<Slave>,
}

/// The answer of [`REGISTRY`], as far as it matters here.
#[derive(Debug, Deserialize)]
struct Registry {
    #[serde(default)]
    minimum_capabilities: Vec<Demand>,
}

#[derive(Debug, Deserialize)]
struct Demand {
    capability: String,
}

#[derive(Debug, Deserialize)]
struct Slave {
    id: String,
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    port: Option<u16>,
    /// `slave(1)@10.0.0.5:5051`.
    #[serde(default)]
    pid: Option<String>,
    #[serde(default)]
    active: bool,
    #[serde(default)]
    attributes: BTreeMap<String, serde_json::Value>,
}

impl Slaves {
    fn into_nodes(self) -> Vec<Listed> {
        let mut nodes: BTreeMap<String, Listed> = BTreeMap::new();
        // A recovered agent has no address yet that could be asked; it is noted as missing under its name.
        for slave in self.recovered_slaves {
            if let Some(node) = (Slave { active: false, ..slave }).into_node() {
                nodes.insert(node.node.clone(), node);
            }
        }
        for slave in self.slaves {
            if let Some(node) = slave.into_node() {
                // An agent that came back under a new id may be listed twice for a while: the active one counts.
                let known_active = nodes.get(&node.node).is_some_and(|known| known.alive);
                if !known_active || node.alive {
                    nodes.insert(node.node.clone(), node);
                }
            }
        }
        nodes.into_values().collect()
    }
}

impl Slave {
    fn into_node(self) -> Option<Listed> {
        let address = self.pid.as_deref().and_then(|pid| pid.split_once('@')).map(|(_, address)| address.to_owned());
        let port = self.port.or_else(|| address.as_deref()?.rsplit_once(':')?.1.parse().ok())?;
        let node = format!("{}:{port}", self.hostname);
        let url = format!("http://{}", address.unwrap_or_else(|| node.clone()));
        let text = |value: serde_json::Value| match value {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        let attributes = self.attributes.into_iter().map(|(key, value)| (key, text(value))).collect();
        let agent_id = Some(self.id);
        Some(Listed { node, url, role: Role::Agent, agent_id, attributes, alive: self.active, host: false })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::Slaves;

    #[test]
    fn agents_are_named_as_the_master_lists_them_and_asked_where_they_listen() {
        let json = r#"{
            "slaves": [
                {"id": "S0", "hostname": "node-a", "port": 5051, "pid": "slave(1)@10.0.0.5:5051", "active": true,
                 "attributes": {"rack": "r1", "cores": 4}, "resources": {"cpus": 1}},
                {"id": "S1", "hostname": "127.0.0.1", "pid": "slave(1)@127.0.0.1:5052", "active": false},
                {"id": "S8", "hostname": "node-b", "port": 5051, "pid": "slave(1)@10.0.0.6:5051", "active": true},
                {"id": "S7", "hostname": "node-b", "port": 5051, "pid": "slave(1)@10.0.0.6:5051", "active": false}
            ],
            "recovered_slaves": [{"id": "S2", "hostname": "node-c", "port": 5051}],
            "later": true
        }"#;
        let nodes = serde_json::from_str::<Slaves>(json).unwrap().into_nodes();
        let of = |name: &str| nodes.iter().find(|node| node.node == name).unwrap();
        assert_eq!(nodes.len(), 4);
        assert_eq!(of("node-a:5051").url, "http://10.0.0.5:5051");
        assert_eq!(of("node-a:5051").attributes["rack"], "r1");
        assert_eq!(of("node-a:5051").attributes["cores"], "4");
        assert!(!of("127.0.0.1:5052").alive, "listed, but not active");
        assert_eq!(of("node-b:5051").agent_id.as_deref(), Some("S8"));
        assert!(!of("node-c:5051").alive, "not registered since its master restarted");
    }
}
