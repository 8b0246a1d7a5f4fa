//! What a repository offers: an index of ids, where their archives are, and their digests.

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::id::PackageId;
use crate::pkginfo::PkgInfo;

/// The path of the index below a repository's URL.
pub const FILE_NAME: &str = "index.json";

/// The format that this release reads and writes.
pub const FORMAT: u32 = 1;

/// The index of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// The file's format: [`FORMAT`].
    pub format: u32,
    /// What it offers, ordered by id.
    pub packages: Vec<IndexEntry>,
}

/// A package in a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexEntry {
    /// The package's id.
    pub id: PackageId,
    /// The archive's address, relative to the repository's URL.
    pub url: String,
    /// The archive's digest.
    pub sha256: Sha256,
    /// The archive's size in bytes.
    pub size: u64,
    /// The package's own `pkginfo.json`, so that a set can be resolved and refused before anything is fetched.
    pub pkginfo: PkgInfo,
}

impl Default for Index {
    fn default() -> Self {
        Self { format: FORMAT, packages: Vec::new() }
    }
}
