//! `node.toml`: the facts of one host. It is never packaged; whoever set up the host wrote it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::network::Network;
use crate::role::Role;

/// Where the file is unless `--node` says otherwise.
pub const DEFAULT_PATH: &str = "/etc/dcos/node.toml";

/// Where the store is unless `root` says otherwise.
pub const DEFAULT_ROOT: &str = "/opt/dcos";

/// The facts of one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// The directory of the store.
    #[serde(default = "default_root")]
    pub root: PathBuf,
    /// What this host is in its cluster.
    pub role: Role,
    /// The group that it belongs to: nodes that share a role and a config.
    pub group: String,
    /// The facts that Mesos is started with.
    pub mesos: MesosFacts,
    /// Where packages come from.
    #[serde(default)]
    pub repositories: Repositories,
    /// The deploy module that this node reports to.
    #[serde(default)]
    pub deploy: DeployFacts,
    /// On a master: where new agents come from.
    #[serde(default)]
    pub provision: Option<ProvisionFacts>,
    /// Who keeps Mesos running.
    #[serde(default)]
    pub supervisor: SupervisorFacts,
    /// When a new Mesos is well.
    #[serde(default)]
    pub health: HealthFacts,
    /// Which principal may do what. A name that ends in `*` stands for all that begin so.
    #[serde(default)]
    pub roles: BTreeMap<String, ApiRole>,
    /// How `dcos-node` serves. Inside Mesos, Mesos's own flags say that.
    #[serde(default)]
    pub server: ServerFacts,
    /// Bounds on what others may ask for.
    #[serde(default)]
    pub limits: Limits,
}

/// The closed list of host facts that a generation's environment is rendered from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MesosFacts {
    /// The address that Mesos binds and advertises.
    pub ip: IpAddr,
    /// The port that Mesos listens on.
    pub port: u16,
    /// The name that Mesos advertises; the address if absent.
    #[serde(default)]
    pub hostname: Option<String>,
    /// For an agent without ZooKeeper: the master, `host:port`.
    #[serde(default)]
    pub master: Option<String>,
    /// The ensemble that elects masters, `zk://host:port,…/path`.
    #[serde(default)]
    pub zk: Option<String>,
    /// Mesos's work directory: checkpoints, sandboxes, the registry.
    pub work_dir: PathBuf,
    /// Mesos's runtime directory, lost at a boot.
    #[serde(default)]
    pub runtime_dir: Option<PathBuf>,
    /// The agent's attributes in Mesos's syntax, `rack:a;zone:b`.
    #[serde(default)]
    pub attributes: Option<String>,
    /// The file with Mesos's own credential, `file:///…`.
    #[serde(default)]
    pub credential: Option<String>,
}

/// The repositories of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repositories {
    /// Packages of any kind.
    #[serde(default)]
    pub release: Option<RepositoryFacts>,
    /// Packages of this site: `mesos-config` and `plain` only.
    #[serde(default)]
    pub site: Option<RepositoryFacts>,
}

/// One repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepositoryFacts {
    /// Its base URL.
    pub url: String,
    /// The file with the root of trust given at bootstrap.
    #[serde(default)]
    pub root_json: Option<PathBuf>,
    /// The file with the certificate authority of its server, PEM.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// The file with credentials for its server.
    #[serde(default)]
    pub credentials: Option<PathBuf>,
}

/// The deploy module, seen from a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeployFacts {
    /// The URLs of all masters, such as `http://10.0.0.1:5050`.
    #[serde(default)]
    pub masters: Vec<String>,
    /// The file with this node's credentials for them.
    #[serde(default)]
    pub credentials: Option<PathBuf>,
    /// Other origins that a `report_to` or `callback` may name.
    #[serde(default)]
    pub allowed_origins: Vec<String>,
    /// On a master: where the agents are that its credentials may be sent to.
    #[serde(default)]
    pub networks: Vec<Network>,
    /// On a master: principals of the role `node` that are no host's own, and may ping for any node.
    #[serde(default)]
    pub shared_principals: Vec<String>,
    /// On a master: the file with the credentials that nodes which join by a token are given.
    #[serde(default)]
    pub join_credentials: Option<PathBuf>,
    /// On a master: the file with the principals and secrets that the Mesos of nodes which join by a token shall know.
    #[serde(default)]
    pub join_mesos_credentials: Option<PathBuf>,
}

/// Where new agents come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvisionFacts {
    /// The file with the provider, the classes and the limits; every master has the same.
    pub config: PathBuf,
    /// The file with the principal and secret, `NAME:SECRET`, for Mesos's own API, where it demands one.
    #[serde(default)]
    pub mesos_credentials: Option<PathBuf>,
}

