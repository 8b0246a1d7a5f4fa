//! A package as a target of signed metadata, and back.
//!
//! The pkginfo is text within the target's custom part: a parameter's default may have a fraction, and numbers with a
//! fraction have no canonical form that could be signed.

use std::collections::HashMap;

use dcos_core::index::IndexEntry;
use dcos_core::{PackageId, PkgInfo, Problem, Sha256};
use serde_json::Value;
use tough::TargetName;
use tough::schema::{Hashes, Target};

use crate::files::FileIndexAt;
use crate::layout::{self, ENDINGS};

/// The field of the custom part.
const PKGINFO: &str = "pkginfo";

/// The target that says of a package what `entry` says.
pub(crate) fn from_entry(entry: &IndexEntry) -> Result<(TargetName, Target), String> {
    let ending = ENDINGS.into_iter().find(|ending| entry.url.ends_with(ending)).ok_or("is no archive")?;
    let name = TargetName::new(layout::archive(&entry.id, ending)).map_err(|error| error.to_string())?;
    let pkginfo = serde_json::to_string(&entry.pkginfo).map_err(|error| error.to_string())?;
    let digest = Value::String(entry.sha256.to_string());
    let sha256 = serde_json::from_value(digest).map_err(|error| error.to_string())?;
    let hashes = Hashes { sha256, _extra: HashMap::new() };
    let custom = HashMap::from([(PKGINFO.to_owned(), Value::String(pkginfo))]);
    Ok((name, Target { length: entry.size, hashes, custom, _extra: HashMap::new() }))
}

/// The target for the per-file index of `id`, whose document is `bytes`.
pub(crate) fn from_files(id: &PackageId, bytes: &[u8]) -> Result<(TargetName, Target), String> {
    let name = TargetName::new(layout::files(id)).map_err(|error| error.to_string())?;
    let digest = Value::String(Sha256::of(bytes).to_string());
    let sha256 = serde_json::from_value(digest).map_err(|error| error.to_string())?;
    let hashes = Hashes { sha256, _extra: HashMap::new() };
    let length = bytes.len() as u64;
    Ok((name, Target { length, hashes, custom: HashMap::new(), _extra: HashMap::new() }))
}

/// The package whose per-file index a target is, and where that is; `None` if it is none.
pub(crate) fn to_files(name: &TargetName, target: &Target) -> Option<(PackageId, FileIndexAt)> {
    let id = layout::of_files(name.raw())?;
    let sha256 = digest(target).ok()?;
    let url = layout::escape(&layout::hashed(name.raw(), &sha256));
    Some((id, FileIndexAt { url, signed: Some((sha256, target.length)) }))
}

/// The digest of a target.
pub(crate) fn digest(target: &Target) -> Result<Sha256, &'static str> {
    let digest = target.hashes.sha256.to_vec().try_into().map_err(|_| "has a digest of another length")?;
    Ok(Sha256::from_bytes(digest))
}

/// What an index says of a target; `None` if it is no package: other files may be signed along with them.
pub(crate) fn to_entry(name: &TargetName, target: &Target) -> Option<Result<IndexEntry, String>> {
    let pkginfo = target.custom.get(PKGINFO)?;
    Some(read(name.raw(), target, pkginfo).map_err(|why| format!("its target `{}` {why}", name.raw())))
}

fn read(name: &str, target: &Target, pkginfo: &Value) -> Result<IndexEntry, String> {
    let text = pkginfo.as_str().ok_or("has a pkginfo that is no text")?;
    let pkginfo = PkgInfo::parse(text).map_err(|error| format!("can't be used: {}", Problem::chain(&error)))?;
    let id = pkginfo.id();
    if !ENDINGS.iter().any(|ending| layout::archive(&id, ending) == name) {
        return Err(format!("is not where `{id}` belongs"));
    }
    let sha256 = digest(target)?;
    Ok(IndexEntry { id, url: layout::escape(name), sha256, size: target.length, pkginfo })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{from_entry, to_entry};
    use dcos_core::index::IndexEntry;
    use dcos_core::{PkgInfo, Sha256};
    use tough::schema::{Role as _, Targets};

    fn entry() -> IndexEntry {
        let pkginfo = r#"{"format": 1, "name": "fizz", "version": "1+mesos1.11.0", "kind": "module",
            "mesos": {"version": "1.11.0"}, "modules": [{"library": "lib/libfizz.so", "name": "org_example_Fizz",
            "parameters": {"rate": {"type": "number", "default": 0.5}}}]}"#;
        let pkginfo = PkgInfo::parse(pkginfo).unwrap();
        let url = "packages/fizz/fizz--1%2Bmesos1.11.0.tar.zst".to_owned();
        IndexEntry { id: pkginfo.id(), url, sha256: Sha256::of(b"x"), size: 1, pkginfo }
    }

    #[test]
    fn a_default_with_a_fraction_can_be_signed() {
        let (name, target) = from_entry(&entry()).unwrap();
        let expires = "2026-11-22T10:00:00Z".parse().unwrap();
        let mut targets = Targets::new("1.0.31".to_owned(), std::num::NonZeroU64::MIN, expires);
        targets.targets.insert(name.clone(), target.clone());
        assert!(targets.canonical_form().is_ok());
        assert_eq!(to_entry(&name, &target), Some(Ok(entry())));
    }

    #[test]
    fn a_package_is_where_it_belongs() {
        let (_, target) = from_entry(&entry()).unwrap();
        for name in ["packages/fizz/fizz--2.tar.zst", "fizz--1+mesos1.11.0.tar.zst", "/etc/passwd"] {
            assert!(matches!(to_entry(&name.parse().unwrap(), &target), Some(Err(_))), "{name}");
        }
    }
}
