//! The endpoints of dcos-bits: what goes over the wire, who may ask for what, and the router that answers.
//!
//! - [`types`]: requests and answers as plain data; clients use these too
//! - [`backend`]: what the router needs of a node and of a controller, as narrow traits
//! - [`parts`]: the concrete parts that a router is made of
//! - [`mod@router`]: the router
//! - [`ui`]: the dashboard, one page
//! - [`routes`]: the one table of endpoints and the role that each needs
//! - [`openapi`]: the documents that describe the endpoints
//! - [`authorization`]: from a principal to what it may do
//!
//! The same router answers inside a Mesos process, where libprocess hands in the requests, and in `dcos-node`. It opens
//! no socket and touches no file.

#![forbid(unsafe_code)]

mod answer;
pub mod authorization;
mod available;
pub mod backend;
mod extract;
mod handlers;
mod metrics;
pub mod openapi;
mod origin;
pub mod parts;
pub mod router;
pub mod routes;
mod strict;
pub mod types;
pub mod ui;

pub use parts::{Controller, Parts, Provisioner};
pub use router::router;

/// Who calls, as the host's authentication says; `None` is nobody in particular. An extension of every request: the
/// router looks nowhere else, above all at no header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principal(pub Option<String>);
