//! The store from outside: what a node does with it, and what an attacker sends it.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod building;
mod checkpoint;
mod concurrency;
mod differential;
mod fixture;
mod garbage;
mod hostile;
mod lifecycle;
mod modules;
mod tarball;