/// Who keeps Mesos running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupervisorFacts {
    /// systemd, or the helper itself.
    pub kind: SupervisorKind,
    /// The unit that runs Mesos; `dcos-mesos-<role>.service` if absent.
    #[serde(default)]
    pub unit: Option<String>,
    /// The unit that runs the helper.
    #[serde(default)]
    pub helper_unit: Option<String>,
    /// The port on which the helper answers `GET /restart/status` while no Mesos does; any free one if absent.
    #[serde(default)]
    pub status_port: Option<u16>,
}

/// The kinds of supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SupervisorKind {
    /// A unit of systemd.
    Systemd,
    /// A child of the helper.
    Process,
}

/// When a new Mesos is well. Durations are in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthFacts {
    /// How long it must live without a crash after every check said yes.
    pub hold: f64,
    /// How long it may take until it answers HTTP at all.
    pub answer_deadline: f64,
    /// How long it may take until it has recovered and registered.
    pub register_deadline: f64,
    /// How long Mesos may take to end after SIGTERM before it is killed.
    pub stop_deadline: f64,
    /// More paths on Mesos's port that must answer 200.
    pub checks: Vec<String>,
    /// Other deadlines for single checks, by name: `version`, `recovered`, `registered`, `leading`, or a path.
    pub deadlines: BTreeMap<String, f64>,
    /// How long a spent ticket may wait for the helper before the order counts as stale.
    pub order_life: f64,
    /// The waits between two tries of a lost node's previous set double from this one…
    pub first_retry: f64,
    /// …to this one.
    pub last_retry: f64,
    /// A Mesos that lives, even if not well, is not stopped for another try before this.
    pub living_retry: f64,
}

impl Eq for HealthFacts {}

/// How `dcos-node` serves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerFacts {
    /// The file with the principals that it knows and their secrets, as Mesos's `--http_credentials` has them.
    #[serde(default)]
    pub credentials: Option<PathBuf>,
    /// The file with its certificate and those above it, PEM; with it, TLS is served and nothing else.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// The file with the certificate's key, PEM.
    #[serde(default)]
    pub key: Option<PathBuf>,
}

/// Who may do what on the endpoints, in rising order; `node` stands apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ApiRole {
    /// Its own pings and join only.
    Node,
    /// May look.
    Reader,
    /// May halt and pulse.
    Monitor,
    /// May change.
    Operator,
    /// May clear a halt.
    Admin,
}

impl ApiRole {
    /// As `node.toml` and messages write it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Reader => "reader",
            Self::Monitor => "monitor",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// Bounds on what others may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The largest request body, in bytes.
    pub body: usize,
    /// The largest number of jobs under way at once.
    pub jobs: usize,
    /// How many bytes of packages a node keeps without being asked to let go of any, in bytes.
    pub disk_budget: u64,
    /// Changing calls need no principal. For loopback only: anybody who reaches the port may change the node.
    pub insecure_allow_anonymous: bool,
    /// Calls without a principal may read.
    pub anonymous_reader: bool,
}

