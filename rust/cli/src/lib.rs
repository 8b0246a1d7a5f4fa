//! The command lines of dcos-bits. Each program's `main` calls the `main` of its module here.
//!
//! - [`dcos`]: the operator's program; [`repo`] and [`config`] are commands of it
//! - [`pkg`]: the program for a machine's packages
//! - [`helper`]: the program that restarts a node's Mesos and outlives it
//! - [`node`]: the program that serves a node's endpoints without Mesos
//! - [`sim`]: the program that runs the controller of deployments against simulated clusters
//! - [`client`]: asking the endpoints of a cluster
//! - [`programs`]: completion scripts and man pages
//! - `progress`: how far what is fetched is
//! - [`usage`]: command lines that are not understood
//! - [`output`]: the one way to print a result or a problem, and to end with an exit code

#![forbid(unsafe_code)]

pub mod client;
pub mod config;
pub mod dcos;
pub mod helper;
pub mod node;
pub mod output;
pub mod pkg;
pub mod programs;
mod progress;
#[cfg(test)]
#[expect(clippy::expect_used, reason = "a test fails by panicking")]
mod refusals;
pub mod repo;
pub mod sim;
pub mod usage;
