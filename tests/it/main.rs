//! The tests that use programs and whole clusters; one binary, so that there is one link.
//!
//! Tests that need real Mesos and built packages are `ignored`, so that a bare `cargo test` works on any machine;
//! `make test` builds what they need and runs them.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, says why, and writes where it likes"
)]

mod api;
mod bootstrap;
mod cluster;
mod commands;
mod config;
mod documents;
mod harness;
mod masters;
mod module;
mod network;
mod node;
mod pkg;
mod provision;
mod repo;
mod restart;
mod systemd;
mod ui;
