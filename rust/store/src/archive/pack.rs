//! Files to an archive, the same bytes every time.
//!
//! Whatever differs from one machine or hour to the next is left out: owners are 0, times are 0, modes are two, order is
//! by name. Directories come first, then files with `pkginfo.json` before all others, then links; so that whoever
//! unpacks never meets a file before its directory and never writes by way of a link. In Zstandard each file is a frame
//! of its own together with its header, so that one file can be fetched by its range of bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use dcos_core::{PackageId, PkgInfo, Sha256, pkginfo};
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use rustix::fs::FileType;
use sha2::Digest as _;
use tar::{EntryType, Header};

use super::names::{self, Names, Node};
use super::{BLOCK, padding};
use crate::directory::{Directory, kind_of};
use crate::durable::{self, Moment};
use crate::error::StoreError;
use crate::packages::{id_of_file, parse_pkginfo, read_pkginfo};

/// Zstandard's level: beyond it, a Mesos gets 3 % smaller in three times the time.
const ZSTD_LEVEL: i32 = 9;

/// gzip's byte for an unknown operating system: what built the archive is nobody's business.
const GZIP_OS_UNKNOWN: u8 = 255;

/// An archive that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The package.
    pub id: PackageId,
    /// The archive's digest.
    pub sha256: Sha256,
    /// The archive's size in bytes.
    pub size: u64,
    /// What the package says about itself.
    pub pkginfo: PkgInfo,
}

/// Builds the archive `output`, named `<id>.tar.zst` or `<id>.tar.gz`, of the tree below `directory`.
///
/// What would be refused by a store is refused here: the same rules are asked. An existing `output` is replaced once the
/// new one is complete.
///
/// # Errors
/// If the tree holds anything but files, directories and links that stay inside, its pkginfo is not one or does not
/// belong to the name of `output`, or files can't be read or written.
pub fn build(directory: &Path, output: &Path) -> Result<Built, StoreError> {
    build_with(directory, &BTreeMap::new(), output)
}

/// The same with the files of `instead`, by path within the package, in place of those of the tree or added to them.
/// They can't be executed.
///
/// # Errors
/// As [`build`].
pub fn build_with(directory: &Path, instead: &BTreeMap<String, Vec<u8>>, output: &Path) -> Result<Built, StoreError> {
    let tree = Directory::at(directory)?;
    let package = directory.display().to_string();
    let pkginfo = match instead.get(pkginfo::FILE_NAME) {
        Some(bytes) => parse_pkginfo(bytes, &package)?,
        None => read_pkginfo(&tree, &package)?,
    };
    let id = id_of_file(output)?;
    if pkginfo.id() != id {
        return Err(StoreError::OtherPackage { expected: id, found: pkginfo.id() });
    }
    let items = collect(&tree, instead, &id)?;
    if let Some(module) = pkginfo
        .modules
        .iter()
        .find(|module| !items.iter().any(|item| item.path == module.library && !matches!(item.what, What::Directory)))
    {
        let why = format!("`{}` is said to have the module `{}`, and is not there", module.library, module.name);
        return Err(StoreError::Unbuildable { path: directory.to_owned(), why });
    }
    let parent = match output.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let parent = Directory::at(parent)?;
    let name = output.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let unfinished = format!(".{name}.{}.new", std::process::id());
    parent.remove_file(&unfinished)?;
    let file = parent.create_file(&unfinished)?;
    let source = Source { tree: &tree, instead };
    let built = write(&source, &items, &name, file, output).and_then(|(file, hash, size)| {
        rustix::fs::fchmod(&file, rustix::fs::Mode::from_raw_mode(0o644))
            .map_err(|error| StoreError::io("set the mode of", output, error))?;
        durable::sync(Moment::FileWritten(&file, output))?;
        parent.rename(&unfinished, &parent, &name)?;
        parent.sync()?;
        Ok(Built { id, sha256: hash, size, pkginfo })
    });
    if built.is_err() {
        drop(parent.remove_file(&unfinished));
    }
    built
}

/// Where the bytes of files come from.
struct Source<'a> {
    tree: &'a Directory,
    instead: &'a BTreeMap<String, Vec<u8>>,
}

/// Something in the package.
struct Item {
    path: String,
    what: What,
}

enum What {
    Directory,
    File { executable: bool },
    Link(String),
}

impl What {
    fn rank(&self, path: &str) -> u8 {
        match self {
            Self::Directory => 0,
            Self::File { .. } if path == pkginfo::FILE_NAME => 1,
            Self::File { .. } => 2,
            Self::Link(_) => 3,
        }
    }
}

