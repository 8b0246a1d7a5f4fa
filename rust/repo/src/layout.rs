//! Where a repository's files are below its folder and its URL.

use dcos_core::{PackageId, Sha256};

/// The folder of the archives.
pub(crate) const PACKAGES: &str = "packages";

/// The folder of the signed metadata.
pub(crate) const METADATA: &str = "metadata";

/// The one file of the metadata that is replaced; all others are named by their version and never change.
pub(crate) const TIMESTAMP: &str = "timestamp.json";

/// What archives end in.
pub(crate) const ENDINGS: [&str; 2] = [".tar.gz", ".tar.zst"];

/// The path of an archive: the name that the signed metadata has for it.
pub(crate) fn archive(id: &PackageId, ending: &str) -> String {
    format!("{PACKAGES}/{}/{id}{ending}", id.name())
}

/// The path of the same archive for readers of signed metadata: the digest is part of its name, so that no proxy
/// between here and there can give them an older one.
pub(crate) fn hashed(archive: &str, sha256: &Sha256) -> String {
    match archive.rsplit_once('/') {
        Some((folder, file)) => format!("{folder}/{sha256}.{file}"),
        None => format!("{sha256}.{archive}"),
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
