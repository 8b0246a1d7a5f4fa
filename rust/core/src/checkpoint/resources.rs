//! `--resources`: what an agent offers.

use std::collections::BTreeMap;
use std::fmt;

use super::Malformed;
use super::value::{Kind, Value};

/// The role of what nobody has reserved.
pub const UNRESERVED: &str = "*";

/// What an agent finds out by itself if the flag does not contain these words anywhere.
const DETECTED: [&str; 3] = ["cpus", "mem", "disk"];

/// What an agent offers if the flag does not contain `ports`.
const DEFAULT_PORTS: (u64, u64) = (31000, 32000);

/// What one resource is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// The role that it is reserved for; [`UNRESERVED`] for none.
    pub role: String,
    /// Its kind of value.
    pub kind: Kind,
}

/// How much there is of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Amount {
    /// It was given.
    Given(Value),
    /// The agent finds out.
    Detected,
}

/// The resources of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resources {
    /// Given in the short syntax.
    Listed(BTreeMap<Key, Amount>),
    /// Given as JSON, which may say more than the short syntax: compared as a whole.
    Document(String),
    /// In a file of the host.
    File(String),
}

impl Resources {
    /// Reads the flag `resources`; what names no role gets `default_role`.
    ///
    /// # Errors
    /// If an agent would not start with it.
    pub fn parse(text: &str, default_role: &str) -> Result<Self, Malformed> {
        if text.starts_with("file://") {
            return Ok(Self::File(text.to_owned()));
        }
        if text.trim_start().starts_with('[') {
            let document: serde_json::Value =
                serde_json::from_str(text).map_err(|error| Malformed::new(text, format!("not JSON: {error}")))?;
            // What names no role in there gets the default one, and cpus and the like may be detected: so both count.
            return Ok(Self::Document(format!("{document} {default_role}")));
        }
        let mut listed = BTreeMap::new();
        for part in text.split(';').filter(|part| !part.trim().is_empty()) {
            let (key, value) = one(part, default_role)?;
            // Mesos drops what is nothing, but still does not detect it.
            if value.is_empty() {
                continue;
            }
            let sum = match listed.remove(&key) {
                Some(Amount::Given(before)) => {
                    value.and(&before).ok_or_else(|| Malformed::new(part, "can't be added to the one before"))?
                }
                _ => value,
            };
            listed.insert(key, Amount::Given(sum));
        }
        let key = |name: &str, kind| Key { name: name.to_owned(), role: default_role.to_owned(), kind };
        for name in DETECTED.into_iter().filter(|name| !text.contains(name)) {
            listed.insert(key(name, Kind::Scalar), Amount::Detected);
        }
        if !text.contains("ports") {
            listed.insert(key("ports", Kind::Ranges), Amount::Given(Value::Ranges(vec![DEFAULT_PORTS])));
        }
        Ok(Self::Listed(listed))
    }
}

fn one(part: &str, default_role: &str) -> Result<(Key, Value), Malformed> {
    let wrong = |why: &str| Malformed::new(part.trim(), why);
    let (name, value) =
        part.split_once(':').ok_or_else(|| wrong("a resource is `name:value` or `name(role):value`"))?;
    if value.contains(':') {
        return Err(wrong("a value can't contain `:`"));
    }
    let (name, role) = match name.trim().split_once('(') {
        None => (name.trim(), default_role),
        Some((name, role)) => {
            let role = role.strip_suffix(')').ok_or_else(|| wrong("`)` is missing after the role"))?;
            (name.trim(), role.trim())
        }
    };
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(wrong("the name is missing"));
    }
    if !is_role(role) {
        return Err(wrong("the role is no name of a role"));
    }
    let value = Value::parse(value).map_err(|error| wrong(&error.why))?;
    let needed = match name {
        "cpus" | "mem" | "disk" | "gpus" => Some((Kind::Scalar, "a number is needed, such as `4`")),
        "ports" => Some((Kind::Ranges, "ranges are needed, such as `[31000-32000]`")),
        _ => None,
    };
    if let Some((kind, why)) = needed
        && value.kind() != kind
    {
        return Err(wrong(why));
    }
    match &value {
        Value::Text(_) => return Err(wrong("a number, `[ranges]` or a `{set}` is needed")),
        Value::Odd(_) => return Err(wrong("a number is written with digits and at most one point")),
        Value::Scalar(amount) if *amount < 0 => return Err(wrong("the number is negative")),
        Value::Scalar(amount) if name == "gpus" && amount % 1000 != 0 => return Err(wrong("GPUs can't be divided")),
        Value::Ranges(ranges) => overlapping(part, ranges)?,
        Value::Scalar(_) | Value::Set(_) => {}
    }
    Ok((Key { name: name.to_owned(), role: role.to_owned(), kind: value.kind() }, value))
}

/// Mesos refuses ranges that overlap, and takes ranges that touch. Coalescing hides which it was, so the text is asked.
fn overlapping(part: &str, coalesced: &[(u64, u64)]) -> Result<(), Malformed> {
    let count = |(from, to): (u64, u64)| (to - from).saturating_add(1);
    let numbers = part.split_once('[').map_or("", |(_, rest)| rest).trim_end().trim_end_matches(']');
    let written: u64 = numbers
        .split(',')
        .filter_map(|range| {
            let (from, to) = range.split_once('-')?;
            let end = |text: &str| text.replace(' ', "").parse::<u64>().ok();
            Some(count((end(from)?, end(to)?)))
        })
        .fold(0, u64::saturating_add);
    let whole = coalesced.iter().copied().map(count).fold(0, u64::saturating_add);
    if written > whole { Err(Malformed::new(part.trim(), "the ranges overlap")) } else { Ok(()) }
}

/// Whether Mesos takes it for the name of a role.
fn is_role(text: &str) -> bool {
    let part = |part: &str| {
        !matches!(part, "" | "." | "..")
            && !part.starts_with('-')
            && !part.contains(|character: char| character.is_whitespace() || character == '\\' || character == '*')
    };
    text == UNRESERVED || text.split('/').all(part)
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.role.as_str() {
            UNRESERVED => formatter.write_str(&self.name),
            role => write!(formatter, "{}({role})", self.name),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(value) => write!(formatter, "{value}"),
            Self::Detected => formatter.write_str("what the agent finds"),
        }
    }
}
