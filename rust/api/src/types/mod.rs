//! What goes over the wire, and nothing else: plain data that the server writes, clients read, and `docs/http-api/` shows.
//!
//! - [`pkg`]: packages, jobs and the state of a node
//! - [`restart`]: tickets, plans and attempts
//! - [`deploy`]: deployments, nodes, halts and events
//! - [`alertmanager`]: what a monitor's alerts look like
//! - [`join`]: tokens, and what a new machine is told
//! - [`pins`]: what is left as it is
//! - [`provision`]: operations on agents and their machines
//! - [`records`]: desired sets, the record of changes, backups
//! - [`health`]: whether a part works; [`whoami`]: who calls, and who decides
//!
//! Fields may be added and none renamed. What a node asks of a node is read with unknown fields ignored, so that two
//! releases work beside each other.

pub mod alertmanager;
pub mod deploy;
pub mod health;
pub mod join;
pub mod pins;
pub mod pkg;
pub mod provision;
pub mod records;
pub mod restart;
pub mod whoami;

/// The version of the protocol between nodes that this release speaks.
pub const PROTOCOL: u32 = 1;
