//! `provision.toml`: where machines come from, of which classes, and how many. Every master has the same one; `[provision]`
//! of `node.toml` names it. It holds no secret: credentials come by the provider's own chain.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::SignedDuration;
use serde::Deserialize;

use crate::add::Patience;

/// The file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The cluster's name: machines carry it as a tag, and others than this cluster's are never touched.
    pub cluster: String,
    /// Who makes machines.
    pub provider: ProviderConfig,
    /// How many and how fast.
    #[serde(default)]
    pub limits: Limits,
    /// How long things may take.
    #[serde(default)]
    pub deadlines: Deadlines,
    /// What a new machine is told.
    pub bootstrap: Bootstrap,
    /// The classes of machines by name.
    pub classes: BTreeMap<String, Class>,
}

/// Who makes machines.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderConfig {
    /// Its name, for people.
    pub name: String,
    /// Its program. The package of dcos-bits has `dcos-provider-local`; a bare name is looked for beside our own programs.
    pub program: PathBuf,
    /// What the program wants to know: a region, an end point.
    #[serde(default = "no_settings")]
    pub settings: toml::Table,
}

/// How many machines and how fast.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// How many of our machines there may be at once.
    pub machines: usize,
    /// How many agents one request may ask for.
    pub per_request: usize,
    /// How many machines may be asked for in a minute.
    pub launches_per_minute: usize,
    /// How many active agents must be left when one is removed.
    pub minimum_agents: usize,
}

/// How long things may take, in seconds.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Deadlines {
    /// How long the provider may be asked in vain for one machine.
    pub launch: u32,
    /// How long a new machine may stay invisible in the provider's list.
    pub horizon: u32,
    /// How long a new machine's agent may take to register.
    pub join: u32,
    /// How long an agent that the master has lost sight of is waited for.
    pub away: u32,
}

/// What a new machine is told at its first start.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// The masters' URLs.
    pub masters: Vec<String>,
    /// The archive of dcos-bits from which it takes its first helper.
    pub package: Pinned,
}

/// A file that is taken for what its digest says.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    /// Where it is.
    pub url: String,
    /// Its digest, 64 hexadecimal digits.
    pub sha256: String,
}

/// A class of machines.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// The group that its agents join.
    pub group: String,
    /// What the provider wants to know of it: an image, types, subnets.
    #[serde(default = "no_settings")]
    pub settings: toml::Table,
}

