//! Whether a restarted agent accepts the checkpoint that it finds, told beforehand.
//!
//! An agent writes down what it said of itself when it registered: resources, attributes, host name, port, domain. When
//! it starts again and says something else, `--reconfiguration_policy` decides: under `equal` every difference ends it,
//! under `additive` growth is taken. Growth therefore can't be taken back: to roll back is to shrink. So a change is
//! judged twice, [`forwards`](Prediction::forwards) by the new agent's policy, and [`back`](Prediction::back) by the old
//! one's, as if the new agent had registered in between.
//!
//! The prediction may refuse what an agent would take; it must never take what an agent refuses. Where something is
//! known to the machine only (resources that the agent finds out by itself, a host name that is looked up, the content
//! of a file), equal descriptions are taken to mean the same, and different ones are [`Reason::CannotTell`]. Resources
//! that schedulers reserved at run time are not in any config and not judged.
//!
//! - [`value`]: scalars, ranges, sets and texts in Mesos's syntax
//! - [`resources`], [`attributes`]: `cpus:4;ports(web):[80-90]` and `rack:a;level:3`

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use crate::config::MesosConfig;
use crate::node::MesosFacts;

pub mod attributes;
mod compare;
pub mod resources;
#[cfg(test)]
mod tests;
pub mod value;

pub use attributes::Attributes;
pub use resources::Resources;

/// Which changes of itself a restarted agent accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// None.
    #[default]
    Equal,
    /// Growth.
    Additive,
}

/// Text that an agent can't be started with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}`: {why}")]
pub struct Malformed {
    /// The part that is wrong.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

/// A host name as far as it is known without the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hostname {
    /// It was given.
    Given(String),
    /// The agent asks the resolver about its address.
    LookedUp(IpAddr),
    /// The address stands for it.
    Address(IpAddr),
}

/// Region and zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Domain {
    /// As a document: the region's and the zone's name.
    Fault {
        /// The region.
        region: String,
        /// The zone.
        zone: String,
    },
    /// In a file of the host.
    File(String),
}

/// What an agent says of itself, and what it takes from its checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// What it offers.
    pub resources: Resources,
    /// What is true of it.
    pub attributes: Attributes,
    /// Its name.
    pub hostname: Hostname,
    /// Its port.
    pub port: u16,
    /// Where it is.
    pub domain: Option<Domain>,
    /// Which changes it accepts.
    pub policy: Policy,
}

/// Why an agent would refuse its checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A thing is not what it was, and may not change at all.
    Changed {
        /// What changed, such as ``port`` or ``attribute `rack` ``.
        what: String,
        /// What it was.
        from: String,
        /// What it is.
        to: String,
    },
    /// A thing is not there any more.
    Gone {
        /// What it was, with its value.
        what: String,
    },
    /// A thing is there that was not, and nothing may be added.
    Added {
        /// What it is, with its value.
        what: String,
    },
    /// A thing has less than it had.
    Shrunk {
        /// What shrank.
        what: String,
        /// What it was.
        from: String,
        /// What it is.
        to: String,
    },
    /// The agent compares an attribute with the first one of its name only.
    Ambiguous {
        /// The name.
        attribute: String,
    },
    /// Only the machine knows whether it is the same.
    CannotTell {
        /// What would have to be compared.
        what: String,
        /// Why it can't be.
        why: &'static str,
    },
}

/// What will happen to the checkpoint of an agent whose configuration changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prediction {
    /// Why the new agent would refuse what the old one left; empty if it takes it.
    pub forwards: Vec<Reason>,
    /// Why the old agent would refuse what the new one left; empty if it takes it.
    pub back: Vec<Reason>,
}

/// Judges a change from `old` to `new`, and its way back.
pub fn predict(old: &Agent, new: &Agent) -> Prediction {
    Prediction { forwards: new.refusals(old), back: old.refusals(new) }
}

impl Agent {
    /// Why this agent would refuse the checkpoint that `left` left behind; empty if it takes it.
    pub fn refusals(&self, left: &Agent) -> Vec<Reason> {
        compare::refusals(left, self)
    }

    /// The agent that a generation with this config starts on the host with these facts.
    ///
    /// # Errors
    /// If the agent would not start: its resources, attributes or domain are malformed.
    pub fn new(config: &MesosConfig, facts: &MesosFacts) -> Result<Self, Malformed> {
        Self::from_environment(&config.environment, facts)
    }

