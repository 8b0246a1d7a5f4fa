//! The deployment of a change over a cluster: who restarts when, when to stop, and how to go on after one's own restart.
//!
//! Deciding is pure, doing is apart:
//!
//! - [`plan`]: from a request and what the nodes say to a draft of a deployment, or every reason why not
//! - [`strategy`]: waves, limits and windows, and whether a strategy can work at all
//! - [`state`]: what the controller knows, and the facts that it is rebuilt from; `desk`: what it has at hand
//! - [`event`]: what the controller is told, and what it wants done
//! - [`controller`]: `next(state, event, now) -> (state, step)`; [`rollout`] takes a deployment forward,
//!   [`rollback`] back, [`member`] a node in it, `ending` to its end; `epitaph` tells of failures; [`gate`] says why nothing may start now; [`orders`] carries out what
//!   people say: commands, halts, pulses
//! - `chores`: what is done on nodes once all of them had their turn
//! - [`pins`]: what is left as it is; [`registry`]: whether masters may go back to an older Mesos
//! - `members`: the nodes of a deployment, filed so that no answer costs a look at all of them
//! - [`view`]: the state as others see it, with the reason for everything that waits
//! - [`store`]: where facts are kept; [`zookeeper`]: the log where there is more than one master
//! - [`audit`]: the record of changes; [`backup`]: everything as one document
//! - [`client`], [`inventory`]: nodes and the master's list of agents, over HTTP; [`trust`]: with whose credentials
//! - [`join`]: tokens, by which new machines become nodes
//! - [`shell`]: the tasks around the controller, and the handle that others hold
//! - [`simulator`]: thousands of nodes that lie, die and come back, in virtual time, for tests

#![forbid(unsafe_code)]

pub mod audit;
pub mod backup;
#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::cast_possible_wrap, reason = "a test fails by panicking")]
mod bench;
mod catch_up;
mod chores;
pub mod client;
pub mod controller;
mod desk;
#[cfg(test)]
mod edges_tests;
mod ending;
mod epitaph;
pub mod event;
pub mod gate;
pub mod inventory;
pub mod join;
pub mod member;
mod members;
pub mod orders;
pub mod pins;
pub mod plan;
pub mod registry;
pub mod rollback;
pub mod rollout;
pub mod shell;
pub mod simulator;
pub mod state;
pub mod store;
pub mod strategy;
pub mod trust;
pub mod view;
pub mod zookeeper;

pub use shell::{Created, DeployHandle, ShellError, direct, start};
pub use store::{MemoryStore, StateStore, StoreError};
