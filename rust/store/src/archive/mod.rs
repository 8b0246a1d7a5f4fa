//! Package archives: a strict subset of tar, compressed with gzip or Zstandard.
//!
//! - [`rule`]: every reason for which an archive is refused, by name
//! - [`compression`]: bytes in, bytes out, and nothing behind the end of the stream
//! - [`header`]: one block of 512 bytes
//! - [`extension`]: long names in the ways of GNU tar and POSIX (PAX)
//! - [`entries`]: the entries of a tar stream, one after the other
//! - [`frames`]: where each file lies within an archive that has a frame for each
//! - [`names`]: which paths may stand side by side, and where links may point
//! - [`unpack`]: entries to files, hashed on the way
//! - [`pack`]: files to an archive, the same bytes every time
//!
//! The reader is our own rather than that of the `tar` crate: that one is made to accept what is in use, and what is
//! wanted here is the opposite. There is one way to say each thing, and where two parts of an archive could be read
//! differently by two programs, it is refused. `tar` writes the headers of what we build.

pub(crate) mod compression;
pub(crate) mod entries;
pub(crate) mod extension;
pub(crate) mod frames;
pub(crate) mod header;
pub(crate) mod names;
pub(crate) mod pack;
pub(crate) mod rule;
pub(crate) mod unpack;

pub use rule::{Refusal, Rule};

/// The bytes of a tar block.
pub(crate) const BLOCK: usize = 512;

/// The padding that follows `size` bytes of content up to the next block.
pub(crate) const fn padding(size: u64) -> u64 {
    (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64
}
