//! Which formats of a node's files a release of dcos-bits reads.
//!
//! Readers refuse a format that they don't know, so a node whose set is changed to an older dcos-bits must have no file
//! that this one can't read. Every dcos-bits package says what it reads in [`FILE_NAME`], and validation compares that
//! with what the release that is asked writes: whatever lies in the store was written by it, or by one before it that it
//! reads. A package without the file is older than the file, and read [`FIRST`] of everything.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The path of the file within a dcos-bits package.
pub const FILE_NAME: &str = "libexec/dcos-bits/formats.json";

/// The format of the file itself.
pub const FORMAT: u32 = 1;

/// The format that every document began with.
pub const FIRST: u32 = 1;

/// What this release says of itself: the file that is packed with it.
const OWN: &str = include_str!("../data/formats.json");

/// What a release of dcos-bits reads, by the document's name.
///
/// Unknown fields are let be: a newer release, which says more, must still be comparable by this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Formats {
    /// The file's format: [`FORMAT`].
    pub format: u32,
    /// The formats of each document.
    pub reads: BTreeMap<String, Range>,
}

/// The formats of a document that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The oldest.
    pub oldest: u32,
    /// The newest, which is also the one that is written.
    pub newest: u32,
}

/// A document that a release does not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its name.
    pub document: String,
    /// The format that it has here.
    pub written: u32,
    /// What is read.
    pub read: Range,
}

impl Formats {
    /// What this release reads.
    ///
    /// # Panics
    /// Never: a test reads the file.
    #[expect(clippy::expect_used, reason = "the file is part of the program, and a test reads it")]
    pub fn own() -> Self {
        Self::parse(OWN).expect("the file of this release can be read")
    }

    /// What a release reads that did not say.
    pub fn first() -> Self {
        Self { format: FORMAT, reads: BTreeMap::new() }
    }

    /// Reads the text of a `formats.json`.
    ///
    /// # Errors
    /// If it is none, or has a format that this release does not know.
    pub fn parse(text: &str) -> Result<Self, String> {
        let formats: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match formats.format {
            FORMAT => Ok(formats),
            other => Err(format!("it has format {other}, and this release knows format {FORMAT} only")),
        }
    }

    /// What of `writer`'s files this release would not read.
    pub fn unreadable(&self, writer: &Self) -> Vec<Unreadable> {
        let first = Range { oldest: FIRST, newest: FIRST };
        let written = writer.reads.iter().map(|(document, range)| (document, range.newest));
        let compared = written.map(|(document, written)| {
            let read = self.reads.get(document).copied().unwrap_or(first);
            Unreadable { document: document.clone(), written, read }
        });
        compared.filter(|found| !(found.read.oldest..=found.read.newest).contains(&found.written)).collect()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Formats, Range};

    #[test]
    fn this_release_says_what_its_readers_know() {
        let own = Formats::own();
        for (document, format) in
            [("config", crate::config::FORMAT), ("job", crate::job::FORMAT), ("pkginfo", crate::pkginfo::FORMAT)]
        {
            assert_eq!(own.reads[document].newest, format, "{document}");
        }
        assert_eq!(own.unreadable(&own), []);
        // Releases before the file was there.
        assert_eq!(Formats::first().unreadable(&own), []);
    }

    #[test]
    fn what_is_newer_or_too_old_is_not_read() {
        let mut writer = Formats::own();
        writer.reads.insert("journal".to_owned(), Range { oldest: 1, newest: 2 });
        let unread = |reader: &Formats| {
            let found = reader.unreadable(&writer);
            found.into_iter().map(|found| (found.document, found.written)).collect::<Vec<_>>()
        };
        assert_eq!(unread(&Formats::own()), [("journal".to_owned(), 2)]);
        assert_eq!(unread(&Formats::first()), [("journal".to_owned(), 2)]);
        let mut newer = Formats::own();
        newer.reads.insert("journal".to_owned(), Range { oldest: 2, newest: 3 });
        assert_eq!(unread(&newer), []);
        newer.reads.insert("journal".to_owned(), Range { oldest: 3, newest: 3 });
        assert_eq!(unread(&newer), [("journal".to_owned(), 2)]);
    }

    #[test]
    fn more_may_be_said_by_newer_releases_in_the_same_format() {
        let text = r#"{"format":1,"reads":{"job":{"oldest":1,"newest":4,"since":"1.2"}},"writes":[]}"#;
        assert_eq!(Formats::parse(text).unwrap().reads["job"].newest, 4);
        assert!(Formats::parse(r#"{"format":2,"reads":{}}"#).unwrap_err().contains("format 2"));
        assert!(Formats::parse("[]").is_err());
    }
}
