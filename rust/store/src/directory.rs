//! Directories by handle: every name is looked up in an open directory and a link is never followed.
//!
//! A path string is resolved anew by every call, so whoever can swap a directory for a link between two calls moves
//! our writes elsewhere. Below a package that is being unpacked, and everywhere else in the store, a step is one name
//! in one open directory, opened with `O_NOFOLLOW`. The path that a handle carries is for messages only.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use crate::durable::{self, Moment};
use crate::error::StoreError;

/// The largest document that is read into memory: manifests of packages with 100,000 files stay below.
const MAX_DOCUMENT_BYTES: u64 = 64 << 20;

/// The end of the names of files that are being written.
const UNFINISHED: &str = ".new";

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// An open directory.
#[derive(Debug)]
pub(crate) struct Directory {
    handle: OwnedFd,
    path: PathBuf,
}

/// Something in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DirectoryEntry {
    /// Its name.
    pub(crate) name: String,
    /// What it is.
    pub(crate) kind: FileType,
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl Directory {
    /// Opens the directory at `path`, following links in it: for roots that an operator named.
    pub(crate) fn at(path: &Path) -> Result<Self, StoreError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|error| StoreError::io("open the directory", path, error))?;
        Ok(Self { handle, path: path.to_owned() })
    }

    /// Opens the directory at `path`, made with those above it as needed, and durably: what is in a directory is no safer
    /// than its name.
    pub(crate) fn make(path: &Path) -> Result<Self, StoreError> {
        match Self::at(path) {
            Err(error) if error.errno() == Some(Errno::NOENT) => {}
            found => return found,
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Self::at(path) };
        // A relative path of one name has an empty parent, which means where we are.
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        let made = Self::make(parent)?.ensure_directory(&name.to_string_lossy())?;
        Ok(Self { path: path.to_owned(), ..made })
    }

    /// Where it was when it was opened, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn failed(&self, action: &'static str, name: impl AsRef<Path>) -> impl FnOnce(Errno) -> StoreError {
        let path = self.path.join(name);
        move |error| StoreError::io(action, path, error)
    }

    /// Opens a directory in it.
    pub(crate) fn open(&self, name: impl AsRef<Path>) -> Result<Self, StoreError> {
        let name = name.as_ref();
        let handle = rustix::fs::openat(&self.handle, name, DIRECTORY, Mode::empty())
            .map_err(self.failed("open the directory", name))?;
        Ok(Self { handle, path: self.path.join(name) })
    }

    /// Opens a directory in it, if there is one of that name.
    pub(crate) fn open_if_any(&self, name: &str) -> Result<Option<Self>, StoreError> {
        absent_is_none(self.open(name))
    }

    /// Opens the directory at a relative path, one name after the other.
    pub(crate) fn descend(&self, path: &str) -> Result<Self, StoreError> {
        let mut directory = self.duplicate()?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            directory = directory.open(name)?;
        }
        Ok(directory)
    }

    /// Another handle of the same directory.
    pub(crate) fn duplicate(&self) -> Result<Self, StoreError> {
        let handle =
            self.handle.try_clone().map_err(|error| StoreError::io("open the directory", &self.path, error))?;
        Ok(Self { handle, path: self.path.clone() })
    }

    /// Makes a directory in it and opens it. Its mode is `rwxr-xr-x`, whatever the umask says.
    pub(crate) fn create_directory(&self, name: &str) -> Result<Self, StoreError> {
        rustix::fs::mkdirat(&self.handle, name, Mode::from_raw_mode(0o700))
            .map_err(self.failed("make the directory", name))?;
        let made = self.open(name)?;
        rustix::fs::fchmod(&made.handle, Mode::from_raw_mode(0o755)).map_err(self.failed("set the mode of", name))?;
        Ok(made)
    }

    /// Opens a directory in it, made durably if there is none.
    pub(crate) fn ensure_directory(&self, name: &str) -> Result<Self, StoreError> {
        if let Some(found) = self.open_if_any(name)? {
            return Ok(found);
        }
        let made = self.ensure_scratch(name)?;
        self.sync()?;
        Ok(made)
    }

    /// Opens a directory in it, made if there is none: for what may be lost.
    pub(crate) fn ensure_scratch(&self, name: &str) -> Result<Self, StoreError> {
        if let Some(found) = self.open_if_any(name)? {
            return Ok(found);
        }
        match self.create_directory(name) {
            // Somebody else made it in the meantime.
            Err(error) if error.errno() == Some(Errno::EXIST) => self.open(name),
            made => made,
        }
    }

    /// Makes a file in it that was not there, for writing.
    pub(crate) fn create_file(&self, name: &str) -> Result<File, StoreError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.handle, name, flags, Mode::from_raw_mode(0o600))
            .map(File::from)
            .map_err(self.failed("make the file", name))
    }

    /// Opens a file in it with `flags`, made with mode `rw-r--r--` if they say so.
    pub(crate) fn open_with(&self, name: &str, flags: OFlags) -> Result<File, StoreError> {
        rustix::fs::openat(&self.handle, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::from_raw_mode(0o644))
            .map(File::from)
            .map_err(self.failed("open the file", name))
    }

    /// Opens a file in it for reading.
    pub(crate) fn open_file(&self, name: &str) -> Result<File, StoreError> {
        // Not blocking: a pipe that lies where a file should be is found by its type, not by waiting for a writer.
        self.open_with(name, OFlags::RDONLY | OFlags::NONBLOCK)
    }

    /// The bytes of a file in it; `None` if there is no such file.
    pub(crate) fn read_if_any(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(file) = absent_is_none(self.open_file(name))? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(MAX_DOCUMENT_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|error| StoreError::io("read", self.path.join(name), error))?;
        Ok(Some(bytes))
    }

    /// What a name in it is, links not followed; `None` if there is none.
    pub(crate) fn stat(&self, name: impl AsRef<Path>) -> Result<Option<Stat>, StoreError> {
        let name = name.as_ref();
        match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.failed("look at", name)(error)),
        }
    }

    /// Whether there is anything of that name in it.
    pub(crate) fn has(&self, name: &str) -> Result<bool, StoreError> {
        Ok(self.stat(name)?.is_some())
    }

    /// Where a link in it points; `None` if there is none of that name.
    pub(crate) fn link_target(&self, name: &str) -> Result<Option<String>, StoreError> {
        match rustix::fs::readlinkat(&self.handle, name, Vec::new()) {
            Ok(target) => Ok(Some(target.to_string_lossy().into_owned())),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.failed("read the link", name)(error)),
        }
    }

    /// Makes a link in it.
    pub(crate) fn create_link(&self, name: &str, target: &str) -> Result<(), StoreError> {
        rustix::fs::symlinkat(target, &self.handle, name).map_err(self.failed("make the link", name))
    }

    /// Moves a name of it to a name of another directory; what was there is replaced if it may be.
    #[expect(clippy::disallowed_methods, reason = "this and the next are the only renames")]
    pub(crate) fn rename(&self, name: &str, to: &Self, new_name: &str) -> Result<(), StoreError> {
        rustix::fs::renameat(&self.handle, name, &to.handle, new_name)
            .map_err(|error| StoreError::io("rename", self.path.join(name), error).towards(to.path.join(new_name)))
    }

    /// Moves a name of it to a name of another directory, in the way that `flags` say.
    #[expect(clippy::disallowed_methods, reason = "as above")]
    pub(crate) fn rename_with(
        &self,
        name: &str,
        to: &Self,
        new_name: &str,
        flags: RenameFlags,
    ) -> Result<(), StoreError> {
        rustix::fs::renameat_with(&self.handle, name, &to.handle, new_name, flags)
            .map_err(|error| StoreError::io("rename", self.path.join(name), error).towards(to.path.join(new_name)))
    }

    /// Everything in it, in order of name. A name that is not UTF-8 is shown with replacement characters.
    pub(crate) fn entries(&self) -> Result<Vec<DirectoryEntry>, StoreError> {
        let shown = |(name, kind): (OsString, _)| DirectoryEntry { name: name.to_string_lossy().into_owned(), kind };
        let mut entries: Vec<_> = self.names()?.into_iter().map(shown).collect();
        entries.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(entries)
    }

    /// Everything in it by its very name, in order of name.
    fn names(&self) -> Result<Vec<(OsString, FileType)>, StoreError> {
        let list = |error| StoreError::io("list", &self.path, error);
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.handle).map_err(list)? {
            let entry = entry.map_err(list)?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => self.stat(name)?.map_or(FileType::Unknown, |stat| kind_of(&stat)),
                known => known,
            };
            names.push((name.to_owned(), kind));
        }
        names.sort_by(|left, right| left.0.cmp(&right.0));
        Ok(names)
    }

    /// Removes a file or link in it; fine if there is none.
    pub(crate) fn remove_file(&self, name: &str) -> Result<(), StoreError> {
        match rustix::fs::unlinkat(&self.handle, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(self.failed("remove", name)(error)),
        }
    }

    /// Removes a name in it with everything below; fine if there is none.
    ///
    /// Directories are entered by handle without following links, so nothing outside can be reached.
    pub(crate) fn remove_tree(&self, name: &str) -> Result<(), StoreError> {
        match self.stat(name)? {
            Some(stat) => self.remove_name(name.as_ref(), kind_of(&stat)),
            None => Ok(()),
        }
    }

    /// By the very name: what came into a tree by somebody else's hand need not have one that is UTF-8.
    fn remove_name(&self, name: &OsStr, kind: FileType) -> Result<(), StoreError> {
        let mut flags = AtFlags::empty();
        if kind == FileType::Directory {
            let Some(directory) = absent_is_none(self.open(name))? else { return Ok(()) };
            for (below, kind) in directory.names()? {
                directory.remove_name(&below, kind)?;
            }
            flags = AtFlags::REMOVEDIR;
        }
        match rustix::fs::unlinkat(&self.handle, name, flags) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(self.failed("remove", name)(error)),
        }
    }

    /// Makes what was added to, renamed in or removed from it durable.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        durable::sync(Moment::NamesChanged(self))
    }

    /// Makes a link in it point elsewhere, durably: at any instant it points to the old place or to the new one.
    pub(crate) fn replace_link(&self, name: &str, target: &str) -> Result<(), StoreError> {
        let unfinished = unfinished(name);
        self.remove_file(&unfinished)?;
        self.create_link(&unfinished, target)?;
        self.rename(&unfinished, self, name)?;
        self.sync()
    }

    /// Writes a file that was not there, with the given permission bits. It is as durable as its tree will be.
    pub(crate) fn write_new(&self, name: &str, bytes: &[u8], mode: u32) -> Result<File, StoreError> {
        let mut file = self.create_file(name)?;
        file.write_all(bytes).map_err(|error| StoreError::io("write", self.path.join(name), error))?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode)).map_err(self.failed("set the mode of", name))?;
        Ok(file)
    }

    /// Replaces a document as a whole: readers see the old one or the new one, also after a crash.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.put(name, bytes)?;
        self.sync()
    }

    /// The same for a document that is relied on only once something else in this directory is durable.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let unfinished = unfinished(name);
        self.remove_file(&unfinished)?;
        let written = self.write_new(&unfinished, bytes, 0o644).and_then(|file| {
            durable::sync(Moment::FileWritten(&file, &self.path.join(&unfinished)))?;
            self.rename(&unfinished, self, name)
        });
        if written.is_err() {
            // The first error is the one to tell; the leftover is recovery's. On a full disk somebody tries again and again.
            drop(self.remove_file(&unfinished));
        }
        written
    }

    /// Removes unfinished documents whose writer is gone.
    pub(crate) fn remove_unfinished(&self) -> Result<(), StoreError> {
        for entry in self.entries()? {
            let writer = entry.name.strip_suffix(UNFINISHED).filter(|name| name.starts_with('.')).and_then(|name| {
                let mut parts = name.rsplit('.');
                parts.next()?.parse::<u64>().ok()?;
                parts.next()?.parse::<u32>().ok()
            });
            if writer.is_some_and(|pid| pid != std::process::id() && !crate::process::exists(pid)) {
                self.remove_file(&entry.name)?;
            }
        }
        Ok(())
    }
}

/// A name for what will be `name`. The process in it tells recovery whether anybody is still at work on it.
fn unfinished(name: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!(".{name}.{}.{count}{UNFINISHED}", std::process::id())
}

/// What the mode of a file says that it is.
pub(crate) fn kind_of(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

fn absent_is_none<T>(result: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.errno() == Some(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}
