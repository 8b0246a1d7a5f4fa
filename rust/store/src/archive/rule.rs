//! Every reason for which an archive is refused, by name.

use std::fmt;

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// A rule of package archives. Its name is stable: logs, tests and operators know it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Rule {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The rule's name, kebab-case.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

rules! {
    /// The first bytes are neither gzip's nor Zstandard's.
    UnknownCompression = "unknown-compression",
    /// The compressed stream is damaged or ends early.
    DamagedCompression = "damaged-compression",
    /// Bytes follow the end of the compressed stream, such as a second gzip member.
    TrailingBytes = "trailing-bytes",
    /// The archive is larger than was promised or is allowed.
    ArchiveTooLarge = "archive-too-large",
    /// The archive is not as large as was promised.
    ArchiveTooShort = "archive-too-short",
    /// Unpacked, it is larger than is allowed.
    UnpackedTooLarge = "unpacked-too-large",
    /// It has more entries than are allowed.
    TooManyEntries = "too-many-entries",
    /// The tar stream ends in the middle of an entry or without its two zero blocks.
    Truncated = "truncated",
    /// Something other than zeros follows the two zero blocks.
    DataAfterEnd = "data-after-end",
    /// The padding of an entry, or the only zero block between two entries, is not as it must be.
    Padding = "padding",
    /// A header's checksum is wrong.
    Checksum = "checksum",
    /// A header is neither POSIX ustar nor GNU.
    HeaderFormat = "header-format",
    /// A number in a header is not plain octal: base-256, signed, or with stray characters.
    HeaderNumber = "header-number",
    /// A text field of a header has bytes behind its end.
    HeaderText = "header-text",
    /// A link, directory or other entry without content says that it has some.
    UnexpectedContent = "unexpected-content",
    /// A hard link.
    HardLink = "hard-link",
    /// A character or block device.
    Device = "device",
    /// A named pipe.
    NamedPipe = "named-pipe",
    /// A sparse file.
    Sparse = "sparse",
    /// An entry of another type that is not a file, a directory or a symbolic link.
    UnknownType = "unknown-type",
    /// A file with the set-user-id, set-group-id or sticky bit.
    SpecialMode = "special-mode",
    /// A PAX header that is not `length key=value` lines of UTF-8.
    PaxSyntax = "pax-syntax",
    /// A PAX key that says more than names, times and owners.
    PaxKey = "pax-key",
    /// The same PAX key twice.
    PaxDuplicate = "pax-duplicate",
    /// A PAX size that differs from the header's: two programs would read two archives.
    PaxSize = "pax-size",
    /// A PAX header for all that follows, with more than a comment in it.
    PaxGlobal = "pax-global",
    /// A long name that no entry follows, a second one for the same entry, or two kinds of it.
    ExtensionOrder = "extension-order",
    /// A long name or PAX header beyond any honest size.
    ExtensionTooLarge = "extension-too-large",
    /// A path that is empty.
    PathEmpty = "path-empty",
    /// A path that starts with `/`.
    PathAbsolute = "path-absolute",
    /// A path with a component `..`.
    PathParent = "path-parent",
    /// A path with an empty component or a component `.` after its start.
    PathForm = "path-form",
    /// A path that is too long, or a component of it.
    PathTooLong = "path-too-long",
    /// A path that is too deep.
    PathTooDeep = "path-too-deep",
    /// A path that is not UTF-8.
    PathEncoding = "path-encoding",
    /// A path with control, invisible or direction-changing characters, or a backslash.
    PathCharacter = "path-character",
    /// A path that is not in Unicode's composed normal form (NFC).
    PathNormalization = "path-normalization",
    /// A file whose path ends in `/`.
    FileSlash = "file-slash",
    /// The same path twice.
    Duplicate = "duplicate",
    /// Two paths that differ in case or in look-alike forms only.
    Collision = "collision",
    /// An entry below a file or a link.
    ParentNotDirectory = "parent-not-directory",
    /// A link whose target is empty, absolute, or has characters that no path may have.
    LinkTarget = "link-target",
    /// A link that leads out of the package, itself or by way of others.
    LinkEscapes = "link-escapes",
    /// A link to nothing in the package.
    LinkDangling = "link-dangling",
    /// A link that leads back to itself.
    LinkLoop = "link-loop",
    /// There is no file `pkginfo.json` at the top.
    NoPkgInfo = "no-pkginfo",
    /// The pkginfo names a module library that is not a file of the package.
    NoLibrary = "no-library",
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// An archive that broke a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The rule.
    pub rule: Rule,
    /// The entry that broke it, where it was one.
    pub entry: Option<String>,
    /// What was found.
    pub detail: String,
}

impl Refusal {
    pub(crate) fn new(rule: Rule, detail: impl Into<String>) -> Self {
        Self { rule, entry: None, detail: detail.into() }
    }

    /// The same refusal, naming the entry unless it names one already.
    pub(crate) fn at(mut self, entry: &str) -> Self {
        self.entry.get_or_insert_with(|| entry.to_owned());
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.entry {
            // Debug form: the name is hostile and may contain anything.
            Some(entry) => write!(formatter, "rule `{}`: entry {entry:?}: {}", self.rule, self.detail),
            None => write!(formatter, "rule `{}`: {}", self.rule, self.detail),
        }
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::Rule;

    #[test]
    fn names_are_distinct() {
        let mut names: Vec<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Rule::ALL.len());
    }
}
