//! Looking at packages: what is there, what it says of itself, and whether it is still what was added.

use std::collections::BTreeMap;
use std::io::Read as _;

use dcos_core::config::{self, MesosConfig};
use dcos_core::role::Kind;
use dcos_core::{PackageId, PkgInfo, Sha256};
use rustix::fs::FileType;
use serde::Serialize;
use sha2::Digest as _;

use crate::directory::{Directory, kind_of};
use crate::error::StoreError;
use crate::manifest::{Content, Manifest};
use crate::packages::{manifest_name, read_manifest, read_pkginfo};
use crate::store::{PACKAGES, Store};

/// A package in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PackageSummary {
    /// The package.
    pub id: PackageId,
    /// What it is to a set.
    pub kind: Kind,
    /// The digest of the archive that it came from.
    pub sha256: Sha256,
    /// The bytes of its files.
    pub size: u64,
    /// Whether it is in the active set.
    pub active: bool,
}

/// A package in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// What a list says of it.
    pub summary: PackageSummary,
    /// What it says about itself.
    pub pkginfo: PkgInfo,
    /// What it consists of.
    pub manifest: Manifest,
}

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
    /// The packages in the store, in order of id.
    ///
    /// # Errors
    /// If the store or a manifest can't be read.
    pub fn list(&self) -> Result<Vec<PackageSummary>, StoreError> {
        let Some(packages) = self.top(PACKAGES)? else { return Ok(Vec::new()) };
        let active = self.active()?.map(|generation| generation.set).unwrap_or_default();
        let mut summaries = Vec::new();
        for id in self.ids()? {
            // Removed in the meantime, if there is none.
            if let Some(manifest) = read_manifest(&packages, &id)? {
                summaries.push(summarize(&manifest, active.contains(&id)));
            }
        }
        summaries.sort_by(|left, right| left.id.cmp(&right.id));
        Ok(summaries)
    }

    /// The ids of the packages in the store.
    ///
    /// # Errors
    /// If the store can't be read.
    pub fn ids(&self) -> Result<Vec<PackageId>, StoreError> {
        let Some(packages) = self.top(PACKAGES)? else { return Ok(Vec::new()) };
        let entries = packages.entries()?;
        let has_manifest = |id: &PackageId| {
            let name = manifest_name(id);
            entries.binary_search_by(|entry| entry.name.cmp(&name)).is_ok()
        };
        let trees = entries.iter().filter(|entry| entry.kind == FileType::Directory);
        Ok(trees.filter_map(|entry| entry.name.parse().ok()).filter(has_manifest).collect())
    }

    /// A package in full.
    ///
    /// # Errors
    /// [`StoreError::NotLocal`] if it is not in the store; otherwise if it can't be read.
    pub fn show(&self, id: &PackageId) -> Result<Package, StoreError> {
        let (tree, manifest) = self.package(id)?;
        let active = self.active()?.is_some_and(|generation| generation.set.contains(id));
        let pkginfo = read_pkginfo(&tree, &id.to_string())?;
        Ok(Package { summary: summarize(&manifest, active), pkginfo, manifest })
    }

    /// The configuration in a `mesos-config` package; `None` if it holds none.
    ///
    /// # Errors
    /// If it is not in the store or can't be read.
    pub fn config(&self, id: &PackageId) -> Result<Option<MesosConfig>, StoreError> {
        let Some(bytes) = self.read_package_file(id, config::FILE_NAME)? else { return Ok(None) };
        let path = self.root().join(PACKAGES).join(id.to_string()).join(config::FILE_NAME);
        let config: MesosConfig = serde_json::from_slice(&bytes).map_err(|error| StoreError::damaged(&path, error))?;
        match config.format {
            config::FORMAT => Ok(Some(config)),
            found => Err(StoreError::Format { path, found: found.into(), known: config::FORMAT }),
        }
    }

    /// The options that a `mesos-config` package was made from; `None` if it doesn't say.
    ///
    /// # Errors
    /// If it is not in the store or can't be read.
    pub fn options(&self, id: &PackageId) -> Result<Option<serde_json::Value>, StoreError> {
        let Some(bytes) = self.read_package_file(id, config::OPTIONS_FILE_NAME)? else { return Ok(None) };
        let path = self.root().join(PACKAGES).join(id.to_string()).join(config::OPTIONS_FILE_NAME);
        serde_json::from_slice(&bytes).map(Some).map_err(|error| StoreError::damaged(&path, error))
    }

    /// A small file of a package; `None` if it has none of that path.
    ///
    /// # Errors
    /// If the package is not in the store or can't be read.
    pub fn read_package_file(&self, id: &PackageId, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let (tree, manifest) = self.package(id)?;
        if !matches!(manifest.entries.get(path), Some(Content::File { .. })) {
            return Ok(None);
        }
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        tree.descend(parent)?.read_if_any(name)
    }

    /// Compares a package with its manifest, byte for byte.
    ///
    /// # Errors
    /// [`StoreError::NotLocal`] if it is not in the store; otherwise if it can't be read at all. A file that can't be
    /// read is a problem of the report.
    pub fn verify(&self, id: &PackageId) -> Result<VerifyReport, StoreError> {
        let mut problems = Vec::new();
        match self.package(id) {
            Ok((tree, manifest)) => problems = differences(&tree, &manifest, Depth::Bytes)?,
            // A manifest that can't be understood is damage of the package, not of the store.
            Err(error @ (StoreError::Damaged { .. } | StoreError::Format { .. })) => {
                problems.push(dcos_core::Problem::chain(&error));
            }
            Err(error) => return Err(error),
        }
        Ok(VerifyReport { id: id.clone(), ok: problems.is_empty(), problems })
    }

    /// A package's tree and manifest.
    pub(crate) fn package(&self, id: &PackageId) -> Result<(Directory, Manifest), StoreError> {
        let packages = self.top(PACKAGES)?.ok_or_else(|| StoreError::NotLocal(id.clone()))?;
        let manifest = read_manifest(&packages, id)?.ok_or_else(|| StoreError::NotLocal(id.clone()))?;
        let tree = packages.open_if_any(&id.to_string())?.ok_or_else(|| StoreError::NotLocal(id.clone()))?;
        Ok((tree, manifest))
    }
}

