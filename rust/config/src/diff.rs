//! What changes from one options document to another, in words, and what an agent's checkpoint says to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use dcos_core::Role;
use dcos_core::checkpoint::{Agent, Malformed, Prediction, Reason, predict};
use dcos_core::node::MesosFacts;
use serde::Serialize;

use crate::flags;
use crate::options::Options;

/// One option that is not the same in both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The option's key, such as `flags.resources`.
    pub key: String,
    /// Its value before; absent if it was not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Its value after; absent if it is not set any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// What the change of a group's options comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Every option that differs.
    pub changes: Vec<Change>,
    /// What restarted agents do with their checkpoints; absent if it is not about agents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
}

/// Why restarted agents would refuse their checkpoints, and so not come back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checkpoint {
    /// On the way forwards; empty if they come back.
    pub forwards: Vec<String>,
    /// On the way back, after the new config was there; empty if they come back.
    pub back: Vec<String>,
}

impl Difference {
    /// What it comes to that a group's options were `from` and are `to`.
    pub fn between(from: &Options, to: &Options) -> Self {
        let checkpoint = (from.role == Role::Agent && to.role == Role::Agent).then(|| match checkpoint(from, to) {
            Ok(prediction) => Checkpoint { forwards: words(&prediction.forwards), back: words(&prediction.back) },
            Err(malformed) => {
                let why = vec![malformed.to_string()];
                Checkpoint { forwards: why.clone(), back: why }
            }
        });
        Self { changes: diff(from, to), checkpoint }
    }
}

fn words(reasons: &[Reason]) -> Vec<String> {
    reasons.iter().map(ToString::to_string).collect()
}

/// What an agent does with its checkpoint when its options were `from` and are `to`, and when they are `from` again. The
/// facts of its host are taken to stay.
///
/// # Errors
/// If no agent would start with one of them.
pub fn checkpoint(from: &Options, to: &Options) -> Result<Prediction, Malformed> {
    let facts = MesosFacts {
        ip: Ipv4Addr::LOCALHOST.into(),
        port: 0,
        hostname: None,
        master: None,
        zk: None,
        work_dir: PathBuf::new(),
        runtime_dir: None,
        attributes: None,
        credential: None,
    };
    let agent = |options: &Options| {
        let variables = options.flags.iter().map(|(name, value)| (flags::variable(name), value.clone()));
        Agent::from_environment(&variables.collect(), &facts)
    };
    Ok(predict(&agent(from)?, &agent(to)?))
}

/// Every option that differs, in order of key.
pub fn diff(from: &Options, to: &Options) -> Vec<Change> {
    let (from, to) = (flat(from), flat(to));
    let keys: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    keys.into_iter()
        .filter(|key| from.get(*key) != to.get(*key))
        .map(|key| Change { key: key.clone(), from: from.get(key).cloned(), to: to.get(key).cloned() })
        .collect()
}

fn flat(options: &Options) -> BTreeMap<String, String> {
    let flags = options.flags.iter().map(|(name, value)| (format!("flags.{name}"), value.clone()));
    let modules = options.modules.iter().map(|name| (format!("modules.{name}"), "enabled".to_owned()));
    let parameters = options.parameters.iter().flat_map(|(module, given)| {
        given.iter().map(move |(name, value)| (format!("parameters.{module}.{name}"), value.to_string()))
    });
    flags
        .chain(modules)
        .chain(parameters)
        .chain([("role".to_owned(), options.role.to_string()), ("group".to_owned(), options.group.clone())])
        .collect()
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match (key.strip_prefix("modules."), &self.from, &self.to) {
            (Some(package), None, _) => write!(formatter, "the modules of package `{package}` are enabled"),
            (Some(package), Some(_), _) => {
                write!(formatter, "the modules of package `{package}` are no longer enabled")
            }
            (None, Some(from), Some(to)) => write!(formatter, "`{key}` changes from `{from}` to `{to}`"),
            (None, Some(from), None) => write!(formatter, "`{key}` is no longer set (it was `{from}`)"),
            (None, None, Some(to)) => write!(formatter, "`{key}` is set to `{to}`"),
            (None, None, None) => write!(formatter, "`{key}` is not set"),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.changes.is_empty() {
            return writeln!(formatter, "nothing changes");
        }
        for change in &self.changes {
            writeln!(formatter, "{change}")?;
        }
        let Some(checkpoint) = &self.checkpoint else { return Ok(()) };
        for (way, reasons) in [("with this change", &checkpoint.forwards), ("rolled back", &checkpoint.back)] {
            if !reasons.is_empty() {
                writeln!(formatter, "{way}, agents refuse their checkpoints and do not come back:")?;
            }
            for reason in reasons {
                writeln!(formatter, "  - {reason}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Difference, diff};
    use crate::options::{Options, Syntax};

    #[test]
    fn each_kind_of_change_has_its_sentence() {
        let old = "role = \"agent\"\nmodules = [\"dcos-bits\", \"old\"]\n[flags]\nresources = \"cpus:1\"\nlauncher = \"posix\"\n";
        let new = "role = \"agent\"\nmodules = [\"dcos-bits\", \"new\"]\n[flags]\nresources = \"cpus:2\"\n\
                   [parameters.x]\nlimit = 5\n";
        let old = Options::parse(old, Syntax::Toml).unwrap();
        let new = Options::parse(new, Syntax::Toml).unwrap();
        let lines: Vec<String> = diff(&old, &new).iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "`flags.launcher` is no longer set (it was `posix`)",
                "`flags.resources` changes from `cpus:1` to `cpus:2`",
                "the modules of package `new` are enabled",
                "the modules of package `old` are no longer enabled",
                "`parameters.x.limit` is set to `5`",
            ]
        );
        assert_eq!(diff(&new, &new), []);
    }

    #[test]
    fn what_a_checkpoint_refuses_is_said_forwards_and_back() {
        let options = |policy: &str, resources: &str| {
            let text = format!(
                "role = \"agent\"\n[flags]\nreconfiguration_policy = \"{policy}\"\nresources = \"{resources}\"\n"
            );
            Options::parse(&text, Syntax::Toml).unwrap()
        };
        let told = Difference::between(&options("additive", "cpus:1"), &options("additive", "cpus:2")).to_string();
        assert_eq!(
            told,
            "`flags.resources` changes from `cpus:1` to `cpus:2`\n\
             rolled back, agents refuse their checkpoints and do not come back:\n  \
             - resource `cpus` shrinks from `2` to `1`\n"
        );
        let told = Difference::between(&options("equal", "cpus:1"), &options("equal", "cpus:1;x:1")).to_string();
        assert!(told.contains(
            "with this change, agents refuse their checkpoints and do not come back:\n  - resource `x:1` is added"
        ));
        assert!(told.contains(
            "rolled back, agents refuse their checkpoints and do not come back:\n  - resource `x:1` is gone"
        ));
        let same = Difference::between(&options("equal", "cpus:1"), &options("equal", "cpus:1"));
        assert_eq!(same.to_string(), "nothing changes\n");
        assert_eq!(same.checkpoint.unwrap(), super::Checkpoint::default());
    }
}