/// A `provision.toml` that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidConfig {
    /// It is not TOML of the right shape.
    #[error("it is not a configuration of provisioning")]
    Toml(#[source] Box<toml::de::Error>),
    /// A value is out of range.
    #[error("`{key}` {why}")]
    Value {
        /// The key, dotted.
        key: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

fn no_settings() -> toml::Table {
    toml::Table::new()
}

impl Default for Limits {
    /// Small enough that a typo is no bill to remember.
    fn default() -> Self {
        Self { machines: 50, per_request: 10, launches_per_minute: 20, minimum_agents: 1 }
    }
}

impl Default for Deadlines {
    /// EC2 shows a new instance within seconds and documents that it may take longer; an instance boots in a minute or
    /// two, and fetches half a gigabyte then. A master gives agents ten minutes to come back after its restart, and
    /// executors give up after fifteen without their agent.
    fn default() -> Self {
        Self { launch: 600, horizon: 300, join: 900, away: 900 }
    }
}

impl Deadlines {
    /// The same as what a step of an operation takes.
    pub fn patience(&self) -> Patience {
        Patience {
            horizon: SignedDuration::from_secs(self.horizon.into()),
            join: SignedDuration::from_secs(self.join.into()),
            away: SignedDuration::from_secs(self.away.into()),
            launch: SignedDuration::from_secs(self.launch.into()),
        }
    }
}

impl Config {
    /// Reads the text of a `provision.toml`.
    ///
    /// # Errors
    /// If it has unknown or missing keys, or values that can't work.
    pub fn parse(text: &str) -> Result<Self, InvalidConfig> {
        let config: Self = toml::from_str(text).map_err(|error| InvalidConfig::Toml(Box::new(error)))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), InvalidConfig> {
        let value = |key: &str, why| Err(InvalidConfig::Value { key: key.to_owned(), why });
        let is_plain = |text: &str| {
            !text.is_empty()
                && text.len() <= 64
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        if !is_plain(&self.cluster) {
            return value("cluster", "is not 1 to 64 letters, digits, `-`, `_` or `.`");
        }
        if self.classes.is_empty() {
            return value("classes", "is empty: there is nothing to make agents of");
        }
        for (name, class) in &self.classes {
            if !is_plain(name) {
                return value(&format!("classes.{name}"), "is not 1 to 64 letters, digits, `-`, `_` or `.`");
            }
            // It travels in a shell script.
            if !is_plain(&class.group) {
                return value(&format!("classes.{name}.group"), "is not 1 to 64 letters, digits, `-`, `_` or `.`");
            }
        }
        if self.bootstrap.masters.is_empty() {
            return value("bootstrap.masters", "is empty: a new machine would not know whom to ask");
        }
        let is_url = |url: &str| {
            (url.starts_with("http://") || url.starts_with("https://"))
                && url.bytes().all(|byte| byte.is_ascii_graphic() && !b"'\"\\`$".contains(&byte))
        };
        if !self.bootstrap.masters.iter().all(|url| is_url(url)) {
            return value("bootstrap.masters", "has something that is not an `http://` or `https://` address");
        }
        if !is_url(&self.bootstrap.package.url) {
            return value("bootstrap.package.url", "is not an `http://` or `https://` address");
        }
        let digest = &self.bootstrap.package.sha256;
        if digest.len() != 64 || !digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return value("bootstrap.package.sha256", "is not 64 lower-case hexadecimal digits");
        }
        for (key, number) in [
            ("limits.machines", self.limits.machines),
            ("limits.per_request", self.limits.per_request),
            ("limits.launches_per_minute", self.limits.launches_per_minute),
        ] {
            if number == 0 {
                return value(key, "is 0: nothing could ever be made");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
pub(crate) mod tests {
    use super::Config;

    pub(crate) const SMALLEST: &str = r#"
        cluster = "c1"
        [provider]
        name = "local"
        program = "dcos-provider-local"
        [bootstrap]
        masters = ["http://10.0.0.1:5050"]
        package = { url = "http://10.0.0.9/dcos-bits.tar.gz", sha256 = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff" }
        [classes.small]
        group = "agents"
    "#;

    #[test]
    fn the_smallest_file_is_enough() {
        let config = Config::parse(SMALLEST).unwrap();
        assert_eq!((config.limits.machines, config.deadlines.join), (50, 900));
        assert!(config.classes["small"].settings.is_empty());
    }

    #[test]
    fn each_value_that_cannot_work_is_named() {
        for (from, to, why) in [
            ("cluster = \"c1\"", "cluster = \"c 1\"", "`cluster` is not"),
            ("\"agents\"", "\"a;b\"", "`classes.small.group` is not"),
            ("[\"http://10.0.0.1:5050\"]", "[]", "`bootstrap.masters` is empty"),
            ("[\"http://10.0.0.1:5050\"]", "[\"10.0.0.1\"]", "`bootstrap.masters` has"),
            ("[\"http://10.0.0.1:5050\"]", "[\"http://a/$(reboot)\"]", "`bootstrap.masters` has"),
            ("http://10.0.0.9/", "ftp://10.0.0.9/", "`bootstrap.package.url`"),
            ("0011", "zz11", "`bootstrap.package.sha256`"),
            ("[classes.small]", "[limits]\nper_request = 0\n[classes.small]", "`limits.per_request` is 0"),
            ("[classes.small]", "[classes.\"a b\"]", "`classes.a b`"),
            ("[classes.small]", "[class.small]", "unknown field `class`"),
        ] {
            assert!(SMALLEST.contains(from), "{from}");
            let error = Config::parse(&SMALLEST.replace(from, to)).unwrap_err();
            let text = dcos_core::Problem::chain(&error);
            assert!(text.contains(why), "{why}: {text}");
        }
    }
}
