//! The files that Mesos and the helper write to: they outlive their writers, are bounded, and the last lines of Mesos's
//! are part of a failed attempt's report.
//!
//! Mesos holds the file open for its whole life, so a file that has grown is emptied in place after its end was copied
//! aside; it is opened for appending, and goes on at its new end.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The size from which on the file is emptied, in bytes.
const ROTATE_AT: u64 = 32 * 1024 * 1024;

/// How much of the end is read for the last lines, in bytes.
const TAIL_BYTES: u64 = 16 * 1024;

/// How many last lines are reported.
pub(crate) const TAIL_LINES: usize = 40;

/// How much of a line is reported, in characters: Mesos logs all its flags in one.
const LINE_CHARACTERS: usize = 400;

/// A log that is emptied when it has grown.
#[derive(Debug)]
pub struct BoundedLog {
    path: PathBuf,
}

impl BoundedLog {
    /// What the Mesos of a root writes to stdout and stderr.
    pub fn of_mesos(root: &Path) -> Self {
        Self { path: directory(root).join("mesos.log") }
    }

    /// What the helper of a root writes to stderr.
    pub fn of_helper(root: &Path) -> Self {
        Self { path: directory(root).join("helper.log") }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it for a new writer; answers the file and where the lines of that writer begin.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn open(&self) -> io::Result<(File, u64)> {
        if let Err(error) = self.rotate(ROTATE_AT) {
            tracing::warn!(%error, log = %self.path.display(), "can't empty a log that has grown");
        }
        let file = append_to(&self.path)?;
        let offset = file.metadata()?.len();
        Ok((file, offset))
    }

    /// Copies the file aside and empties it, if it is larger than `limit`. Lines written in between are lost, and all of
    /// them where there is no room for the copy: a Mesos that can be started is worth more.
    ///
    /// # Errors
    /// If it can't be emptied.
    pub fn rotate(&self, limit: u64) -> io::Result<()> {
        if fs::metadata(&self.path).map_or(0, |metadata| metadata.len()) <= limit {
            return Ok(());
        }
        let aside = self.path.with_extension("log.1");
        #[expect(clippy::disallowed_methods, reason = "a log that a crash shortens is no loss")]
        let copied = fs::copy(&self.path, &aside);
        if let Err(error) = copied {
            tracing::warn!(%error, log = %self.path.display(), "can't keep a copy of a log that has grown");
            let _ = fs::remove_file(&aside); // half a copy takes room
        }
        File::options().write(true).open(&self.path)?.set_len(0)
    }

    /// Rotates at the usual size.
    ///
    /// # Errors
    /// As [`BoundedLog::rotate`].
    pub fn rotate_if_large(&self) -> io::Result<()> {
        self.rotate(ROTATE_AT)
    }

    /// The last lines written since `offset`.
    pub fn last_lines(&self, offset: u64) -> Vec<String> {
        self.tail(offset).unwrap_or_else(|error| vec![format!("can't read `{}`: {error}", self.path.display())])
    }

    fn tail(&self, offset: u64) -> io::Result<Vec<String>> {
        let mut file = File::open(&self.path)?;
        let length = file.metadata()?.len();
        // A file that was emptied since is shorter: then all of it is newer.
        let from = if offset <= length { offset } else { 0 };
        let start = from.max(length.saturating_sub(TAIL_BYTES));
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let mut lines: Vec<String> = text.lines().map(shortened).collect();
        if start > from && !lines.is_empty() {
            lines.remove(0); // it was cut in two
        }
        let surplus = lines.len().saturating_sub(TAIL_LINES);
        lines.drain(..surplus);
        Ok(lines)
    }
}

/// The directory of a root's logs.
pub fn directory(root: &Path) -> PathBuf {
    crate::host::state_directory(root).join("log")
}

pub(crate) fn shortened(line: &str) -> String {
    let line = line.trim_end();
    match line.char_indices().nth(LINE_CHARACTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    File::options().append(true).create(true).mode(0o640).open(path)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{BoundedLog, TAIL_LINES};
    use std::io::Write as _;

    #[test]
    fn the_last_lines_are_of_the_last_mesos_only() {
        let root = tempfile::tempdir().unwrap();
        let log = BoundedLog::of_mesos(root.path());
        let (mut file, offset) = log.open().unwrap();
        assert_eq!(offset, 0);
        writeln!(file, "old").unwrap();
        let (mut file, offset) = log.open().unwrap();
        assert_eq!(log.last_lines(offset), Vec::<String>::new());
        for line in 0..TAIL_LINES + 5 {
            writeln!(file, "new {line}").unwrap();
        }
        let lines = log.last_lines(offset);
        assert_eq!(lines.len(), TAIL_LINES);
        assert_eq!(lines[0], "new 5");
    }

    #[test]
    fn a_long_line_is_cut_at_a_character() {
        assert_eq!(super::shortened("short \r"), "short");
        let cut = super::shortened(&"ä".repeat(1000));
        assert_eq!(cut.chars().count(), super::LINE_CHARACTERS + 1);
    }

    #[test]
    fn a_log_that_can_not_be_copied_is_emptied_all_the_same() {
        let root = tempfile::tempdir().unwrap();
        let log = BoundedLog::of_mesos(root.path());
        let (mut file, _) = log.open().unwrap();
        writeln!(file, "{}", "x".repeat(100_000)).unwrap();
        std::fs::create_dir(super::directory(root.path()).join("mesos.log.1")).unwrap();
        log.rotate(1000).unwrap();
        assert_eq!(std::fs::metadata(log.path()).unwrap().len(), 0);
    }

    #[test]
    fn an_open_file_goes_on_after_it_was_emptied() {
        let root = tempfile::tempdir().unwrap();
        let log = BoundedLog::of_mesos(root.path());
        let (mut file, _) = log.open().unwrap();
        writeln!(file, "{}", "x".repeat(100_000)).unwrap();
        writeln!(file, "the end").unwrap();
        assert_eq!(log.last_lines(0), ["the end"], "a line that was cut in two is left out");
        let (_, offset) = log.open().unwrap();
        log.rotate(1000).unwrap();
        writeln!(file, "after").unwrap();
        assert_eq!(log.last_lines(offset), ["after"]);
        assert!(
            std::fs::read_to_string(super::directory(root.path()).join("mesos.log.1")).unwrap().ends_with("the end\n")
        );
    }
}
