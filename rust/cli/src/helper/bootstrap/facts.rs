//! What a new machine is: the text of its node file, from arguments and from what a master answered. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::path::PathBuf;

use dcos_api::types::join::{JoinAnswer, JoinRepository};
use dcos_core::node::{ApiRole, DEFAULT_ROOT, SupervisorKind};
use dcos_core::{ExitCode, Problem, Role};

use crate::helper::args;

/// Where a Mesos keeps what must survive, unless somebody says otherwise.
const WORK_DIR: &str = "/var/lib/mesos";
const RUNTIME_DIR: &str = "/var/run/mesos";

/// A repository of a new node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::helper) struct Repository {
    pub(in crate::helper) url: String,
    /// The text of its root of trust.
    pub(in crate::helper) root_json: Option<String>,
    /// Its server's certificate authority.
    pub(in crate::helper) ca: Option<String>,
}

/// All that a node file says.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::helper) struct Facts {
    pub(in crate::helper) root: PathBuf,
    pub(in crate::helper) role: Role,
    pub(in crate::helper) group: String,
    pub(in crate::helper) ip: IpAddr,
    pub(in crate::helper) port: u16,
    pub(in crate::helper) hostname: Option<String>,
    pub(in crate::helper) master: Option<String>,
    pub(in crate::helper) zk: Option<String>,
    pub(in crate::helper) work_dir: PathBuf,
    pub(in crate::helper) runtime_dir: PathBuf,
    pub(in crate::helper) attributes: Option<String>,
    /// Mesos's own credential, `file:///…`.
    pub(in crate::helper) credential: Option<String>,
    pub(in crate::helper) release: Option<Repository>,
    pub(in crate::helper) site: Option<Repository>,
    pub(in crate::helper) masters: Vec<String>,
    /// Whether there is a file with credentials for the masters.
    pub(in crate::helper) credentials: bool,
    pub(in crate::helper) supervisor: SupervisorKind,
    pub(in crate::helper) hold: Option<f64>,
    /// Who may do what on it.
    pub(in crate::helper) roles: BTreeMap<String, ApiRole>,
    pub(in crate::helper) insecure_allow_anonymous: bool,
}

/// The port that Mesos listens on unless somebody says otherwise.
const fn usual_port(role: Role) -> u16 {
    match role {
        Role::Master => 5050,
        Role::Agent => 5051,
    }
}

impl Facts {
    /// What the arguments say, for a machine that asks nobody.
    pub(in crate::helper) fn of_arguments(arguments: &args::Bootstrap) -> Result<Self, Problem> {
        let read = |url: &Option<String>, root: &Option<PathBuf>, ca: &Option<PathBuf>| {
            let Some(url) = url.clone() else { return Ok(None) };
            let (root_json, ca) = (root.as_deref().map(text).transpose()?, ca.as_deref().map(text).transpose()?);
            Ok::<_, Problem>(Some(Repository { url, root_json, ca }))
        };
        let release = read(&arguments.release_url, &arguments.release_root, &arguments.ca)?;
        let site = read(&arguments.site_url, &arguments.site_root, &arguments.ca)?;
        let role = arguments.role.unwrap_or(Role::Agent);
        let Some(ip) = arguments.ip else { return Err(missing("--ip", "the address that Mesos binds and advertises")) };
        let mut facts = Self::common(arguments, role, ip);
        facts.release = release;
        facts.site = site;
        facts.masters.clone_from(&arguments.masters);
        facts.master.clone_from(&arguments.master);
        facts.zk.clone_from(&arguments.zk);
        if role == Role::Agent && facts.master.is_none() && facts.zk.is_none() {
            return Err(missing("--master` or `--zk", "how an agent finds its master"));
        }
        Ok(facts)
    }

    /// What a master answered, with what the arguments say of this machine.
    pub(in crate::helper) fn of_answer(arguments: &args::Bootstrap, answer: &JoinAnswer) -> Result<Self, Problem> {
        let ip = own_address(arguments)?;
        let mut facts = Self::common(arguments, answer.role, ip);
        let taken = |repository: &JoinRepository| Repository {
            url: repository.url.clone(),
            root_json: repository.root_json.clone(),
            ca: repository.ca.clone(),
        };
        facts.group.clone_from(&answer.group);
        facts.release = answer.release.as_ref().map(taken);
        facts.site = answer.site.as_ref().map(taken);
        facts.masters.clone_from(&answer.masters);
        facts.master.clone_from(&answer.master);
        facts.zk.clone_from(&answer.zk);
        facts.credentials = answer.credentials.is_some();
        facts.roles.clone_from(&answer.roles);
        facts.insecure_allow_anonymous = answer.insecure_allow_anonymous;
        Ok(facts)
    }

