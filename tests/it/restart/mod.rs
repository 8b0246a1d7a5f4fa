//! The helper as a program: real processes, a real store, kills in earnest, and a fake where Mesos would be.
//!
//! The fake is a small server of our own (`mesos.py`) that can be told to be bad; [`real`] shows what only a real Mesos can.

pub(crate) mod documents;
mod kills;
pub(crate) mod machine;
mod outcomes;
mod real;
mod starting;
