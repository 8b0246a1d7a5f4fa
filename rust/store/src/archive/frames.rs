//! Where each file of an archive lies within its compressed bytes.
//!
//! [`build`](super::pack::build) gives every file a Zstandard frame of its own, so that one file can be had by its range
//! of bytes. This finds those ranges again in an archive that the strict reader has accepted. Nothing rests on the
//! answer: whoever uses a range compares what comes out of it with the digest of the file that is wanted.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use tar::EntryType;

use crate::error::StoreError;

/// The beginning of each frame.
const MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// A frame that holds one file and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where it begins in the archive.
    pub offset: u64,
    /// How many bytes of the archive it is.
    pub length: u64,
    /// How many of the bytes in it come before the file's own: its tar header.
    pub skip: u64,
}

/// The frames of single files in the archive at `path`, by path within the package. Empty for an archive that is not made
/// that way.
///
/// # Errors
/// If it can't be read.
pub fn frames(path: &Path) -> Result<BTreeMap<String, Frame>, StoreError> {
    let failed = |error| StoreError::io("read", path, error);
    find(File::open(path).map_err(failed)?).map_err(failed)
}

fn find(archive: impl Read) -> io::Result<BTreeMap<String, Frame>> {
    let mut source = Counted { source: BufReader::with_capacity(256 << 10, archive), consumed: 0 };
    let mut frames = BTreeMap::new();
    while source.fill_buf()?.starts_with(MAGIC) {
        let offset = source.consumed;
        let mut decoder = zstd::stream::read::Decoder::with_buffer(source)?.single_frame();
        let file = only_file(&mut decoder)?;
        // To the frame's end, where the next one begins.
        io::copy(&mut decoder, &mut io::sink())?;
        source = decoder.finish();
        if let Some((path, skip)) = file {
            frames.insert(path, Frame { offset, length: source.consumed - offset, skip });
        }
    }
    Ok(frames)
}

/// The path of the only entry in `stream`, and where its content begins; `None` if that is no file, or not the only one.
fn only_file(stream: impl Read) -> io::Result<Option<(String, u64)>> {
    let mut archive = tar::Archive::new(stream);
    let mut entries = archive.entries()?;
    let Some(Ok(entry)) = entries.next() else { return Ok(None) };
    let found = match (entry.header().entry_type(), std::str::from_utf8(&entry.path_bytes())) {
        (EntryType::Regular, Ok(path)) => Some((path.to_owned(), entry.raw_file_position())),
        _ => None,
    };
    drop(entry);
    Ok(found.filter(|_| entries.next().is_none()))
}

/// A source that knows how much of it was used.
struct Counted<R> {
    source: BufReader<R>,
    consumed: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.consumed += count as u64;
        Ok(count)
    }
}

impl<R: Read> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.source.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.source.consume(count);
        self.consumed += count as u64;
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and writes where it likes"
)]
mod tests {
    use std::io::Read as _;

    use super::frames;

    #[test]
    fn every_file_is_found_again_by_its_range() {
        let place = tempfile::tempdir().unwrap();
        let tree = place.path().join("tree");
        let long = format!("share/{}/{}", "d".repeat(120), "f".repeat(120));
        let files = [("bin/run", "run"), ("lib/empty", ""), (long.as_str(), "long"), ("lib/more", &"x".repeat(9000))];
        let pkginfo = r#"{"format": 1, "name": "a", "version": "1", "kind": "plain"}"#;
        for (path, text) in files.into_iter().chain([("pkginfo.json", pkginfo)]) {
            let path = tree.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        std::os::unix::fs::symlink("run", tree.join("bin/link")).unwrap();
        let archive = place.path().join("a--1.tar.zst");
        crate::build(&tree, &archive).unwrap();
        let bytes = std::fs::read(&archive).unwrap();
        let found = frames(&archive).unwrap();
        assert_eq!(found.len(), files.len() + 1);
        for (path, text) in files {
            let frame = found[path];
            let range = &bytes[frame.offset as usize..][..frame.length as usize];
            let mut content = Vec::new();
            zstd::stream::read::Decoder::new(range).unwrap().read_to_end(&mut content).unwrap();
            assert_eq!(&content[frame.skip as usize..][..text.len()], text.as_bytes(), "{path}");
        }
    }

    #[test]
    fn an_archive_that_is_one_stream_has_none() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(
            place.path().join("pkginfo.json"),
            r#"{"format": 1, "name": "a", "version": "1", "kind": "plain"}"#,
        )
        .unwrap();
        let archive = tempfile::tempdir().unwrap();
        let gzip = archive.path().join("a--1.tar.gz");
        crate::build(place.path(), &gzip).unwrap();
        assert!(frames(&gzip).unwrap().is_empty());
        // One frame for all of it, as other tools make it.
        let mut tar = Vec::new();
        flate2::read::GzDecoder::new(std::fs::File::open(&gzip).unwrap()).read_to_end(&mut tar).unwrap();
        let whole = archive.path().join("a--1.tar.zst");
        std::fs::write(&whole, zstd::stream::encode_all(&tar[..], 3).unwrap()).unwrap();
        // A package of one file is one frame either way; the end of the archive follows in it.
        assert!(frames(&whole).unwrap().len() <= 1);
    }
}
