//! Whether a package is still what was added, and putting it right.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;

use dcos_core::{PackageId, Sha256};
use rustix::fs::FileType;
use serde::Serialize;
use sha2::Digest as _;

use crate::directory::{Directory, kind_of};
use crate::error::StoreError;
use crate::lock::Locked;
use crate::manifest::{Content, Manifest};
use crate::packages::{Staged, TREE, manifest_name};
use crate::store::{PACKAGES, Store};

/// Whether a package is what was added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// The package.
    pub id: PackageId,
    /// Whether it is: true if there are no problems.
    pub ok: bool,
    /// Every difference.
    pub problems: Vec<String>,
}

impl Store {
    /// Compares a package with its manifest, byte for byte.
    ///
    /// # Errors
    /// [`StoreError::NotLocal`] if it is not in the store; otherwise if it can't be read at all. A file that can't be
    /// read is a problem of the report.
    pub fn verify(&self, id: &PackageId) -> Result<VerifyReport, StoreError> {
        let problems = match self.package(id) {
            Ok((tree, manifest)) => {
                differences(&tree, &manifest, Depth::Bytes)?.iter().map(ToString::to_string).collect()
            }
            // A manifest that can't be understood is damage of the package, not of the store.
            Err(error @ (StoreError::Damaged { .. } | StoreError::Format { .. })) => {
                vec![dcos_core::Problem::chain(&error)]
            }
            Err(error) => return Err(error),
        };
        Ok(VerifyReport { id: id.clone(), ok: problems.is_empty(), problems })
    }

    /// Puts a package right with what was received of it again; answers the paths that were wrong. Each is replaced by a
    /// rename, so whoever has the old file open keeps it, and whoever opens it gets a whole one.
    ///
    /// # Errors
    /// [`StoreError::NotLocal`] if it is not in the store, [`StoreError::Differs`] if what was received is another
    /// package, or if the store can't be written; doing it again goes on where it stopped.
    #[expect(clippy::needless_pass_by_value, reason = "what is left of it afterwards is of no use to anybody")]
    pub fn repair(&self, _locked: &Locked, staged: Staged) -> Result<Vec<String>, StoreError> {
        let id = &staged.manifest().id;
        let (tree, manifest) = match self.package(id) {
            Err(StoreError::Damaged { .. }) => {
                // What is in the store can't be told any more: the manifest is written anew, and all of the tree checked.
                let packages = self.make_top(PACKAGES)?;
                let document = serde_json::to_vec(staged.manifest())
                    .map_err(|error| StoreError::io("write", packages.path().join(manifest_name(id)), error))?;
                packages.replace(&manifest_name(id), &document)?;
                self.package(id)?
            }
            found => found?,
        };
        if manifest.entries != staged.manifest().entries {
            let (present, offered) = (manifest.sha256, staged.manifest().sha256);
            return Err(StoreError::Differs { id: id.clone(), present, offered });
        }
        put_right(&tree, &manifest, &staged.directory().open(TREE)?)
    }
}

/// Replaces what differs in `tree` by what `good` has at the same path; answers the paths.
pub(crate) fn put_right(tree: &Directory, manifest: &Manifest, good: &Directory) -> Result<Vec<String>, StoreError> {
    let mut paths = Vec::new();
    for Difference { path, .. } in differences(tree, manifest, Depth::Bytes)? {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let to = tree.descend(parent)?;
        match manifest.entries.get(&path) {
            None => to.remove_tree(name)?,
            Some(content) => {
                // A rename replaces a file by a file; a directory in the way has to go before.
                let in_the_way = to.stat(name)?.is_some_and(|stat| kind_of(&stat) == FileType::Directory);
                if in_the_way || *content == Content::Directory {
                    to.remove_tree(name)?;
                }
                good.descend(parent)?.rename(name, &to, name)?;
            }
        }
        to.sync()?;
        paths.push(path);
    }
    tracing::info!(package = %manifest.id, paths = paths.len(), "repaired");
    Ok(paths)
}

