//! `dcos-pkg convert`: a package of DC/OS's pkgpanda to one of ours.
//!
//! Its archives are `.tar.xz`, its `pkginfo.json` has no schema and may be absent. What of it has a meaning here is taken
//! over; what has none is left out and said, since an operator may have relied on it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use dcos_core::pkginfo::{FILE_NAME, FORMAT, MesosBinding, PkgInfo};
use dcos_core::requirement::Requirement;
use dcos_core::{ExitCode, Kind, PackageId, Problem, Sha256};
use indicatif::HumanBytes;
use liblzma::read::XzDecoder;
use serde::Serialize;
use serde_json::{Map, Value};

use super::args::{Convert, ConvertedKind};
use crate::output::Format;

/// The end of the names of pkgpanda's archives.
const ENDING: &str = ".tar.xz";

/// The archive that was made, as JSON.
#[derive(Serialize)]
struct Converted<'a> {
    id: &'a PackageId,
    sha256: Sha256,
    size: u64,
    output: &'a Path,
    left_out: Vec<String>,
}

pub(super) fn run(format: Format, convert: &Convert) -> Result<ExitCode, Problem> {
    let id = match &convert.id {
        Some(id) => id.clone(),
        None => id_of(&convert.file)?,
    };
    let scratch = tempfile::tempdir().map_err(|error| {
        let detail = format!("could not make a folder in `{}`: {error}", std::env::temp_dir().display());
        Problem::new(ExitCode::Unexpected, "no-scratch", detail)
    })?;
    unpack(&convert.file, scratch.path())?;
    let mut left_out = Vec::new();
    let pkginfo = translate(&id, convert.kind, &read(scratch.path(), &convert.file)?, &mut left_out)?;
    let text = serde_json::to_string_pretty(&pkginfo).map_err(|error| refused(&convert.file, &error.to_string()))?;
    let instead = BTreeMap::from([(FILE_NAME.to_owned(), format!("{text}\n").into_bytes())]);
    let output: PathBuf = match convert.output.is_dir() {
        true => convert.output.join(format!("{id}.tar.zst")),
        false => convert.output.clone(),
    };
    // The same rules as for every package: what pkgpanda took and we don't is refused here.
    let built = dcos_store::build_with(scratch.path(), &instead, &output)?;
    let converted = Converted { id: &id, sha256: built.sha256, size: built.size, output: &output, left_out };
    format.print(&converted, |converted| {
        let left_out: String = converted.left_out.iter().map(|what| format!("left out: {what}\n")).collect();
        format!("converted {} ({})\n{left_out}", converted.output.display(), HumanBytes(converted.size))
    });
    Ok(ExitCode::Done)
}

fn refused(file: &Path, why: &str) -> Problem {
    let detail = format!("`{}` can't be converted: {why}", file.display());
    Problem::new(ExitCode::Refused, "not-convertible", detail)
}

fn id_of(file: &Path) -> Result<PackageId, Problem> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let id = name.strip_suffix(ENDING).ok_or_else(|| "its name does not end in `.tar.xz`".to_owned());
    let id = id.and_then(|id| id.parse().map_err(|error: dcos_core::id::InvalidId| error.to_string()));
    id.map_err(|why| refused(file, &why).hint("name the package by `--as ID`"))
}

fn unpack(file: &Path, into: &Path) -> Result<(), Problem> {
    let source = File::open(file).map_err(|error| {
        let code = match error.kind() {
            std::io::ErrorKind::NotFound => ExitCode::NotFound,
            _ => ExitCode::Unexpected,
        };
        Problem::new(code, "unreadable", format!("could not read `{}`: {error}", file.display()))
    })?;
    let mut archive = tar::Archive::new(XzDecoder::new(BufReader::new(source)));
    archive.set_preserve_mtime(false);
    archive.unpack(into).map_err(|error| refused(file, &Problem::chain(&error)))
}

/// What pkgpanda's pkginfo says; nothing if there is none.
fn read(directory: &Path, file: &Path) -> Result<Map<String, Value>, Problem> {
    match std::fs::read(directory.join(FILE_NAME)) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|error| refused(file, &format!("its pkginfo.json is not a JSON object: {error}"))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Map::new()),
        Err(error) => Err(refused(file, &format!("its pkginfo.json can't be read: {error}"))),
    }
}

