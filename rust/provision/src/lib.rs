//! Provisioning: agents on machines that are made for them, and agents and machines that are given back.
//!
//! Deciding is pure, doing is apart:
//!
//! - [`config`]: `provision.toml`: the provider, classes, limits, what a new machine is told
//! - [`operation`]: what was asked for and how far it is, as kept in the controller's log
//! - [`world`]: what there is: machines and agents
//! - [`add`], [`remove`]: one step of an operation, from what there is to what is to be done
//! - [`admit`]: whether what is asked for may begin at all
//! - [`view`]: operations, agents and machines as others see them
//! - [`provider`]: where machines come from: the calls; [`program`] makes them of a program of its own
//! - [`local`]: the provider that makes agents as processes of this machine
//! - [`user_data`]: what a new machine does at its first start
//! - [`cluster`]: what is needed of the log and the agents; [`mesos`] makes Mesos's own calls
//! - [`service`]: the task around all of it, and the handle that others hold

#![forbid(unsafe_code)]

pub mod add;
pub mod admit;
pub mod cluster;
pub mod config;
pub mod local;
pub mod mesos;
pub mod operation;
pub mod program;
pub mod provider;
pub mod remove;
pub mod service;
pub mod user_data;
pub mod view;
pub mod world;

pub use service::Provisioning;
