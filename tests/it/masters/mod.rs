//! More than one master: the controller's log in a real ZooKeeper, and clusters whose controller moves.

mod alerts;
mod direct;
mod log;
mod pins;
mod refusals;
pub(crate) mod roles;
mod upgrade;
