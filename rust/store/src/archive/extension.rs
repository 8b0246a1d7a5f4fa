//! What precedes an entry to say more of it: GNU's long names and POSIX's PAX headers.
//!
//! An extension that changes how many bytes belong to an entry is how one archive is made to look like two
//! (CVE-2025-62518), so a PAX size may only repeat what the header says, and whatever is not known to be harmless is
//! refused.

use super::rule::{Refusal, Rule};

/// The longest content of an extension that is read: a path and a link target of 4 KiB each, with room for times.
pub(crate) const MAX_BYTES: u64 = 32 << 10;

/// Keys that are accepted and mean nothing here.
const IGNORED: [&str; 9] =
    ["mtime", "atime", "ctime", "uid", "gid", "uname", "gname", "comment", "LIBARCHIVE.creationtime"];

/// What was said of the next entry so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extension {
    /// Its path, instead of the header's.
    pub(crate) path: Option<Vec<u8>>,
    /// Its link target, instead of the header's.
    pub(crate) link: Option<Vec<u8>>,
    /// Its size, which must be the header's.
    pub(crate) size: Option<u64>,
    /// Whether there was a PAX header, of which an entry has at most one.
    pax: bool,
}

impl Extension {
    /// Whether nothing was said.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds GNU's long name, or long link name.
    pub(crate) fn add_gnu(&mut self, kind: u8, content: &[u8]) -> Result<(), Refusal> {
        let Some((&0, name)) = content.split_last() else {
            return Err(Refusal::new(Rule::HeaderText, "a long name without its end"));
        };
        if name.contains(&0) {
            return Err(Refusal::new(Rule::HeaderText, "a long name has bytes behind its end"));
        }
        let place = if kind == b'L' { &mut self.path } else { &mut self.link };
        set(place, name.to_vec(), || Refusal::new(Rule::ExtensionOrder, "a second long name for the same entry"))
    }

    /// Adds a PAX header.
    pub(crate) fn add_pax(&mut self, content: &[u8]) -> Result<(), Refusal> {
        if std::mem::replace(&mut self.pax, true) {
            return Err(Refusal::new(Rule::ExtensionOrder, "a second PAX header for the same entry"));
        }
        let mut seen: Vec<&str> = Vec::new();
        let both = || Refusal::new(Rule::ExtensionOrder, "a GNU long name and a PAX path for the same entry");
        for record in pax_records(content) {
            let (key, value) = record?;
            if seen.contains(&key) {
                return Err(Refusal::new(Rule::PaxDuplicate, format!("the key {key:?} twice")));
            }
            seen.push(key);
            match key {
                "path" => set(&mut self.path, value.as_bytes().to_vec(), both)?,
                "linkpath" => set(&mut self.link, value.as_bytes().to_vec(), both)?,
                "size" => {
                    let invalid = || Refusal::new(Rule::PaxSyntax, format!("the size {value:?} is not a number"));
                    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
                    self.size = Some(value.parse().ok().filter(|_| digits).ok_or_else(invalid)?);
                }
                key if key.starts_with("GNU.sparse.") => {
                    return Err(Refusal::new(Rule::Sparse, format!("the PAX key {key:?}")));
                }
                key if IGNORED.contains(&key) => {}
                key => return Err(Refusal::new(Rule::PaxKey, format!("the key {key:?}"))),
            }
        }
        Ok(())
    }
}

/// Checks a PAX header for the rest of the archive: `git archive` writes its commit there as a comment.
pub(crate) fn check_global(content: &[u8]) -> Result<(), Refusal> {
    for record in pax_records(content) {
        let (key, _) = record?;
        if key != "comment" {
            return Err(Refusal::new(Rule::PaxGlobal, format!("the key {key:?}")));
        }
    }
    Ok(())
}

fn set<T>(place: &mut Option<T>, value: T, twice: impl FnOnce() -> Refusal) -> Result<(), Refusal> {
    match place {
        Some(_) => Err(twice()),
        None => {
            *place = Some(value);
            Ok(())
        }
    }
}

/// The records `length key=value\n`, where the length counts the whole record.
fn pax_records(content: &[u8]) -> impl Iterator<Item = Result<(&str, &str), Refusal>> {
    let mut rest = content;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let record = split_record(rest);
        // After a failure the rest means nothing.
        rest = record.as_ref().map_or(&[][..], |(_, rest)| rest);
        Some(match record {
            Some((record, _)) => Ok(record),
            None => Err(Refusal::new(Rule::PaxSyntax, "not `length key=value` lines of UTF-8")),
        })
    })
}

fn split_record(content: &[u8]) -> Option<((&str, &str), &[u8])> {
    let space = content.iter().take(8).position(|byte| *byte == b' ')?;
    let digits = std::str::from_utf8(&content[..space]).ok()?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || digits.starts_with('0') {
        return None;
    }
    let length: usize = digits.parse().ok()?;
    let record = content.get(space + 1..length)?;
    let (key, value) = std::str::from_utf8(record).ok()?.strip_suffix('\n')?.split_once('=')?;
    // A NUL would end the value early for a program that keeps it as a C string.
    if key.is_empty() || value.is_empty() || value.contains('\0') {
        return None;
    }
    Some(((key, value), &content[length..]))
}
