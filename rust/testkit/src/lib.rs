//! What tests of several crates share; nothing that runs on a node depends on it.
//!
//! - [`ext4`]: a file system whose power can be cut

#![forbid(unsafe_code)]

pub mod ext4;

pub use ext4::Ext4;
