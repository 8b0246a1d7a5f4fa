//! A damaged package put right with the files that are damaged, and no others.
//!
//! What a package consists of is in its manifest, which was verified when it was added. So directories and links need
//! nothing from anywhere, and a file is the right one if its digest is, whoever sent it and whatever it said of itself:
//! its tar header is passed over unread. Received files are collected in a tree of their own in staging, without any
//! lock; then each goes to its place by a rename, as [`Store::repair`] does it with a whole package.

use std::collections::BTreeMap;
use std::io::{self, Read, Write as _};

use dcos_core::{PackageId, Sha256};
use rustix::fs::Mode;
use sha2::Digest as _;

use crate::archive::compression::WINDOW_LOG;
use crate::directory::Directory;
use crate::durable::{self, Moment};
use crate::error::StoreError;
use crate::lock::Locked;
use crate::manifest::{Content, Manifest};
use crate::packages::TREE;
use crate::staging::Staging;
use crate::store::Store;
use crate::verify::{Depth, differences, put_right};

/// The name of a file that is being received.
const RECEIVING: &str = "receiving";

/// A package that is being put right. Dropping it forgets what was received.
#[derive(Debug)]
pub struct Mending {
    manifest: Manifest,
    staging: Staging,
    good: Directory,
    /// The files that are wanted and were not received yet, with mode, size and digest.
    wanted: BTreeMap<String, (u32, u64, Sha256)>,
    received: usize,
}

impl Store {
    /// Looks what is wrong with a package, byte for byte; `None` if that can't be told, since its manifest is damaged.
    ///
    /// # Errors
    /// [`StoreError::NotLocal`] if it is not in the store; otherwise if it can't be read or staging can't be written.
    pub fn mending(&self, id: &PackageId) -> Result<Option<Mending>, StoreError> {
        let (tree, manifest) = match self.package(id) {
            Err(StoreError::Damaged { .. } | StoreError::Format { .. }) => return Ok(None),
            found => found?,
        };
        let staging = Staging::create(&self.make_scratch()?)?;
        let good = staging.directory().create_directory(TREE)?;
        let mut mending = Mending { manifest, staging, good, wanted: BTreeMap::new(), received: 0 };
        for difference in differences(&tree, &mending.manifest, Depth::Bytes)? {
            mending.want(&difference.path)?;
        }
        Ok(Some(mending))
    }

    /// Puts what was received in its place; answers the paths that were wrong.
    ///
    /// # Errors
    /// If a file is still missing, or the store can't be written; doing it again goes on where it stopped.
    #[expect(clippy::needless_pass_by_value, reason = "what is left of it afterwards is of no use to anybody")]
    pub fn mend(&self, _locked: &Locked, mending: Mending) -> Result<Vec<String>, StoreError> {
        durable::sync(Moment::TreeWritten(&mending.good, mending.received))?;
        let (tree, manifest) = self.package(&mending.manifest.id)?;
        put_right(&tree, &manifest, &mending.good)
    }
}

impl Mending {
    /// The digest of the archive that the package came from.
    pub const fn archive(&self) -> Sha256 {
        self.manifest.sha256
    }

    /// The paths of the files that have to be received.
    pub fn wanted(&self) -> Vec<String> {
        self.wanted.keys().cloned().collect()
    }

    /// Receives the file at `path` from its frame of the archive, in which so many bytes come before its own.
    ///
    /// # Errors
    /// [`StoreError::Digest`] if what comes is another file, [`StoreError::Source`] if it does not come, or if staging
    /// can't be written.
    pub fn receive(&mut self, path: &str, frame: impl Read, skip: u64) -> Result<(), StoreError> {
        let Some((mode, size, expected)) = self.wanted.get(path).copied() else { return Ok(()) };
        let package = format!("{}: {path}", self.manifest.id);
        let unreadable = |source| StoreError::Source { package: package.clone(), source };
        let mut content = content(frame, skip, size).map_err(unreadable)?;
        // Beside the tree of what is good until it is known to be.
        let directory = self.staging.directory();
        directory.remove_file(RECEIVING)?;
        let mut file = directory.create_file(RECEIVING)?;
        let failed = |action, error: io::Error| StoreError::io(action, directory.path().join(RECEIVING), error);
        let mut hash = sha2::Sha256::new();
        let mut buffer = vec![0; 128 << 10];
        loop {
            let count = content.read(&mut buffer).map_err(unreadable)?;
            if count == 0 {
                break;
            }
            hash.update(&buffer[..count]);
            file.write_all(&buffer[..count]).map_err(|error| failed("write", error))?;
        }
        let found = Sha256::from_bytes(hash.finalize().into());
        if found != expected {
            return Err(StoreError::Digest { package, expected, found });
        }
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))
            .map_err(|error| failed("set the mode of", error.into()))?;
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        directory.rename(RECEIVING, &self.good.descend(parent)?, name)?;
        self.wanted.remove(path);
        self.received += 1;
        Ok(())
    }

    /// Takes note of a difference: makes what needs no bytes, and wants the rest.
    fn want(&mut self, path: &str) -> Result<(), StoreError> {
        // What is not of the package only has to go.
        if !self.manifest.entries.contains_key(path) {
            return Ok(());
        }
        let below = format!("{path}/");
        let concerned = self.manifest.entries.range(path.to_owned()..);
        let concerned: Vec<(String, Content)> = concerned
            .take_while(|(found, _)| found.starts_with(path))
            .filter(|(found, _)| *found == path || found.starts_with(&below))
            .map(|(found, content)| (found.clone(), content.clone()))
            .collect();
        for (path, content) in concerned {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", &path));
            let mut directory = self.good.duplicate()?;
            for name in parent.split('/').filter(|name| !name.is_empty()) {
                directory = directory.ensure_directory(name)?;
            }
            match content {
                Content::Directory => drop(directory.ensure_directory(name)?),
                Content::Link { target } => directory.create_link(name, &target)?,
                Content::File { mode, size, sha256 } => drop(self.wanted.insert(path, (mode, size, sha256))),
            }
        }
        Ok(())
    }
}

/// The file's own bytes in its frame: what a frame says of its size counts for nothing.
fn content(frame: impl Read, skip: u64, size: u64) -> io::Result<impl Read> {
    let mut decoder = zstd::stream::read::Decoder::new(frame)?.single_frame();
    decoder.window_log_max(WINDOW_LOG)?;
    io::copy(&mut decoder.by_ref().take(skip), &mut io::sink())?;
    Ok(decoder.take(size))
}

#[cfg(test)]
#[path = "mend_tests.rs"]
mod tests;
