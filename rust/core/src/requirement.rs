//! What a package needs of others: a name and bounds on its version, such as `mesos >= 1.11.0, < 1.12.0`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{InvalidId, PackageId, PackageName, Version};

/// A package name with any number of bounds, all of which must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The package that is meant.
    pub name: PackageName,
    /// The bounds on its version.
    pub bounds: Vec<(Operator, Version)>,
}

/// A comparison of versions, in Debian's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Equal,
    /// `>=`
    AtLeast,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `<`
    Below,
}

/// A text that is not a requirement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequirement {
    /// The name or a version is not one.
    #[error("`{text}` is not a requirement")]
    Id {
        /// The text as given.
        text: String,
        /// What is wrong with the name or the version.
        #[source]
        source: InvalidId,
    },
    /// A bound has no operator that we know.
    #[error("`{text}` is not a requirement: `{bound}` does not start with one of `=`, `>=`, `<=`, `>`, `<`")]
    Operator {
        /// The text as given.
        text: String,
        /// The bound that was not understood.
        bound: String,
    },
}

/// Longer operators first: `>=` also starts with `>`.
const OPERATORS: [(&str, Operator); 5] = [
    (">=", Operator::AtLeast),
    ("<=", Operator::AtMost),
    ("=", Operator::Equal),
    (">", Operator::Above),
    ("<", Operator::Below),
];

impl Requirement {
    /// Whether `id` is the package meant, within the bounds.
    ///
    /// Bounds look at the version without the Mesos version it names, unless they name one themselves.
    pub fn is_met_by(&self, id: &PackageId) -> bool {
        *id.name() == self.name && self.bounds.iter().all(|(operator, bound)| operator.holds(id.version(), bound))
    }
}

impl Operator {
    fn holds(self, version: &Version, bound: &Version) -> bool {
        let text = if bound.mesos().is_some() { version.as_str() } else { version.base() };
        let order = crate::version::compare(text, bound.as_str());
        match self {
            Self::Equal => order.is_eq(),
            Self::AtLeast => order.is_ge(),
            Self::AtMost => order.is_le(),
            Self::Above => order.is_gt(),
            Self::Below => order.is_lt(),
        }
    }
}

impl FromStr for Requirement {
    type Err = InvalidRequirement;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = |source| InvalidRequirement::Id { text: text.to_owned(), source };
        let start = text.find(['=', '<', '>']).unwrap_or(text.len());
        let (name, bounds) = text.split_at(start);
        let name = name.trim().parse().map_err(id)?;
        let mut parsed = Vec::new();
        for bound in bounds.split(',').map(str::trim).filter(|_| !bounds.is_empty()) {
            let (operator, version) = OPERATORS
                .iter()
                .find_map(|(sign, operator)| Some((*operator, bound.strip_prefix(sign)?)))
                .ok_or_else(|| InvalidRequirement::Operator { text: text.to_owned(), bound: bound.to_owned() })?;
            parsed.push((operator, version.trim().parse().map_err(id)?));
        }
        Ok(Self { name, bounds: parsed })
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.name)?;
        for (place, (operator, version)) in self.bounds.iter().enumerate() {
            let sign = OPERATORS.iter().find(|(_, known)| known == operator).map_or("=", |(sign, _)| sign);
            write!(formatter, "{} {sign} {version}", if place == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl Serialize for Requirement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Requirement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(|error: InvalidRequirement| serde::de::Error::custom(crate::Problem::chain(&error)))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::Requirement;

    #[test]
    fn bounds_hold_in_debians_order() {
        for (requirement, id, met) in [
            ("mesos", "mesos--0.1", true),
            ("mesos", "mesos-dns--0.1", false),
            ("mesos >= 1.11.0, < 1.12.0", "mesos--1.11.0", true),
            ("mesos >= 1.11.0, < 1.12.0", "mesos--1.11.5", true),
            ("mesos >= 1.11.0, < 1.12.0", "mesos--1.12.0", false),
            ("mesos>=1.9.0", "mesos--1.10.0", true),
            ("libfoo = 1.2", "libfoo--1.2+mesos1.11.0", true),
            ("libfoo = 1.2+mesos1.10.0", "libfoo--1.2+mesos1.11.0", false),
            ("libfoo <= 1.2, > 1.0~rc1", "libfoo--1.0", true),
        ] {
            let requirement: Requirement = requirement.parse().unwrap();
            assert_eq!(requirement.is_met_by(&id.parse().unwrap()), met, "{requirement} {id}");
        }
    }

    #[test]
    fn a_requirement_is_written_as_it_is_read() {
        for text in ["mesos", "mesos >= 1.11.0, < 1.12.0", "a = 1"] {
            assert_eq!(text.parse::<Requirement>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_not_a_requirement_is_refused() {
        for text in ["", ">= 1", "mesos >=", "mesos >= 1,", "mesos ~ 1", "mesos => 1", "me sos"] {
            assert!(text.parse::<Requirement>().is_err(), "{text}");
        }
    }
}
