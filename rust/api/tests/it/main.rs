//! The router as its callers see it, and the examples of `docs/http-api/` as the types see them.
//!
//! Behind the router stands a fake node and a fake controller: they answer with the examples, so that an example that
//! passes is a true answer of the router. What real ones do is tested where they are.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod alertmanager;
mod answers;
mod bad_input;
mod examples;
mod fake;
mod log;
mod openapi;
