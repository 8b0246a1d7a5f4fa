//! Archives into a repository's folder.
//!
//! The folder is what a web server serves: `index.json` and `packages/<name>/<id>.tar.*`. An archive is copied under a
//! hidden name, made durable and renamed before the index names it, and the index is replaced as a whole, so whoever
//! reads at any instant finds a complete index whose archives are all there. A published archive is never changed.
//!
//! Each archive goes through the store's strict reader first: what no node would accept is not published.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use dcos_core::index::{self, Index, IndexEntry};
use dcos_core::{PackageId, Sha256};
use dcos_store::{Expected, Flock, Store};
use serde::Serialize;
use sha2::Digest as _;

use crate::client::read_index;
use crate::error::RepoError;
use crate::files;
use crate::layout::{self, ENDINGS, PACKAGES};
use crate::signing::{Metadata, Signer};

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
/// If the folder is no repository, or one with signed metadata, somebody else is publishing, an archive is refused, or its
/// id was published with other content.
pub fn publish(folder: &Path, archives: &[PathBuf]) -> Result<Vec<Published>, RepoError> {
    publish_by(folder, archives, None)
}

/// The same for a repository with signed metadata.
///
/// # Errors
/// As for [`publish`], and if an id was revoked, keys are missing, or there is no signed metadata.
pub fn publish_signed(folder: &Path, archives: &[PathBuf], signer: &Signer) -> Result<Vec<Published>, RepoError> {
    publish_by(folder, archives, Some(signer))
}

fn publish_by(folder: &Path, archives: &[PathBuf], signer: Option<&Signer>) -> Result<Vec<Published>, RepoError> {
    list(folder)?;
    let checked = archives.iter().map(|archive| check(archive)).collect::<Result<Vec<_>, _>>()?;
    let _lock = lock(folder)?;
    // Read again: somebody may have published while we were checking.
    let mut metadata = Metadata::required(folder, signer)?;
    // What is signed is believed, not the plain index beside it, which whoever serves the folder could change.
    let mut index = metadata.as_ref().map_or_else(|| list(folder), Metadata::index)?;
    let (mut published, mut files) = (Vec::new(), BTreeMap::new());
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
            if let Some(metadata) = &metadata {
                metadata.check_new(&entry.id)?;
            }
            copy(archive, folder, &entry)?;
            if let Some(document) = index_files(folder, &entry)? {
                files.insert(entry.id.clone(), document);
            }
            index.packages.push(entry);
        }
    }
    if published.iter().any(|published| !published.already) {
        index.packages.sort_by(|left, right| left.id.cmp(&right.id));
        match (&mut metadata, signer) {
            (Some(metadata), Some(signer)) => metadata.publish(signer, &index, &files)?,
            _ => write_index(folder, &index)?,
        }
    }
    Ok(published)
}

/// What the index will say of `archive`, once the strict reader has accepted it.
fn check(archive: &Path) -> Result<IndexEntry, RepoError> {
    let name = archive.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let ending = ENDINGS.into_iter().find(|ending| name.ends_with(ending));
    let id = ending.and_then(|ending| name.strip_suffix(ending)?.parse::<PackageId>().ok());
    let (Some(ending), Some(id)) = (ending, id) else {
        return Err(dcos_store::StoreError::FileName(name).into());
    };
    let file = File::open(archive).map_err(RepoError::io("read", archive))?;
    let size = file.metadata().map_err(RepoError::io("read", archive))?.len();
    let scratch = tempfile::tempdir().map_err(RepoError::io("make a folder in", std::env::temp_dir()))?;
    let expected = Expected { id: Some(id.clone()), origin: archive.display().to_string(), ..Expected::default() };
    let staged = Store::open(scratch.path(), None)?.receive(file, &expected)?;
    let url = layout::escape(&layout::archive(&id, ending));
    let sha256 = staged.manifest().sha256;
    Ok(IndexEntry { id, url, sha256, size, pkginfo: staged.pkginfo().clone() })
}

/// The path of the archive of `entry` below the repository's folder.
fn path_of(entry: &IndexEntry) -> String {
    layout::archive(&entry.id, if entry.url.ends_with(".zst") { ".tar.zst" } else { ".tar.gz" })
}

/// Writes the per-file index beside the archive of `entry`, which is in its place; answers its bytes. `None` if the archive
/// has no frame for each file.
pub(crate) fn index_files(folder: &Path, entry: &IndexEntry) -> Result<Option<Vec<u8>>, RepoError> {
    let document = files::of_archive(&folder.join(path_of(entry)), &entry.id, entry.sha256)?;
    if let Some(document) = &document {
        let path = folder.join(layout::files(&entry.id));
        write(path.parent().unwrap_or(folder), &path, document)?;
    }
    Ok(document)
}