    fn common(arguments: &args::Bootstrap, role: Role, ip: IpAddr) -> Self {
        Self {
            root: arguments.root.clone().unwrap_or_else(|| DEFAULT_ROOT.into()),
            role,
            group: arguments.group.clone().unwrap_or_else(|| format!("{role}s")),
            ip,
            port: arguments.port.unwrap_or(usual_port(role)),
            hostname: arguments.hostname.clone(),
            master: None,
            zk: None,
            work_dir: arguments.work_dir.clone().unwrap_or_else(|| WORK_DIR.into()),
            runtime_dir: arguments.runtime_dir.clone().unwrap_or_else(|| RUNTIME_DIR.into()),
            attributes: arguments.attributes.clone(),
            credential: None,
            release: None,
            site: None,
            masters: Vec::new(),
            credentials: false,
            supervisor: if arguments.process { SupervisorKind::Process } else { SupervisorKind::Systemd },
            hold: arguments.hold,
            roles: BTreeMap::new(),
            insecure_allow_anonymous: false,
        }
    }

    /// The text of the node file. `beside` names the files that it refers to.
    pub(in crate::helper) fn node_toml(&self, beside: impl Fn(&str) -> String) -> String {
        let mut text = String::from("# Written by `dcos-restart-helper`. It is yours to change.\n");
        let mut put = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        put(format!("root = {}", quoted(&self.root.display().to_string())));
        put(format!("role = \"{}\"\ngroup = {}\n\n[mesos]", self.role, quoted(&self.group)));
        put(format!("ip = \"{}\"\nport = {}", self.ip, self.port));
        for (key, value) in [
            ("hostname", &self.hostname),
            // An agent has one of them; a master may have `zk`.
            ("master", if self.zk.is_none() && self.role == Role::Agent { &self.master } else { &None }),
            ("zk", &self.zk),
            ("attributes", &self.attributes),
            ("credential", &self.credential),
        ] {
            if let Some(value) = value {
                put(format!("{key} = {}", quoted(value)));
            }
        }
        put(format!("work_dir = {}", quoted(&self.work_dir.display().to_string())));
        if self.role == Role::Agent {
            put(format!("runtime_dir = {}", quoted(&self.runtime_dir.display().to_string())));
        }
        for (name, repository) in [("release", &self.release), ("site", &self.site)] {
            let Some(repository) = repository else { continue };
            put(format!("\n[repositories.{name}]\nurl = {}", quoted(&repository.url)));
            if repository.root_json.is_some() {
                put(format!("root_json = {}", quoted(&beside(&root_name(name)))));
            }
            if repository.ca.is_some() {
                put(format!("ca = {}", quoted(&beside(&ca_name(name)))));
            }
        }
        let masters: Vec<String> = self.masters.iter().map(|url| quoted(url)).collect();
        put(format!("\n[deploy]\nmasters = [{}]", masters.join(", ")));
        if self.credentials {
            put(format!("credentials = {}", quoted(&beside(CREDENTIALS))));
        }
        let kind = match self.supervisor {
            SupervisorKind::Systemd => "systemd",
            SupervisorKind::Process => "process",
        };
        put(format!("\n[supervisor]\nkind = \"{kind}\""));
        if let Some(hold) = self.hold {
            put(format!("\n[health]\nhold = {hold:?}"));
        }
        if !self.roles.is_empty() {
            put("\n[roles]".to_owned());
        }
        for (principal, role) in &self.roles {
            put(format!("{} = \"{}\"", quoted(principal), role.word()));
        }
        if self.insecure_allow_anonymous {
            put("\n[limits]\ninsecure_allow_anonymous = true\nanonymous_reader = true".to_owned());
        }
        text
    }
}

/// The names of the files beside the node file.
pub(in crate::helper) const CREDENTIALS: &str = "deploy-credentials";

/// What its Mesos knows its callers by.
pub(in crate::helper) const MESOS_CREDENTIALS: &str = "mesos-credentials";

pub(in crate::helper) fn root_name(repository: &str) -> String {
    format!("{repository}-root.json")
}

pub(in crate::helper) fn ca_name(repository: &str) -> String {
    format!("{repository}-ca.pem")
}