    /// The same from the `MESOS_*` variables of a config.
    ///
    /// # Errors
    /// As [`Agent::new`].
    pub fn from_environment(environment: &BTreeMap<String, String>, facts: &MesosFacts) -> Result<Self, Malformed> {
        let hostname = match (&facts.hostname, environment.get("MESOS_HOSTNAME_LOOKUP").map(String::as_str)) {
            (Some(name), _) => Hostname::Given(name.clone()),
            (None, Some("false" | "0")) => Hostname::Address(facts.ip),
            (None, _) => Hostname::LookedUp(facts.ip),
        };
        Self::of(environment, facts.attributes.as_deref().unwrap_or_default(), hostname, facts.port)
    }

    fn of(
        environment: &BTreeMap<String, String>,
        attributes: &str,
        hostname: Hostname,
        port: u16,
    ) -> Result<Self, Malformed> {
        let flag = |name: &str| environment.get(name).map(String::as_str);
        let policy = match flag("MESOS_RECONFIGURATION_POLICY") {
            None | Some("equal") => Policy::Equal,
            Some("additive") => Policy::Additive,
            Some(other) => return Err(Malformed::new(other, "a policy is `equal` or `additive`")),
        };
        Ok(Self {
            resources: Resources::parse(
                flag("MESOS_RESOURCES").unwrap_or_default(),
                flag("MESOS_DEFAULT_ROLE").unwrap_or(resources::UNRESERVED),
            )?,
            attributes: Attributes::parse(attributes)?,
            hostname,
            port,
            domain: flag("MESOS_DOMAIN").map(Domain::parse).transpose()?,
            policy,
        })
    }

    /// The agent that is started with a generation's whole environment, the host's facts rendered into it.
    ///
    /// # Errors
    /// As [`Agent::new`], or if its port or host name is missing.
    pub fn rendered(environment: &BTreeMap<String, String>) -> Result<Self, Malformed> {
        let flag = |name: &str| environment.get(name).map_or("", String::as_str);
        let port = flag("MESOS_PORT");
        let port = port.parse().map_err(|_| Malformed::new(port, "`MESOS_PORT` is no port"))?;
        // A generation always names its host: left to itself, an agent would ask the resolver.
        let hostname = match flag("MESOS_HOSTNAME") {
            "" => return Err(Malformed::new("", "`MESOS_HOSTNAME` is missing")),
            name => Hostname::Given(name.to_owned()),
        };
        Self::of(environment, flag("MESOS_ATTRIBUTES"), hostname, port)
    }
}

impl Domain {
    /// Reads the flag `domain`: a document, or the path of one.
    ///
    /// # Errors
    /// If it is neither.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        if text.starts_with('/') || text.starts_with("file://") {
            return Ok(Self::File(text.to_owned()));
        }
        let document: serde_json::Value =
            serde_json::from_str(text).map_err(|_| Malformed::new(text, "neither JSON nor the path of a file"))?;
        let name = |part: &str| {
            let name = document.get("fault_domain")?.get(part)?.get("name")?.as_str()?;
            Some(name.to_owned())
        };
        match (name("region"), name("zone")) {
            (Some(region), Some(zone)) => Ok(Self::Fault { region, zone }),
            _ => Err(Malformed::new(text, "a domain has `fault_domain` with the `name`s of its `region` and `zone`")),
        }
    }
}

impl Malformed {
    pub(crate) fn new(text: impl Into<String>, why: impl Into<String>) -> Self {
        Self { text: text.into(), why: why.into() }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Equal => "equal",
            Self::Additive => "additive",
        })
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(name) => formatter.write_str(name),
            Self::LookedUp(ip) => write!(formatter, "the name of {ip}"),
            Self::Address(ip) => write!(formatter, "{ip}"),
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault { region, zone } => write!(formatter, "{region}/{zone}"),
            Self::File(path) => formatter.write_str(path),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { what, from, to } => write!(formatter, "{what} changes from `{from}` to `{to}`"),
            Self::Gone { what } => write!(formatter, "{what} is gone"),
            Self::Added { what } => write!(formatter, "{what} is added"),
            Self::Shrunk { what, from, to } => write!(formatter, "{what} shrinks from `{from}` to `{to}`"),
            Self::Ambiguous { attribute } => {
                write!(
                    formatter,
                    "attribute `{attribute}` is there more than once, and the agent looks at the first only"
                )
            }
            Self::CannotTell { what, why } => write!(formatter, "{what} can't be compared beforehand: {why}"),
        }
    }
}
