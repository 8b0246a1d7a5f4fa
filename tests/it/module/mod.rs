//! The module inside a real Mesos: both versions, master and agent, and what comes out of the build beside it.
//!
//! These need what `tests/mesos/prepare`, `cpp/build-module` and `cpp/build-module --test` leave behind; `make test`
//! runs all three. Without it they fail and say so, and a bare `cargo test` leaves them out.

mod client;
mod configuration;
mod footprint;
mod library;
pub(crate) mod mesos;
mod probe;
mod serving;
mod template;
