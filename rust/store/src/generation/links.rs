//! The link trees of a generation: what all packages of a set have in `bin`, `lib` and their like, under one roof.
//!
//! A directory that only one package has becomes one link to it. A directory that several have becomes a real one, with
//! links inside; so nothing is ever written into a package by way of a link, and a tree of 2,000 files takes a handful of
//! links rather than 2,000. Links are relative, so that a store can be looked at where it is not at home.

use std::collections::BTreeMap;

use dcos_core::PackageId;

use crate::manifest::Content;
use crate::store::PACKAGES;

/// The directories of packages that generations link.
pub(crate) const LINKED: [&str; 7] = ["bin", "sbin", "lib", "libexec", "etc", "include", "share"];

/// What is to be at a path of a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// A real directory.
    Directory,
    /// A link with this target.
    To(String),
}

/// Whether a path lies in a linked directory, or is one.
pub(crate) fn is_linked(path: &str) -> bool {
    LINKED.contains(&path.split('/').next().unwrap_or(path))
}

/// The link trees of packages with these contents, in an order in which they can be made. The set is valid: no path is
/// provided twice, directories aside.
pub(crate) fn plan<'a>(
    packages: impl IntoIterator<Item = (&'a PackageId, &'a BTreeMap<String, Content>)>,
) -> BTreeMap<String, Link> {
    let mut owners: BTreeMap<&str, Vec<(&PackageId, bool)>> = BTreeMap::new();
    for (id, entries) in packages {
        for (path, content) in entries.iter().filter(|(path, _)| is_linked(path)) {
            owners.entry(path).or_default().push((id, *content == Content::Directory));
        }
    }
    let mut plan = BTreeMap::new();
    for (path, owners) in owners {
        // Parents come first in this order: what lies below a link is there already.
        let below_link = path.rsplit_once('/').is_some_and(|(parent, _)| plan.get(parent) != Some(&Link::Directory));
        if below_link {
            continue;
        }
        let link = match owners.as_slice() {
            // The top directories are always real: they are the same from generation to generation.
            [(_, true)] if !path.contains('/') => Link::Directory,
            [(id, _)] => {
                let up = "../".repeat(2 + path.matches('/').count());
                Link::To(format!("{up}{PACKAGES}/{id}/{path}"))
            }
            _ => Link::Directory,
        };
        plan.insert(path.to_owned(), link);
    }
    plan
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::collections::BTreeMap;

    use dcos_core::{PackageId, Sha256};

    use super::{Link, plan};
    use crate::manifest::Content;

    fn contents(paths: &[&str]) -> BTreeMap<String, Content> {
        let mut entries = BTreeMap::new();
        for path in paths {
            for (end, _) in path.match_indices('/') {
                entries.insert(path[..end].to_owned(), Content::Directory);
            }
            let file = Content::File { mode: 0o444, size: 0, sha256: Sha256::of(b"") };
            entries.insert((*path).to_owned(), file);
        }
        entries
    }

    #[test]
    fn a_directory_of_two_packages_is_merged_and_one_of_one_is_linked() {
        let ids: Vec<PackageId> = ["a--1", "b--2"].iter().map(|id| id.parse().unwrap()).collect();
        let a = contents(&["bin/x", "lib/own/1", "lib/both/1", "pkginfo.json", "doc/readme"]);
        let b = contents(&["bin/y", "lib/both/2", "lib/both/deep/3", "pkginfo.json"]);
        let found = plan([(&ids[0], &a), (&ids[1], &b)]);
        let to = |target: &str| Link::To(target.to_owned());
        let expected = BTreeMap::from(
            [
                ("bin", Link::Directory),
                ("bin/x", to("../../../packages/a--1/bin/x")),
                ("bin/y", to("../../../packages/b--2/bin/y")),
                ("lib", Link::Directory),
                ("lib/both", Link::Directory),
                ("lib/both/1", to("../../../../packages/a--1/lib/both/1")),
                ("lib/both/2", to("../../../../packages/b--2/lib/both/2")),
                ("lib/both/deep", to("../../../../packages/b--2/lib/both/deep")),
                ("lib/own", to("../../../packages/a--1/lib/own")),
            ]
            .map(|(path, link)| (path.to_owned(), link)),
        );
        assert_eq!(found, expected);
    }
}
