//! From a change in an operator's words to the set of one node.
//!
//! A change names packages as people do (`fizzbuzz`, Mesos `1.11.0`); which archive that is depends on the node: on its
//! role, and on the Mesos in the set that it shall have. The resolver picks, or says everything that is missing, so that
//! a deployment is refused as a whole before anything is fetched anywhere. Whether the set can *work* is another
//! question, which the node answers itself ([`crate::validate`]) once everything is local.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{InvalidId, PackageId, PackageName, Version};
use crate::pkginfo::PkgInfo;
use crate::role::{Kind, Role};
use crate::set::PackageSet;
use crate::validate::Finding;

/// The name of the package that is Mesos.
pub const MESOS: &str = "mesos";

/// The name of the package that configures a node.
pub const MESOS_CONFIG: &str = "mesos-config";

/// What shall become different on the nodes that it fits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Another Mesos, and with it everything that is bound to one.
    Upgrade(Upgrade),
    /// More modules, or newer ones.
    Install(Install),
    /// Fewer modules.
    Uninstall(Uninstall),
    /// Exactly these sets, by group; other groups are left alone.
    Set(BTreeMap<String, PackageSet>),
    /// No other set at all: every node keeps its own, and does what the strategy has after the restarts.
    Keep(Keep),
}

/// No other set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keep {}

/// Another Mesos.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upgrade {
    /// Its version, such as `1.11.0`. It may be an older one.
    pub mesos: String,
}

/// More modules, or newer ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Install {
    /// The packages: `fizzbuzz`, `fizzbuzz--1.2.0` or a whole id.
    pub modules: Vec<String>,
    /// The config of each group with the modules enabled. If any is named, groups without one are left alone.
    #[serde(default)]
    pub configs: BTreeMap<String, PackageId>,
}

/// Fewer modules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Uninstall {
    /// The names of the packages.
    pub modules: Vec<PackageName>,
    /// The config of each group with the modules disabled. If any is named, groups without one are left alone.
    #[serde(default)]
    pub configs: BTreeMap<String, PackageId>,
}

/// What the resolver knows of a node.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Its role.
    pub role: Role,
    /// Its group.
    pub group: &'a str,
    /// Its active set; empty on a new node.
    pub current: &'a PackageSet,
    /// The packages that are on it.
    pub local: &'a BTreeSet<PackageId>,
    /// What its repositories offer.
    pub available: &'a [PkgInfo],
}

/// What a change comes to on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// It shall have this set; it may be the one that it has.
    Target(PackageSet),
    /// The change is not meant for it, for this reason.
    LeftOut(String),
}

/// The set that `change` comes to on a node.
///
/// # Errors
/// Everything that is missing or does not fit. Codes: `not-available`, `wrong-role`, `needs-mesos`, `not-a-package`,
/// `requirement-not-met`.
pub fn resolve(change: &Change, facts: Facts<'_>) -> Result<Resolution, Vec<Finding>> {
    let resolution = match change {
        Change::Upgrade(upgrade) => upgraded(upgrade, facts)?,
        Change::Install(install) => installed(install, facts)?,
        Change::Uninstall(uninstall) => uninstalled(uninstall, facts),
        Change::Set(groups) => match groups.get(facts.group) {
            // No node has any use for it, and none could be asked to leave it again.
            Some(set) if set.is_empty() => {
                let message = format!("the change names an empty set for group `{}`", facts.group);
                return Err(vec![finding("empty-set", Vec::new(), message)]);
            }
            Some(set) => Resolution::Target(set.clone()),
            None => Resolution::LeftOut(format!("the change names no set for group `{}`", facts.group)),
        },
        Change::Keep(_) if facts.current.is_empty() => Resolution::LeftOut("no set is active there".to_owned()),
        // What it runs already is not resolved again: an old package may be offered by nobody any more.
        Change::Keep(_) => return Ok(Resolution::Target(facts.current.clone())),
    };
    let Resolution::Target(set) = &resolution else { return Ok(resolution) };
    let mut findings: Vec<Finding> = set.iter().filter_map(|id| facts.missing(id)).collect();
    findings.extend(facts.unmet(set));
    if findings.is_empty() { Ok(resolution) } else { Err(findings) }
}

/// The Mesos version in a set.
pub fn mesos_of(set: &PackageSet) -> Option<&str> {
    set.iter().find(|id| id.name().as_str() == MESOS).map(|id| id.version().base())
}