/// A `node.toml` that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidNodeConfig {
    /// It is not TOML of the right shape.
    #[error("it is not a node file")]
    Toml(#[source] Box<toml::de::Error>),
    /// Two keys contradict each other or a value is out of range.
    #[error("`{key}` {why}")]
    Value {
        /// The key, dotted.
        key: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

fn default_root() -> PathBuf {
    DEFAULT_ROOT.into()
}

impl Default for SupervisorFacts {
    fn default() -> Self {
        Self { kind: SupervisorKind::Systemd, unit: None, helper_unit: None, status_port: None }
    }
}

impl Default for HealthFacts {
    /// 45 s of hold outlasts the crashes that a new version shows soon after its start; the deadlines leave a rolled
    /// back agent registered again before its master gives it up (75 s: five missed pings of 15 s).
    fn default() -> Self {
        Self {
            hold: 45.0,
            answer_deadline: 10.0,
            register_deadline: 30.0,
            stop_deadline: 10.0,
            checks: Vec::new(),
            deadlines: BTreeMap::new(),
            order_life: 60.0,
            first_retry: 2.0,
            last_retry: 300.0,
            living_retry: 120.0,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let disk_budget = 4 << 30;
        Self { body: 1024 * 1024, jobs: 64, disk_budget, insecure_allow_anonymous: false, anonymous_reader: false }
    }
}

impl MesosFacts {
    /// The name that Mesos advertises. Left to itself it would ask the resolver, and may say something else than the
    /// node's own name.
    pub fn advertised_name(&self) -> String {
        self.hostname.clone().unwrap_or_else(|| self.ip.to_string())
    }
}

impl NodeConfig {
    /// Reads the text of a `node.toml`.
    ///
    /// # Errors
    /// If it has unknown or missing keys, or values that contradict each other.
    pub fn parse(text: &str) -> Result<Self, InvalidNodeConfig> {
        let config: Self = toml::from_str(text).map_err(|error| InvalidNodeConfig::Toml(Box::new(error)))?;
        config.check()?;
        Ok(config)
    }

    /// The node's name: `host:port`, as the master lists it.
    pub fn name(&self) -> String {
        format!("{}:{}", self.mesos.advertised_name(), self.mesos.port)
    }

    /// The origin of this node's endpoints, such as `http://10.0.0.5:5051`.
    pub fn origin(&self) -> String {
        format!("http://{}", std::net::SocketAddr::new(self.mesos.ip, self.mesos.port))
    }

    fn check(&self) -> Result<(), InvalidNodeConfig> {
        let value = |key, why: &str| Err(InvalidNodeConfig::Value { key, why: why.to_owned() });
        if !self.root.is_absolute() {
            return value("root", "is not an absolute path");
        }
        if !self.mesos.work_dir.is_absolute() {
            return value("mesos.work_dir", "is not an absolute path");
        }
        if self.mesos.port == 0 {
            return value("mesos.port", "is 0: the port must be known beforehand");
        }
        if self.group.is_empty() {
            return value("group", "is empty");
        }
        match (self.role, &self.mesos.master, &self.mesos.zk) {
            (Role::Master, Some(_), _) => {
                return value("mesos.master", "is for agents; a master has `mesos.zk` or nothing");
            }
            (Role::Agent, None, None) => return value("mesos.master", "is missing: an agent needs it or `mesos.zk`"),
            (Role::Agent, Some(_), Some(_)) => return value("mesos.master", "and `mesos.zk` exclude each other"),
            (Role::Master | Role::Agent, _, _) => {}
        }
        if self.server.certificate.is_some() != self.server.key.is_some() {
            return value("server.certificate", "and `server.key` go together");
        }
        // What a pattern grants must be little: a name that somebody makes up may fit it.
        if self.roles.iter().any(|(name, role)| name.ends_with('*') && *role != ApiRole::Node) {
            return value("roles", "has a name with `*` for another role than `node`");
        }
        if let Some(credential) = &self.mesos.credential
            && !credential.starts_with("file:///")
        {
            return value("mesos.credential", "is not a `file:///…` reference");
        }
        let seconds = [
            ("health.hold", self.health.hold),
            ("health.answer_deadline", self.health.answer_deadline),
            ("health.register_deadline", self.health.register_deadline),
            ("health.stop_deadline", self.health.stop_deadline),
            ("health.order_life", self.health.order_life),
            ("health.first_retry", self.health.first_retry),
            ("health.last_retry", self.health.last_retry),
            ("health.living_retry", self.health.living_retry),
        ];
        let deadlines = self.health.deadlines.values().map(|value| ("health.deadlines", *value));
        match seconds.into_iter().chain(deadlines).find(|(_, value)| !(0.0..=86_400.0).contains(value)) {
            Some((key, _)) => value(key, "is not between 0 and 86400 seconds"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::NodeConfig;

    const AGENT: &str = r#"
        role = "agent"
        group = "agents"
        [mesos]
        ip = "127.0.0.1"
        port = 5051
        master = "127.0.0.1:5050"
        work_dir = "/var/lib/mesos"
    "#;

    #[test]
    fn the_smallest_file_is_enough() {
        let config = NodeConfig::parse(AGENT).unwrap();
        assert_eq!(config.name(), "127.0.0.1:5051");
        assert_eq!(config.health.hold.to_string(), "45");
        assert!(!config.limits.insecure_allow_anonymous);
    }

    #[test]
    fn each_contradiction_is_named() {
        for (from, to, why) in [
            ("role = \"agent\"", "role = \"master\"", "`mesos.master` is for agents"),
            ("master = \"127.0.0.1:5050\"", "", "`mesos.master` is missing"),
            ("work_dir = \"/var", "work_dir = \"var", "`mesos.work_dir`"),
            ("port = 5051", "port = 0", "`mesos.port`"),
            ("port = 5051", "prot = 5051", "unknown field `prot`"),
            ("group = \"agents\"", "group = \"\"", "`group`"),
            ("[mesos]", "root = \"opt\"\n[mesos]", "`root`"),
            ("[mesos]", "server.key = \"/k\"\n[mesos]", "`server.certificate`"),
            ("[mesos]", "roles.\"a*\" = \"admin\"\n[mesos]", "`roles`"),
            ("[mesos]", "deploy.networks = [\"10.0.0.0\"]\n[mesos]", "`10.0.0.0` is no network"),
        ] {
            assert!(AGENT.contains(from), "{from}");
            let error = NodeConfig::parse(&AGENT.replace(from, to)).unwrap_err();
            assert!(crate::Problem::chain(&error).contains(why), "{why}: {}", crate::Problem::chain(&error));
        }
    }
}
