//! Packages: received into staging, committed by a rename, removed by another.
//!
//! Receiving takes as long as a download does and holds nothing but its own staging entry. Committing is short and
//! holds the node's lock: the manifest first, then the rename of the whole tree, which is what makes the package be
//! there. So a manifest without a tree is the trace of a crash, and nothing of a package is ever seen that was not
//! verified and durable before. Removing goes the other way: the rename of the tree out of `packages/` is the removal.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::thread;

use dcos_core::role::Kind;
use dcos_core::{PackageId, PkgInfo, Sha256, pkginfo};
use jiff::Timestamp;
use rustix::fs::RenameFlags;

use crate::archive::compression::{self, ReadFailure, Received};
use crate::archive::entries::Entries;
use crate::archive::unpack::{self, UnpackFailure};
use crate::archive::{Refusal, Rule};
use crate::directory::Directory;
use crate::durable::{self, Moment};
use crate::error::StoreError;
use crate::lock::Locked;
use crate::manifest::{self, Content, Manifest, ManifestEntry};
use crate::staging::Staging;
use crate::store::{LOCK_WAIT, PACKAGES, Store};

/// The largest archive that is taken when nobody said how large it is.
pub const MAX_ARCHIVE_BYTES: u64 = 8 << 30;

/// The largest package, unpacked, when nobody said how large it is.
pub const MAX_PACKAGE_BYTES: u64 = 16 << 30;

/// The endings of archives' names.
pub(crate) const ENDINGS: [&str; 2] = [".tar.gz", ".tar.zst"];

/// The ending of manifests' names.
const MANIFEST: &str = ".json";

/// A tree within its staging entry.
pub(crate) const TREE: &str = "tree";

/// What is known of an archive before it arrives. What is stated must be so.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// The package that it must be.
    pub id: Option<PackageId>,
    /// The digest that it must have.
    pub sha256: Option<Sha256>,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// The most bytes that its files may have together; [`MAX_PACKAGE_BYTES`] if absent.
    pub unpacked_limit: Option<u64>,
    /// Where it comes from, for the manifest: a URL, or the path of a file.
    pub origin: String,
}

/// A package that is verified and durable, but not in the store yet. Dropping it forgets it.
#[derive(Debug)]
pub struct Staged {
    staging: Staging,
    manifest: Manifest,
    pkginfo: PkgInfo,
}

/// A package that was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// The package.
    pub id: PackageId,
    /// The digest of the archive that the package in the store came from.
    pub sha256: Sha256,
    /// The bytes of its files.
    pub size: u64,
    /// Whether it was there already.
    pub already: bool,
}

impl Staged {
    /// What the package says about itself.
    pub fn pkginfo(&self) -> &PkgInfo {
        &self.pkginfo
    }

    /// What it consists of.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Where it lies.
    pub(crate) fn directory(&self) -> &Directory {
        self.staging.directory()
    }
}

impl Store {
    /// Reads an archive, in one pass with bounded memory: hashed, decompressed, checked by every rule, unpacked into
    /// staging, each file hashed, and made durable. It needs no lock and may take as long as its source does.
    ///
    /// # Errors
    /// If the source fails, the archive breaks a rule, is not what was expected, or staging can't be written. Nothing
    /// stays behind.
    pub fn receive(&self, source: impl Read + Send, expected: &Expected) -> Result<Staged, StoreError> {
        let package = expected.id.as_ref().map_or_else(|| expected.origin.clone(), ToString::to_string);
        let staging = Staging::create(&self.make_scratch()?)?;
        let tree = staging.directory().create_directory(TREE)?;
        let (entries, received) = read(source, expected, Some(&tree)).map_err(|failure| named(failure, &package))?;
        if let Some(promised) = expected.sha256
            && promised != received.sha256
        {
            return Err(StoreError::Digest { package, expected: promised, found: received.sha256 });
        }
        let pkginfo = read_pkginfo(&tree, &package)?;
        let id = pkginfo.id();
        if let Some(asked) = &expected.id
            && *asked != id
        {
            return Err(StoreError::OtherPackage { expected: asked.clone(), found: id });
        }
        let manifest = make_manifest(id, pkginfo.kind, received, entries, &expected.origin);
        if let Some(module) = pkginfo.modules.iter().find(|module| !manifest.provides_file(&module.library)) {
            let refusal = Refusal::new(Rule::NoLibrary, format!("the module `{}` is said to be in it", module.name));
            return Err(StoreError::Archive { package, source: refusal.at(&module.library) });
        }
        durable::sync(Moment::TreeWritten(&tree, manifest.entries.len()))?;
        Ok(Staged { staging, manifest, pkginfo })
    }