fn finding(code: &str, packages: Vec<PackageId>, message: String) -> Finding {
    Finding { code: code.to_owned(), packages, message, hint: None }
}

fn not_a_package(error: &InvalidId) -> Vec<Finding> {
    vec![finding("not-a-package", Vec::new(), error.to_string())]
}

fn needs_mesos(facts: Facts<'_>, what: &str) -> Vec<Finding> {
    let message = if facts.current.is_empty() {
        format!("no set is active, so that {what} has nothing to start from")
    } else {
        format!("the active set has no package `{MESOS}`, so that {what} has nothing to start from")
    };
    let hint = Some("activate a first set on the node with `dcos-pkg activate`".to_owned());
    vec![Finding { hint, ..finding("needs-mesos", Vec::new(), message) }]
}

/// The same packages, each bound to the wanted Mesos where it was bound to the old one.
fn upgraded(upgrade: &Upgrade, facts: Facts<'_>) -> Result<Resolution, Vec<Finding>> {
    if mesos_of(facts.current).is_none() {
        return Err(needs_mesos(facts, "an upgrade"));
    }
    let mesos = format!("{MESOS}--{}", upgrade.mesos).parse().map_err(|error| not_a_package(&error))?;
    let mut replaced = vec![mesos];
    for id in facts.current.iter().filter(|id| id.version().mesos().is_some()) {
        let text = format!("{}--{}+mesos{}", id.name(), id.version().base(), upgrade.mesos);
        replaced.push(text.parse().map_err(|error| not_a_package(&error))?);
    }
    Ok(Resolution::Target(facts.current.with(&replaced)))
}

fn installed(install: &Install, facts: Facts<'_>) -> Result<Resolution, Vec<Finding>> {
    if let Some(reason) = no_config(&install.configs, facts) {
        return Ok(reason);
    }
    let Some(mesos) = mesos_of(facts.current) else { return Err(needs_mesos(facts, "an installation")) };
    let (mut picked, mut findings, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for module in &install.modules {
        match Wanted::parse(module).map_err(|error| not_a_package(&error))?.pick(mesos, facts) {
            Ok(Pick::Package(id)) => picked.push(id),
            Ok(Pick::OtherRole) => others.push(format!("`{module}`")),
            Err(finding) => findings.push(finding),
        }
    }
    if !findings.is_empty() {
        return Err(findings);
    }
    if picked.is_empty() && !others.is_empty() {
        let verb = if others.len() == 1 { "is" } else { "are" };
        return Ok(Resolution::LeftOut(format!("{} {verb} not for nodes of role {}", others.join(", "), facts.role)));
    }
    picked.extend(install.configs.get(facts.group).cloned());
    Ok(Resolution::Target(facts.current.with(&picked)))
}

fn uninstalled(uninstall: &Uninstall, facts: Facts<'_>) -> Resolution {
    if let Some(reason) = no_config(&uninstall.configs, facts) {
        return reason;
    }
    if !uninstall.modules.iter().any(|name| facts.current.named(name).next().is_some()) {
        return Resolution::LeftOut("none of the packages is in its set".to_owned());
    }
    let mut set = facts.current.clone();
    for name in &uninstall.modules {
        set = set.without(name);
    }
    let config: Vec<PackageId> = uninstall.configs.get(facts.group).cloned().into_iter().collect();
    Resolution::Target(set.with(&config))
}

/// Why a node is left out where a change brings configs, but none for its group.
fn no_config(configs: &BTreeMap<String, PackageId>, facts: Facts<'_>) -> Option<Resolution> {
    let left_out = !configs.is_empty() && !configs.contains_key(facts.group);
    left_out.then(|| Resolution::LeftOut(format!("the change brings no config for group `{}`", facts.group)))
}

/// A package as an operator names it.
struct Wanted<'a> {
    text: &'a str,
    name: PackageName,
    version: Option<Version>,
}

enum Pick {
    Package(PackageId),
    OtherRole,
}

impl<'a> Wanted<'a> {
    fn parse(text: &'a str) -> Result<Self, InvalidId> {
        match text.split_once("--") {
            Some(_) => text.parse::<PackageId>().map(|id| Self {
                text,
                name: id.name().clone(),
                version: Some(id.version().clone()),
            }),
            None => text.parse().map(|name| Self { text, name, version: None }),
        }
    }

