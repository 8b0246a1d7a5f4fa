//! The module records in a library, as Mesos will find them.
//!
//! Compilers may fill a record in when the library is loaded, so it is loaded: by the probe, a small program that does
//! nothing else, in a confined child of its own. Nothing foreign is loaded here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use dcos_core::pkginfo::{ModuleInfo, ModuleRecord, PkgInfo};
use dcos_core::validate::Finding;
use dcos_core::{ExitCode, Problem};
use serde::Deserialize;

/// What a package that brings its own probe calls it.
pub(super) const IN_PACKAGE: &str = "libexec/dcos-bits/dcos-module-probe";

/// Where a Mesos package has the library that modules are loaded beside.
const LIBMESOS: &str = "lib/libmesos.so";

/// The probe and the Mesos that it probes with.
pub(super) struct Probe {
    program: PathBuf,
    libmesos: PathBuf,
    mesos_version: String,
}

/// What the probe says of a library. Fields that are not read here are left out on purpose.
#[derive(Deserialize)]
struct Report {
    loadable: bool,
    error: Option<String>,
    modules: Vec<Record>,
    missing: Vec<String>,
}

#[derive(Deserialize)]
struct Record {
    symbol: String,
    api_version: String,
    mesos_version: String,
    kind: String,
}

impl Probe {
    /// A probe that loads modules as the Mesos in the tree `mesos` would.
    pub(super) fn new(program: PathBuf, mesos: &Path) -> Result<Self, Problem> {
        let unusable = |why: String| {
            let detail = format!("`{}` is not the tree of a Mesos package: {why}", mesos.display());
            Problem::new(ExitCode::Usage, "no-mesos-tree", detail)
        };
        let text = std::fs::read_to_string(mesos.join(dcos_core::pkginfo::FILE_NAME))
            .map_err(|error| unusable(format!("its pkginfo.json can't be read: {error}")))?;
        let info = PkgInfo::parse(&text).map_err(|error| unusable(Problem::chain(&error)))?;
        let version = info.mesos.map(|mesos| mesos.version).filter(|_| info.kind == dcos_core::Kind::Mesos);
        let mesos_version = version.ok_or_else(|| unusable(format!("it is of kind `{}`", info.kind)))?;
        let libmesos = mesos.join(LIBMESOS);
        if !libmesos.is_file() {
            return Err(unusable(format!("it has no `{LIBMESOS}`")));
        }
        Ok(Self { program, libmesos, mesos_version })
    }

    /// Puts the record of every module of `info` into it; refuses if one can't be loaded or contradicts `info`.
    pub(super) fn fill(&self, directory: &Path, info: &mut PkgInfo) -> Result<(), Problem> {
        let claimed = info.mesos.as_ref().map_or("", |mesos| mesos.version.as_str());
        if claimed != self.mesos_version {
            let detail = format!(
                "`{}` is for Mesos {claimed} by its pkginfo, and the Mesos to probe with is {}",
                info.id(),
                self.mesos_version
            );
            return Err(Problem::new(ExitCode::Usage, "other-mesos", detail).hint("name the right tree by `--mesos`"));
        }
        let mut libraries: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for module in &info.modules {
            libraries.entry(&module.library).or_default().push(&module.name);
        }
        let mut reports = BTreeMap::new();
        for (library, symbols) in libraries {
            reports.insert(library.to_owned(), self.run(&directory.join(library), &symbols)?);
        }
        let mut findings = Vec::new();
        let id = info.id();
        for module in &mut info.modules {
            let report = &reports[&module.library];
            match record(module, report, &self.mesos_version) {
                Ok(record) => module.record = Some(record),
                Err((code, message)) => {
                    findings.push(Finding { code: code.to_owned(), packages: vec![id.clone()], message, hint: None });
                }
            }
        }
        if findings.is_empty() {
            return Ok(());
        }
        let detail = format!("`{id}` can't be built: Mesos {} would not load its modules", self.mesos_version);
        let mut problem = Problem::new(ExitCode::Refused, "module-contradicts", detail);
        problem.problems = findings;
        Err(problem)
    }

    fn run(&self, library: &Path, symbols: &[&str]) -> Result<Report, Problem> {
        let failed = |why: String| {
            let detail = format!("`{}` could not look into `{}`: {why}", self.program.display(), library.display());
            Problem::new(ExitCode::Unexpected, "probe-failed", detail)
        };
        let output = Command::new(&self.program)
            .arg("--mesos")
            .arg(&self.libmesos)
            .arg(library)
            .args(symbols)
            .output()
            .map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(failed(format!("{}: {}", output.status, said.trim())));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| failed(format!("its answer is not understood: {error}")))
    }
}

/// The record of `module`, or the code and the sentence of why it can't be.
fn record(module: &ModuleInfo, report: &Report, mesos: &str) -> Result<ModuleRecord, (&'static str, String)> {
    let (name, library) = (&module.name, &module.library);
    if !report.loadable {
        let why = report.error.as_deref().unwrap_or("no reason is given");
        return Err(("not-loadable", format!("`{library}` can't be loaded: {why}")));
    }
    let found = report.modules.iter().find(|found| found.symbol == *name);
    let Some(found) = found.filter(|_| !report.missing.contains(name)) else {
        return Err(("no-record", format!("`{library}` has no record of a module `{name}`")));
    };
    let record = ModuleRecord {
        api_version: found.api_version.clone(),
        mesos_version: found.mesos_version.clone(),
        kind: found.kind.clone(),
    };
    if record.mesos_version != mesos {
        let message =
            format!("module `{name}` in `{library}` was built for Mesos {}, not {mesos}", record.mesos_version);
        return Err(("module-mesos-version", message));
    }
    match &module.record {
        Some(claimed) if *claimed != record => {
            let message = format!("module `{name}` in `{library}` has another record than the pkginfo says");
            Err(("other-record", message))
        }
        _ => Ok(record),
    }
}
