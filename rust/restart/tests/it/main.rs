//! The restart in a world of our own: a store, a supervisor and answers in memory, with faults that can be placed.
//!
//! Real processes and a real store come in with the tests of the programs, and a real Mesos with the end-to-end tests.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and writes where it likes"
)]

mod journals;
mod outbox;
mod phases;
mod probe;
mod replaced;
mod service;
mod walk;
mod world;