/// Gives the file at `path` below `folder` its second name, for readers of signed metadata.
#[expect(clippy::disallowed_methods, reason = "a repository's folder is not a node's tree")]
pub(crate) fn link_hashed(folder: &Path, path: &str, sha256: &Sha256) -> Result<(), RepoError> {
    let hashed = folder.join(layout::hashed(path, sha256));
    match fs::hard_link(folder.join(path), &hashed) {
        Ok(()) => hashed.parent().map_or(Ok(()), sync_directory),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(RepoError::io("link", hashed)(error)),
    }
}

/// Removes a file that is not offered any more, under both of its names.
pub(crate) fn remove(folder: &Path, path: &str, sha256: &Sha256) -> Result<(), RepoError> {
    for place in [folder.join(path), folder.join(layout::hashed(path, sha256))] {
        match fs::remove_file(&place) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(RepoError::io("remove", place)(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Whether the archive of `entry` is what the index says.
pub(crate) fn verify(folder: &Path, entry: &IndexEntry) -> Result<(), RepoError> {
    let archive = folder.join(path_of(entry));
    let mut file = File::open(&archive).map_err(RepoError::io("read", &archive))?;
    let offered = digest(&mut file, &mut std::io::sink()).map_err(RepoError::io("read", &archive))?;
    match offered == entry.sha256 {
        true => Ok(()),
        false => Err(RepoError::Differs { id: entry.id.clone(), published: entry.sha256, offered }),
    }
}

/// The digest of what `source` has, which is copied to `copy` on the way.
pub(crate) fn digest(source: &mut File, copy: &mut dyn std::io::Write) -> std::io::Result<Sha256> {
    let mut hash = sha2::Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = source.read(&mut buffer)?;
        if count == 0 {
            return Ok(Sha256::from_bytes(hash.finalize().into()));
        }
        hash.update(&buffer[..count]);
        copy.write_all(&buffer[..count])?;
    }
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
    let offered = digest(&mut source, &mut copy).map_err(failed("copy the archive to"))?;
    if offered != entry.sha256 {
        // It was changed between being checked and being copied.
        return Err(RepoError::Differs { id: entry.id.clone(), published: entry.sha256, offered });
    }
    copy.as_file().sync_all().map_err(failed("sync"))?;
    copy.persist(&place).map_err(|error| failed("write")(error.error))?;
    [&directory, &packages, folder].into_iter().try_for_each(sync_directory)
}

pub(crate) fn write_index(folder: &Path, index: &Index) -> Result<(), RepoError> {
    let path = folder.join(index::FILE_NAME);
    let text = serde_json::to_vec_pretty(index).map_err(|error| RepoError::io("write", &path)(error.into()))?;
    replace(folder, &path, text)
}

/// Replaces the document at `path` in `directory` as a whole, durable when this is done. A line break ends it.
pub(crate) fn replace(directory: &Path, path: &Path, mut text: Vec<u8>) -> Result<(), RepoError> {
    text.push(b'\n');
    write(directory, path, &text)
}

/// The same with the bytes as they are.
pub(crate) fn write(directory: &Path, path: &Path, bytes: &[u8]) -> Result<(), RepoError> {
    let failed = |action| RepoError::io(action, path);
    let mut file = hidden_file(directory, path)?;
    file.write_all(bytes).map_err(failed("write"))?;
    file.as_file().sync_all().map_err(failed("sync"))?;
    file.persist(path).map_err(|error| failed("replace")(error.error))?;
    sync_directory(directory)
}

/// A file in `directory` that is removed unless it is given the name of `place`.
pub(crate) fn hidden_file(directory: &Path, place: &Path) -> Result<tempfile::NamedTempFile, RepoError> {
    tempfile::Builder::new()
        .prefix(".")
        .suffix(".new")
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(directory)
        .map_err(RepoError::io("write", place))
}

pub(crate) fn sync_directory(directory: &Path) -> Result<(), RepoError> {
    File::open(directory).and_then(|handle| handle.sync_all()).map_err(RepoError::io("sync the folder", directory))
}

pub(crate) fn lock(folder: &Path) -> Result<Flock<File>, RepoError> {
    let path = folder.join(LOCK);
    let file =
        File::options().create(true).truncate(false).write(true).open(&path).map_err(RepoError::io("lock", &path))?;
    Flock::try_exclusive(file)
        .map_err(RepoError::io("lock", path))?
        .map_err(|_| RepoError::Publishing(folder.to_owned()))
}
