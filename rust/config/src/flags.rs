//! The flags of Mesos 1.10 and 1.11, and which of them may be options of a config.
//!
//! Mesos ignores a `MESOS_*` variable that it does not know, so a typo would change nothing and say nothing; and a value
//! that it can't read ends it. Both are found here, before there is a config at all. What the flags are is data,
//! `data/flags.toml`, which a test compares with the programs themselves.
//!
//! A config is shared by a group of nodes, so what is true of one host only has no place in it: that stands in the
//! host's `node.toml`. Nor has what each generation renders from its packages.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use dcos_core::Role;
use dcos_core::validate::Finding;
use serde::{Deserialize, Serialize};

use crate::nearest::nearest;
use crate::options::finding;
use crate::value;

/// The prefix of the variables that Mesos reads flags from.
pub const PREFIX: &str = "MESOS_";

/// The first version of Mesos that configs are for.
pub const OLDEST: &str = "1.10.0";

/// A flag of Mesos.
#[derive(Clone, Debug)]
pub struct Flag {
    /// Its name.
    pub name: String,
    /// Which of Mesos's programs has it; both if absent.
    pub role: Option<Role>,
    /// What its value is.
    pub about: About,
}

/// What is known of a flag: an entry of the data file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The type of its value.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The first version that has it.
    #[serde(default = "oldest")]
    pub since: String,
    /// Its old name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// What Mesos does without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// The only values, or items of a list; empty if there are others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// The smallest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<String>,
    /// The largest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
    /// Whether it may only name a file, so that what is secret stands in no package.
    #[serde(default)]
    pub secret: bool,
    /// Who has the say about it, if not a config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What it is for.
    pub help: String,
}

/// The types of flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number, not negative.
    Integer,
    /// A number.
    Number,
    /// A text.
    String,
    /// `10secs`.
    Duration,
    /// `64MB`.
    Bytes,
    /// An absolute path.
    Path,
    /// A JSON document, or the absolute path of one.
    Json,
    /// `cpus:4;mem:1024`.
    Resources,
    /// `rack:a`.
    Attributes,
    /// Items between commas.
    List,
    /// `1/10mins`.
    Rate,
    /// `10%`.
    Percent,
    /// `cpus:0.01|mem:32`.
    Quantities,
    /// `web=2`.
    Weights,
    /// `[10000-20000]`.
    Ranges,
    /// `0,1`.
    Numbers,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    both: BTreeMap<String, About>,
    master: BTreeMap<String, About>,
    agent: BTreeMap<String, About>,
}

#[expect(clippy::expect_used, reason = "the data is part of the program, and every test reads it")]
static FLAGS: LazyLock<Vec<Flag>> = LazyLock::new(|| {
    let data: Data = toml::from_str(include_str!("../data/flags.toml")).expect("the data of the flags");
    let of = |role, section: BTreeMap<String, About>| {
        section.into_iter().map(move |(name, about)| Flag { name, role, about })
    };
    let mut flags: Vec<Flag> = of(None, data.both)
        .chain(of(Some(Role::Agent), data.agent))
        .chain(of(Some(Role::Master), data.master))
        .collect();
    flags.sort_by(|left, right| left.name.cmp(&right.name));
    flags
});

fn oldest() -> String {
    OLDEST.to_owned()
}

/// Every flag, in order of name; one that master and agent have with different defaults is there twice.
pub fn all() -> &'static [Flag] {
    &FLAGS
}

/// The flags of one of Mesos's programs, or of both.
pub fn of(role: Option<Role>) -> impl Iterator<Item = &'static Flag> + Clone {
    all().iter().filter(move |flag| role.is_none_or(|role| flag.fits(role)))
}

/// The variable that Mesos reads the flag `name` from.
pub fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.to_ascii_uppercase())
}

impl Flag {
    /// Whether the program of `role` has it.
    pub fn fits(&self, role: Role) -> bool {
        self.role.is_none_or(|own| own == role)
    }

    /// Whether a config may set it.
    pub fn is_option(&self) -> bool {
        self.about.owner.is_none()
    }
}

/// The canonical text of `text` as the value of the flag `name`; `role` is the program's, if it is known by now.
///
/// # Errors
/// Why a config can't set it to that.
pub fn check(name: &str, text: &str, role: Option<Role>) -> Result<String, Box<Finding>> {
    let flag = find(name, role)?;
    let key = format!("flags.{name}");
    if let Some(owner) = &flag.about.owner {
        return Err(Box::new(refuse(&key, owner)));
    }
    if text.chars().any(char::is_control) {
        let message = format!("`{key}` contains a control character, which an environment file can't hold");
        return Err(Box::new(finding("flag-value", message, None)));
    }
    value::canonical(&flag.about, text).map_err(|wrong| {
        let shown = match text {
            _ if flag.about.secret => "secret".to_owned(),
            "" => "empty".to_owned(),
            text => format!("{text:?}"),
        };
        Box::new(finding(wrong.code, format!("`{key}` is {shown}, and {}", wrong.why), wrong.hint))
    })
}

