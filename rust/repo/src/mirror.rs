//! A verified copy of a repository, for sites without a way out.
//!
//! Signed metadata is copied byte for byte, so nodes verify the copy by the root of the original and whoever holds the
//! copy can withhold packages and nothing else. The order is a publisher's: archives, then the metadata that names them,
//! `timestamp.json` last, so that the copy is whole at every instant. What is there already is not fetched again, and
//! what was half there is gone on with. The mirror remembers in `.mirror/` what it has seen, like a node: a source that
//! goes back to an older state is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dcos_core::index::Index;
use dcos_core::node::RepositoryFacts;
use dcos_core::{PackageId, Sha256};
use dcos_store::{Partial, Store};
use serde::Serialize;
use sha2::Digest as _;
use tokio::runtime::Handle;

use crate::client::{self, Client};
use crate::download::{Download, Watch};
use crate::error::RepoError;
use crate::fetch::{Event, Fetched, Progress};
use crate::trust::{Refusal, TargetFile};
use crate::{layout, publisher, signing};

/// What the mirror remembers, below its folder. Its name is hidden from web servers.
const MEMORY: &str = ".mirror";

/// What messages call the repository that is copied.
const SOURCE: &str = "source";

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Mirrored {
    /// How many packages the copy offers.
    pub packages: usize,
    /// How many files were fetched.
    pub fetched: usize,
    /// How many bytes they have.
    pub bytes: u64,
    /// How many files went since the source does not offer them any more.
    pub removed: usize,
    /// The version of the root that the copy is signed by; none without signed metadata.
    pub root: Option<u64>,
}

/// What the copy shall consist of.
struct Wanted {
    /// Plain, for readers without a root of trust.
    index: Index,
    /// The files, and where they are in the source.
    files: Vec<(TargetFile, String)>,
    /// The signed documents as they came, by name; the timestamp among them.
    documents: BTreeMap<String, Vec<u8>>,
    root: Option<u64>,
}

/// Makes `folder` a copy of the repository that `facts` describe, or brings it up to date. With `verify` the files that
/// are there already are read and compared, too.
///
/// # Errors
/// If the source can't be reached or is not to be trusted, it is signed and no root was given, or `folder` can't be
/// written. What was fetched stays, and the next call goes on with it.
pub async fn mirror(
    facts: &RepositoryFacts,
    folder: &Path,
    verify: bool,
    progress: Arc<dyn Progress>,
) -> Result<Mirrored, RepoError> {
    fs::create_dir_all(folder).map_err(RepoError::io("make the folder", folder))?;
    let lock = publisher::lock(folder)?;
    let store = Store::open(folder.join(MEMORY), None)?;
    let client = Client::new(SOURCE, facts, &store)?;
    let wanted = match facts.root_json {
        Some(_) => signed(&client, folder).await?,
        None => plain(&client).await?,
    };
    let copy = Copy { folder: folder.to_owned(), store, client, runtime: Handle::current(), verify, progress };
    let copied = tokio::task::spawn_blocking(move || copy.bring(&wanted));
    let copied = copied.await.unwrap_or_else(|error| Err(RepoError::Thread(error)));
    drop(lock);
    copied
}

async fn signed(client: &Client, folder: &Path) -> Result<Wanted, RepoError> {
    let mut loaded = client.load().await?;
    let mut documents = std::mem::take(&mut loaded.documents);
    // A node may begin with any root that there ever was, so all of them are part of the copy.
    for version in 1..=loaded.root {
        let name = format!("{version}.root.json");
        if documents.contains_key(&name) {
            continue;
        }
        let path = folder.join(layout::METADATA).join(&name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(_) => {
                match client.document(&format!("{}/{name}", layout::METADATA))?.get(signing::MAX_ROOT_BYTES).await {
                    Ok(bytes) => bytes,
                    // Nobody can begin with it, here or there.
                    Err(RepoError::Status { status, .. }) if client::is_absence(status) => continue,
                    Err(error) => return Err(error),
                }
            }
        };
        documents.insert(name, bytes);
    }
    signing::check_chain(&documents, loaded.root).map_err(|(refusal, why)| RepoError::Untrusted {
        repository: SOURCE.to_owned(),
        refusal,
        why,
    })?;
    let mut index = loaded.catalogue.index;
    for entry in &mut index.packages {
        entry.url = layout::plain(&entry.url);
    }
    if let Some(file) = loaded.files.iter().find(|file| !layout::is_file(&file.path)) {
        let (repository, why) = (SOURCE.to_owned(), format!("its target `{}` is no file below `packages/`", file.path));
        return Err(RepoError::Untrusted { repository, refusal: Refusal::Malformed, why });
    }
    let with_place = |file: TargetFile| {
        let place = layout::escape(&layout::hashed(&file.path, &file.sha256));
        (file, place)
    };
    let files = loaded.files.into_iter().map(with_place).collect();
    Ok(Wanted { index, files, documents, root: Some(loaded.root) })
}

