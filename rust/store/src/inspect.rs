//! Looking at packages: what is there, and what it says of itself.

use dcos_core::config::{self, MesosConfig};
use dcos_core::role::Kind;
use dcos_core::{PackageId, PkgInfo, Sha256};
use rustix::fs::FileType;
use serde::Serialize;

use crate::directory::Directory;
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
