//! The entries of a tar stream, one after the other, each understood in one way only.

use super::compression::{Decompressed, ReadFailure};
use super::extension::{self, Extension};
use super::header::{self, Header};
use super::names;
use super::rule::{Refusal, Rule};
use super::{BLOCK, padding};

/// The most zeros behind the end: GNU tar fills up its record of 10 KiB, others up to 1 MiB.
const MAX_END_BYTES: u64 = 1 << 20;

/// The set-user-id, set-group-id and sticky bits.
const SPECIAL_BITS: u64 = 0o7000;

/// An entry of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its path: relative, of plain names.
    pub(crate) path: String,
    /// What it is.
    pub(crate) kind: EntryKind,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    /// A file. Its content must be read before the next entry.
    File { size: u64, executable: bool },
    /// A directory.
    Directory,
    /// A symbolic link.
    Link { target: String },
}

/// Reads entries from decompressed bytes.
pub(crate) struct Entries {
    stream: Decompressed,
    /// The content of the current entry that was not read yet, and the padding behind it.
    content: u64,
    padding: u64,
}

impl Entries {
    pub(crate) fn new(stream: Decompressed) -> Self {
        Self { stream, content: 0, padding: 0 }
    }

    /// The next entry; `None` at the end, once all that follows the end has been seen to be nothing.
    ///
    /// The archive's own top directory is passed over.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, ReadFailure> {
        let mut extension = Extension::default();
        loop {
            self.skip_padding()?;
            let Some(header) = self.header()? else {
                if !extension.is_empty() {
                    return Err(Refusal::new(Rule::ExtensionOrder, "a long name that no entry follows").into());
                }
                return Ok(None);
            };
            match header.kind {
                b'L' | b'K' => extension.add_gnu(header.kind, &self.extension(&header)?)?,
                b'x' => extension.add_pax(&self.extension(&header)?)?,
                b'g' => extension::check_global(&self.extension(&header)?)?,
                _ => {
                    let said = std::mem::take(&mut extension);
                    let name = String::from_utf8_lossy(said.path.as_deref().unwrap_or(&header.name)).into_owned();
                    match understand(&header, &said).map_err(|refusal| refusal.at(&name))? {
                        Some(entry) => {
                            (self.content, self.padding) = (header.size, padding(header.size));
                            return Ok(Some(entry));
                        }
                        None => continue,
                    }
                }
            }
        }
    }

    /// The next bytes of the current file; none at its end.
    pub(crate) fn content(&mut self) -> Result<&[u8], ReadFailure> {
        if self.content == 0 {
            return Ok(&[]);
        }
        let limit = usize::try_from(self.content).unwrap_or(usize::MAX);
        let chunk = self.stream.chunk()?;
        if chunk.is_empty() {
            return Err(truncated("in the middle of a file"));
        }
        Ok(&chunk[..chunk.len().min(limit)])
    }

    /// Takes `count` of the bytes that [`Entries::content`] gave.
    pub(crate) fn consume(&mut self, count: usize) {
        self.content -= count as u64;
        self.stream.consume(count);
    }

    /// The next header; `None` for the end of the archive.
    fn header(&mut self) -> Result<Option<Header>, ReadFailure> {
        let mut block = [0; BLOCK];
        if self.stream.fill(&mut block)? < BLOCK {
            return Err(truncated("without its two zero blocks"));
        }
        if block.iter().any(|byte| *byte != 0) {
            return Ok(Some(header::parse(&block)?));
        }
        if self.stream.fill(&mut block)? < BLOCK {
            return Err(truncated("without its second zero block"));
        }
        if block.iter().any(|byte| *byte != 0) {
            return Err(Refusal::new(Rule::Padding, "a single zero block between two entries").into());
        }
        let mut after = 0;
        loop {
            let chunk = self.stream.chunk()?;
            let count = chunk.len();
            if count == 0 {
                return Ok(None);
            }
            after += count as u64;
            if after > MAX_END_BYTES || chunk.iter().any(|byte| *byte != 0) {
                return Err(Refusal::new(Rule::DataAfterEnd, "there is more behind the end of the archive").into());
            }
            self.stream.consume(count);
        }
    }

    fn extension(&mut self, header: &Header) -> Result<Vec<u8>, ReadFailure> {
        if header.size > extension::MAX_BYTES {
            let detail = format!("{} bytes of names and attributes", header.size);
            return Err(Refusal::new(Rule::ExtensionTooLarge, detail).into());
        }
        let mut content = vec![0; usize::try_from(header.size).unwrap_or_default()];
        if self.stream.fill(&mut content)? < content.len() {
            return Err(truncated("in the middle of a long name"));
        }
        self.padding = padding(header.size);
        Ok(content)
    }

    /// Padding must be zeros: what no program shows, no program may hide.
    fn skip_padding(&mut self) -> Result<(), ReadFailure> {
        debug_assert_eq!(self.content, 0, "the content of the last entry was read");
        let mut block = [0; BLOCK];
        let padding = &mut block[..usize::try_from(std::mem::take(&mut self.padding)).unwrap_or_default()];
        if self.stream.fill(padding)? < padding.len() {
            return Err(truncated("in the padding of an entry"));
        }
        match padding.iter().all(|byte| *byte == 0) {
            true => Ok(()),
            false => Err(Refusal::new(Rule::Padding, "the padding of an entry is not zeros").into()),
        }
    }
}

fn truncated(how: &str) -> ReadFailure {
    Refusal::new(Rule::Truncated, format!("the archive ends {how}")).into()
}

/// What a header and its extension say together; `None` for the top directory.
fn understand(header: &Header, extension: &Extension) -> Result<Option<Entry>, Refusal> {
    let refused = |rule, detail: &str| Err(Refusal::new(rule, detail));
    if extension.size.is_some_and(|size| size != header.size) {
        return refused(Rule::PaxSize, "the PAX size is not the size in the header");
    }
    match header.kind {
        b'0' | 0 | b'2' | b'5' => {}
        b'1' => return refused(Rule::HardLink, "a hard link"),
        b'3' | b'4' => return refused(Rule::Device, "a device"),
        b'6' => return refused(Rule::NamedPipe, "a named pipe"),
        b'S' => return refused(Rule::Sparse, "a sparse file"),
        kind => return refused(Rule::UnknownType, &format!("the type {:?}", char::from(kind))),
    }
    // A link's mode means nothing, and some programs write odd ones.
    if header.mode & SPECIAL_BITS != 0 && header.kind != b'2' {
        return refused(Rule::SpecialMode, &format!("the mode {:o}", header.mode));
    }
    let name = extension.path.as_deref().unwrap_or(&header.name);
    let path = names::parse(name)?;
    let kind = match header.kind {
        b'5' | b'2' if header.size != 0 => return refused(Rule::UnexpectedContent, "content where there can be none"),
        b'5' => EntryKind::Directory,
        b'2' => {
            let target = extension.link.as_deref().unwrap_or(&header.link);
            EntryKind::Link { target: names::parse_target(target)? }
        }
        _ if name.ends_with(b"/") => return refused(Rule::FileSlash, "a file with the name of a directory"),
        _ => EntryKind::File { size: header.size, executable: header.mode & 0o111 != 0 },
    };
    match path {
        Some(path) => Ok(Some(Entry { path, kind })),
        None if kind == EntryKind::Directory => Ok(None),
        None => refused(Rule::PathEmpty, "something other than a directory at the top"),
    }
}
