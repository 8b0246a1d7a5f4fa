//! The policy of syncing: what must be on stable storage before the next step may be taken.
//!
//! Everything else may be lost in a power failure: half-done work in `staging/`, the record in the lock file, partial
//! downloads. The crash tests leave out each sync and each rename of recorded commands in turn, and show for each that a
//! power failure may then break a rule (`tests/crash`).

use std::fs::File;
use std::path::Path;

use rustix::fs::FileType;

use crate::directory::Directory;
use crate::error::StoreError;

/// Up to this many files are synced one by one; above it, the whole file system at once.
///
/// Each `fsync` costs a flush of the disk's cache, `syncfs` one for all; but `syncfs` also waits for whatever else the
/// file system has to write, so it is not worth it for the few large files of a Mesos.
const FEW_FILES: usize = 32;

/// A moment at which something has to be durable.
#[derive(Clone, Copy)]
pub(crate) enum Moment<'a> {
    /// A file is written, and is about to be named or relied on. The path is for messages.
    FileWritten(&'a File, &'a Path),
    /// A tree with this many files and links is complete, and about to be renamed into its place.
    TreeWritten(&'a Directory, usize),
    /// Names were added to, renamed in or removed from a directory, and somebody is about to rely on it.
    NamesChanged(&'a Directory),
}

/// Makes durable what `moment` says. The only function that syncs; here is when, and why:
///
/// - **A file** before the rename that gives it its name: a document, a manifest, a log that is replaced. A power failure
///   would else leave a complete name with torn bytes behind it. A log's lines before the append is answered.
/// - **A tree**, all its files and directories, before the rename that makes a package, generation or helper of it: from
///   then on nobody looks into it again before it is used.
/// - **A directory** after names in it have changed, before anything else that relies on it happens: `packages/` before an
///   addition or removal is answered, `generations/` before a switch or before the packages of a removed generation go,
///   `helper/` before its `current` link moves, any directory before what is in a new one below it is relied on.
/// - **The switch** is one of those: the rename of a link over `active`, then its directory, before it is answered.
#[expect(clippy::disallowed_methods, reason = "it is the one that may")]
pub(crate) fn sync(moment: Moment<'_>) -> Result<(), StoreError> {
    match moment {
        Moment::FileWritten(file, path) => {
            rustix::fs::fsync(file).map_err(|error| StoreError::io("sync the file", path, error))
        }
        // There is nothing that could be missing.
        Moment::TreeWritten(_, 0) => Ok(()),
        Moment::TreeWritten(tree, files) if files <= FEW_FILES => sync_each(tree),
        Moment::TreeWritten(tree, _) => {
            rustix::fs::syncfs(tree).map_err(|error| StoreError::io("sync the file system of", tree.path(), error))
        }
        Moment::NamesChanged(directory) => {
            rustix::fs::fsync(directory).map_err(|error| StoreError::io("sync the directory", directory.path(), error))
        }
    }
}

fn sync_each(tree: &Directory) -> Result<(), StoreError> {
    for entry in tree.entries()? {
        match entry.kind {
            FileType::Directory => sync_each(&tree.open(&entry.name)?)?,
            FileType::RegularFile => {
                let path = tree.path().join(&entry.name);
                sync(Moment::FileWritten(&tree.open_file(&entry.name)?, &path))?;
            }
            // A link's target is written with its name.
            _ => {}
        }
    }
    sync(Moment::NamesChanged(tree))
}
