//! Package names, versions and ids: `<name>--<version>`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest id, in bytes, so that `<id>.tar.zst` and its temporary siblings fit every file system's 255.
pub const MAX_ID_BYTES: usize = 200;

/// The mark in a version before the Mesos version that a package is bound to.
const MESOS_MARK: &str = "+mesos";

/// Why a text is not a name, a version or an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a package {what}: {why}")]
pub struct InvalidId {
    /// The text as given.
    pub text: String,
    /// `name`, `version` or `id`.
    pub what: &'static str,
    /// The rule that it breaks.
    pub why: &'static str,
}

/// The name of a package: `[a-zA-Z0-9@_+][a-zA-Z0-9@._+-]*`, without `--` and without a `-` at its end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageName(String);

/// The version of a package: `[a-zA-Z0-9@_+:.~-]+`, without `--`, without a `-` at its start, not ending like a file name.
///
/// Equality is by text; the order is Debian's, with the text as tie-break ([`crate::version::compare`]).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version(String);

/// `<name>--<version>`, at most [`MAX_ID_BYTES`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageId {
    name: PackageName,
    version: Version,
}

fn check(what: &'static str, text: &str, rules: &[(&'static str, bool)]) -> Result<(), InvalidId> {
    match rules.iter().find(|(_, broken)| *broken) {
        Some((why, _)) => Err(InvalidId { text: text.to_owned(), what, why }),
        None => Ok(()),
    }
}

const fn in_both(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'@' | b'_' | b'+')
}

impl FromStr for PackageName {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let bytes = text.as_bytes();
        check(
            "name",
            text,
            &[
                ("it is empty", bytes.is_empty()),
                ("it is longer than an id may be", bytes.len() > MAX_ID_BYTES),
                (
                    "it may start with letters, digits, `@`, `_` or `+` only",
                    bytes.first().is_some_and(|byte| !in_both(*byte)),
                ),
                (
                    "it may contain letters, digits and `@._+-` only",
                    bytes.iter().any(|byte| !in_both(*byte) && !matches!(byte, b'.' | b'-')),
                ),
                ("it contains `--`", text.contains("--")),
                ("it ends in `-`", text.ends_with('-')),
            ],
        )?;
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for Version {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let bytes = text.as_bytes();
        check(
            "version",
            text,
            &[
                ("it is empty", bytes.is_empty()),
                ("it is longer than an id may be", bytes.len() > MAX_ID_BYTES),
                (
                    "it may contain letters, digits and `@_+:.~-` only",
                    bytes.iter().any(|byte| !in_both(*byte) && !matches!(byte, b':' | b'.' | b'~' | b'-')),
                ),
                ("it contains `--`", text.contains("--")),
                ("it starts with `-`", text.starts_with('-')),
                (
                    "it ends like a file name",
                    text.ends_with(".json") || text.rsplit_once(".tar.").is_some_and(|(_, last)| !last.contains('.')),
                ),
            ],
        )?;
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for PackageId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = |why| InvalidId { text: text.to_owned(), what: "id", why };
        let (name, version) = text.split_once("--").ok_or_else(|| invalid("`<name>--<version>` is needed"))?;
        if text.len() > MAX_ID_BYTES {
            return Err(invalid("it is longer than 200 bytes"));
        }
        Ok(Self { name: name.parse()?, version: version.parse()? })
    }
}

impl PackageName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Version {
    /// The version as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The Mesos version that a version such as `1.2.0+mesos1.11.0` names.
    pub fn mesos(&self) -> Option<&str> {
        self.0.rsplit_once(MESOS_MARK).map(|(_, mesos)| mesos).filter(|mesos| !mesos.is_empty())
    }

    /// The version without the Mesos version that it names: `1.2.0` of `1.2.0+mesos1.11.0`.
    pub fn base(&self) -> &str {
        self.mesos().map_or(self.0.as_str(), |mesos| &self.0[..self.0.len() - mesos.len() - MESOS_MARK.len()])
    }
}

impl PackageId {
    /// The id of a name and a version.
    ///
    /// # Errors
    /// If both together are longer than an id may be.
    pub fn new(name: &PackageName, version: &Version) -> Result<Self, InvalidId> {
        format!("{name}--{version}").parse()
    }

    /// What stands before `--`.
    pub const fn name(&self) -> &PackageName {
        &self.name
    }

    /// What stands after `--`.
    pub const fn version(&self) -> &Version {
        &self.version
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        crate::version::compare(&self.0, &other.0).then_with(|| self.0.cmp(&other.0))
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for PackageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}--{}", self.name, self.version)
    }
}

macro_rules! serde_as_text {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

serde_as_text!(PackageName, Version, PackageId);

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{PackageId, PackageName, Version};

    #[test]
    fn ids_split_at_the_first_double_dash() {
        let id: PackageId = "fizz-buzz--1.2.0+mesos1.11.0".parse().unwrap();
        assert_eq!(id.name().as_str(), "fizz-buzz");
        assert_eq!(id.version().base(), "1.2.0");
        assert_eq!(id.version().mesos(), Some("1.11.0"));
        assert_eq!(id.to_string(), "fizz-buzz--1.2.0+mesos1.11.0");
    }

    #[test]
    fn a_version_that_names_no_mesos_is_its_own_base() {
        for text in ["1.0", "1.0+mesos", "a+b"] {
            let version: Version = text.parse().unwrap();
            assert_eq!((version.base(), version.mesos()), (text, None));
        }
    }

    #[test]
    fn each_rule_of_names_has_a_case_that_it_refuses() {
        for text in ["", "-a", ".a", "a b", "a/b", "a--b", "a-", "é", "a\n"] {
            assert!(text.parse::<PackageName>().is_err(), "{text:?}");
        }
        for text in ["a", "@a", "_a", "+a", "a.b", "a-b", "A9"] {
            assert!(text.parse::<PackageName>().is_ok(), "{text:?}");
        }
    }

    #[test]
    fn each_rule_of_versions_has_a_case_that_it_refuses() {
        for text in ["", "-1", "1--2", "1/2", "1 2", "1.json", "1.tar.gz", "1.tar.zst"] {
            assert!(text.parse::<Version>().is_err(), "{text:?}");
        }
        for text in ["1", "1:2.3~rc1", "1.2-3", "@_+", "1.tar.gz.5", "1.0-"] {
            assert!(text.parse::<Version>().is_ok(), "{text:?}");
        }
    }

    #[test]
    fn an_id_is_at_most_200_bytes() {
        assert!(format!("a--{}", "1".repeat(197)).parse::<PackageId>().is_ok());
        assert!(format!("a--{}", "1".repeat(198)).parse::<PackageId>().is_err());
    }

    #[test]
    fn three_dashes_are_no_id() {
        assert!("a---1".parse::<PackageId>().is_err());
        assert!("a--1--2".parse::<PackageId>().is_err());
        assert!("a".parse::<PackageId>().is_err());
    }
}
