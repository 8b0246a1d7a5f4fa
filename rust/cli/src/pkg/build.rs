//! `dcos-pkg build`: a directory to an archive.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dcos_core::pkginfo::{FILE_NAME, PkgInfo};
use dcos_core::{ExitCode, PackageId, Problem, Sha256};
use indicatif::HumanBytes;
use serde::Serialize;

use super::probe::{IN_PACKAGE, Probe};
use super::{args, rpath};
use crate::output::{Format, say};

/// The archive, as JSON.
#[derive(Serialize)]
struct Built<'a> {
    id: &'a PackageId,
    sha256: Sha256,
    size: u64,
    output: &'a Path,
}

pub(super) fn run(format: Format, build: &args::Build) -> Result<ExitCode, Problem> {
    let mut info = read(&build.directory)?;
    rpath::check(&build.directory, &info.id())?;
    let mut instead = BTreeMap::new();
    if !info.modules.is_empty() {
        if let Some(probe) = probe(build)? {
            probe.fill(&build.directory, &mut info)?;
            let text = serde_json::to_string_pretty(&info).map_err(|error| {
                Problem::new(ExitCode::Unexpected, "bad-pkginfo", format!("could not write `{FILE_NAME}`: {error}"))
            })?;
            instead.insert(FILE_NAME.to_owned(), format!("{text}\n").into_bytes());
        } else if format == Format::Text {
            say("note: the module records are not recorded; `--mesos DIR --probe FILE` reads them");
        }
    }
    let built = dcos_store::build_with(&build.directory, &instead, &build.output)?;
    let built = Built { id: &built.id, sha256: built.sha256, size: built.size, output: &build.output };
    format.print(&built, |built| {
        format!("built {} ({}), sha256 {}", built.output.display(), HumanBytes(built.size), built.sha256)
    });
    Ok(ExitCode::Done)
}

fn read(directory: &Path) -> Result<PkgInfo, Problem> {
    let path = directory.join(FILE_NAME);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        let code = match error.kind() {
            std::io::ErrorKind::NotFound => ExitCode::NotFound,
            _ => ExitCode::Unexpected,
        };
        Problem::new(code, "no-pkginfo", format!("could not read `{}`: {error}", path.display()))
            .hint("a package has a `pkginfo.json` at its top")
    })?;
    PkgInfo::parse(&text).map_err(|error| {
        let detail = format!("`{}` can't be used: {}", path.display(), Problem::chain(&error));
        Problem::new(ExitCode::Refused, "bad-pkginfo", detail)
    })
}

/// The probe, if there are both a program and a Mesos to probe with.
fn probe(build: &args::Build) -> Result<Option<Probe>, Problem> {
    let in_package = || Some(build.directory.join(IN_PACKAGE)).filter(|path| path.is_file());
    let program: Option<PathBuf> = build.probe.clone().or_else(in_package);
    match (program, &build.mesos) {
        (Some(program), Some(mesos)) => Probe::new(program, mesos).map(Some),
        (None, Some(_)) => {
            Err(Problem::new(ExitCode::Usage, "no-probe", "`--mesos` is given, and no probe to use it with")
                .hint("name the program by `--probe FILE` or `DCOS_MODULE_PROBE`"))
        }
        (_, None) => Ok(None),
    }
}