async fn plain(client: &Client) -> Result<Wanted, RepoError> {
    let timestamp = client.document(&format!("{}/{}", layout::METADATA, layout::TIMESTAMP))?;
    match timestamp.get(signing::MAX_ROOT_BYTES).await {
        Err(RepoError::Status { status, .. }) if client::is_absence(status) => {}
        Ok(_) => return Err(RepoError::SignedSource(client.base.to_string())),
        Err(error) => return Err(error),
    }
    let mut index = client.index().await?;
    let mut files = Vec::new();
    for entry in &mut index.packages {
        let place = entry.url.clone();
        let ending = layout::ENDINGS.into_iter().find(|ending| place.ends_with(ending)).unwrap_or(layout::ENDINGS[0]);
        let path = layout::archive(&entry.id, ending);
        entry.url = layout::escape(&path);
        files.push((TargetFile { path, sha256: entry.sha256, length: entry.size }, place));
    }
    Ok(Wanted { index, files, documents: BTreeMap::new(), root: None })
}

struct Copy {
    folder: PathBuf,
    store: Store,
    client: Client,
    runtime: Handle,
    verify: bool,
    progress: Arc<dyn Progress>,
}

impl Copy {
    fn bring(&self, wanted: &Wanted) -> Result<Mirrored, RepoError> {
        let mut done = Mirrored { packages: wanted.index.packages.len(), root: wanted.root, ..Mirrored::default() };
        for (file, place) in &wanted.files {
            if !self.is_there(file)? {
                self.fetch(file, place)?;
                done.fetched += 1;
                done.bytes += file.length;
            }
            if wanted.root.is_some() {
                publisher::link_hashed(&self.folder, &file.path, &file.sha256)?;
            }
        }
        if wanted.root.is_none() {
            // What is read by it is verified by digests that the node has; it is made here, from the archive itself.
            for entry in &wanted.index.packages {
                if !self.folder.join(layout::files(&entry.id)).exists() {
                    publisher::index_files(&self.folder, entry)?;
                }
            }
        }
        self.write_metadata(wanted)?;
        done.removed = self.prune(wanted)?;
        Ok(done)
    }

    fn is_there(&self, file: &TargetFile) -> Result<bool, RepoError> {
        let path = self.folder.join(&file.path);
        // It got its name once it was verified; a size that differs is another file under the same name.
        let sized = fs::metadata(&path).is_ok_and(|found| found.len() == file.length);
        if !sized || !self.verify {
            return Ok(sized);
        }
        let mut found = File::open(&path).map_err(RepoError::io("read", &path))?;
        let found = publisher::digest(&mut found, &mut std::io::sink()).map_err(RepoError::io("read", &path))?;
        Ok(found == file.sha256)
    }

