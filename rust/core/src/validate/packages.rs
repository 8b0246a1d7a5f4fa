//! Rules about packages among each other.

use std::collections::BTreeMap;

use super::{Findings, NodeFacts, SELF, SetFacts};
use crate::formats::{self, Formats, Range};
use crate::id::{PackageId, PackageName};
use crate::role::Kind;

pub(super) fn check(set: &SetFacts, node: &NodeFacts, findings: &mut Findings) {
    presence(set, findings);
    revoked(set, node, findings);
    exactly_one(set, Kind::Mesos, "no-mesos", "several-mesos", findings);
    exactly_one(set, Kind::MesosConfig, "no-mesos-config", "several-mesos-configs", findings);
    one_version(set, findings);
    relations(set, findings);
    roles(set, node, findings);
    paths(set, findings);
    if !node.leave && !set.packages.iter().any(|package| package.id.name().as_str() == SELF) {
        findings.problem(
            "no-dcos-bits",
            [],
            "the set has no `dcos-bits`: this node could not be reached by dcos-bits any more",
            Some("add the `dcos-bits` package for this Mesos, or say `--leave` to give the node up"),
        );
    }
    formats(set, findings);
}

/// The dcos-bits of the set has to read the store that it will find; see [`crate::formats`].
fn formats(set: &SetFacts, findings: &mut Findings) {
    let own = Formats::own();
    for (id, local) in set.local().filter(|(id, _)| id.name().as_str() == SELF) {
        let reads = match &local.formats {
            None => Formats::first(),
            Some(Ok(reads)) => reads.clone(),
            Some(Err(why)) => {
                let message = format!("which files `{id}` reads can't be told: `{}`: {why}", formats::FILE_NAME);
                findings.problem("store-format", [id], message, None);
                continue;
            }
        };
        let unread = reads.unreadable(&own).into_iter().map(|it| {
            let Range { oldest, newest } = it.read;
            format!("`{}` in format {} (it reads {oldest} to {newest})", it.document, it.written)
        });
        let unread: Vec<String> = unread.collect();
        if !unread.is_empty() {
            let message = format!("`{id}` can't read what this node's store has: {}", unread.join(", "));
            let hint = "use a release of dcos-bits that reads both, and leave this one in a second step";
            findings.problem("store-format", [id], message, Some(hint));
        }
    }
}

fn presence(set: &SetFacts, findings: &mut Findings) {
    for package in &set.packages {
        let id = &package.id;
        match &package.local {
            None => {
                let hint = format!("fetch it first: `dcos-pkg fetch {id}`");
                findings.problem("not-local", [id], format!("`{id}` is not in the store"), Some(&hint));
            }
            Some(local) if !local.damage.is_empty() => {
                let hint = format!("`dcos-pkg verify {id}` lists everything; remove it and fetch it again");
                let message = format!("`{id}` is damaged: {}", local.damage.join("; "));
                findings.problem("damaged", [id], message, Some(&hint));
            }
            Some(_) => {}
        }
    }
}

/// A node is never left without a set that it had: what it runs may be started, and what it ran may be gone back to.
fn revoked(set: &SetFacts, node: &NodeFacts, findings: &mut Findings) {
    for package in &set.packages {
        let Some(repository) = &package.revoked else { continue };
        let message = format!("`{}` was revoked by the {repository} repository", package.id);
        let hint = Some("use another version of it");
        if node.back {
            findings.note("revoked", [&package.id], message, hint);
        } else {
            findings.problem("revoked", [&package.id], message, hint);
        }
    }
}

fn exactly_one(set: &SetFacts, kind: Kind, none: &str, several: &str, findings: &mut Findings) {
    let ids: Vec<_> = set.of_kind(kind).map(|(id, _)| id).collect();
    match ids.as_slice() {
        [_] => {}
        // What is not local may be the one that is missing; it is reported already.
        [] if set.incomplete() => {}
        [] => {
            let message = format!("the set has no package of kind `{kind}`, and needs exactly one");
            findings.problem(none, [], message, None);
        }
        ids => {
            let message = format!("the set has {} packages of kind `{kind}`, and may have only one", ids.len());
            findings.problem(several, ids.iter().copied(), message, Some("leave out all but one of them"));
        }
    }
}

fn one_version(set: &SetFacts, findings: &mut Findings) {
    let mut names: BTreeMap<&PackageName, Vec<&PackageId>> = BTreeMap::new();
    for package in &set.packages {
        names.entry(package.id.name()).or_default().push(&package.id);
    }
    for (name, ids) in names.into_iter().filter(|(_, ids)| ids.len() > 1) {
        let message = format!("`{name}` is in the set under {} versions", ids.len());
        findings.problem("two-versions", ids, message, Some("leave out all but one of them"));
    }
}

/// `requires` and `conflicts`. Both look at ids only, so packages that are not local yet count too.
fn relations(set: &SetFacts, findings: &mut Findings) {
    for (id, local) in set.local() {
        for requirement in &local.pkginfo.requires {
            if set.packages.iter().any(|other| requirement.is_met_by(&other.id)) {
                continue;
            }
            let others: Vec<_> = set.packages.iter().filter(|other| *other.id.name() == requirement.name).collect();
            let has = match others.as_slice() {
                [] => "the set has none of that name".to_owned(),
                others => format!("the set has `{}`", others[0].id),
            };
            let message = format!("`{id}` requires `{requirement}`, and {has}");
            findings.problem("requirement-not-met", [id], message, Some("add a package that meets it"));
        }
        for conflict in &local.pkginfo.conflicts {
            for other in set.packages.iter().filter(|other| other.id != *id && conflict.is_met_by(&other.id)) {
                let message = format!("`{id}` conflicts with `{conflict}`, which `{}` is", other.id);
                findings.problem("conflict", [id, &other.id], message, Some("leave out one of them"));
            }
        }
    }
}

fn roles(set: &SetFacts, node: &NodeFacts, findings: &mut Findings) {
    let Some(role) = node.role else { return };
    for (id, local) in set.local().filter(|(_, local)| !local.pkginfo.fits(role)) {
        let fits: Vec<_> = local.pkginfo.roles.iter().map(ToString::to_string).collect();
        let message = format!("`{id}` is for nodes of role {}, and this is a {role}", fits.join(", "));
        findings.problem("role", [id], message, None);
    }
}

/// A path may be a directory of several packages, and anything else of one only.
fn paths(set: &SetFacts, findings: &mut Findings) {
    let mut provided: BTreeMap<&str, (&PackageId, bool)> = BTreeMap::new();
    // One clash per pair of packages and code is enough to act on; the count says how much there is behind it.
    let mut clashes: BTreeMap<(&PackageId, &PackageId), (Vec<&str>, usize)> = BTreeMap::new();
    for (id, local) in set.local() {
        for (path, directory) in &local.linked {
            match provided.get(path.as_str()) {
                None => drop(provided.insert(path, (id, *directory))),
                Some((_, true)) if *directory => {}
                Some((other, _)) => {
                    let (paths, count) = clashes.entry((other, id)).or_default();
                    *count += 1;
                    if paths.len() < 3 {
                        paths.push(path);
                    }
                }
            }
        }
    }
    for ((one, other), (paths, count)) in clashes {
        let listed = paths.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ");
        let more = if count > paths.len() { format!(" and {} more", count - paths.len()) } else { String::new() };
        let message = format!("`{one}` and `{other}` both provide {listed}{more}");
        findings.problem("path-conflict", [one, other], message, Some("leave out one of them"));
    }
}