    /// Puts a received package into the store.
    ///
    /// # Errors
    /// If another package of that id is there, or the store can't be written.
    pub fn commit(&self, _locked: &Locked, staged: Staged) -> Result<Added, StoreError> {
        let Staged { staging, manifest, .. } = staged;
        let packages = self.make_top(PACKAGES)?;
        let name = manifest.id.to_string();
        let added = |manifest: &Manifest, already| Added {
            id: manifest.id.clone(),
            sha256: manifest.sha256,
            size: manifest.size,
            already,
        };
        let there = packages.has(&name)?;
        if there && let Some(present) = read_manifest(&packages, &manifest.id)? {
            return match present.entries == manifest.entries {
                true => Ok(added(&present, true)),
                false => {
                    Err(StoreError::Differs { id: manifest.id, present: present.sha256, offered: manifest.sha256 })
                }
            };
        }
        let document = serde_json::to_vec(&manifest)
            .map_err(|error| StoreError::io("write", packages.path().join(manifest_name(&manifest.id)), error))?;
        if there {
            // A tree whose manifest got lost is no package, and must not be taken for this one: the manifest comes last.
            // It leaves in the same instant in which the good one comes, since a generation may lead to it.
            staging.directory().rename_with(TREE, &packages, &name, RenameFlags::EXCHANGE)?;
            packages.sync()?;
            packages.put(&manifest_name(&manifest.id), &document)?;
        } else {
            packages.put(&manifest_name(&manifest.id), &document)?;
            staging.directory().rename_with(TREE, &packages, &name, RenameFlags::NOREPLACE)?;
        }
        packages.sync()?;
        tracing::info!(package = name, sha256 = %manifest.sha256, origin = manifest.origin, "added");
        Ok(added(&manifest, false))
    }

    /// Adds the archive in a file named `<id>.tar.gz` or `<id>.tar.zst`: [`Store::receive`], the lock, [`Store::commit`].
    ///
    /// # Errors
    /// As theirs, and if the file's name is not that of a package.
    pub fn add_file(&self, path: &Path, sha256: Option<Sha256>) -> Result<Added, StoreError> {
        let id = id_of_file(path)?;
        let failed = |error| StoreError::io("open the file", path, error);
        let file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let origin = std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
        let expected = Expected { id: Some(id), sha256, size: Some(size), unpacked_limit: None, origin };
        let staged = self.receive(file, &expected)?;
        let locked = self.lock_within("dcos-pkg add", LOCK_WAIT)?;
        self.commit(&locked, staged)
    }

    /// Removes a package. The disk's space is free once the answer is there.
    ///
    /// # Errors
    /// [`StoreError::NotLocal`] if it is not there, [`StoreError::InUse`] if it must stay.
    pub fn remove(&self, locked: &Locked, id: &PackageId) -> Result<(), StoreError> {
        if !self.has(id) {
            return Err(StoreError::NotLocal(id.clone()));
        }
        if let Some(why) = self.kept()?.packages.remove(id) {
            return Err(StoreError::InUse { id: id.clone(), why });
        }
        self.take_away(locked, PACKAGES, &[id.to_string()]).map(drop)
    }

    /// Takes packages, or other directories at the second level, out of the store: gone for good once this returns. What
    /// is left of them goes when the answer is dropped.
    pub(crate) fn take_away(
        &self,
        _locked: &Locked,
        top: &'static str,
        names: &[String],
    ) -> Result<Option<Leftover>, StoreError> {
        if names.is_empty() {
            return Ok(None);
        }
        let directory = self.make_top(top)?;
        let staging = Staging::create(&self.make_scratch()?)?;
        for name in names {
            directory.rename(name, staging.directory(), name)?;
            tracing::info!(name, from = top, "removed");
        }
        directory.sync()?;
        if top == PACKAGES {
            // After the trees: one without a manifest would lie there for ever.
            for name in names {
                directory.remove_file(&format!("{name}{MANIFEST}"))?;
            }
        }
        Ok(Some(Leftover { _staging: staging }))
    }

    /// Whether a package is in the store. One that can't be read has nothing in it.
    pub fn has(&self, id: &PackageId) -> bool {
        let has = |packages: &Directory| Ok(packages.has(&id.to_string())? && packages.has(&manifest_name(id))?);
        self.top(PACKAGES).and_then(|packages| packages.as_ref().map_or(Ok(false), has)).unwrap_or(false)
    }
}

/// What was taken away, on its way out.
#[derive(Debug)]
pub(crate) struct Leftover {
    _staging: Staging,
}