    fn fetch(&self, file: &TargetFile, place: &str) -> Result<(), RepoError> {
        // Nobody else works here: the folder is locked.
        let Some(mut partial) = self.store.partial(&file.sha256)? else {
            return Err(RepoError::Publishing(self.folder.clone()));
        };
        let path = self.folder.join(&file.path);
        let directory = path.parent().unwrap_or(&self.folder).to_owned();
        fs::create_dir_all(&directory).map_err(RepoError::io("make the folder", &directory))?;
        while !self.attempt(file, place, &directory, &mut partial)? {
            // What an earlier attempt left was not what it should be: once more, all of it from the network.
            partial.empty()?;
        }
        for directory in [directory.as_path(), &self.folder.join(layout::PACKAGES), &self.folder] {
            publisher::sync_directory(directory)?;
        }
        // Its other name may lead to what was there before.
        let hashed = self.folder.join(layout::hashed(&file.path, &file.sha256));
        if let Err(error) = fs::remove_file(&hashed)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(RepoError::io("remove", hashed)(error));
        }
        Ok(partial.discard()?)
    }

    /// One pass over the file; answers false if it is not the right one, and part of it was from an earlier attempt.
    fn attempt(
        &self,
        file: &TargetFile,
        place: &str,
        directory: &Path,
        partial: &mut Partial,
    ) -> Result<bool, RepoError> {
        let source = self.client.source(place, Some(file.length))?;
        let mut watch = Told { id: layout::of_archive(&file.path), progress: self.progress.as_ref() };
        watch.event(Event::Found { size: Some(file.length) });
        let path = self.folder.join(&file.path);
        let failed = |action| RepoError::io(action, &path);
        let mut copy = publisher::hidden_file(directory, &path)?;
        let mut hash = sha2::Sha256::new();
        let mut buffer = vec![0; 256 << 10];
        let mut download = Download::new(&source, partial.file(), self.runtime.clone(), &mut watch)
            .map_err(failed("use the unfinished download of"))?;
        let replayed = download.replayed() > 0;
        loop {
            let count = match download.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) => return Err(download.take_failure().unwrap_or_else(|| failed("read")(error))),
            };
            hash.update(&buffer[..count]);
            copy.write_all(&buffer[..count]).map_err(failed("write"))?;
        }
        drop(download);
        if Sha256::from_bytes(hash.finalize().into()) != file.sha256 {
            partial.empty()?;
            return if replayed { Ok(false) } else { Err(RepoError::NotSigned { url: source.url().to_owned() }) };
        }
        copy.as_file().sync_all().map_err(failed("sync"))?;
        copy.persist(&path).map_err(|error| failed("write")(error.error))?;
        watch.event(Event::Present(Fetched { sha256: file.sha256, size: file.length, already: false }));
        Ok(true)
    }

    /// Writes what names the files, all of which are there: the timestamp last.
    fn write_metadata(&self, wanted: &Wanted) -> Result<(), RepoError> {
        let directory = self.folder.join(layout::METADATA);
        if !wanted.documents.is_empty() {
            fs::create_dir_all(&directory).map_err(RepoError::io("make the folder", &directory))?;
            publisher::sync_directory(&self.folder)?;
        }
        let write = |name: &str, bytes: &[u8]| {
            let path = directory.join(name);
            match fs::read(&path) {
                Ok(there) if there == bytes => Ok(()),
                Ok(_) | Err(_) => publisher::write(&directory, &path, bytes),
            }
        };
        let is_timestamp = |name: &str| name == layout::TIMESTAMP;
        for (name, bytes) in wanted.documents.iter().filter(|(name, _)| !is_timestamp(name)) {
            write(name, bytes)?;
        }
        publisher::write_index(&self.folder, &wanted.index)?;
        wanted.documents.get(layout::TIMESTAMP).map_or(Ok(()), |bytes| write(layout::TIMESTAMP, bytes))
    }

    /// Removes the files below `packages/` that are not offered any more, and documents that nobody reads.
    fn prune(&self, wanted: &Wanted) -> Result<usize, RepoError> {
        let mut kept: BTreeSet<PathBuf> = BTreeSet::new();
        for (file, _) in &wanted.files {
            kept.insert(self.folder.join(&file.path));
            kept.insert(self.folder.join(layout::hashed(&file.path, &file.sha256)));
        }
        kept.extend(wanted.index.packages.iter().map(|entry| self.folder.join(layout::files(&entry.id))));
        let mut removed = 0;
        let packages = self.folder.join(layout::PACKAGES);
        for directory in list(&packages)? {
            for path in list(&directory)?.into_iter().filter(|path| !kept.contains(path)) {
                fs::remove_file(&path).map_err(RepoError::io("remove", &path))?;
                removed += 1;
            }
        }
        if wanted.root.is_some() {
            signing::sweep(&self.folder.join(layout::METADATA))?;
        }
        Ok(removed)
    }
}

/// What is in a folder; nothing if there is none.
fn list(folder: &Path) -> Result<Vec<PathBuf>, RepoError> {
    let failed = || RepoError::io("read the folder", folder);
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry.map_err(failed())?.path())).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failed()(error)),
    }
}

/// Tells of archives; the other files are too small for anybody to wait for.
struct Told<'a> {
    id: Option<PackageId>,
    progress: &'a dyn Progress,
}

impl Told<'_> {
    fn event(&self, event: Event) {
        if let Some(id) = &self.id {
            self.progress.event(id, event);
        }
    }
}

impl Watch for Told<'_> {
    fn bytes(&mut self, count: u64) {
        self.event(Event::Bytes(count));
    }

    fn retrying(&mut self, why: &str) {
        self.event(Event::Retrying(why.to_owned()));
    }
}
