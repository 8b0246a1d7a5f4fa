//! Options to the files of a `mesos-config` package.

use std::collections::{BTreeMap, BTreeSet};

use dcos_core::config::{self, EnabledModule, MesosConfig};
use dcos_core::requirement::Requirement;
use dcos_core::{Kind, PackageId, PkgInfo, Sha256, Version, pkginfo};
use serde::Serialize;

use crate::document::Findings;
use crate::nearest::did_you_mean;
use crate::options::{InvalidOptions, Options, sorted};
use crate::{contradictions, flags, parameters};

/// The name of every config package.
pub const NAME: &str = "mesos-config";

/// The Mesos versions that options are for end before this one: what its flags are is not known here.
const MESOS_END: &str = "1.12.0";

/// How many hexadecimal digits of the digest make a version: 48 bits, so that two of a million configs collide with a
/// chance of one in 560.
const VERSION_DIGITS: usize = 12;

/// A config package, not yet packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigPackage {
    /// `mesos-config--<12 hexadecimal digits>`.
    pub id: PackageId,
    /// What the package says about itself; one of `files`, too.
    pub pkginfo: PkgInfo,
    /// Every file of the package by its path within.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// Makes the config package that `options` ask for. `available` are the pkginfos of packages that provide modules;
/// of several versions of a package the newest one says which modules and parameters there are.
///
/// # Errors
/// If a module is not among `available` or does not fit the role, or a parameter is unknown or of the wrong type: with
/// every such finding, not just the first.
pub fn generate(options: &Options, available: &[PkgInfo]) -> Result<ConfigPackage, InvalidOptions> {
    let mut findings = Findings::of(&options.places);
    let mut environment = BTreeMap::new();
    for (name, value) in &options.flags {
        match flags::check(name, value, Some(options.role)) {
            Ok(value) => {
                environment.insert(flags::variable(name), value);
            }
            Err(wrong) => findings.push(&format!("flags.{name}"), *wrong),
        }
    }
    contradictions::check(options.role, &options.flags, &mut findings);
    let enabled = enabled_packages(options, available, &mut findings);
    let modules = enabled_modules(options, &enabled, &mut findings);
    findings.none()?;
    let config = MesosConfig { format: config::FORMAT, role: options.role, environment, modules };
    Ok(package(options, &config))
}

/// The newest pkginfo of each enabled package.
fn enabled_packages<'a>(options: &Options, available: &'a [PkgInfo], findings: &mut Findings<'_>) -> Vec<&'a PkgInfo> {
    let mut enabled = Vec::new();
    for name in &options.modules {
        let newest = available.iter().filter(|info| info.name == *name).max_by(|a, b| a.version.cmp(&b.version));
        let Some(info) = newest else {
            let providers: BTreeSet<&str> =
                available.iter().filter(|info| info.kind == Kind::Module).map(|info| info.name.as_str()).collect();
            let hint = did_you_mean(name.as_str(), providers);
            findings.add("modules", "unknown-module", format!("no package `{name}` is known"), hint);
            continue;
        };
        if info.modules.is_empty() {
            let message = format!("package `{name}` is of kind `{}` and provides no module to enable", info.kind);
            findings.add("modules", "no-modules", message, None);
        } else if !info.fits(options.role) {
            let message = format!("package `{name}` is not for a node of role `{}`", options.role);
            let fitting: Vec<String> = info.roles.iter().map(|role| format!("`{role}`")).collect();
            let hint = format!("it is for {}", fitting.join(", "));
            findings.add("modules", "module-role", message, Some(hint));
        } else {
            enabled.push(info);
        }
    }
    enabled
}

