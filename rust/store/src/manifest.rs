//! `packages/<id>.json`: what a package consists of, and where it came from.

use std::collections::BTreeMap;

use dcos_core::role::Kind;
use dcos_core::{PackageId, Sha256};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The format that this release reads and writes.
pub const FORMAT: u32 = 1;

/// A package as it was unpacked. Verifying is comparing the tree with this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The file's format: [`FORMAT`].
    pub format: u32,
    /// The package.
    pub id: PackageId,
    /// What it is to a set.
    pub kind: Kind,
    /// The digest of the archive that it came from.
    pub sha256: Sha256,
    /// The size of the archive, in bytes.
    pub archive_size: u64,
    /// The bytes of all its files together.
    pub size: u64,
    /// When it was added.
    pub added_at: Timestamp,
    /// Where it came from: a URL, or the path of a file.
    pub origin: String,
    /// Everything in it, by path.
    pub entries: BTreeMap<String, Content>,
}

/// Something in a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Content {
    /// A file.
    File {
        /// Its permission bits: 0444 or 0555 (written as a decimal number, as JSON has no other).
        mode: u32,
        /// Its size, in bytes.
        size: u64,
        /// Its digest.
        sha256: Sha256,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Link {
        /// Where it points, relative to its directory.
        target: String,
    },
}

/// A path with what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ManifestEntry {
    pub(crate) path: String,
    pub(crate) content: Content,
}

impl Manifest {
    /// Whether there is a file at `path`, or a link: unpacking has made sure that it leads to something.
    pub fn provides_file(&self, path: &str) -> bool {
        matches!(self.entries.get(path), Some(Content::File { .. } | Content::Link { .. }))
    }

    /// The digest of the file at `path`, links followed as far as they are links of the last component.
    pub fn digest(&self, path: &str) -> Option<Sha256> {
        let mut path = path.to_owned();
        // Unpacking refuses loops; the bound is for manifests that somebody edited.
        for _ in 0..40 {
            match self.entries.get(&path)? {
                Content::File { sha256, .. } => return Some(*sha256),
                Content::Directory => return None,
                Content::Link { target } => {
                    let mut parts: Vec<&str> = path.split('/').collect();
                    parts.pop();
                    for part in target.split('/') {
                        match part {
                            "" | "." => {}
                            ".." => drop(parts.pop()),
                            name => parts.push(name),
                        }
                    }
                    path = parts.join("/");
                }
            }
        }
        None
    }
}
