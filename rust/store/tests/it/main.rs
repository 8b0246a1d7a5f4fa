//! The store from outside: what a node does with it, what an attacker sends it, and what is left after a crash.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod building;
mod concurrency;
mod crash;
mod fixture;
mod garbage;
mod hostile;
mod lifecycle;
mod modules;
mod tarball;
