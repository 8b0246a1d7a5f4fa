//! The signed metadata of a repository's folder: TUF, as a publisher writes it.
//!
//! `metadata/` has `N.root.json`, `N.targets.json`, `N.snapshot.json`, none of which changes once it is named by another,
//! and `timestamp.json`, which names the newest of them and is replaced last: at any instant a reader finds a whole that
//! belongs together. The plain index is written along for readers without a root of trust. It is not read back: what is
//! signed next is what was signed before and what the operator adds, never what the web server's folder says.
//!
//! Keys are the operator's, outside that folder ([`keys`]), and so is the root that says whose signatures count
//! ([`roots`]). How long each role lasts says how long somebody who holds back news can do so unnoticed (timestamp), and
//! how often an operator must come with the keys (root, targets).

mod error;
#[cfg(test)]
pub(crate) mod forge;
mod keys;
mod metadata;
mod roots;

use std::collections::BTreeMap;
use std::path::Path;

use dcos_core::{PackageId, Sha256};
use jiff::Timestamp;
use serde::Serialize;
use tough::schema::RoleType;

pub use error::SigningError;
use keys::Keys;
pub(crate) use metadata::{MAX_ROOT_BYTES, Metadata, revoked, sweep};
pub(crate) use roots::check_chain;

use crate::error::RepoError;
use crate::publisher;

/// Whoever holds keys, at an instant.
pub struct Signer {
    keys: Keys,
    now: Timestamp,
}

/// How long a role's metadata lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Expiry {
    /// `root`, `targets`, `snapshot` or `timestamp`.
    pub role: String,
    /// The version of its metadata.
    pub version: u64,
    /// When nodes stop believing it.
    pub expires: Timestamp,
}

impl Signer {
    /// The keys in `keys`, for the repository in `folder`.
    ///
    /// # Errors
    /// If a key can't be used, or the keys are inside the folder that is served.
    pub fn open(folder: &Path, keys: &Path) -> Result<Self, RepoError> {
        outside(folder, keys)?;
        Ok(Self { keys: Keys::read(keys)?, now: Timestamp::now() })
    }

    /// The same keys at another instant.
    #[cfg(test)]
    pub(crate) fn at(self, now: Timestamp) -> Self {
        Self { now, ..self }
    }
}

/// Gives the repository in `folder` signed metadata for what it offers, and makes the keys for it in the folder `keys`,
/// so many for root and targets each as must sign together. Answers false if it has signed metadata already.
///
/// # Errors
/// If it is no repository, an archive is not what its index says, or there are keys in `keys` already.
pub fn init(folder: &Path, keys: &Path, threshold: u8) -> Result<bool, RepoError> {
    let index = publisher::list(folder)?;
    let _lock = publisher::lock(folder)?;
    if metadata::is_signed(folder) {
        return Ok(false);
    }
    outside(folder, keys)?;
    let mut files = BTreeMap::new();
    for entry in &index.packages {
        metadata::check_length(&entry.id)?;
        publisher::verify(folder, entry)?;
        if let Some(document) = publisher::index_files(folder, entry)? {
            files.insert(entry.id.clone(), document);
        }
    }
    let mut signer = Signer { keys: Keys::new(keys)?, now: Timestamp::now() };
    Metadata::make(folder, &mut signer, threshold.max(1))?.publish(&signer, &index, &files)?;
    Ok(true)
}

/// Signs anew what lasts shortest, snapshot and timestamp, and targets if its keys are here: for a timer.
///
/// # Errors
/// If the folder has no signed metadata, somebody else is publishing, or keys are missing.
pub fn refresh(folder: &Path, signer: &Signer) -> Result<Vec<Expiry>, RepoError> {
    let _lock = publisher::lock(folder)?;
    let mut metadata = Metadata::signed(folder, Some(&signer.keys))?;
    metadata.refresh(signer)?;
    Ok(metadata.expiries())
}

/// Takes packages away from what is offered, for good: their ids can't be published again, since nodes may have them.
///
/// # Errors
/// If one is not published, or as for [`refresh`].
pub fn revoke(folder: &Path, signer: &Signer, ids: &[PackageId]) -> Result<(), RepoError> {
    let _lock = publisher::lock(folder)?;
    Metadata::signed(folder, Some(&signer.keys))?.revoke(signer, ids)
}

/// Replaces the keys of `role` (`root`, `targets`, `snapshot` or `timestamp`) by new ones, by a new version of root.
/// Answers that version.
///
/// # Errors
/// If there is no such role, or as for [`refresh`]: it needs the keys of root, and of what must be signed anew.
pub fn rotate(folder: &Path, signer: &mut Signer, role: &str) -> Result<u64, RepoError> {
    let role = match role {
        "root" => RoleType::Root,
        "targets" => RoleType::Targets,
        "snapshot" => RoleType::Snapshot,
        "timestamp" => RoleType::Timestamp,
        other => return Err(SigningError::NoRole(other.to_owned()).into()),
    };
    let _lock = publisher::lock(folder)?;
    Metadata::signed(folder, Some(&signer.keys))?.rotate(signer, role)
}

/// The newest root in the folder, by the one that is in the folder `keys`: what a node may be given as its root of trust.
///
/// # Errors
/// If the folder has no signed metadata, or none that these keys are for.
pub fn newest_root(folder: &Path, keys: &Path) -> Result<std::path::PathBuf, RepoError> {
    Ok(Metadata::signed(folder, Some(&Keys::read(keys)?))?.root_file())
}

/// How long each role's metadata lasts, the first to expire first.
///
/// # Errors
/// If the folder has no signed metadata.
pub fn expiries(folder: &Path) -> Result<Vec<Expiry>, RepoError> {
    Ok(Metadata::signed(folder, None)?.expiries())
}

/// What whoever has stolen some keys can do: sign what is there again, by a root of their own that they do not publish.
#[cfg(test)]
pub(crate) fn publish_by_root(
    folder: &Path,
    signer: &Signer,
    change: impl FnOnce(&mut tough::schema::Root),
) -> Result<(), RepoError> {
    let mut metadata = Metadata::signed(folder, Some(&signer.keys))?;
    let index = metadata.index()?;
    metadata.change_root(change);
    metadata.publish(signer, &index, &BTreeMap::new())
}

/// Keys that are served are nobody's secret.
fn outside(folder: &Path, keys: &Path) -> Result<(), SigningError> {
    let real = |path: &Path| std::fs::canonicalize(path).or_else(|_| std::path::absolute(path));
    match (real(folder), real(keys)) {
        (Ok(served), Ok(secret)) if !secret.starts_with(&served) => Ok(()),
        _ => Err(SigningError::KeysServed { keys: keys.to_owned(), folder: folder.to_owned() }),
    }
}

/// The digest of a document and its length.
fn measure(text: &[u8]) -> (Sha256, u64) {
    (Sha256::of(text), text.len() as u64)
}
