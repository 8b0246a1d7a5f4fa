//! Rules about what Mesos is to load. A module that it can't load ends it at its start, so all of this is asked before.

use super::facts::Probe;
use super::{Findings, LibraryFacts, LocalFacts, SetFacts};
use crate::config::EnabledModule;
use crate::id::PackageId;
use crate::pkginfo::{ModuleInfo, ModuleRecord, ParameterKind};
use crate::role::Kind;

/// The version of Mesos's module interface (`MESOS_MODULE_API_VERSION`), unchanged since Mesos 0.21.
const API_VERSION: &str = "2";

pub(super) fn check(set: &SetFacts, findings: &mut Findings) {
    enabled(set, findings);
    for (id, local) in set.local() {
        if let (Some(mesos), Some(bound)) = (set.mesos_version(), &local.pkginfo.mesos)
            && local.pkginfo.kind == Kind::Module
            && bound.version != mesos
        {
            let message = format!("`{id}` is for Mesos {}, and the set has Mesos {mesos}", bound.version);
            let hint =
                format!("use the build for Mesos {mesos}: `{}--{}+mesos{mesos}`", id.name(), id.version().base());
            findings.problem("package-mesos-version", [id], message, Some(&hint));
            // Its library is for another Mesos too, as it says itself.
            continue;
        }
        for module in &local.pkginfo.modules {
            library(set, id, local, module, findings);
        }
    }
}

fn enabled(set: &SetFacts, findings: &mut Findings) {
    let Some((config_id, config)) = set.config() else { return };
    for (place, enabled) in config.modules.iter().enumerate() {
        let name = &enabled.name;
        if config.modules[..place].iter().any(|other| other.name == *name) {
            let message = format!("`{config_id}` enables the module `{name}` twice");
            findings.problem("module-enabled-twice", [config_id], message, None);
            continue;
        }
        let providers: Vec<_> = set.providers(name).collect();
        match providers.as_slice() {
            [(id, module)] => parameters(config_id, enabled, id, module, findings),
            [] if set.incomplete() => {}
            [] => {
                let message =
                    format!("`{config_id}` enables the module `{name}`, which no package of the set provides");
                let hint = "add the package that provides it, or a configuration without it";
                findings.problem("module-not-provided", [config_id], message, Some(hint));
            }
            several => {
                let ids = several.iter().map(|(id, _)| *id);
                let message = format!("{} packages provide the module `{name}`", several.len());
                findings.problem("module-provided-twice", ids, message, Some("leave out all but one of them"));
            }
        }
    }
    for (id, local) in set.of_kind(Kind::Module) {
        let used = |module: &ModuleInfo| config.modules.iter().any(|enabled| enabled.name == module.name);
        if !local.pkginfo.modules.iter().any(used) {
            let message = format!("`{id}` stands by: `{config_id}` enables none of its modules");
            findings.note("module-unused", [id], message, None);
        }
    }
}

/// A package that lists no parameters at all is taken to say nothing about them.
fn parameters(
    config_id: &PackageId,
    enabled: &EnabledModule,
    id: &PackageId,
    module: &ModuleInfo,
    findings: &mut Findings,
) {
    if module.parameters.is_empty() {
        return;
    }
    let name = &module.name;
    for (key, value) in &enabled.parameters {
        let wrong = match module.parameters.get(key).map(|parameter| parameter.kind) {
            None => {
                let message =
                    format!("`{config_id}` gives the module `{name}` a parameter `{key}`, which it does not take");
                let known = module.parameters.keys().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
                let hint = format!("`{id}` takes {known}");
                findings.problem("parameter-unknown", [config_id, id], message, Some(&hint));
                continue;
            }
            Some(ParameterKind::NodeFile) => {
                let message =
                    format!("`{config_id}` gives `{name}` the parameter `{key}`, which the node fills in itself");
                findings.problem("parameter-of-node", [config_id, id], message, None);
                continue;
            }
            Some(ParameterKind::Integer) => value.parse::<i64>().is_err().then_some("a whole number"),
            Some(ParameterKind::Number) => (!value.parse::<f64>().is_ok_and(f64::is_finite)).then_some("a number"),
            Some(ParameterKind::Boolean) => value.parse::<bool>().is_err().then_some("`true` or `false`"),
            Some(ParameterKind::String) => None,
        };
        if let Some(wanted) = wrong {
            let message = format!("the parameter `{key}` of `{name}` is `{value}`, and must be {wanted}");
            findings.problem("parameter-type", [config_id, id], message, None);
        }
    }
}

/// What the library itself says, and if it can't be asked, what its package says of it.
fn library(set: &SetFacts, id: &PackageId, local: &LocalFacts, module: &ModuleInfo, findings: &mut Findings) {
    let file = &module.library;
    match local.libraries.get(file).unwrap_or(&LibraryFacts::Unknown) {
        LibraryFacts::Probed(probe) if !probe.loadable => {
            let why = probe.error.as_deref().unwrap_or("no reason given");
            let message = format!("`{file}` of `{id}` can't be loaded into this Mesos: {why}");
            findings.problem("module-not-loadable", [id], message, None);
        }
        LibraryFacts::Probed(probe) => probed(set, id, module, probe, findings),
        LibraryFacts::Fatal(how) => {
            let message = format!("loading `{file}` of `{id}` ended the process that tried: {how}");
            findings.problem("module-kills", [id], message, Some("it would end Mesos too: use another version"));
        }
        LibraryFacts::Unknown => match &module.record {
            Some(said) => record(set, id, module, said, findings),
            None => {
                let message = format!("nothing is known of the record of `{}` in `{file}` of `{id}`", module.name);
                let hint = "the `dcos-bits` package of the set has the program that looks at it";
                findings.note("module-record-unknown", [id], message, Some(hint));
            }
        },
    }
}

fn probed(set: &SetFacts, id: &PackageId, module: &ModuleInfo, probe: &Probe, findings: &mut Findings) {
    let (name, file) = (&module.name, &module.library);
    let Some(found) = probe.modules.iter().find(|found| found.symbol == *name) else {
        let message = format!("`{file}` of `{id}` has no module `{name}`");
        findings.problem("module-symbol-missing", [id], message, None);
        return;
    };
    record(set, id, module, &found.record(), findings);
    if found.compatible == Some(false) {
        let message = format!("`{name}` in `{file}` of `{id}` says itself that it does not fit this Mesos");
        findings.problem("module-incompatible", [id], message, None);
    }
    if let Some(said) = &module.record
        && said.kind != found.kind
    {
        let message =
            format!("`{id}` says that `{name}` is of kind {}, and in `{file}` it is of kind {}", said.kind, found.kind);
        findings.problem("module-kind", [id], message, None);
    }
}

fn record(set: &SetFacts, id: &PackageId, module: &ModuleInfo, record: &ModuleRecord, findings: &mut Findings) {
    let (name, file) = (&module.name, &module.library);
    if record.api_version != API_VERSION {
        let message = format!(
            "`{name}` in `{file}` of `{id}` has module API version `{}`, and Mesos has `{API_VERSION}`",
            record.api_version
        );
        findings.problem("module-api-version", [id], message, None);
    }
    if let Some(mesos) = set.mesos_version()
        && record.mesos_version != mesos
    {
        let message = format!(
            "`{name}` in `{file}` of `{id}` was built for Mesos {}, and the set has Mesos {mesos}, which does not load it",
            record.mesos_version
        );
        let hint = format!("use a package whose library was built for Mesos {mesos}");
        findings.problem("module-mesos-version", [id], message, Some(&hint));
    }
}
