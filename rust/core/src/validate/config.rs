//! Rules about the configuration and the environment that Mesos is started with.

use std::collections::BTreeMap;

use super::{Findings, NodeFacts, SetFacts};
use crate::id::PackageId;
use crate::role::{Kind, Role};

/// Variables that the node renders from its own facts or from the set's packages: nobody else sets them.
pub const HOST_VARIABLES: [&str; 15] = [
    "PATH",
    "LIBPROCESS_IP",
    "LIBPROCESS_PORT",
    "MESOS_IP",
    "MESOS_PORT",
    "MESOS_HOSTNAME",
    "MESOS_WORK_DIR",
    "MESOS_RUNTIME_DIR",
    "MESOS_MASTER",
    "MESOS_ZK",
    "MESOS_ATTRIBUTES",
    "MESOS_CREDENTIAL",
    "MESOS_LAUNCHER_DIR",
    "MESOS_WEBUI_DIR",
    "MESOS_MODULES",
];

pub(super) fn check(set: &SetFacts, node: &NodeFacts, findings: &mut Findings) {
    for (id, local) in set.of_kind(Kind::MesosConfig) {
        match &local.config {
            None => {
                findings.problem("bad-config", [id], format!("`{id}` has no `{}`", crate::config::FILE_NAME), None);
            }
            Some(Err(why)) => {
                findings.problem("bad-config", [id], format!("the configuration in `{id}` can't be read: {why}"), None);
            }
            Some(Ok(config)) => {
                if let Some(role) = node.role.filter(|role| *role != config.role) {
                    let message = format!("`{id}` configures a {}, and this is a {role}", config.role);
                    findings.problem("config-role", [id], message, None);
                }
            }
        }
    }
    environment(set, findings);
    registry(set, node, findings);
}

/// A master that ZooKeeper elects ends at once unless it is told how many must agree on the registry that it shares with the
/// others. Which masters are elected so is said by node files, so whoever makes a config can't know.
fn registry(set: &SetFacts, node: &NodeFacts, findings: &mut Findings) {
    let Some((id, config)) = set.config().filter(|(_, config)| config.role == Role::Master) else { return };
    if node.role != Some(Role::Master) || !node.zookeeper {
        return;
    }
    let said: BTreeMap<&str, &str> = set
        .local()
        .flat_map(|(_, local)| &local.pkginfo.environment)
        .chain(&config.environment)
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    if !said.contains_key("MESOS_QUORUM") && said.get("MESOS_REGISTRY") != Some(&"in_memory") {
        let message =
            format!("`{id}` has no `quorum`, and the node file names ZooKeeper (`zk`): this master would not start");
        let hint = "say in the options of its group how many masters must agree, more than half of them: `quorum = 2` for three";
        findings.problem("no-quorum", [id], message, Some(hint));
    }
}

fn environment(set: &SetFacts, findings: &mut Findings) {
    let mut owners: BTreeMap<&str, &PackageId> = BTreeMap::new();
    let configured = set.config().into_iter().flat_map(|(id, config)| config.environment.iter().map(move |v| (id, v)));
    let packaged = set.local().flat_map(|(id, local)| local.pkginfo.environment.iter().map(move |v| (id, v)));
    for (id, (name, value)) in configured.chain(packaged) {
        if !is_variable(name) {
            let message = format!("`{id}` sets `{}`, which is not a name of a variable", name.escape_debug());
            findings.problem("environment-name", [id], message, None);
        } else if HOST_VARIABLES.contains(&name.as_str()) {
            let message = format!("`{id}` sets `{name}`, which is rendered from the node's facts");
            findings.problem("environment-reserved", [id], message, Some("set it in the node's `node.toml`"));
        } else if value.chars().any(char::is_control) {
            let message = format!("`{id}` sets `{name}` to a value with control characters");
            findings.problem("environment-value", [id], message, None);
        } else if let Some(other) = owners.insert(name, id)
            && other != id
        {
            let message = format!("`{other}` and `{id}` both set `{name}`");
            findings.problem("environment-collision", [other, id], message, Some("only one of them may set it"));
        }
    }
}

fn is_variable(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
