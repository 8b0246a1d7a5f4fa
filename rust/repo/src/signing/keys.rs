//! The operator's keys: ed25519, each in a file of its own outside the served folder.
//!
//! Which key is for what is not in its file's name, which is for people, but in the root: a key counts for the roles
//! that list its id. So a machine that refreshes by a timer has the two keys for that, and no other.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::Ed25519KeyPair;
use tough::schema::decoded::{Decoded, Hex};
use tough::schema::key::Key;
use tough::schema::{Role, RoleType, Root, Signature, Signed};
use tough::sign::Sign as _;

use super::SigningError;

/// What the files of keys end in: PKCS #8, as `openssl pkey -inform DER` reads it.
const ENDING: &str = "pk8";

/// The id of a key within metadata.
pub(super) type KeyId = Decoded<Hex>;

/// The keys in a folder.
pub(super) struct Keys {
    folder: PathBuf,
    pub(super) pairs: Vec<(KeyId, Ed25519KeyPair)>,
}

impl Keys {
    /// The keys in `folder`.
    pub(super) fn read(folder: &Path) -> Result<Self, SigningError> {
        let failed = |error: std::io::Error| SigningError::key(folder, &error);
        let mut pairs = Vec::new();
        for file in fs::read_dir(folder).map_err(failed)? {
            let path = file.map_err(failed)?.path();
            if path.extension().is_some_and(|ending| ending == ENDING) {
                pairs.push(read(&path)?);
            }
        }
        Ok(Self { folder: folder.to_owned(), pairs })
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A folder for keys, made if it is not there, without any in it.
    pub(super) fn new(folder: &Path) -> Result<Self, SigningError> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| SigningError::key(folder, &error))?;
        match Self::read(folder)? {
            keys if keys.pairs.is_empty() => Ok(keys),
            _ => Err(SigningError::KeysThere(folder.to_owned())),
        }
    }

    /// Makes a key for `role`, durable before anybody can rely on it.
    pub(super) fn make(&mut self, role: RoleType) -> Result<(KeyId, Key), SigningError> {
        let failed = |_: aws_lc_rs::error::Unspecified| SigningError::key(&self.folder, "no key could be made");
        let pair = Ed25519KeyPair::generate().map_err(failed)?;
        let document = pair.to_pkcs8().map_err(failed)?;
        let (id, key) = public(&pair, &self.folder)?;
        let short: String = id.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let path = self.folder.join(format!("{role}-{short}.{ENDING}"));
        let write = || {
            let mut file = File::options().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(document.as_ref())?;
            file.sync_all()?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(|error| SigningError::key(&path, &error))?;
        self.pairs.push((id.clone(), pair));
        Ok((id, key))
    }

    /// Whether there are enough keys to sign for `role`.
    pub(super) fn suffice(&self, root: &Root, role: RoleType) -> bool {
        self.missing(root, role).is_none()
    }

    fn missing(&self, root: &Root, role: RoleType) -> Option<SigningError> {
        let listed = root.roles.get(&role);
        let found = self.pairs.iter().filter(|(id, _)| listed.is_some_and(|listed| listed.keyids.contains(id))).count();
        let needed = listed.map_or(1, |listed| listed.threshold.get());
        let folder = self.folder.clone();
        ((found as u64) < needed).then_some(SigningError::KeysMissing { folder, role, needed, found })
    }

    /// Signs `role` with every key that any of `roots` lists for it, so that whoever knows one of them believes it.
    pub(super) fn sign<T: Role>(&self, role: T, roots: &[&Root]) -> Result<Signed<T>, SigningError> {
        if let Some(error) = roots.iter().find_map(|root| self.missing(root, T::TYPE)) {
            return Err(error);
        }
        let lists = |id: &KeyId| {
            let listed = roots.iter().filter_map(|root| root.roles.get(&T::TYPE));
            listed.into_iter().any(|listed| listed.keyids.contains(id))
        };
        let text = role
            .canonical_form()
            .map_err(|error| SigningError::Unsignable { role: T::TYPE, why: error.to_string() })?;
        let pairs = self.pairs.iter().filter(|(id, _)| lists(id));
        let signatures =
            pairs.map(|(id, pair)| Signature { keyid: id.clone(), sig: pair.sign(&text).as_ref().to_vec().into() });
        Ok(Signed { signatures: signatures.collect(), signed: role })
    }
}

fn read(path: &Path) -> Result<(KeyId, Ed25519KeyPair), SigningError> {
    let failed = |error: std::io::Error| SigningError::key(path, &error);
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SigningError::OpenKey { path: path.to_owned(), mode });
    }
    let pair = Ed25519KeyPair::from_pkcs8(&fs::read(path).map_err(failed)?);
    let pair = pair.map_err(|_| SigningError::key(path, "it is not an ed25519 key in PKCS #8"))?;
    Ok((public(&pair, path)?.0, pair))
}

fn public(pair: &Ed25519KeyPair, path: &Path) -> Result<(KeyId, Key), SigningError> {
    let key = pair.tuf_key();
    let id = key.key_id().map_err(|error| SigningError::key(path, &error))?;
    Ok((id, key))
}