/// Everything in the tree, in the archive's order, checked by the rules of archives.
fn collect(tree: &Directory, instead: &BTreeMap<String, Vec<u8>>, id: &PackageId) -> Result<Vec<Item>, StoreError> {
    let mut items = Vec::new();
    walk(tree, "", &mut items)?;
    items.retain(|item| !instead.contains_key(&item.path));
    let mut paths: BTreeSet<String> = items.iter().map(|item| item.path.clone()).collect();
    for path in instead.keys() {
        for (end, _) in path.match_indices('/') {
            if paths.insert(path[..end].to_owned()) {
                items.push(Item { path: path[..end].to_owned(), what: What::Directory });
            }
        }
        items.push(Item { path: path.clone(), what: What::File { executable: false } });
    }
    items.sort_by(|left, right| left.path.cmp(&right.path));
    let refused = |source| StoreError::Archive { package: id.to_string(), source };
    let mut names = Names::default();
    for item in &items {
        names::parse(item.path.as_bytes()).map_err(|refusal| refused(refusal.at(&item.path)))?;
        let node = match &item.what {
            What::Directory => Node::Directory { listed: true },
            What::File { .. } => Node::File,
            What::Link(target) => {
                Node::Link(names::parse_target(target.as_bytes()).map_err(|refusal| refused(refusal.at(&item.path)))?)
            }
        };
        names.add(&item.path, node).map_err(refused)?;
    }
    names.check_links().map_err(refused)?;
    items.sort_by(|left, right| {
        let rank = |item: &Item| item.what.rank(&item.path);
        rank(left).cmp(&rank(right)).then_with(|| left.path.cmp(&right.path))
    });
    Ok(items)
}

fn walk(directory: &Directory, path: &str, items: &mut Vec<Item>) -> Result<(), StoreError> {
    for entry in directory.entries()? {
        let path = if path.is_empty() { entry.name.clone() } else { format!("{path}/{}", entry.name) };
        let refuse =
            |why: &str| Err(StoreError::Unbuildable { path: directory.path().join(&entry.name), why: why.to_owned() });
        let Some(stat) = directory.stat(&entry.name)? else { return refuse("it went away, or its name is not UTF-8") };
        if kind_of(&stat) != FileType::Symlink && stat.st_mode & 0o7000 & !0o2000 != 0
            || kind_of(&stat) == FileType::RegularFile && stat.st_mode & 0o2000 != 0
        {
            return refuse("it has the set-user-id, set-group-id or sticky bit");
        }
        match kind_of(&stat) {
            FileType::Directory => {
                items.push(Item { path: path.clone(), what: What::Directory });
                walk(&directory.open(&entry.name)?, &path, items)?;
            }
            FileType::RegularFile => {
                items.push(Item { path, what: What::File { executable: stat.st_mode & 0o111 != 0 } });
            }
            FileType::Symlink => {
                let target = directory.link_target(&entry.name)?.unwrap_or_default();
                items.push(Item { path, what: What::Link(target) });
            }
            _ => return refuse("it is neither a file, nor a directory, nor a link"),
        }
    }
    Ok(())
}

/// What all written bytes go through.
struct Hashed<W> {
    output: W,
    hash: sha2::Sha256,
    size: u64,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.output.write(bytes)?;
        self.hash.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

type Output = Hashed<BufWriter<File>>;

enum Encoder {
    Gzip(GzEncoder<Output>),
    Zstd(zstd::stream::write::Encoder<'static, Output>),
}

impl Encoder {
    fn open(name: &str, output: Output) -> io::Result<Self> {
        if name.ends_with(".gz") {
            let builder = GzBuilder::new().mtime(0).operating_system(GZIP_OS_UNKNOWN);
            return Ok(Self::Gzip(builder.write(output, Compression::default())));
        }
        zstd_frame(output).map(Self::Zstd)
    }

    /// Ends a frame, if there are such things, and starts the next.
    fn next_frame(self) -> io::Result<Self> {
        match self {
            Self::Gzip(_) => Ok(self),
            Self::Zstd(encoder) => zstd_frame(encoder.finish()?).map(Self::Zstd),
        }
    }

    fn finish(self) -> io::Result<Output> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Gzip(encoder) => encoder,
            Self::Zstd(encoder) => encoder,
        }
    }
}

fn zstd_frame(output: Output) -> io::Result<zstd::stream::write::Encoder<'static, Output>> {
    let mut encoder = zstd::stream::write::Encoder::new(output, ZSTD_LEVEL)?;
    encoder.include_checksum(true)?;
    Ok(encoder)
}

