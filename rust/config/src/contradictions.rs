//! Options that are right one by one and can't be right together, and documents whose shape every Mesos asks for.

use std::collections::BTreeMap;

use dcos_core::Role;
use dcos_core::checkpoint::Domain;
use serde_json::Value;

use crate::document::Findings;
use crate::value::duration;

/// A time that must not be longer than another one: with Mesos's defaults for what is not said.
const ORDERED: [(Role, &str, &str, &str, &str); 2] = [
    (Role::Agent, "authentication_timeout_min", "5secs", "authentication_timeout_max", "1mins"),
    (Role::Agent, "perf_duration", "10secs", "perf_interval", "1mins"),
];

/// A flag that does nothing, or ends Mesos, without another one: the role, the flag, its value if only that one does,
/// and the other.
const NEEDED: [(Role, &str, Option<&str>, &str); 8] = [
    (Role::Master, "authenticate_http_frameworks", Some("true"), "http_framework_authenticators"),
    (Role::Master, "authenticate_frameworks", Some("true"), "credentials"),
    (Role::Master, "authenticate_agents", Some("true"), "credentials"),
    (Role::Agent, "authenticate_http_executors", Some("true"), "jwt_secret_key"),
    (Role::Agent, "cgroups_net_cls_secondary_handles", None, "cgroups_net_cls_primary_handle"),
    (Role::Agent, "network_cni_plugins_dir", None, "network_cni_config_dir"),
    (Role::Agent, "network_cni_config_dir", None, "network_cni_plugins_dir"),
    (Role::Agent, "seccomp_profile_name", None, "seccomp_config_dir"),
];

/// The realms that `basic`, the authenticator of Mesos itself, guards: it needs to know whom it may let in.
const REALMS: [&str; 2] = ["authenticate_http_readonly", "authenticate_http_readwrite"];

pub(crate) fn check(role: Role, flags: &BTreeMap<String, String>, findings: &mut Findings<'_>) {
    let flag = |name: &str| flags.get(name).map(String::as_str);
    for (_, shorter, short, longer, long) in ORDERED.iter().filter(|rule| rule.0 == role) {
        let (left, right) = (flag(shorter).unwrap_or(short), flag(longer).unwrap_or(long));
        if duration(left).ok() > duration(right).ok() {
            let key = if flags.contains_key(*shorter) { shorter } else { longer };
            let message = format!("`flags.{shorter}` is `{left}`, which is longer than `flags.{longer}`, `{right}`");
            findings.add(&format!("flags.{key}"), "contradiction", message, None);
        }
    }
    for (_, name, only, other) in NEEDED.iter().filter(|rule| rule.0 == role) {
        if flag(name).is_some_and(|value| only.is_none_or(|only| only == value)) && flag(other).is_none() {
            let message = format!("`flags.{name}` needs `flags.{other}`, which is not set");
            findings.add(&format!("flags.{name}"), "contradiction", message, None);
        }
    }
    let credentials = if role == Role::Master { "credentials" } else { "http_credentials" };
    if flag("http_authenticators").is_none_or(|names| names == "basic") && flag(credentials).is_none() {
        for name in REALMS.into_iter().filter(|name| flag(name) == Some("true")) {
            let message = format!("`flags.{name}` needs `flags.{credentials}`, which is not set");
            let hint = "or name another authenticator in `http_authenticators`".to_owned();
            findings.add(&format!("flags.{name}"), "contradiction", message, Some(hint));
        }
    }
    if let Some(Err(malformed)) = flag("domain").map(Domain::parse) {
        findings.add("flags.domain", "flag-value", format!("`flags.domain` can't be read: {}", malformed.why), None);
    }
    let variables = flag("executor_environment_variables").and_then(|text| serde_json::from_str::<Value>(text).ok());
    for (name, _) in variables.iter().flat_map(Value::as_object).flatten().filter(|(_, value)| !value.is_string()) {
        let key = format!("flags.executor_environment_variables.{name}");
        findings.add(&key, "flag-value", format!("`{key}` is no text, and a variable is"), None);
    }
    if flag("registry") == Some("in_memory") && flag("quorum").is_some() {
        let message = "`flags.quorum` is for a registry that masters share, and `flags.registry` is `in_memory`";
        findings.add("flags.quorum", "contradiction", message, Some("leave out one of them".to_owned()));
    }
}
