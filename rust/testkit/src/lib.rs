//! What tests of several crates share; nothing that runs on a node depends on it.
//!
//! - [`ext4`]: a file system whose power can be cut
//! - [`golden`]: messages held to files, word by word

#![forbid(unsafe_code)]

pub mod ext4;
pub mod golden;

pub use ext4::Ext4;
