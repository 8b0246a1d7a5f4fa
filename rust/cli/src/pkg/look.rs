//! The commands that only read. They take no lock and repair nothing.

use dcos_api::types::pkg::{Active, LocalPackage, PackageDetail};
use dcos_core::ports::Generation;
use dcos_core::validate::{Finding, Report};
use dcos_core::{ExitCode, Kind, PackageId, PackageSet, Problem};
use dcos_store::StoreError;
use indicatif::HumanBytes;

use super::place::Place;
use crate::output::{Format, say, table};

/// What others read of the active generation.
pub(super) fn described(generation: Generation) -> Active {
    let Generation { number, set, mesos_version, modules } = generation;
    Active { generation: number, packages: set, modules, mesos_version }
}

/// Who names a package that is not here has mistyped it more often than they want to fetch it.
pub(super) fn not_here(error: StoreError) -> Problem {
    let is_here = !matches!(error, StoreError::NotLocal(_));
    let mut problem = Problem::from(error);
    if !is_here {
        problem.hints = vec!["`dcos-pkg list` shows what is".to_owned()];
    }
    problem
}

/// An empty table is the truth of a store that is not there, and not what a mistyped path should look like.
fn note_absent(place: &Place) {
    if !place.store.root().exists() {
        say(&format!("note: there is no store at `{}` yet; `--root DIR` names another", place.store.root().display()));
    }
}

pub(super) fn list(format: Format, place: &Place) -> Result<ExitCode, Problem> {
    note_absent(place);
    let packages: Vec<LocalPackage> = place
        .store
        .list()?
        .into_iter()
        .map(|package| LocalPackage {
            id: package.id,
            kind: package.kind,
            sha256: package.sha256,
            size: package.size,
            active: package.active,
        })
        .collect();
    format.print(&packages, |packages| {
        let rows: Vec<Vec<String>> = packages
            .iter()
            .map(|package| {
                vec![
                    package.id.to_string(),
                    package.kind.to_string(),
                    HumanBytes(package.size).to_string(),
                    if package.active { "active" } else { "" }.to_owned(),
                    package.sha256.short(12),
                ]
            })
            .collect();
        table(&["PACKAGE", "KIND", "SIZE", "ACTIVE", "SHA256"], &rows)
    });
    Ok(ExitCode::Done)
}

pub(super) fn show(format: Format, place: &Place, id: &PackageId) -> Result<ExitCode, Problem> {
    let package = place.store.show(id).map_err(not_here)?;
    let options = if package.summary.kind == Kind::MesosConfig { place.store.options(id)? } else { None };
    let detail = PackageDetail {
        id: package.summary.id,
        kind: package.summary.kind,
        sha256: package.summary.sha256,
        size: package.summary.size,
        active: package.summary.active,
        pkginfo: package.pkginfo,
        options,
    };
    format.print(&detail, render);
    Ok(ExitCode::Done)
}

fn render(detail: &PackageDetail) -> String {
    let info = &detail.pkginfo;
    let words = |items: Vec<String>| if items.is_empty() { "-".to_owned() } else { items.join(", ") };
    let mut lines = vec![
        ("package", detail.id.to_string()),
        ("kind", detail.kind.to_string()),
        ("sha256", detail.sha256.to_string()),
        ("size", HumanBytes(detail.size).to_string()),
        ("active", if detail.active { "yes" } else { "no" }.to_owned()),
        ("roles", words(info.roles.iter().map(ToString::to_string).collect())),
        ("requires", words(info.requires.iter().map(ToString::to_string).collect())),
        ("conflicts", words(info.conflicts.iter().map(ToString::to_string).collect())),
    ];
    if let Some(mesos) = &info.mesos {
        lines.push(("mesos", mesos.version.clone()));
    }
    lines.extend(info.environment.iter().map(|(name, value)| ("environment", format!("{name}={value}"))));
    for module in &info.modules {
        lines.push(("module", format!("{} in {}", module.name, module.library)));
        for (name, parameter) in &module.parameters {
            let default = parameter.default.as_ref().map(|value| format!(", {value} if not given")).unwrap_or_default();
            let help = if parameter.help.is_empty() { String::new() } else { format!(": {}", parameter.help) };
            let kind = serde_json::to_value(parameter.kind).ok();
            let kind = kind.as_ref().and_then(|kind| kind.as_str()).unwrap_or_default();
            lines.push(("parameter", format!("{name} ({kind}{default}){help}")));
        }
    }
    lines.into_iter().map(|(key, value)| format!("{key:<12} {value}\n")).collect()
}

