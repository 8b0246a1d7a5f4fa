//! Which of Mesos's flags may be options of a config.
//!
//! A config is shared by a group of nodes, so what is true of one host only has no place in it: that stands in the
//! host's `node.toml`. Nor has what each generation renders from its packages. Everything else in lower case is taken
//! as it is; Mesos itself ignores a variable that it does not know.

use dcos_core::validate::Finding;

use crate::options::finding;

/// Who has the say about a flag that is no option.
enum Owner {
    /// A key of `node.toml`.
    Node(&'static str),
    /// A fact of one host that `node.toml` has no key for.
    Host,
    /// The generation, from its packages.
    Generation,
    /// Nobody: with it Mesos does something else than run.
    Nobody,
}

/// The flags that are no options.
const OWNED: [(&str, Owner); 21] = [
    ("advertise_ip", Owner::Host),
    ("advertise_port", Owner::Host),
    ("attributes", Owner::Node("mesos.attributes")),
    ("credential", Owner::Node("mesos.credential")),
    ("help", Owner::Nobody),
    ("hostname", Owner::Node("mesos.hostname")),
    ("ip", Owner::Node("mesos.ip")),
    ("ip_discovery_command", Owner::Node("mesos.ip")),
    ("launcher_dir", Owner::Generation),
    ("master", Owner::Node("mesos.master")),
    ("master_detector", Owner::Node("mesos.zk")),
    ("modules", Owner::Generation),
    ("modules_dir", Owner::Generation),
    ("native_library", Owner::Generation),
    ("native_java_library", Owner::Generation),
    ("port", Owner::Node("mesos.port")),
    ("runtime_dir", Owner::Node("mesos.runtime_dir")),
    ("version", Owner::Nobody),
    ("webui_dir", Owner::Generation),
    ("work_dir", Owner::Node("mesos.work_dir")),
    ("zk", Owner::Node("mesos.zk")),
];

/// The prefix of the variables that Mesos reads flags from.
pub const PREFIX: &str = "MESOS_";

/// The variable that Mesos reads the flag `name` from.
pub fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.to_ascii_uppercase())
}

/// What is wrong with setting the flag `name` to `value` by a config.
pub fn check(name: &str, value: &str) -> Option<Finding> {
    let key = format!("flags.{name}");
    if let Some((_, owner)) = OWNED.iter().find(|(owned, _)| *owned == name) {
        return Some(refuse(&key, owner));
    }
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
        let plain = name.trim_start_matches('-').replace('-', "_").to_ascii_lowercase();
        let plain = plain.strip_prefix("mesos_").unwrap_or(&plain);
        let hint = plain
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            .then(|| format!("did you mean `{plain}`?"))
            .filter(|_| !plain.is_empty());
        let message = format!("`{key}` is not a flag of Mesos: lower-case letters and `_` make one");
        return Some(finding("flag-name", message, hint));
    }
    value.chars().any(char::is_control).then(|| {
        finding(
            "flag-value",
            format!("`{key}` contains a control character, which an environment file can't hold"),
            None,
        )
    })
}

fn refuse(key: &str, owner: &Owner) -> Finding {
    let (message, hint) = match owner {
        Owner::Node(place) => (
            format!("`{key}` is a fact of one host, and a config is shared by a group"),
            format!("set `{place}` in the host's `node.toml`"),
        ),
        Owner::Host => (
            format!("`{key}` is a fact of one host, and a config is shared by a group"),
            "nodes advertise `mesos.ip` and `mesos.port` of their `node.toml`".to_owned(),
        ),
        Owner::Generation => (
            format!("`{key}` is rendered by each node from the packages of its set"),
            "leave it out; list what is to be enabled in `modules`".to_owned(),
        ),
        Owner::Nobody => {
            (format!("`{key}` makes Mesos print something and end, instead of running"), "leave it out".to_owned())
        }
    };
    let code = if matches!(owner, Owner::Node(_) | Owner::Host) { "host-fact" } else { "not-an-option" };
    finding(code, message, Some(hint))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{check, variable};

    #[test]
    fn a_flag_becomes_a_variable() {
        assert_eq!(variable("registration_backoff_factor"), "MESOS_REGISTRATION_BACKOFF_FACTOR");
    }

    #[test]
    fn ordinary_flags_are_taken() {
        for (name, value) in [("resources", "cpus:4;mem:1024"), ("quorum", "1"), ("isolation", ""), ("acls", "{}")] {
            assert_eq!(check(name, value), None, "{name}");
        }
    }

    #[test]
    fn host_facts_are_sent_to_node_toml() {
        for (name, place) in [
            ("ip", "`mesos.ip`"),
            ("port", "`mesos.port`"),
            ("hostname", "`mesos.hostname`"),
            ("work_dir", "`mesos.work_dir`"),
            ("runtime_dir", "`mesos.runtime_dir`"),
            ("master", "`mesos.master`"),
            ("zk", "`mesos.zk`"),
            ("attributes", "`mesos.attributes`"),
            ("credential", "`mesos.credential`"),
        ] {
            let found = check(name, "x").unwrap();
            assert_eq!(found.code, "host-fact");
            assert!(found.hint.unwrap().contains(place), "{name}");
        }
        for name in ["launcher_dir", "modules", "modules_dir", "webui_dir", "version"] {
            assert_eq!(check(name, "x").unwrap().code, "not-an-option", "{name}");
        }
    }

    #[test]
    fn other_spellings_get_the_right_one_as_hint() {
        for name in ["--resources", "MESOS_RESOURCES", "Resources"] {
            assert_eq!(check(name, "x").unwrap().hint.unwrap(), "did you mean `resources`?");
        }
        assert_eq!(
            check("max-slave-ping-timeouts", "5").unwrap().hint.unwrap(),
            "did you mean `max_slave_ping_timeouts`?"
        );
        assert_eq!(check("", "5").unwrap().hint, None);
        assert_eq!(check("resources", "a\nb").unwrap().code, "flag-value");
    }
}
