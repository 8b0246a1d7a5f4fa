//! Entries to files, in one pass, hashed on the way.
//!
//! Nothing is ever written through a link: links are made last, after every name is known and every link was found to
//! stay inside. Modes are two, with or without the right to execute; owners and times are nobody's business.

use std::fs::File;
use std::io::Write as _;

use dcos_core::Sha256;
use rustix::fs::Mode;
use sha2::Digest as _;

use super::compression::ReadFailure;
use super::entries::{Entries, EntryKind};
use super::names::{Names, Node};
use super::rule::{Refusal, Rule};
use crate::directory::Directory;
use crate::error::StoreError;
use crate::manifest::{Content, ManifestEntry};

/// The mode of a file that may be executed, and of one that may not: nobody writes to a package.
pub(crate) const EXECUTABLE: u32 = 0o555;
pub(crate) const PLAIN: u32 = 0o444;

/// The most names, directories that lead to others included, and the most bytes of names: 32 MiB of memory at worst.
const MAX_NAMES: usize = 100_000;
const MAX_NAME_BYTES: usize = 8 << 20;

/// Why unpacking failed.
#[derive(Debug)]
pub(crate) enum UnpackFailure {
    /// The archive could not be read or is refused.
    Read(ReadFailure),
    /// The store could not be written.
    Store(StoreError),
}

impl From<ReadFailure> for UnpackFailure {
    fn from(failure: ReadFailure) -> Self {
        Self::Read(failure)
    }
}

impl From<Refusal> for UnpackFailure {
    fn from(refusal: Refusal) -> Self {
        Self::Read(refusal.into())
    }
}

impl From<StoreError> for UnpackFailure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Unpacks into `tree`, which is empty, at most `limit` bytes of content. The entries come in order of path.
///
/// Without a tree everything is read, judged and hashed all the same, and written nowhere.
pub(crate) fn unpack(
    entries: &mut Entries,
    tree: Option<&Directory>,
    limit: u64,
) -> Result<Vec<ManifestEntry>, UnpackFailure> {
    let mut unpacker = Unpacker { tree, names: Names::default(), parent: None, contents: Vec::new(), left: limit };
    while let Some(entry) = entries.next()? {
        unpacker.enter(&entry.path, &entry.kind)?;
        if let EntryKind::File { size, executable } = entry.kind {
            unpacker.write(entries, &entry.path, size, executable)?;
        }
    }
    unpacker.finish()
}

struct Unpacker<'a> {
    tree: Option<&'a Directory>,
    names: Names,
    /// The directory that the last entry was in: most entries are in the same one as the entry before.
    parent: Option<(String, Directory)>,
    contents: Vec<ManifestEntry>,
    left: u64,
}

impl Unpacker<'_> {
    /// Takes note of a name; makes the directory, if it is one.
    fn enter(&mut self, path: &str, kind: &EntryKind) -> Result<(), UnpackFailure> {
        let node = match kind {
            EntryKind::File { .. } => Node::File,
            EntryKind::Directory => Node::Directory { listed: true },
            EntryKind::Link { target } => Node::Link(target.clone()),
        };
        self.names.add(path, node)?;
        let (count, bytes) = self.names.size();
        if count > MAX_NAMES || bytes > MAX_NAME_BYTES {
            let detail = format!("more than {MAX_NAMES} names or {MAX_NAME_BYTES} bytes of them");
            return Err(Refusal::new(Rule::TooManyEntries, detail).into());
        }
        if *kind == EntryKind::Directory
            && let Some(tree) = self.tree
        {
            directory(tree, path)?;
        }
        Ok(())
    }

    fn write(&mut self, entries: &mut Entries, path: &str, size: u64, executable: bool) -> Result<(), UnpackFailure> {
        self.left = self
            .left
            .checked_sub(size)
            .ok_or_else(|| Refusal::new(Rule::UnpackedTooLarge, "the content is larger than is allowed").at(path))?;
        let mut file = self.create(path)?;
        let mut hash = sha2::Sha256::new();
        loop {
            let chunk = entries.content()?;
            if chunk.is_empty() {
                break;
            }
            hash.update(chunk);
            if let Some(file) = &mut file {
                file.write_all(chunk).map_err(|error| self.failed("write", path, error))?;
            }
            let count = chunk.len();
            entries.consume(count);
        }
        let mode = if executable { EXECUTABLE } else { PLAIN };
        if let Some(file) = &file {
            set_mode(file, mode).map_err(|error| self.failed("set the mode of", path, error.into()))?;
        }
        let sha256 = Sha256::from_bytes(hash.finalize().into());
        self.contents.push(ManifestEntry { path: path.to_owned(), content: Content::File { mode, size, sha256 } });
        Ok(())
    }

    /// The file at `path`, empty; `None` without a tree.
    fn create(&mut self, path: &str) -> Result<Option<File>, StoreError> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        self.parent(parent)?.map(|directory| directory.create_file(name)).transpose()
    }

    fn failed(&self, action: &'static str, path: &str, error: std::io::Error) -> StoreError {
        StoreError::io(action, self.tree.map_or_else(Default::default, |tree| tree.path().join(path)), error)
    }

    /// The directory at `path`, made as needed; `None` without a tree.
    fn parent(&mut self, path: &str) -> Result<Option<&Directory>, StoreError> {
        let Some(tree) = self.tree else { return Ok(None) };
        if self.parent.as_ref().map_or("", |(parent, _)| parent) != path {
            self.parent = match path {
                "" => None,
                path => Some((path.to_owned(), directory(tree, path)?)),
            };
        }
        Ok(Some(self.parent.as_ref().map_or(tree, |(_, directory)| directory)))
    }

    fn finish(mut self) -> Result<Vec<ManifestEntry>, UnpackFailure> {
        self.names.check_links()?;
        let names = std::mem::take(&mut self.names);
        for (path, target) in names.links() {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            if let Some(directory) = self.parent(parent)? {
                directory.create_link(name, target)?;
            }
        }
        let mut entries = self.contents;
        entries.extend(names.others().map(|(path, content)| ManifestEntry { path: path.to_owned(), content }));
        entries.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(entries)
    }
}

/// Opens a directory of the tree, made with those before it as needed. The names say that all of them are directories.
fn directory(tree: &Directory, path: &str) -> Result<Directory, StoreError> {
    let mut directory = tree.duplicate()?;
    for name in path.split('/') {
        directory = match directory.open_if_any(name)? {
            Some(found) => found,
            None => directory.create_directory(name)?,
        };
    }
    Ok(directory)
}

fn set_mode(file: &File, mode: u32) -> rustix::io::Result<()> {
    rustix::fs::fchmod(file, Mode::from_raw_mode(mode))
}
