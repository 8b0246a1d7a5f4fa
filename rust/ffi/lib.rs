//! dcos-bits inside a Mesos process: between libprocess, which is C++, and the router, which is Rust.
//!
//! - [`host`]: starts the families of endpoints and answers their requests; [`compose`]: puts the node behind them together
//! - [`dispatch`]: runs the router on a request without making libprocess wait; [`runtime`]: the threads it goes on with
//! - [`request`], [`parameters`], [`routes`]: what comes from Mesos, and what is registered with it
//! - [`guard`]: nothing unwinds across the bridge; [`log`]: what is said goes to the log of Mesos
//! - `bridge`: the C++ side, under the feature `mesos` only; all else is built and tested without it
//! - `test_router`: what the module's own tests ask for, under the feature `test-router` only
//!
//! This is the one crate with `unsafe` in it, all of it in `bridge`. Nothing here installs signal handlers, changes the
//! environment, exits the process, or opens a file descriptor that a child would inherit.

#![cfg_attr(not(feature = "mesos"), forbid(unsafe_code))]

#[cfg(feature = "mesos")]
mod bridge;
pub mod compose;
pub mod dispatch;
pub mod guard;
pub mod host;
pub mod log;
#[cfg(test)]
mod messages_tests;
pub mod parameters;
mod problem;
pub mod request;
pub mod routes;
pub mod runtime;
#[cfg(feature = "test-router")]
mod test_router;
