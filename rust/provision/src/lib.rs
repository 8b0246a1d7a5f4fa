//! Provisioning: agents on machines that are made for them, and agents and machines that are given back.
//!
//! Deciding is pure, doing is apart:
//!
//! - [`config`]: `provision.toml`: the provider, classes, limits, what a new machine is told
//! - [`operation`]: what was asked for and how far it is, as kept in the controller's log
//! - [`world`]: what there is: machines and agents
//! - [`add`], [`remove`]: one step of an operation, from what there is to what is to be done
//! - [`provider`]: where machines come from: the calls, and the program that takes them

#![forbid(unsafe_code)]

pub mod add;
pub mod config;
pub mod operation;
pub mod provider;
pub mod remove;
pub mod world;
