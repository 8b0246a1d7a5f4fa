//! Archives into a repository's folder.
//!
//! The folder is what a web server serves: `index.json` and `packages/<name>/<id>.tar.*`. An archive is copied under a
//! hidden name, made durable and renamed before the index names it, and the index is replaced as a whole, so whoever
//! reads at any instant finds a complete index whose archives are all there. A published archive is never changed.
//!
//! Each archive goes through the store's strict reader first: what no node would accept is not published.

use std::fs::{self, File, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use dcos_core::index::{self, Index, IndexEntry};
use dcos_core::{PackageId, Sha256};
use dcos_store::{Expected, Store};
use rustix::fs::FlockOperation;
use serde::Serialize;
use sha2::Digest as _;

use crate::client::read_index;
use crate::error::RepoError;

/// The folder of the archives, below the repository's.
const PACKAGES: &str = "packages";

/// Locked by whoever publishes. Its name is hidden from web servers that know what a dot means.
const LOCK: &str = ".lock";

/// The web server is another user.
const MODE: u32 = 0o644;

/// An archive that is in the repository now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Published {
    /// The package.
    pub id: PackageId,
    /// The digest of the archive.
    pub sha256: Sha256,
    /// The size of the archive in bytes.
    pub size: u64,
    /// Whether it was published before.
    pub already: bool,
}

/// Makes `folder` a repository without packages. Answers false if it was a repository already, which stays as it is.
///
/// # Errors
/// If it can't be made.
pub fn init(folder: &Path) -> Result<bool, RepoError> {
    fs::create_dir_all(folder).map_err(RepoError::io("make the folder", folder))?;
    let _lock = lock(folder)?;
    if folder.join(index::FILE_NAME).exists() {
        list(folder)?;
        return Ok(false);
    }
    write_index(folder, &Index::default())?;
    Ok(true)
}

/// The index of the repository in `folder`.
///
/// # Errors
/// If there is none, or it can't be read.
pub fn list(folder: &Path) -> Result<Index, RepoError> {
    let path = folder.join(index::FILE_NAME);
    match fs::read(&path) {
        Ok(bytes) => read_index(&path.display().to_string(), &bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(RepoError::NoIndex(folder.to_owned())),
        Err(error) => Err(RepoError::io("read", path)(error)),
    }
}

/// Publishes `archives` to the repository in `folder`: all of them, or none if one is not fit. Blocks.
///
/// # Errors
/// If the folder is no repository, somebody else is publishing, an archive is refused, or its id was published with
/// other content.
pub fn publish(folder: &Path, archives: &[PathBuf]) -> Result<Vec<Published>, RepoError> {
    list(folder)?;
    let checked = archives.iter().map(|archive| check(archive)).collect::<Result<Vec<_>, _>>()?;
    let _lock = lock(folder)?;
    // Read again: somebody may have published while we were checking.
    let mut index = list(folder)?;
    let mut published = Vec::new();
    for (archive, entry) in archives.iter().zip(checked) {
        let already = match index.packages.iter().find(|known| known.id == entry.id) {
            Some(known) if known.sha256 != entry.sha256 => {
                return Err(RepoError::Differs { id: entry.id, published: known.sha256, offered: entry.sha256 });
            }
            Some(_) => true,
            None => false,
        };
        published.push(Published { id: entry.id.clone(), sha256: entry.sha256, size: entry.size, already });
        if !already {
            copy(archive, folder, &entry)?;
            index.packages.push(entry);
        }
    }
    if published.iter().any(|published| !published.already) {
        index.packages.sort_by(|left, right| left.id.cmp(&right.id));
        write_index(folder, &index)?;
    }
    Ok(published)
}

/// What the index will say of `archive`, once the strict reader has accepted it.
fn check(archive: &Path) -> Result<IndexEntry, RepoError> {
    let name = archive.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let ending = [".tar.gz", ".tar.zst"].into_iter().find(|ending| name.ends_with(ending));
    let id = ending.and_then(|ending| name.strip_suffix(ending)?.parse::<PackageId>().ok());
    let (Some(ending), Some(id)) = (ending, id) else {
        return Err(dcos_store::StoreError::FileName(name).into());
    };
    let file = File::open(archive).map_err(RepoError::io("read", archive))?;
    let size = file.metadata().map_err(RepoError::io("read", archive))?.len();
    let scratch = tempfile::tempdir().map_err(RepoError::io("make a folder in", std::env::temp_dir()))?;
    let expected = Expected { id: Some(id.clone()), origin: archive.display().to_string(), ..Expected::default() };
    let staged = Store::open(scratch.path(), None)?.receive(file, &expected)?;
    let url = format!("{PACKAGES}/{}/{}{ending}", escape(id.name().as_str()), escape(&id.to_string()));
    let sha256 = staged.manifest().sha256;
    Ok(IndexEntry { id, url, sha256, size, pkginfo: staged.pkginfo().clone() })
}

/// Copies `archive` to its place, durable before it has its name.
fn copy(archive: &Path, folder: &Path, entry: &IndexEntry) -> Result<(), RepoError> {
    let packages = folder.join(PACKAGES);
    let directory = packages.join(entry.id.name().as_str());
    fs::create_dir_all(&directory).map_err(RepoError::io("make the folder", &directory))?;
    let ending = if entry.url.ends_with(".zst") { ".tar.zst" } else { ".tar.gz" };
    let place = directory.join(format!("{}{ending}", entry.id));
    let failed = |action| RepoError::io(action, &place);
    let mut source = File::open(archive).map_err(RepoError::io("read", archive))?;
    let mut copy = hidden_file(&directory, &place)?;
    let mut hash = sha2::Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = source.read(&mut buffer).map_err(RepoError::io("read", archive))?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
        copy.write_all(&buffer[..count]).map_err(failed("write"))?;
    }
    let offered = Sha256::from_bytes(hash.finalize().into());
    if offered != entry.sha256 {
        // It was changed between being checked and being copied.
        return Err(RepoError::Differs { id: entry.id.clone(), published: entry.sha256, offered });
    }
    copy.as_file().sync_all().map_err(failed("sync"))?;
    copy.persist(&place).map_err(|error| failed("write")(error.error))?;
    [&directory, &packages, folder].into_iter().try_for_each(sync_directory)
}

