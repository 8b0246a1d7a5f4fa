//! A log of text lines that survives crashes: what was appended is there, in order, or the append was never answered.
//!
//! One file, one record a line: `<16 hex digits> <record>`. The digits are the beginning of the SHA-256 of the record, so
//! that a line which a power loss left half-written is known for what it is. Such a tail was never acknowledged; it is
//! cut off when the log is opened. A bad line before a good one is another matter, since it *was* acknowledged: the log
//! is refused. The first line names the format. A log that grew long is replaced as a whole by a rename.
//!
//! A log has one writer, who holds an `flock` on the directory it is in.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use dcos_core::Sha256;
use rustix::fs::OFlags;

use crate::directory::Directory;
use crate::durable::{self, Moment};
use crate::error::StoreError;
use crate::flock::Flock;

/// The first record of every log.
const HEADER: &str = "dcos-bits log 1";

/// How many digits of a record's digest stand before it: chance makes no 64 bits alike.
const CHECK_DIGITS: usize = 16;

/// Why a log can't be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file can't be made, read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Somebody else has the log open.
    #[error("the log `{}` is open in another process", .0.display())]
    Busy(PathBuf),
    /// A line that was acknowledged is damaged.
    #[error("line {line} of the log `{}` is damaged", path.display())]
    Damaged {
        /// The log.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// It is not a log, or one of a later format.
    #[error("`{}` is not a log that this release can read: its first line is {header:?}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What it begins with.
        header: String,
    },
    /// A record is not a single line.
    #[error("a record of the log `{}` has a line break in it", .0.display())]
    NotALine(PathBuf),
    /// An earlier append failed half-way, and what it left could not be taken back.
    #[error("the log `{}` can't be written any more: an earlier write failed", .0.display())]
    Broken(PathBuf),
}

/// A log, open for appending.
#[derive(Debug)]
pub struct AppendLog {
    directory: Flock<Directory>,
    name: String,
    file: File,
    /// The bytes of all acknowledged lines.
    length: u64,
    broken: bool,
}

impl AppendLog {
    /// Opens the log at `path`, made if it is not there, and answers its records, oldest first.
    ///
    /// # Errors
    /// If somebody else has it open, a line other than the last is damaged, or it can't be read.
    pub fn open(path: &Path) -> Result<(Self, Vec<String>), LogError> {
        let (parent, name) = (path.parent().unwrap_or(Path::new(".")), path.file_name().unwrap_or_default());
        let name = name.to_string_lossy().into_owned();
        let directory = Flock::try_exclusive(Directory::make(parent)?)
            .map_err(|error| StoreError::io("lock the directory", parent, error))?
            .map_err(|_| LogError::Busy(path.to_owned()))?;
        directory.remove_unfinished()?;
        if !directory.has(&name)? {
            directory.replace(&name, line(HEADER).as_bytes())?;
        }
        let mut file = directory.open_with(&name, OFlags::RDWR)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| StoreError::io("read", path, error))?;
        let (records, length) = parse(&bytes, path)?;
        let mut log = Self { directory, name, file, length, broken: false };
        if length < bytes.len() as u64 {
            tracing::warn!(log = %path.display(), bytes = bytes.len() as u64 - length, "cut off a torn tail");
            // If it comes back it is cut off again: what is appended makes the cut durable too.
            log.cut()?;
        }
        Ok((log, records))
    }

    /// Appends a record and makes it durable.
    ///
    /// # Errors
    /// If it has a line break, or can't be written; then it is not in the log.
    pub fn append(&mut self, record: &str) -> Result<(), LogError> {
        self.append_all([record])
    }

    /// Appends records and makes them durable, with one sync. After a crash all of them are there, or the first few.
    ///
    /// # Errors
    /// As [`AppendLog::append`]; then none of them is in the log.
    pub fn append_all<'a>(&mut self, records: impl IntoIterator<Item = &'a str>) -> Result<(), LogError> {
        if self.broken {
            return Err(LogError::Broken(self.path()));
        }
        let mut text = String::new();
        for record in records {
            if record.contains('\n') {
                return Err(LogError::NotALine(self.path()));
            }
            text.push_str(&line(record));
        }
        let written = self.file.write_all(text.as_bytes()).map_err(|error| self.failed("write", error));
        let written = written.and_then(|()| self.sync());
        if written.is_err() {
            // After a failed write or sync nobody knows what is on the disk. If it can't be taken back, nothing may follow.
            self.broken = self.cut().is_err() || self.sync().is_err();
        } else {
            self.length += text.len() as u64;
        }
        written
    }

    /// Replaces the whole log by these records, by a rename: after a crash it has the old ones or the new ones.
    ///
    /// # Errors
    /// If a record has a line break, or the log can't be written; then it is as it was, or takes nothing more until it is
    /// opened anew.
    pub fn compact<'a>(&mut self, records: impl IntoIterator<Item = &'a str>) -> Result<(), LogError> {
        let mut text = line(HEADER);
        for record in records {
            if record.contains('\n') {
                return Err(LogError::NotALine(self.path()));
            }
            text.push_str(&line(record));
        }
        self.directory.put(&self.name, text.as_bytes())?;
        // From the rename on the open file is one without a name: what was appended to it would be lost.
        self.broken = true;
        self.directory.sync()?;
        self.file = self.directory.open_with(&self.name, OFlags::RDWR)?;
        self.length = text.len() as u64;
        self.broken = false;
        self.file.seek(SeekFrom::End(0)).map(drop).map_err(|error| self.failed("write", error))
    }

    /// The size of the log in bytes: a measure for when to compact it.
    pub fn size(&self) -> u64 {
        self.length
    }

    fn cut(&mut self) -> Result<(), LogError> {
        let cut = self.file.set_len(self.length).and_then(|()| self.file.seek(SeekFrom::Start(self.length)));
        cut.map(drop).map_err(|error| self.failed("cut off the end of", error))
    }

    fn sync(&self) -> Result<(), LogError> {
        Ok(durable::sync(Moment::FileWritten(&self.file, &self.path()))?)
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join(&self.name)
    }

    fn failed(&self, action: &'static str, error: io::Error) -> LogError {
        StoreError::io(action, self.path(), error).into()
    }
}