    /// Whether a version is one that was asked for: its whole text, or all but the Mesos that it is bound to.
    fn means(&self, version: &Version) -> bool {
        self.version.as_ref().is_none_or(|wanted| wanted == version || wanted.as_str() == version.base())
    }

    /// The newest package that was asked for and that the node's Mesos can use.
    fn pick(&self, mesos: &str, facts: Facts<'_>) -> Result<Pick, Finding> {
        let named: Vec<&PkgInfo> =
            facts.available.iter().filter(|info| info.name == self.name && self.means(&info.version)).collect();
        let (fitting, others): (Vec<&PkgInfo>, Vec<&PkgInfo>) = named.iter().partition(|info| info.fits(facts.role));
        if fitting.is_empty() && !others.is_empty() {
            return Ok(Pick::OtherRole);
        }
        let newest = fitting.iter().filter(|info| usable(info, mesos)).max_by(|left, right| {
            // 1.2.0+mesos1.11.0 and 1.2.0 may both be there: the bound one was made for exactly this Mesos.
            let bases = crate::version::compare(left.version.base(), right.version.base());
            bases.then_with(|| left.version.cmp(&right.version))
        });
        match newest {
            Some(info) => Ok(Pick::Package(info.id())),
            None => Err(self.not_available(mesos, &fitting)),
        }
    }

    fn not_available(&self, mesos: &str, fitting: &[&PkgInfo]) -> Finding {
        let message = format!("no repository offers `{}` for Mesos {mesos}", self.text);
        let known: Vec<String> = fitting.iter().map(|info| format!("`{}`", info.id())).collect();
        let hint = match known.len() {
            0 => format!("publish a package named `{}`, or look for its name with `dcos repo list`", self.name),
            _ => format!("there is {}: publish one that was built for Mesos {mesos}", known.join(", ")),
        };
        let packages = fitting.iter().map(|info| info.id()).collect();
        Finding { hint: Some(hint), ..finding("not-available", packages, message) }
    }
}

/// Whether a package can be used with a Mesos: it is bound to exactly that one, or to none.
fn usable(info: &PkgInfo, mesos: &str) -> bool {
    let bound = info.version.mesos().or_else(|| match info.kind {
        Kind::Module | Kind::Mesos => info.mesos.as_ref().map(|mesos| mesos.version.as_str()),
        Kind::MesosConfig | Kind::Plain => None,
    });
    bound.is_none_or(|bound| bound == mesos)
}

impl Facts<'_> {
    fn info(&self, id: &PackageId) -> Option<&PkgInfo> {
        self.available.iter().find(|info| info.name == *id.name() && info.version == *id.version())
    }

    /// What is wrong with getting `id` onto the node, if anything is.
    fn missing(&self, id: &PackageId) -> Option<Finding> {
        if let Some(info) = self.info(id) {
            return (!info.fits(self.role)).then(|| {
                let message = format!("`{id}` is not for nodes of role {}", self.role);
                finding("wrong-role", vec![id.clone()], message)
            });
        }
        if self.local.contains(id) {
            return None;
        }
        let message = format!("`{id}` is not on the node, and no repository offers it");
        let similar: Vec<String> = self
            .available
            .iter()
            .filter(|info| info.name == *id.name())
            .map(|info| format!("`{}`", info.version))
            .collect();
        let hint = match similar.len() {
            0 => "publish it with `dcos repo publish`".to_owned(),
            _ => format!("versions on offer: {}", similar.join(", ")),
        };
        Some(Finding { hint: Some(hint), ..finding("not-available", vec![id.clone()], message) })
    }

    /// The requirements between packages of `set` that are not met, as far as the packages are known here.
    fn unmet(&self, set: &PackageSet) -> Vec<Finding> {
        let known = set.iter().filter_map(|id| Some((id, self.info(id)?)));
        known
            .flat_map(|(id, info)| info.requires.iter().map(move |requirement| (id, requirement)))
            .filter(|(_, requirement)| !set.iter().any(|other| requirement.is_met_by(other)))
            .map(|(id, requirement)| {
                let message = format!("`{id}` requires `{requirement}`, which the new set does not have");
                finding("requirement-not-met", vec![id.clone()], message)
            })
            .collect()
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
