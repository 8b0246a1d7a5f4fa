//! The command lines of dcos-bits. Each program's `main` calls the `main` of its module here.
//!
//! - [`output`]: the one way to print a result or a problem, and to end with an exit code

pub mod output;
