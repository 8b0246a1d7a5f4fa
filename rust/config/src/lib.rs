//! The config generator: options and the pkginfos of modules in, the files of a `mesos-config` package out.
//!
//! It is pure: no clock, no file, no machine has a say, so the same options make the same package byte for byte, and
//! the package's version is a digest of what went in and what came out. Nobody edits a config; a change of options
//! makes another package.
//!
//! - [`options`]: what an operator says, read strictly: a typo is an error that names what was probably meant
//! - `document`: TOML and JSON, with the line of each key
//! - [`flags`]: the flags of Mesos, which of them may be options, and which are facts of one host or rendered per generation
//! - `value`: the values of flags; `contradictions`: what can't be right together
//! - [`parameters`]: module parameters against what the module's pkginfo declares
//! - [`mod@generate`]: options to files
//! - [`diff`]: what changes from one document to another, in words
//! - [`nearest`]: the known name that a typo is nearest to

#![forbid(unsafe_code)]

mod contradictions;
pub mod diff;
mod document;
pub mod flags;
pub mod generate;
pub mod nearest;
pub mod options;
pub mod parameters;
mod value;

pub use diff::{Change, Difference, diff};
pub use generate::{ConfigPackage, generate};
pub use options::{Draft, InvalidOptions, Options, Syntax};
pub use value::same as same_value;

#[cfg(test)]
mod identity_tests;
#[cfg(test)]
mod refusals_tests;
