//! Where a repository's files are below its folder and its URL.

use dcos_core::{PackageId, Sha256};

/// The folder of the archives.
pub(crate) const PACKAGES: &str = "packages";

/// The folder of the signed metadata.
pub(crate) const METADATA: &str = "metadata";

/// The one file of the metadata that is replaced; all others are named by their version and never change.
pub(crate) const TIMESTAMP: &str = "timestamp.json";

/// What the per-file index of a package is called after its id. No version may end so.
const FILES: &str = ".files.json";

/// What archives end in.
pub(crate) const ENDINGS: [&str; 2] = [".tar.gz", ".tar.zst"];

/// The path of an archive: the name that the signed metadata has for it.
pub(crate) fn archive(id: &PackageId, ending: &str) -> String {
    format!("{PACKAGES}/{}/{id}{ending}", id.name())
}

/// Whether `path` is where a repository has files: who holds its keys can't make a mirror write anywhere else.
pub(crate) fn is_file(path: &str) -> bool {
    let is_plain = |name: &&str| !name.is_empty() && !name.starts_with('.') && !name.contains(['\\', '\0']);
    let parts: Vec<&str> = path.split('/').collect();
    matches!(parts.as_slice(), [PACKAGES, name, file] if is_plain(name) && is_plain(file))
}

/// The package whose archive is at `path`, if that is the path of one.
pub(crate) fn of_archive(path: &str) -> Option<PackageId> {
    let name = path.rsplit('/').next()?;
    ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)?.parse().ok())
}

/// The URL reference of an archive without the digest in its name, from that with it.
pub(crate) fn plain(hashed: &str) -> String {
    let (folder, file) = hashed.rsplit_once('/').unwrap_or(("", hashed));
    let file = file.split_once('.').map_or(file, |(_, file)| file);
    format!("{folder}/{file}")
}

/// The path of a package's per-file index.
pub(crate) fn files(id: &PackageId) -> String {
    format!("{PACKAGES}/{}/{id}{FILES}", id.name())
}

/// The package whose per-file index is at `path`, if that is the path of one.
pub(crate) fn of_files(path: &str) -> Option<PackageId> {
    let id: PackageId = path.rsplit('/').next()?.strip_suffix(FILES)?.parse().ok()?;
    (files(&id) == path).then_some(id)
}

/// The path of the same file for readers of signed metadata: the digest is part of its name, so that no proxy
/// between here and there can give them an older one.
pub(crate) fn hashed(path: &str, sha256: &Sha256) -> String {
    match path.rsplit_once('/') {
        Some((folder, file)) => format!("{folder}/{sha256}.{file}"),
        None => format!("{sha256}.{path}"),
    }
}

/// A path as a URL reference. Escapes what means something else in some URL: `:` before the first slash, and `+`, which
/// S3 takes for a space.
pub(crate) fn escape(path: &str) -> String {
    path.replace('+', "%2B").replace(':', "%3A")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{archive, escape, hashed};
    use dcos_core::Sha256;

    #[test]
    fn a_plus_survives_every_web_server() {
        assert_eq!(escape("fizzbuzz--1.2.0+mesos1.11.0"), "fizzbuzz--1.2.0%2Bmesos1.11.0");
        assert_eq!(escape("a--1:2~rc1@x"), "a--1%3A2~rc1@x");
    }

    #[test]
    fn the_digest_goes_before_the_file() {
        let path = archive(&"a--1".parse().unwrap(), ".tar.gz");
        assert_eq!(path, "packages/a/a--1.tar.gz");
        let digest = Sha256::of(b"");
        assert_eq!(hashed(&path, &digest), format!("packages/a/{digest}.a--1.tar.gz"));
    }
}
