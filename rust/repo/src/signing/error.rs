//! Why metadata is not signed.

use std::path::{Path, PathBuf};

use dcos_core::{ExitCode, PackageId};
use tough::schema::RoleType;

/// Why metadata is not signed.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The keys would be served with the packages.
    #[error("`{}` is no place for keys: it is inside `{}`, which is served", keys.display(), folder.display())]
    KeysServed {
        /// The folder of the keys.
        keys: PathBuf,
        /// The folder of the repository.
        folder: PathBuf,
    },
    /// Two repositories with the same keys would be one to whoever holds them.
    #[error("`{}` holds keys already, and every repository has its own", .0.display())]
    KeysThere(PathBuf),
    /// A key can't be used.
    #[error("could not use the key `{}`: {why}", path.display())]
    Key {
        /// The file, or the folder of the keys.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Others can read a key.
    #[error("the key `{}` is open to others on this machine (mode {mode:o})", path.display())]
    OpenKey {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The folder has fewer keys than a role needs.
    #[error("`{}` has {found} of the {needed} keys that `{role}` needs", folder.display())]
    KeysMissing {
        /// The folder of the keys.
        folder: PathBuf,
        /// The role.
        role: RoleType,
        /// How many it needs.
        needed: u64,
        /// How many are there.
        found: usize,
    },
    /// Without a root of one's own a forged one in the folder looks right.
    #[error("`{}` has no `root.json`, the root that tells this repository from a forged one", .0.display())]
    NoRoot(PathBuf),
    /// A root in the folder does not follow from the one that is known.
    #[error("`{}` is not the next root of this repository: {why}", path.display())]
    Root {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A repository with signed metadata is changed by whoever has its keys only.
    #[error("`{}` has signed metadata, and no keys are named", .0.display())]
    Signed(PathBuf),
    /// There is nothing to sign anew.
    #[error("`{}` has no signed metadata", .0.display())]
    Unsigned(PathBuf),
    /// Signed metadata in the folder is not what it must be.
    #[error("`{}` can't be used: {why}", path.display())]
    Metadata {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A role can't be written as what is signed.
    #[error("`{role}` can't be signed: {why}")]
    Unsignable {
        /// The role.
        role: RoleType,
        /// Why not.
        why: String,
    },
    /// A revoked id stays revoked.
    #[error("`{0}` was revoked")]
    Revoked(PackageId),
    /// The names of its files would be too long.
    #[error("`{0}` is too long for a signed repository: with a digest before it a file can't have that name")]
    LongId(PackageId),
    /// What is not there can't be revoked.
    #[error("`{0}` is not published here")]
    NotPublished(PackageId),
    /// There is no such role.
    #[error("there is no role `{0}`: it is `root`, `targets`, `snapshot` or `timestamp`")]
    NoRole(String),
}

impl SigningError {
    pub(super) fn key(path: &Path, why: &(impl ToString + ?Sized)) -> Self {
        Self::Key { path: path.to_owned(), why: why.to_string() }
    }

    pub(super) fn metadata(path: &Path, why: &(impl ToString + ?Sized)) -> Self {
        Self::Metadata { path: path.to_owned(), why: why.to_string() }
    }

    pub(crate) const fn kind(&self) -> (&'static str, ExitCode) {
        match self {
            Self::KeysServed { .. } => ("keys-served", ExitCode::Usage),
            Self::KeysThere(_) => ("keys-there", ExitCode::Conflict),
            Self::Key { .. } | Self::OpenKey { .. } => ("bad-key", ExitCode::Usage),
            Self::KeysMissing { .. } => ("keys-missing", ExitCode::Refused),
            Self::NoRoot(_) => ("keys-missing", ExitCode::Refused),
            Self::Root { .. } => (crate::trust::Refusal::Root.name(), ExitCode::Refused),
            Self::Signed(_) => ("repository-signed", ExitCode::Refused),
            Self::Unsigned(_) => ("repository-unsigned", ExitCode::NotFound),
            Self::Metadata { .. } => ("bad-metadata", ExitCode::Refused),
            Self::Unsignable { .. } => ("unsignable", ExitCode::Unexpected),
            Self::Revoked(_) => ("package-revoked", ExitCode::Conflict),
            Self::LongId(_) => ("long-id", ExitCode::Refused),
            Self::NotPublished(_) => ("no-such-package", ExitCode::NotFound),
            Self::NoRole(_) => ("no-such-role", ExitCode::Usage),
        }
    }

    pub(crate) const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::KeysThere(_) => Some("name another folder; keys of an `init` that was interrupted can be removed"),
            Self::OpenKey { .. } => Some("`chmod go= FILE` closes it"),
            Self::NoRoot(_) => Some(
                "`--keys` names the folder that `dcos repo init --keys` made; to a copy of its keys belongs a copy of its `root.json`",
            ),
            Self::Root { .. } => Some(
                "are these its keys? only `dcos repo rotate` writes roots: if nobody ran it, find out who wrote to that folder",
            ),
            Self::Signed(_) => Some("name the folder of its keys by `--keys`"),
            Self::Unsigned(_) => Some("`dcos repo init DIR --keys KEYDIR` makes keys and signs what is there"),
            Self::LongId(_) => Some("give it a name and version of 179 bytes at most"),
            Self::Revoked(_) => Some("give the new content a new version"),
            Self::KeysServed { .. } => Some("name a folder that no web server serves"),
            Self::Key { .. } => Some("`--keys` names the folder that `dcos repo init --keys` made"),
            Self::KeysMissing { .. } => Some("bring the folders of all who hold a key of that role together first"),
            Self::Metadata { .. } => {
                Some("get the file from a mirror or a backup; `dcos repo mirror` made one that is whole")
            }
            Self::NotPublished(_) => Some("`dcos repo list DIR` shows what is"),
            Self::NoRole(_) => Some("name one of these four"),
            Self::Unsignable { .. } => None,
        }
    }
}
