//! The restart of one node: from the running set to a given one, and back if it does not come up.
//!
//! Deciding is pure: [`mod@plan`] (whether to begin), [`phase`] (what follows from what has happened), [`health::judge`] and
//! [`health::watch`] (whether a Mesos is well). Doing is elsewhere:
//!
//! - [`service`]: `begin`, `go`, `cancel`, `status`: what runs inside Mesos
//! - [`preflight`]: what the machine must have; [`clean`]: which work directory may be wiped
//! - [`journal`], [`records`]: what is durable
//! - [`execute`]: walks the journal, step by step
//! - [`supervisor`]: who stops and starts Mesos; [`health::probe`]: who asks it
//! - [`worker`], [`guard`]: the helper, which outlives Mesos; [`kick`]: how it is woken
//! - [`original`]: the Mesos that was here before us, which can be gone back to
//! - [`lost`]: who answers while no Mesos does
//! - [`outbox`]: status pings to the deploy module
//! - [`identity`]: the agent's id, kept through a way back
//! - [`moment`], [`host`]: the clock of deadlines, processes, locks
//!
//! `docs/restart-protocol.md` tells the same as a story.

#![forbid(unsafe_code)]

pub mod before;
pub mod clean;
pub mod execute;
pub mod guard;
pub mod health;
pub mod host;
pub mod http;
pub mod identity;
pub mod journal;
pub mod kick;
pub mod lost;
pub mod moment;
pub mod original;
pub mod outbox;
pub mod phase;
pub mod plan;
pub mod preflight;
pub mod records;
pub mod service;
pub mod supervisor;
pub mod worker;

pub use plan::{Plan, PlanStep, Refusal, Request};
pub use service::{Begun, Gone, Restart, RunningMesos, Status};

/// The search path of the helper and the launcher. Mesos gets its own from its generation.
pub(crate) const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