fn line(record: &str) -> String {
    format!("{} {record}\n", Sha256::of(record.as_bytes()).short(CHECK_DIGITS))
}

/// The records, and how many bytes of the file they take.
fn parse(bytes: &[u8], path: &Path) -> Result<(Vec<String>, u64), LogError> {
    let mut records = Vec::new();
    let mut length = 0;
    let mut torn = None;
    for (place, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let Some(record) = record(line) else {
            torn.get_or_insert(place + 1);
            continue;
        };
        // A good line behind a bad one: the bad one was acknowledged, as its follower was written after it.
        if let Some(line) = torn {
            return Err(LogError::Damaged { path: path.to_owned(), line });
        }
        length += line.len() as u64;
        records.push(record.to_owned());
    }
    match records.first() {
        Some(header) if header == HEADER => {
            records.remove(0);
            Ok((records, length))
        }
        _ => {
            let header = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let header = String::from_utf8_lossy(&header[..header.len().min(80)]).into_owned();
            Err(LogError::Format { path: path.to_owned(), header })
        }
    }
}

fn record(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (check, record) = line.split_once(' ')?;
    (check == Sha256::of(record.as_bytes()).short(CHECK_DIGITS)).then_some(record)
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and writes where it likes"
)]
mod tests {
    use std::fs;

    use super::{AppendLog, LogError};

    fn records(path: &std::path::Path) -> Vec<String> {
        AppendLog::open(path).unwrap().1
    }

    #[test]
    fn records_come_back_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deploy/log");
        let (mut log, old) = AppendLog::open(&path).unwrap();
        assert!(old.is_empty());
        log.append("one").unwrap();
        log.append_all(["two", ""]).unwrap();
        assert!(matches!(log.append("a\nb"), Err(LogError::NotALine(_))));
        assert!(matches!(AppendLog::open(&path), Err(LogError::Busy(_))));
        drop(log);
        assert_eq!(records(&path), ["one", "two", ""]);
        let (mut log, _) = AppendLog::open(&path).unwrap();
        log.compact(["all"]).unwrap();
        log.append("more").unwrap();
        assert_eq!(log.size(), fs::metadata(&path).unwrap().len());
        drop(log);
        assert_eq!(records(&path), ["all", "more"]);
    }

    #[test]
    fn a_tail_torn_at_any_byte_is_cut_off_and_the_log_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let (mut log, _) = AppendLog::open(&path).unwrap();
        log.append("first").unwrap();
        let kept = usize::try_from(log.size()).unwrap();
        log.append("second, of some length").unwrap();
        drop(log);
        let whole = fs::read(&path).unwrap();
        for end in kept..whole.len() {
            let mut torn = whole[..end].to_vec();
            fs::write(&path, &torn).unwrap();
            assert_eq!(records(&path), ["first"], "cut at {end}");
            assert_eq!(fs::metadata(&path).unwrap().len(), kept as u64);
            // A file system may also have given the file its length before its bytes.
            torn.resize(whole.len() + 3, 0);
            fs::write(&path, &torn).unwrap();
            let (mut log, _) = AppendLog::open(&path).unwrap();
            log.append("third").unwrap();
            drop(log);
            assert_eq!(records(&path), ["first", "third"], "zeros from {end}");
        }
    }

    #[test]
    fn damage_before_the_end_is_refused_and_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let (mut log, _) = AppendLog::open(&path).unwrap();
        log.append_all(["first", "second", "third"]).unwrap();
        drop(log);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("second", "secund")).unwrap();
        assert!(matches!(AppendLog::open(&path), Err(LogError::Damaged { line: 3, .. })));
        fs::write(&path, "something else\n").unwrap();
        assert!(matches!(AppendLog::open(&path), Err(LogError::Format { .. })));
    }
}