fn write_index(folder: &Path, index: &Index) -> Result<(), RepoError> {
    let path = folder.join(index::FILE_NAME);
    let failed = |action| RepoError::io(action, &path);
    let mut file = hidden_file(folder, &path)?;
    let mut text = serde_json::to_vec_pretty(index).map_err(|error| failed("write")(error.into()))?;
    text.push(b'\n');
    file.write_all(&text).map_err(failed("write"))?;
    file.as_file().sync_all().map_err(failed("sync"))?;
    file.persist(&path).map_err(|error| failed("replace")(error.error))?;
    sync_directory(folder)
}

/// A file in `directory` that is removed unless it is given the name of `place`.
fn hidden_file(directory: &Path, place: &Path) -> Result<tempfile::NamedTempFile, RepoError> {
    tempfile::Builder::new()
        .prefix(".")
        .suffix(".new")
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(directory)
        .map_err(RepoError::io("write", place))
}

fn sync_directory(directory: &Path) -> Result<(), RepoError> {
    File::open(directory).and_then(|handle| handle.sync_all()).map_err(RepoError::io("sync the folder", directory))
}

fn lock(folder: &Path) -> Result<File, RepoError> {
    let path = folder.join(LOCK);
    let file =
        File::options().create(true).truncate(false).write(true).open(&path).map_err(RepoError::io("lock", &path))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(RepoError::Publishing(folder.to_owned())),
        Err(error) => Err(RepoError::io("lock", path)(error.into())),
    }
}

/// Escapes what means something else in some URL: `:` before the first slash, and `+`, which S3 takes for a space.
fn escape(name: &str) -> String {
    name.replace('+', "%2B").replace(':', "%3A")
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn a_plus_survives_every_web_server() {
        assert_eq!(escape("fizzbuzz--1.2.0+mesos1.11.0"), "fizzbuzz--1.2.0%2Bmesos1.11.0");
        assert_eq!(escape("a--1:2~rc1@x"), "a--1%3A2~rc1@x");
    }
}
