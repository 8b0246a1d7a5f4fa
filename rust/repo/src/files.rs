//! The per-file index of a package: where in its archive each file is, so that a damaged one can be had by itself.
//!
//! It lies beside the archive as `<id>.files.json`, a target of its own in signed metadata. An archive that has no frame
//! for each file has none. It is a map, not a witness: what is fetched by it counts only if its digest is the one that the
//! node noted when it added the package.

use std::collections::BTreeMap;
use std::path::Path;

use dcos_core::{PackageId, Sha256};
use dcos_store::Frame;
use serde::{Deserialize, Serialize};

use crate::error::RepoError;

/// The format that this release reads and writes.
const FORMAT: u32 = 1;

/// The longest index that is read: about 400,000 files.
pub(crate) const MAX_BYTES: u64 = 64 << 20;

/// Where the files of a package are in its archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileIndex {
    format: u32,
    /// The package.
    pub(crate) id: PackageId,
    /// The digest of its archive.
    pub(crate) archive: Sha256,
    /// By path within the package.
    pub(crate) files: BTreeMap<String, Place>,
}

/// Where a file is: a Zstandard frame that holds its tar header and its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    /// Where the frame begins in the archive.
    pub(crate) offset: u64,
    /// How many bytes of the archive it is.
    pub(crate) length: u64,
    /// How many bytes in it come before the content.
    pub(crate) skip: u64,
}

/// Where an index is, and what its bytes must be where that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileIndexAt {
    /// A URL reference below the repository's URL.
    pub(crate) url: String,
    /// The digest and the length that were signed.
    pub(crate) signed: Option<(Sha256, u64)>,
}

/// The index of the archive at `path`, as a document; `None` if it has no frame for each file.
pub(crate) fn of_archive(path: &Path, id: &PackageId, archive: Sha256) -> Result<Option<Vec<u8>>, RepoError> {
    let place = |Frame { offset, length, skip }| Place { offset, length, skip };
    let files: BTreeMap<_, _> =
        dcos_store::frames(path)?.into_iter().map(|(path, frame)| (path, place(frame))).collect();
    if files.is_empty() {
        return Ok(None);
    }
    let index = FileIndex { format: FORMAT, id: id.clone(), archive, files };
    serde_json::to_vec(&index).map(Some).map_err(|error| RepoError::io("write the index of", path)(error.into()))
}

/// Reads an index; `place` is its address, for messages.
pub(crate) fn read(place: &str, bytes: &[u8]) -> Result<FileIndex, RepoError> {
    let index: FileIndex =
        serde_json::from_slice(bytes).map_err(|source| RepoError::Index { url: place.to_owned(), source })?;
    match index.format {
        FORMAT => Ok(index),
        found => Err(RepoError::IndexFormat { url: place.to_owned(), found }),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::read;
    use crate::error::RepoError;

    #[test]
    fn the_documented_example_is_read() {
        let example = include_str!("../../../docs/repository/files.json");
        let index = read("files.json", example.as_bytes()).unwrap();
        assert_eq!(index.files.len(), 2);
        let newer = example.replace("\"format\": 1", "\"format\": 2");
        assert!(matches!(read("x", newer.as_bytes()), Err(RepoError::IndexFormat { found: 2, .. })));
        let more = example.replace("\"skip\": 512", "\"skip\": 512, \"mode\": 493");
        assert!(matches!(read("x", more.as_bytes()), Err(RepoError::Index { .. })));
    }
}