/// The flag of that name.
fn find(name: &str, role: Option<Role>) -> Result<&'static Flag, Box<Finding>> {
    let named = |role| of(role).find(move |flag| flag.name == name);
    if let Some(flag) = named(role) {
        return Ok(flag);
    }
    let key = format!("flags.{name}");
    if let (Some(flag), Some(role)) = (named(None), role) {
        let other = flag.role.map_or_else(String::new, |role| role.to_string());
        let message = format!("`{key}` is a flag of the {other}, and these are options of the {role}");
        return Err(Box::new(finding("flag-role", message, None)));
    }
    if let Some(flag) = of(None).find(|flag| flag.about.alias.as_deref() == Some(name)) {
        let message = format!("`{key}` is an old name");
        let hint = format!("it is called `{}` now", flag.name);
        return Err(Box::new(finding("unknown-flag", message, Some(hint))));
    }
    let plain = name.trim_start_matches('-').replace('-', "_").to_ascii_lowercase();
    let plain = plain.strip_prefix("mesos_").or(plain.strip_prefix("no_")).unwrap_or(&plain);
    let hint = nearest(plain, of(role).map(|flag| flag.name.as_str()));
    let hint = hint.map_or_else(
        || "`dcos config options` lists the flags that may be set".to_owned(),
        |name| format!("did you mean `{name}`?"),
    );
    Err(Box::new(finding("unknown-flag", format!("`{key}` is no flag of Mesos"), Some(hint))))
}

fn refuse(key: &str, owner: &str) -> Finding {
    let fact = format!("`{key}` is a fact of one host, and a config is shared by a group");
    let (code, message, hint) = match owner {
        "host" => {
            let hint = "nodes advertise `mesos.ip` and `mesos.port` of their `node.toml`".to_owned();
            ("host-fact", fact, hint)
        }
        "generation" => (
            "not-an-option",
            format!("`{key}` is rendered by each node from the packages of its set"),
            "leave it out; list what is to be enabled in `modules`".to_owned(),
        ),
        "nobody" => (
            "not-an-option",
            format!("`{key}` makes Mesos print something and end, instead of running"),
            "leave it out".to_owned(),
        ),
        place => {
            let place = place.strip_prefix("node:").unwrap_or(place);
            ("host-fact", fact, format!("set `{place}` in the host's `node.toml`"))
        }
    };
    finding(code, message, Some(hint))
}

impl Kind {
    /// Its name in the data file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::String => "string",
            Self::Duration => "duration",
            Self::Bytes => "bytes",
            Self::Path => "path",
            Self::Json => "json",
            Self::Resources => "resources",
            Self::Attributes => "attributes",
            Self::List => "list",
            Self::Rate => "rate",
            Self::Percent => "percent",
            Self::Quantities => "quantities",
            Self::Weights => "weights",
            Self::Ranges => "ranges",
            Self::Numbers => "numbers",
        }
    }

    /// What such a value is called, and an example where that helps.
    pub fn described(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Bool => ("`true` or `false`", None),
            Self::Integer => ("a whole number", None),
            Self::Number => ("a number", None),
            Self::String => ("a text", None),
            Self::Duration => ("a duration", Some("10secs")),
            Self::Bytes => ("a size", Some("64MB")),
            Self::Path => ("an absolute path", None),
            Self::Json => ("a table, a JSON document or the absolute path of one", None),
            Self::Resources => ("a list of resources", Some("cpus:4;mem:8192;ports:[31000-32000]")),
            Self::Attributes => ("a list of attributes", Some("rack:a;level:3")),
            Self::List => ("a list of names between commas", None),
            Self::Rate => ("a number per duration", Some("1/10mins")),
            Self::Percent => ("a share", Some("10%")),
            Self::Quantities => ("a list of quantities", Some("cpus:0.01|mem:32")),
            Self::Weights => ("a list of weights", Some("web=2,batch=0.5")),
            Self::Ranges => ("a list of ranges", Some("[10000-20000]")),
            Self::Numbers => ("a list of whole numbers", Some("0,1")),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.described() {
            (noun, Some(example)) => write!(formatter, "{noun}, such as `{example}`"),
            (noun, None) => formatter.write_str(noun),
        }
    }
}

#[cfg(test)]
#[path = "flags_tests.rs"]
mod tests;