/// The address that this machine has towards the master, unless it was told.
pub(in crate::helper) fn own_address(arguments: &args::Bootstrap) -> Result<IpAddr, Problem> {
    if let Some(ip) = arguments.ip {
        return Ok(ip);
    }
    let master = arguments.join.as_deref().unwrap_or_default();
    let address = master.split_once("://").map_or(master, |(_, rest)| rest).trim_end_matches('/');
    // Nothing is sent: connecting a datagram socket only asks the kernel for the way.
    let found = address.to_socket_addrs().ok().and_then(|mut addresses| addresses.next()).and_then(|master| {
        let any: SocketAddr = if master.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0; 8], 0).into() };
        let socket = UdpSocket::bind(any).ok()?;
        socket.connect(master).ok()?;
        socket.local_addr().ok().map(|own| own.ip())
    });
    found.ok_or_else(|| {
        missing("--ip", "the address that Mesos binds and advertises: the way to the master does not tell it")
    })
}

/// A string as TOML writes it.
pub(in crate::helper) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            char if char.is_control() => {
                // Writing to a string can't fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(char));
            }
            char => quoted.push(char),
        }
    }
    quoted + "\""
}

fn missing(argument: &str, what: &str) -> Problem {
    Problem::new(ExitCode::Usage, "usage", format!("`{argument}` is missing: {what}"))
}

fn text(path: &std::path::Path) -> Result<String, Problem> {
    std::fs::read_to_string(path).map_err(|error| {
        Problem::new(ExitCode::Usage, "unreadable", format!("can't read `{}`: {error}", path.display()))
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Facts, Repository, quoted};
    use dcos_core::Role;
    use dcos_core::node::{ApiRole, NodeConfig, SupervisorKind};

    fn facts() -> Facts {
        Facts {
            root: "/srv/dcos".into(),
            role: Role::Agent,
            group: "agents".to_owned(),
            ip: [10, 0, 0, 9].into(),
            port: 5051,
            hostname: Some("nine".to_owned()),
            master: Some("10.0.0.1:5050".to_owned()),
            zk: None,
            work_dir: "/var/lib/me\"sos".into(),
            runtime_dir: "/run/mesos".into(),
            attributes: Some("rack:a".to_owned()),
            credential: None,
            release: Some(Repository { url: "http://bits/".to_owned(), root_json: Some("{}".to_owned()), ca: None }),
            site: Some(Repository { url: "http://site/".to_owned(), root_json: None, ca: Some("PEM".to_owned()) }),
            masters: vec!["http://10.0.0.1:5050".to_owned()],
            credentials: true,
            supervisor: SupervisorKind::Process,
            hold: Some(5.0),
            roles: [("controller", ApiRole::Operator), ("10.0.0.*", ApiRole::Node)]
                .map(|(name, role)| (name.to_owned(), role))
                .into(),
            insecure_allow_anonymous: true,
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let facts = facts();
        let node = NodeConfig::parse(&facts.node_toml(|name| format!("/etc/dcos/{name}"))).unwrap();
        assert_eq!((node.root, node.role, node.group), (facts.root, facts.role, facts.group));
        assert_eq!((node.mesos.ip, node.mesos.port, node.mesos.work_dir), (facts.ip, facts.port, facts.work_dir));
        assert_eq!((node.mesos.master, node.mesos.zk, node.mesos.attributes), (facts.master, None, facts.attributes));
        let release = node.repositories.release.unwrap();
        assert_eq!(release.root_json.unwrap().to_str(), Some("/etc/dcos/release-root.json"));
        let site = node.repositories.site.unwrap();
        assert_eq!((site.root_json, site.ca.unwrap().to_str()), (None, Some("/etc/dcos/site-ca.pem")));
        assert_eq!(node.deploy.credentials.unwrap().to_str(), Some("/etc/dcos/deploy-credentials"));
        assert_eq!(node.supervisor.kind, SupervisorKind::Process);
        assert_eq!(node.health.hold.to_string(), "5");
        assert_eq!(node.roles, facts.roles);
        assert!(node.limits.insecure_allow_anonymous);
    }

    #[test]
    fn an_ensemble_comes_before_a_single_master() {
        let facts = Facts { zk: Some("zk://a:2181/mesos".to_owned()), ..facts() };
        let node = NodeConfig::parse(&facts.node_toml(str::to_owned)).unwrap();
        assert_eq!((node.mesos.zk.as_deref(), node.mesos.master), (Some("zk://a:2181/mesos"), None));
    }

    #[test]
    fn a_string_stays_one() {
        assert_eq!(quoted("a\"b\\c\nd"), "\"a\\\"b\\\\c\\u000ad\"");
    }
}