pub(super) fn active(format: Format, place: &Place) -> Result<ExitCode, Problem> {
    let active = place.store.active()?.map(described).ok_or_else(|| {
        Problem::new(ExitCode::NotFound, "no-active-generation", "no set is active on this node")
            .hint("`dcos-pkg activate ID…` makes one active")
    })?;
    format.print(&active, render_active);
    Ok(ExitCode::Done)
}

pub(super) fn render_active(active: &Active) -> String {
    let packages: String = active.packages.iter().map(|id| format!("  {id}\n")).collect();
    let modules = if active.modules.is_empty() { "none".to_owned() } else { active.modules.join(", ") };
    format!(
        "generation {} is active: Mesos {}, modules: {modules}\n{packages}",
        active.generation, active.mesos_version
    )
}

pub(super) fn validate(format: Format, place: &Place, ids: Vec<PackageId>) -> Result<ExitCode, Problem> {
    let report = place.store.validate(&ids.into_iter().collect::<PackageSet>())?;
    format.print(&report, render_report);
    Ok(if report.valid { ExitCode::Done } else { ExitCode::Refused })
}

fn render_report(report: &Report) -> String {
    let lines = |findings: &[Finding]| {
        let line = |finding: &Finding| {
            let hint = finding.hint.as_ref().map(|hint| format!("    hint: {hint}\n")).unwrap_or_default();
            format!("  - {} [{}]\n{hint}", finding.message, finding.code)
        };
        findings.iter().map(line).collect::<String>()
    };
    let problems = match report.problems.len() {
        0 => "valid\n".to_owned(),
        1 => "not valid, for one reason:\n".to_owned(),
        count => format!("not valid, for {count} reasons:\n"),
    };
    let notes = if report.notes.is_empty() { String::new() } else { format!("notes:\n{}", lines(&report.notes)) };
    format!("{problems}{}{notes}", lines(&report.problems))
}

pub(super) fn history(format: Format, place: &Place) -> Result<ExitCode, Problem> {
    note_absent(place);
    let history = place.store.history()?;
    format.print(&history, |history| {
        let rows: Vec<Vec<String>> = history
            .iter()
            .map(|entry| {
                let outcome = entry.outcome.and_then(|outcome| serde_json::to_value(outcome).ok());
                vec![
                    entry.generation.to_string(),
                    format!("{:.0}", entry.activated_at),
                    outcome.as_ref().and_then(|outcome| outcome.as_str()).unwrap_or("-").to_owned(),
                    entry.packages.to_string(),
                ]
            })
            .collect();
        table(&["GENERATION", "ACTIVATED", "OUTCOME", "PACKAGES"], &rows)
    });
    Ok(ExitCode::Done)
}

pub(super) fn verify(format: Format, place: &Place, ids: Vec<PackageId>) -> Result<ExitCode, Problem> {
    let ids = if ids.is_empty() { place.store.ids()? } else { ids };
    let reports = ids.iter().map(|id| place.store.verify(id).map_err(not_here)).collect::<Result<Vec<_>, _>>()?;
    format.print(&reports, |reports| {
        let line = |report: &dcos_store::VerifyReport| {
            let problems: String = report.problems.iter().map(|problem| format!("  - {problem}\n")).collect();
            format!("{} {}\n{problems}", report.id, if report.ok { "is as it was added" } else { "is damaged" })
        };
        reports.iter().map(line).collect()
    });
    Ok(if reports.iter().all(|report| report.ok) { ExitCode::Done } else { ExitCode::Refused })
}
