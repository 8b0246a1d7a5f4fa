//! The chain of roots, and which of them a publisher goes by.
//!
//! What is signed next is what was signed before, so a publisher has to know whose signatures count. The folder can't say:
//! it is the web server's, and whoever can write there can put a root of his own beside the others, with a list signed by
//! it. So the folder of the keys has the newest root that was seen, as a node's store has it, and newer ones are believed
//! for the same reason: each is signed by the one before it, and by itself. One that does not follow is not passed over but
//! refused: nobody but a thief or a fault put it there.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tough::schema::{Root, Signed};

use super::SigningError;
use super::keys::Keys;
use super::metadata::{read, versions};
use crate::error::RepoError;
use crate::publisher;
use crate::trust::Refusal;

/// The root in the folder of the keys.
const PINNED: &str = "root.json";

/// The newest root that was seen with these keys.
pub(super) fn pinned(keys: &Keys) -> Result<Signed<Root>, RepoError> {
    let path = keys.folder().join(PINNED);
    match fs::exists(&path) {
        Ok(true) => read(keys.folder(), PINNED),
        Ok(false) => Err(SigningError::NoRoot(keys.folder().to_owned()).into()),
        Err(error) => Err(RepoError::io("read", path)(error)),
    }
}

/// Keeps `root` as the newest that was seen.
pub(super) fn pin(keys: &Keys, root: &Signed<Root>) -> Result<(), RepoError> {
    let path = keys.folder().join(PINNED);
    let text = serde_json::to_vec_pretty(root).map_err(|error| SigningError::metadata(&path, &error))?;
    publisher::replace(keys.folder(), &path, text)
}

/// The newest root among the metadata in `directory`, by the chain that begins with `pinned`. For whoever has no keys and
/// signs nothing it begins with the oldest root that is there.
pub(super) fn newest(directory: &Path, pinned: Option<&Signed<Root>>) -> Result<Signed<Root>, RepoError> {
    let there = versions(directory, ".root.json")?.into_iter().map(|(version, _)| version);
    let wrong = |name: &str, why: &str| SigningError::Root { path: directory.join(name), why: why.to_owned() };
    let (oldest, last) = (there.clone().min(), there.max().unwrap_or(0));
    let first = pinned.map(|root| root.signed.version.get()).or(oldest).unwrap_or(1);
    let mut newest = pinned.cloned();
    for version in first..=last.max(first) {
        let name = format!("{version}.root.json");
        if !directory.join(&name).exists() {
            return Err(wrong(&name, &format!("it is missing, and the newest there is version {last}")).into());
        }
        let root: Signed<Root> = read(directory, &name)?;
        match pinned {
            Some(pinned) if version == first && *pinned == root => {}
            Some(_) if version == first => {
                return Err(wrong(&name, "it is not the one that is kept with the keys").into());
            }
            _ => follows(&root, version, newest.as_ref()).map_err(|(_, why)| wrong(&name, &why))?,
        }
        newest = Some(root);
    }
    newest.ok_or_else(|| SigningError::metadata(directory, "it has no root").into())
}

/// Whether each root among `documents` is the one that its name says, up to version `newest`, and signed by the one before.
pub(crate) fn check_chain(documents: &BTreeMap<String, Vec<u8>>, newest: u64) -> Result<(), (Refusal, String)> {
    let mut before: Option<Signed<Root>> = None;
    for version in 1..=newest {
        let name = format!("{version}.root.json");
        let Some(bytes) = documents.get(&name) else {
            before = None;
            continue;
        };
        let root: Signed<Root> = serde_json::from_slice(bytes)
            .map_err(|error| (Refusal::Malformed, format!("`{name}` is no root ({error})")))?;
        follows(&root, version, before.as_ref()).map_err(|(refusal, why)| (refusal, format!("`{name}`: {why}")))?;
        before = Some(root);
    }
    Ok(())
}

/// Whether `root` has that version and is signed by the one before it, if that is known, and by itself.
fn follows(root: &Signed<Root>, version: u64, before: Option<&Signed<Root>>) -> Result<(), (Refusal, String)> {
    if root.signed.version.get() != version {
        return Err((Refusal::Mix, format!("it has version {}", root.signed.version)));
    }
    let signed = before.is_none_or(|before| before.signed.verify_role(root).is_ok());
    if !signed || root.signed.verify_role(root).is_err() {
        return Err((Refusal::Signature, "it is not signed by the root before it and by itself".to_owned()));
    }
    Ok(())
}
