//! Sets: the packages that are meant to be active together.

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::id::{PackageId, PackageName};

/// Package ids, each once, in the order of their text. It may break every rule of section "valid sets":
/// [`crate::validate`] tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct PackageSet(#[schemars(with = "Vec<PackageId>")] BTreeSet<PackageId>);

impl PackageSet {
    /// The ids, in order.
    pub fn iter(&self) -> impl Iterator<Item = &PackageId> {
        self.0.iter()
    }

    /// Whether `id` is in the set.
    pub fn contains(&self, id: &PackageId) -> bool {
        self.0.contains(id)
    }

    /// The ids of that name; more than one only in a set that is not valid.
    pub fn named<'a>(&'a self, name: &'a PackageName) -> impl Iterator<Item = &'a PackageId> {
        self.0.iter().filter(move |id| id.name() == name)
    }

    /// The set with every package of the names in `ids` replaced by `ids`.
    #[must_use]
    pub fn with(&self, ids: &[PackageId]) -> Self {
        let kept = self.0.iter().filter(|id| !ids.iter().any(|new| new.name() == id.name()));
        Self(kept.chain(ids).cloned().collect())
    }

    /// The set without any package of that name.
    #[must_use]
    pub fn without(&self, name: &PackageName) -> Self {
        Self(self.0.iter().filter(|id| id.name() != name).cloned().collect())
    }

    /// The number of packages.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no package in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A digest of the ids: equal for equal sets only. It names a set in journals and in the list of failed sets.
    pub fn digest(&self) -> Sha256 {
        Sha256::of(self.to_string().as_bytes())
    }
}

impl FromIterator<PackageId> for PackageSet {
    fn from_iter<I: IntoIterator<Item = PackageId>>(ids: I) -> Self {
        Self(ids.into_iter().collect())
    }
}

impl fmt::Display for PackageSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, id) in self.0.iter().enumerate() {
            write!(formatter, "{}{id}", if place == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::PackageSet;

    fn set(ids: &[&str]) -> PackageSet {
        ids.iter().map(|id| id.parse().unwrap()).collect()
    }

    #[test]
    fn a_swap_replaces_packages_of_the_same_name_and_adds_others() {
        let old = set(&["mesos--1.10.0", "conf--1"]);
        let new = old.with(&["mesos--1.11.0".parse().unwrap(), "fizz--1".parse().unwrap()]);
        assert_eq!(new, set(&["mesos--1.11.0", "conf--1", "fizz--1"]));
        assert_ne!(new.digest(), old.digest());
        assert_eq!(new.without(&"fizz".parse().unwrap()), set(&["mesos--1.11.0", "conf--1"]));
    }

    #[test]
    fn the_order_of_ids_does_not_matter() {
        assert_eq!(set(&["a--1", "b--1"]).digest(), set(&["b--1", "a--1"]).digest());
    }
}
