//! What changes from one options document to another, in words.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::diff;
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
}