/// How closely files are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Types, modes and sizes.
    Shape,
    /// Those and every byte.
    Bytes,
}

/// A difference between a package's tree and its manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) path: String,
    /// What is wrong there, in words that follow the path.
    why: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` {}", self.path, self.why)
    }
}

/// Every difference between a package's tree and its manifest. Nothing is said of what lies below one.
pub(crate) fn differences(tree: &Directory, manifest: &Manifest, depth: Depth) -> Result<Vec<Difference>, StoreError> {
    let mut found = Vec::new();
    compare(tree, "", &manifest.entries, depth, &mut found)?;
    Ok(found)
}

/// Compares what is below `path` with what the manifest lists there.
fn compare(
    directory: &Directory,
    path: &str,
    entries: &BTreeMap<String, Content>,
    depth: Depth,
    differences: &mut Vec<Difference>,
) -> Result<(), StoreError> {
    let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
    let mut names = Vec::new();
    for entry in directory.entries()? {
        let path = format!("{prefix}{}", entry.name);
        match entries.get(&path) {
            None => differences.push(Difference { path, why: "is not of the package".to_owned() }),
            Some(content) => match compare_one(directory, &entry.name, content, depth)? {
                Err(why) => differences.push(Difference { path, why }),
                Ok(()) if *content == Content::Directory => {
                    compare(&directory.open(&entry.name)?, &path, entries, depth, differences)?;
                }
                Ok(()) => {}
            },
        }
        names.push(entry.name);
    }
    // Entries are in order of path, so those of one directory lie together, but not without those below it.
    let here = entries.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
    let wanted = here.filter_map(|(path, _)| path.strip_prefix(&prefix)).filter(|name| !name.contains('/'));
    differences.extend(
        wanted
            .filter(|name| names.binary_search_by(|found| found.as_str().cmp(name)).is_err())
            .map(|name| Difference { path: format!("{prefix}{name}"), why: "is missing".to_owned() }),
    );
    Ok(())
}

/// The inner error says how it differs.
fn compare_one(
    directory: &Directory,
    name: &str,
    content: &Content,
    depth: Depth,
) -> Result<Result<(), String>, StoreError> {
    let Some(stat) = directory.stat(name)? else { return Ok(Err("is missing".to_owned())) };
    let kind = kind_of(&stat);
    Ok(match content {
        Content::Directory if kind == FileType::Directory => Ok(()),
        Content::Link { target } if kind == FileType::Symlink => match directory.link_target(name)? {
            Some(found) if found == *target => Ok(()),
            found => Err(format!("points to `{}`, not to `{target}`", found.unwrap_or_default())),
        },
        Content::File { mode, size, sha256 } if kind == FileType::RegularFile => {
            if u64::try_from(stat.st_size) != Ok(*size) {
                Err(format!("has {} bytes, not {size}", stat.st_size))
            } else if stat.st_mode & 0o7777 != *mode {
                Err(format!("has mode {:o}, not {mode:o}", stat.st_mode & 0o7777))
            } else if depth == Depth::Shape {
                Ok(())
            } else {
                match hash(directory, name) {
                    Ok(found) if found == *sha256 => Ok(()),
                    Ok(found) => Err(format!("has sha256 {found}, not {sha256}")),
                    Err(error) => Err(format!("can't be read: {error}")),
                }
            }
        }
        Content::Directory | Content::Link { .. } | Content::File { .. } => Err("is something else".to_owned()),
    })
}

fn hash(directory: &Directory, name: &str) -> std::io::Result<Sha256> {
    let mut file = directory.open_file(name).map_err(std::io::Error::other)?;
    let mut hash = sha2::Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Sha256::from_bytes(hash.finalize().into())),
            count => hash.update(&buffer[..count]),
        }
    }
}