/// Says in our words what `old` says; what has no such words goes to `left_out`.
fn translate(
    id: &PackageId,
    kind: ConvertedKind,
    old: &Map<String, Value>,
    left_out: &mut Vec<String>,
) -> Result<PkgInfo, Problem> {
    let wrong = |key: &str, value: &Value| {
        let detail = format!("`{id}` can't be converted: its pkginfo.json says `{key}` is `{value}`");
        Problem::new(ExitCode::Refused, "not-convertible", detail)
    };
    let (kind, mesos) = match kind {
        ConvertedKind::Plain => (Kind::Plain, None),
        ConvertedKind::Mesos => (Kind::Mesos, Some(MesosBinding { version: id.version().base().to_owned() })),
    };
    let mut info = PkgInfo {
        format: FORMAT,
        name: id.name().clone(),
        version: id.version().clone(),
        kind,
        requires: Vec::new(),
        conflicts: Vec::new(),
        roles: Vec::new(),
        environment: BTreeMap::new(),
        state_directory: false,
        mesos,
        modules: Vec::new(),
    };
    for (key, value) in old {
        match (key.as_str(), value) {
            (_, Value::Null) => {}
            ("requires", Value::Array(requires)) => {
                for value in requires {
                    info.requires.push(requirement(value, left_out).ok_or_else(|| wrong(key, value))?);
                }
            }
            ("environment", Value::Object(variables)) => {
                for (name, value) in variables {
                    let text = value.as_str().ok_or_else(|| wrong(&format!("environment.{name}"), value))?;
                    info.environment.insert(name.clone(), text.to_owned());
                }
            }
            ("state_directory", Value::Bool(wanted)) => info.state_directory = *wanted,
            ("requires" | "environment" | "state_directory", value) => return Err(wrong(key, value)),
            (key, value) => left_out.push(format!("`{key}` (`{value}`)")),
        }
    }
    Ok(info)
}

/// `"openssl"`, or `{"name": "openssl", "variant": "…"}`.
fn requirement(value: &Value, left_out: &mut Vec<String>) -> Option<Requirement> {
    let name = value.as_str().or_else(|| value.get("name")?.as_str())?;
    if let Some(variant) = value.get("variant").filter(|variant| !variant.is_null()) {
        left_out.push(format!("the variant `{variant}` of `{name}` in `requires`"));
    }
    Some(Requirement { name: name.parse().ok()?, bounds: Vec::new() })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{ConvertedKind, translate};
    use serde_json::{Value, json};

    fn translated(old: &Value) -> Result<(Value, Vec<String>), String> {
        let mut left_out = Vec::new();
        let id = "java--1.8.0_25".parse().unwrap();
        let info = translate(&id, ConvertedKind::Plain, old.as_object().unwrap(), &mut left_out);
        info.map(|info| (serde_json::to_value(info).unwrap(), left_out)).map_err(|problem| problem.detail)
    }

    #[test]
    fn what_has_a_meaning_here_is_taken_over_and_the_rest_is_named() {
        let (info, left_out) = translated(&json!({
            "requires": ["openssl", {"name": "curl", "variant": "small"}, {"name": "zlib", "variant": null}],
            "environment": {"JAVA_HOME": "/opt/java"},
            "state_directory": true,
            "username": "dcos_java",
            "sysctl": {"java": {"vm.max_map_count": 262_144}},
        }))
        .unwrap();
        assert_eq!(info["requires"], json!(["openssl", "curl", "zlib"]));
        assert_eq!(info["environment"], json!({"JAVA_HOME": "/opt/java"}));
        assert_eq!(info["state_directory"], true);
        assert_eq!(
            left_out,
            [
                "the variant `\"small\"` of `curl` in `requires`",
                "`sysctl` (`{\"java\":{\"vm.max_map_count\":262144}}`)",
                "`username` (`\"dcos_java\"`)",
            ]
        );
    }

    #[test]
    fn a_package_without_pkginfo_is_a_plain_one() {
        let (info, left_out) = translated(&json!({})).unwrap();
        assert_eq!(info, json!({"format": 1, "name": "java", "version": "1.8.0_25", "kind": "plain"}));
        assert!(left_out.is_empty());
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_key() {
        for (old, key) in [
            (json!({"requires": "openssl"}), "requires"),
            (json!({"requires": [5]}), "requires"),
            (json!({"requires": ["a--1"]}), "requires"),
            (json!({"environment": {"A": 5}}), "environment.A"),
            (json!({"environment": []}), "environment"),
            (json!({"state_directory": "yes"}), "state_directory"),
        ] {
            assert!(translated(&old).unwrap_err().contains(&format!("`{key}` is")), "{old}");
        }
    }
}