fn summarize(manifest: &Manifest, active: bool) -> PackageSummary {
    let Manifest { id, kind, sha256, size, .. } = manifest;
    PackageSummary { id: id.clone(), kind: *kind, sha256: *sha256, size: *size, active }
}

/// How closely files are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Types, modes and sizes.
    Shape,
    /// Those and every byte.
    Bytes,
}

/// Every difference between a package's tree and its manifest.
pub(crate) fn differences(tree: &Directory, manifest: &Manifest, depth: Depth) -> Result<Vec<String>, StoreError> {
    let mut problems = Vec::new();
    compare(tree, "", &manifest.entries, depth, &mut problems)?;
    Ok(problems)
}

/// Compares what is below `path` with what the manifest lists there.
fn compare(
    directory: &Directory,
    path: &str,
    entries: &BTreeMap<String, Content>,
    depth: Depth,
    problems: &mut Vec<String>,
) -> Result<(), StoreError> {
    let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
    let mut found = Vec::new();
    for entry in directory.entries()? {
        let path = format!("{prefix}{}", entry.name);
        match entries.get(&path) {
            None => problems.push(format!("`{path}` is not of the package")),
            Some(content) => {
                if let Err(why) = compare_one(directory, &entry.name, content, depth)? {
                    problems.push(format!("`{path}` {why}"));
                } else if *content == Content::Directory {
                    compare(&directory.open(&entry.name)?, &path, entries, depth, problems)?;
                }
            }
        }
        found.push(entry.name);
    }
    // Entries are in order of path, so those of one directory lie together, but not without those below it.
    let here = entries.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
    let names = here.filter_map(|(path, _)| path.strip_prefix(&prefix)).filter(|name| !name.contains('/'));
    problems.extend(
        names
            .filter(|name| found.binary_search_by(|found| found.as_str().cmp(name)).is_err())
            .map(|name| format!("`{prefix}{name}` is missing")),
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