/// Takes away manifests whose package was not committed, or was removed.
pub(crate) fn recover(packages: &Directory) -> Result<(), StoreError> {
    packages.remove_unfinished()?;
    let entries = packages.entries()?;
    for entry in &entries {
        if let Some(id) = entry.name.strip_suffix(MANIFEST)
            && entries.binary_search_by(|other| other.name.as_str().cmp(id)).is_err()
        {
            packages.remove_file(&entry.name)?;
        }
    }
    Ok(())
}

pub(crate) fn manifest_name(id: &PackageId) -> String {
    format!("{id}{MANIFEST}")
}

pub(crate) fn read_manifest(packages: &Directory, id: &PackageId) -> Result<Option<Manifest>, StoreError> {
    let name = manifest_name(id);
    let Some(bytes) = packages.read_if_any(&name)? else { return Ok(None) };
    let path = packages.path().join(name);
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| StoreError::damaged(&path, error))?;
    match manifest.format {
        manifest::FORMAT => Ok(Some(manifest)),
        found => Err(StoreError::Format { path, found: found.into(), known: manifest::FORMAT }),
    }
}

/// Reads a package's pkginfo in its open tree.
pub(crate) fn read_pkginfo(tree: &Directory, package: &str) -> Result<PkgInfo, StoreError> {
    let Some(bytes) = tree.read_if_any(pkginfo::FILE_NAME)? else {
        let source = Refusal::new(Rule::NoPkgInfo, "there is no `pkginfo.json` at the top");
        return Err(StoreError::Archive { package: package.to_owned(), source });
    };
    parse_pkginfo(&bytes, package)
}

pub(crate) fn parse_pkginfo(bytes: &[u8], package: &str) -> Result<PkgInfo, StoreError> {
    PkgInfo::parse(&String::from_utf8_lossy(bytes))
        .map_err(|source| StoreError::PkgInfo { package: package.to_owned(), source })
}

/// The id that a file's name states.
pub(crate) fn id_of_file(path: &Path) -> Result<PackageId, StoreError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending));
    stem.and_then(|stem| stem.parse().ok()).ok_or_else(|| StoreError::FileName(name.into_owned()))
}

/// Reads an archive to its end, unpacking it into `tree`.
/// What is in an archive, judged by every rule as if it were received, and written nowhere.
///
/// # Errors
/// As [`Store::receive`], as far as they are about the archive itself.
pub fn survey(source: impl Read + Send, expected: &Expected) -> Result<BTreeMap<String, Content>, StoreError> {
    let (entries, _) = read(source, expected, None).map_err(|failure| named(failure, &expected.origin))?;
    Ok(entries.into_iter().map(|entry| (entry.path, entry.content)).collect())
}

fn read(
    source: impl Read + Send,
    expected: &Expected,
    tree: Option<&Directory>,
) -> Result<(Vec<ManifestEntry>, Received), UnpackFailure> {
    let limit = expected.size.unwrap_or(MAX_ARCHIVE_BYTES);
    let unpacked_limit = expected.unpacked_limit.unwrap_or(MAX_PACKAGE_BYTES);
    thread::scope(|scope| {
        let (stream, producer) = compression::decompress(scope, source, limit);
        let mut entries = Entries::new(stream);
        let unpacked = unpack::unpack(&mut entries, tree, unpacked_limit)?;
        // The producer had its say through the stream if it failed: the stream's end is not seen before its own.
        let received =
            producer.join().ok().flatten().ok_or_else(|| {
                ReadFailure::Source(std::io::Error::other("the thread that decompresses ended early"))
            })?;
        match expected.size {
            Some(size) if received.size != size => {
                let detail = format!("{} bytes where {size} were promised", received.size);
                Err(Refusal::new(Rule::ArchiveTooShort, detail).into())
            }
            _ => Ok((unpacked, received)),
        }
    })
}

fn named(failure: UnpackFailure, package: &str) -> StoreError {
    let package = package.to_owned();
    match failure {
        UnpackFailure::Read(ReadFailure::Refused(source)) => StoreError::Archive { package, source },
        UnpackFailure::Read(ReadFailure::Source(source)) => StoreError::Source { package, source },
        UnpackFailure::Store(error) => error,
    }
}

fn make_manifest(id: PackageId, kind: Kind, received: Received, entries: Vec<ManifestEntry>, origin: &str) -> Manifest {
    let size = |content: &Content| if let Content::File { size, .. } = content { *size } else { 0 };
    let entries: BTreeMap<_, _> = entries.into_iter().map(|entry| (entry.path, entry.content)).collect();
    Manifest {
        format: manifest::FORMAT,
        id,
        kind,
        sha256: received.sha256,
        archive_size: received.size,
        size: entries.values().map(size).sum(),
        added_at: Timestamp::now(),
        origin: origin.to_owned(),
        entries,
    }
}
