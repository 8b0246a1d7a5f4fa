//! Where programs and libraries of a package look for others: within the package, or where the system looks.
//!
//! A library path that is built in (`DT_RPATH`, `DT_RUNPATH`) and leads out of the package works on the machine that built
//! it and loads something else, or nothing, on a node; or it loads what whoever owns that directory put there.

use std::fs::File;
use std::path::Path;

use dcos_core::validate::Finding;
use dcos_core::{ExitCode, PackageId, Problem};
use object::elf::{DT_RPATH, DT_RUNPATH, DT_STRSZ, DT_STRTAB, FileHeader32, FileHeader64};
use object::read::elf::{Dyn as _, FileHeader, ProgramHeader as _};
use object::{Endianness, FileKind, ReadCache, ReadRef};

/// Refuses if any ELF file below `directory` has a library path that leaves the package.
pub(super) fn check(directory: &Path, id: &PackageId) -> Result<(), Problem> {
    let mut findings = Vec::new();
    walk(directory, "", id, &mut findings)?;
    if findings.is_empty() {
        return Ok(());
    }
    let detail = format!("`{id}` can't be built: it would look for libraries outside of itself");
    let mut problem = Problem::new(ExitCode::Refused, "library-path", detail)
        .hint("link with `-Wl,-rpath,'$ORIGIN/…'`, or correct the file with `patchelf --set-rpath`");
    problem.problems = findings;
    Err(problem)
}

fn walk(directory: &Path, place: &str, id: &PackageId, findings: &mut Vec<Finding>) -> Result<(), Problem> {
    let failed = |path: &Path, error: &dyn std::fmt::Display| {
        let detail = format!("could not look into `{}`: {error}", path.display());
        Problem::new(ExitCode::Unexpected, "unreadable", detail)
    };
    for entry in directory.read_dir().map_err(|error| failed(directory, &error))? {
        let entry = entry.map_err(|error| failed(directory, &error))?;
        let path = entry.path();
        let inner = match place {
            "" => entry.file_name().to_string_lossy().into_owned(),
            place => format!("{place}/{}", entry.file_name().to_string_lossy()),
        };
        let kind = entry.file_type().map_err(|error| failed(&path, &error))?;
        if kind.is_dir() {
            walk(&path, &inner, id, findings)?;
        } else if kind.is_file() {
            let file = File::open(&path).map_err(|error| failed(&path, &error))?;
            let (code, message) = match library_paths(file) {
                Ok(paths) => match paths.iter().find(|path| !stays_inside(place, path)) {
                    Some(path) => ("library-path", format!("`{inner}` has the library path `{path}`")),
                    None => continue,
                },
                Err(error) => ("damaged-elf", format!("`{inner}` is a damaged ELF file: {error}")),
            };
            findings.push(Finding { code: code.to_owned(), packages: vec![id.clone()], message, hint: None });
        }
    }
    Ok(())
}

/// The library paths in `file`; none if it is not an ELF file. Reads no more of it than it must: a libmesos is large.
fn library_paths(file: File) -> object::Result<Vec<String>> {
    let cache = ReadCache::new(file);
    match FileKind::parse(&cache) {
        Ok(FileKind::Elf32) => paths_of::<FileHeader32<Endianness>, _>(&cache),
        Ok(FileKind::Elf64) => paths_of::<FileHeader64<Endianness>, _>(&cache),
        _ => Ok(Vec::new()),
    }
}

fn paths_of<'data, Elf, R>(data: R) -> object::Result<Vec<String>>
where
    Elf: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let header = Elf::parse(data)?;
    let endian = header.endian()?;
    // By segments, as the loader does it: sections may have been stripped, or may lie.
    let segments = header.program_headers(endian, data)?;
    let mut paths = Vec::new();
    for segment in segments {
        let Some(entries) = segment.dynamic(endian, data)? else { continue };
        let value = |tag| entries.iter().find(|entry| entry.tag(endian) == tag).map(|entry| entry.val(endian));
        let (Some(table), Some(size)) = (value(DT_STRTAB), value(DT_STRSZ)) else { continue };
        let strings = segments.iter().find_map(|segment| segment.data_range(endian, data, table, size).ok().flatten());
        for entry in entries.iter().filter(|entry| [DT_RPATH, DT_RUNPATH].contains(&entry.tag(endian))) {
            let offset = usize::try_from(entry.val(endian)).unwrap_or(usize::MAX);
            let rest = strings.and_then(|strings| strings.get(offset..));
            let text = rest.and_then(|rest| rest.split(|byte| *byte == 0).next());
            // A path that can't be read is none that stays inside.
            let text = text.map_or_else(|| "?".to_owned(), |text| String::from_utf8_lossy(text).into_owned());
            paths.extend(text.split(':').map(ToOwned::to_owned));
        }
    }
    Ok(paths)
}

/// Whether `path`, built into a file in the directory `place` of a package, leads to a directory of the same package.
fn stays_inside(place: &str, path: &str) -> bool {
    let Some(rest) = path.strip_prefix("$ORIGIN").or_else(|| path.strip_prefix("${ORIGIN}")) else { return false };
    if !rest.is_empty() && !rest.starts_with('/') {
        return false;
    }
    let mut depth = place.split('/').filter(|part| !part.is_empty()).count();
    for part in rest.split('/') {
        match part {
            "" | "." => {}
            ".." => match depth.checked_sub(1) {
                Some(up) => depth = up,
                None => return false,
            },
            _ => depth += 1,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::stays_inside;

    #[test]
    fn only_paths_from_the_file_itself_that_stay_below_the_package_are_inside() {
        for (place, path, inside) in [
            ("lib", "$ORIGIN", true),
            ("bin", "$ORIGIN/../lib", true),
            ("bin", "${ORIGIN}/../lib/./x", true),
            ("libexec/mesos", "$ORIGIN/../../lib", true),
            ("", "$ORIGIN/lib", true),
            ("bin", "$ORIGIN/../..", false),
            ("bin", "$ORIGIN/../../other--1/lib", false),
            ("bin", "$ORIGIN/x/../../../lib", false),
            ("", "$ORIGIN/..", false),
            ("bin", "$ORIGINAL/lib", false),
            ("bin", "/usr/lib", false),
            ("bin", "lib", false),
            ("bin", "", false),
            ("bin", "$LIB", false),
        ] {
            assert_eq!(stays_inside(place, path), inside, "{place} {path}");
        }
    }
}