fn write(
    source: &Source<'_>,
    items: &[Item],
    name: &str,
    file: File,
    output: &Path,
) -> Result<(File, Sha256, u64), StoreError> {
    let failed = |error| StoreError::io("write", output, error);
    let hashed = Hashed { output: BufWriter::with_capacity(256 << 10, file), hash: sha2::Sha256::new(), size: 0 };
    let mut encoder = Encoder::open(name, hashed).map_err(failed)?;
    let mut last_rank = 0;
    for item in items {
        let rank = item.what.rank(&item.path);
        if rank != last_rank || matches!(item.what, What::File { .. }) {
            encoder = encoder.next_frame().map_err(failed)?;
            last_rank = rank;
        }
        write_item(source, item, encoder.writer())?.map_err(failed)?;
    }
    encoder = encoder.next_frame().map_err(failed)?;
    encoder.writer().write_all(&[0; 2 * BLOCK]).map_err(failed)?;
    let hashed = encoder.finish().map_err(failed)?;
    let file = hashed.output.into_inner().map_err(|error| failed(error.into_error()))?;
    Ok((file, Sha256::from_bytes(hashed.hash.finalize().into()), hashed.size))
}

/// The outer error is about the tree, the inner about the output.
fn write_item(source: &Source<'_>, item: &Item, output: &mut dyn Write) -> Result<io::Result<()>, StoreError> {
    match &item.what {
        What::Directory => Ok(write_header(output, &format!("{}/", item.path), EntryType::Directory, 0o755, 0, None)),
        What::Link(target) => Ok(write_header(output, &item.path, EntryType::Symlink, 0o777, 0, Some(target))),
        What::File { .. } if let Some(bytes) = source.instead.get(&item.path) => {
            Ok(write_bytes(output, &item.path, bytes))
        }
        What::File { executable } => {
            let (parent, name) = item.path.rsplit_once('/').unwrap_or(("", &item.path));
            let path = source.tree.path().join(&item.path);
            let file = source.tree.descend(parent)?.open_file(name)?;
            let size = file.metadata().map_err(|error| StoreError::io("look at", &path, error))?.len();
            let mode = if *executable { 0o755 } else { 0o644 };
            if let Err(error) = write_header(output, &item.path, EntryType::Regular, mode, size, None) {
                return Ok(Err(error));
            }
            copy(file, size, &path, output)
        }
    }
}

fn copy(mut file: File, size: u64, path: &PathBuf, output: &mut dyn Write) -> Result<io::Result<()>, StoreError> {
    let changed = || StoreError::Unbuildable { path: path.clone(), why: "it changed while it was read".to_owned() };
    let mut buffer = vec![0; 256 << 10];
    let mut left = size;
    loop {
        let count = file.read(&mut buffer).map_err(|error| StoreError::io("read", path, error))?;
        if count == 0 {
            break;
        }
        left = left.checked_sub(count as u64).ok_or_else(changed)?;
        if let Err(error) = output.write_all(&buffer[..count]) {
            return Ok(Err(error));
        }
    }
    if left > 0 {
        return Err(changed());
    }
    Ok(write_padding(output, size))
}

fn write_bytes(output: &mut dyn Write, path: &str, bytes: &[u8]) -> io::Result<()> {
    let size = bytes.len() as u64;
    write_header(output, path, EntryType::Regular, 0o644, size, None)?;
    output.write_all(bytes)?;
    write_padding(output, size)
}

fn write_padding(output: &mut dyn Write, size: u64) -> io::Result<()> {
    let zeros = [0; BLOCK];
    output.write_all(&zeros[..usize::try_from(padding(size)).unwrap_or_default()])
}

/// Writes a header, with GNU's long names before it where it has no room for them.
fn write_header(
    output: &mut dyn Write,
    path: &str,
    kind: EntryType,
    mode: u32,
    size: u64,
    target: Option<&str>,
) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    let gnu = header.as_gnu_mut().ok_or(io::ErrorKind::InvalidData)?;
    if !put(&mut gnu.name, path) {
        write_long(output, EntryType::GNULongName, path)?;
    }
    if let Some(target) = target
        && !put(&mut gnu.linkname, target)
    {
        write_long(output, EntryType::GNULongLink, target)?;
    }
    header.set_cksum();
    output.write_all(header.as_bytes())
}

/// Puts a text into a field as far as it has room; answers whether it had.
fn put(field: &mut [u8; 100], text: &str) -> bool {
    let count = text.len().min(field.len());
    field[..count].copy_from_slice(&text.as_bytes()[..count]);
    text.len() <= field.len()
}

fn write_long(output: &mut dyn Write, kind: EntryType, text: &str) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(text.len() as u64 + 1);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    put(&mut header.as_gnu_mut().ok_or(io::ErrorKind::InvalidData)?.name, "././@LongLink");
    header.set_cksum();
    output.write_all(header.as_bytes())?;
    output.write_all(text.as_bytes())?;
    output.write_all(&[0])?;
    write_padding(output, text.len() as u64 + 1)
}
