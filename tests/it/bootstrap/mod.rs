//! Empty machines that become nodes, Mesos that was there before us, and what a restart refuses.
//!
//! - [`machine`]: a machine with nothing on it, a repository for it, and a fake where its Mesos would be
//! - [`empty`]: bootstrap by roots and a set, whatever the repository does and whenever it is killed
//! - [`token`]: join tokens; [`names`]: the same where names are asked for, with real Mesos
//! - [`refusals`]: what a restart refuses, each time without a change
//! - [`real`]: adopt, leave, join and clean, with real Mesos

mod empty;
mod machine;
mod names;
mod real;
mod refusals;
mod token;
