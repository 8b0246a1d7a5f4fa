//! One tar header: a block of 512 bytes, POSIX ustar or GNU.

use super::BLOCK;
use super::rule::{Refusal, Rule};

/// POSIX's magic and version, and GNU's, which differ in two bytes.
const POSIX: &[u8] = b"ustar\x0000";
const GNU: &[u8] = b"ustar  \0";

/// What a header says, as far as it matters here. Owners and times are not even parsed: nothing is done with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The name, prefix included.
    pub(crate) name: Vec<u8>,
    /// The permission bits.
    pub(crate) mode: u64,
    /// The bytes of content that follow.
    pub(crate) size: u64,
    /// The type of entry.
    pub(crate) kind: u8,
    /// The target of a link.
    pub(crate) link: Vec<u8>,
}

/// Reads a block that is not all zeros.
pub(crate) fn parse(block: &[u8; BLOCK]) -> Result<Header, Refusal> {
    let stated = number(&block[148..156], "checksum")?;
    let sum: u64 = block.iter().enumerate().map(|(place, byte)| u64::from(checksummed(place, *byte))).sum();
    if sum != stated {
        return Err(Refusal::new(Rule::Checksum, format!("the header adds up to {sum} and says {stated}")));
    }
    let mut name = text(&block[..100], "name")?.to_vec();
    match &block[257..265] {
        POSIX => {
            let prefix = text(&block[345..500], "prefix")?;
            if !prefix.is_empty() {
                name = [prefix, b"/", &name].concat();
            }
        }
        // Where POSIX has its prefix, GNU has times and sparse maps; in what we accept they are unused.
        GNU if block[345..500].iter().all(|byte| *byte == 0) => {}
        GNU => return Err(Refusal::new(Rule::HeaderFormat, "a GNU header with times or a sparse map")),
        _ => return Err(Refusal::new(Rule::HeaderFormat, "neither POSIX ustar nor GNU")),
    }
    Ok(Header {
        name,
        mode: number(&block[100..108], "mode")?,
        size: number(&block[124..136], "size")?,
        kind: block[156],
        link: text(&block[157..257], "link name")?.to_vec(),
    })
}

/// The checksum counts its own field as spaces.
const fn checksummed(place: usize, byte: u8) -> u8 {
    if place >= 148 && place < 156 { b' ' } else { byte }
}

/// Octal digits, ended by NULs or spaces or the end of the field.
fn number(field: &[u8], what: &str) -> Result<u64, Refusal> {
    let digits = field.iter().position(|byte| !(b'0'..=b'7').contains(byte)).unwrap_or(field.len());
    let (digits, rest) = field.split_at(digits);
    if digits.is_empty() || rest.iter().any(|byte| !matches!(byte, 0 | b' ')) {
        return Err(Refusal::new(Rule::HeaderNumber, format!("the {what} is not an octal number")));
    }
    // Twelve octal digits are 36 bits.
    Ok(digits.iter().fold(0, |value, digit| value * 8 + u64::from(digit - b'0')))
}

/// The bytes before the first NUL, which only NULs may follow.
fn text<'a>(field: &'a [u8], what: &str) -> Result<&'a [u8], Refusal> {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    let (text, rest) = field.split_at(end);
    if rest.iter().any(|byte| *byte != 0) {
        return Err(Refusal::new(Rule::HeaderText, format!("the {what} has bytes behind its end")));
    }
    Ok(text)
}