/// The modules of the enabled packages, by package and then in the order of its pkginfo.
fn enabled_modules(options: &Options, enabled: &[&PkgInfo], findings: &mut Findings<'_>) -> Vec<EnabledModule> {
    let nothing = BTreeMap::new();
    let mut modules: Vec<EnabledModule> = Vec::new();
    for (info, module) in enabled.iter().flat_map(|info| info.modules.iter().map(move |module| (info, module))) {
        if modules.iter().any(|other| other.name == module.name) {
            let message =
                format!("module `{}` of package `{}` is provided by another one, too", module.name, info.name);
            findings.add("modules", "duplicate-module", message, Some("enable only one of them".to_owned()));
            continue;
        }
        let given = options.parameters.get(&module.name).unwrap_or(&nothing);
        let parameters = parameters::render(module, given, findings);
        modules.push(EnabledModule { name: module.name.clone(), parameters });
    }
    for name in options.parameters.keys().filter(|name| modules.iter().all(|module| module.name != **name)) {
        let hint = did_you_mean(name, modules.iter().map(|module| module.name.as_str()));
        let message = format!("`parameters.{name}`: no enabled package provides a module of that name");
        findings.add(&format!("parameters.{name}"), "unknown-module", message, hint);
    }
    modules
}

fn package(options: &Options, config: &MesosConfig) -> ConfigPackage {
    let mut files = BTreeMap::from([
        (config::FILE_NAME.to_owned(), json(config).into_bytes()),
        (config::OPTIONS_FILE_NAME.to_owned(), options.to_json().into_bytes()),
    ]);
    // The version can't be part of what it is a digest of: a fixed one stands in for it.
    let unversioned = pkginfo(options, "0");
    let version = digest(&files, &unversioned).short(VERSION_DIGITS);
    let pkginfo = pkginfo(options, &version);
    files.insert(pkginfo::FILE_NAME.to_owned(), json(&pkginfo).into_bytes());
    ConfigPackage { id: pkginfo.id(), pkginfo, files }
}

/// A digest of every byte of the package: each part with its name and length, so that no two packages agree.
fn digest(files: &BTreeMap<String, Vec<u8>>, pkginfo: &PkgInfo) -> Sha256 {
    let mut text = Vec::new();
    let pkginfo = json(pkginfo).into_bytes();
    let parts = files.iter().map(|(path, bytes)| (path.as_str(), bytes));
    for (path, bytes) in parts.chain([(pkginfo::FILE_NAME, &pkginfo)]) {
        text.extend_from_slice(format!("{path} {}\n", bytes.len()).as_bytes());
        text.extend_from_slice(bytes);
    }
    Sha256::of(&text)
}

/// The first version of Mesos that has every flag of the options. An older one would ignore those that it does not know.
fn oldest_mesos(options: &Options) -> &'static str {
    let used = flags::of(Some(options.role)).filter(|flag| options.flags.contains_key(&flag.name));
    let since = |version: &&str| version.parse::<Version>().ok();
    used.map(|flag| flag.about.since.as_str()).max_by_key(since).unwrap_or(flags::OLDEST)
}

#[expect(clippy::expect_used, reason = "constants and hexadecimal digits are names, versions and requirements")]
fn pkginfo(options: &Options, version: &str) -> PkgInfo {
    let mesos = format!("mesos >= {}, < {MESOS_END}", oldest_mesos(options));
    let mesos = mesos.parse().expect("a requirement of constants");
    let providers = options.modules.iter().map(|name| Requirement { name: name.clone(), bounds: Vec::new() });
    PkgInfo {
        format: pkginfo::FORMAT,
        name: NAME.parse().expect("a constant name"),
        version: version.parse::<Version>().expect("hexadecimal digits are a version"),
        kind: Kind::MesosConfig,
        requires: std::iter::once(mesos).chain(providers).collect(),
        conflicts: Vec::new(),
        roles: vec![options.role],
        environment: BTreeMap::new(),
        state_directory: false,
        mesos: None,
        modules: Vec::new(),
    }
}

/// `value` as indented JSON with a newline at its end; equal values give equal bytes.
#[expect(clippy::expect_used, reason = "maps with text keys always serialize")]
pub(crate) fn json(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).expect("a document of text, numbers, lists and tables");
    format!("{:#}\n", sorted(&value))
}

#[cfg(test)]
#[path = "generate_tests.rs"]
mod tests;
