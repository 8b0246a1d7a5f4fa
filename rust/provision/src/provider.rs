//! Where machines come from.
//!
//! A provider is a program of its own: it reads one [`Request`] on standard input, prints one [`Answer`] and ends. So the
//! SDK of a cloud is neither in Mesos's address space nor in anybody's build who does not want it, a provider that hangs
//! is killed, and a site can write its own in any language. [`Provider`] is the same as a trait, so that a test can stand
//! in for it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::world::Machine;

/// The version of the requests and answers.
pub const PROTOCOL: u32 = 1;

/// What a provider is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// The cluster: machines of others are never listed nor touched.
    pub cluster: String,
    /// The provider's own settings, from its table in the configuration.
    pub settings: serde_json::Value,
    /// What is wanted.
    pub call: Call,
}

/// The calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Call {
    /// Whether the settings and these classes could work, nothing being made.
    Check {
        /// The classes' settings by name.
        classes: BTreeMap<String, serde_json::Value>,
    },
    /// Make a machine, or say which one was made of this token before.
    Launch(Box<Launch>),
    /// Every machine of the cluster that is not long gone.
    List,
    /// End a machine of the cluster. One that is gone already is no error.
    Terminate {
        /// Its name.
        machine: String,
    },
}

/// A machine to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// The operation it is for.
    pub operation: String,
    /// The slot in it.
    pub slot: usize,
    /// The client token.
    pub token: String,
    /// Which of the class's choices of type and subnet, from 0.
    pub choice: u32,
    /// The class's settings.
    pub class: serde_json::Value,
    /// What the machine does at its first start: a script for `/bin/sh`.
    pub user_data: String,
}

/// What a provider answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// The settings and classes could work.
    Checked,
    /// There is a machine.
    Launched(Launched),
    /// The machines.
    Machines(Vec<Machine>),
    /// The machine is gone or going.
    Terminated,
    /// It was not done.
    Failed(Failure),
}

/// A machine that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launched {
    /// The provider's name for it.
    pub machine: String,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// What kind of reason it is.
    pub reason: Reason,
    /// In words, without secrets.
    pub detail: String,
}

/// Kinds of reasons. Only [`Reason::Unknown`] leaves open whether something was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No machine of this choice is to be had now.
    NoCapacity,
    /// The class has no choice of that number.
    NoMoreChoices,
    /// The credentials are missing, wrong, or not enough.
    Denied,
    /// The request can never work as it is.
    Invalid,
    /// Too many calls.
    Throttled,
    /// There was no good answer in time.
    Unknown,
}

/// Why a machine was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LaunchError {
    /// None of this choice is to be had.
    #[error("no capacity: {0}")]
    NoCapacity(String),
    /// The class has no further choice.
    #[error("no further choice")]
    NoMoreChoices,
    /// It can never work as it is.
    #[error("{0}")]
    Refused(String),
    /// Too many calls.
    #[error("throttled: {0}")]
    Throttled(String),
    /// It may have been made.
    #[error("{0}")]
    Unknown(String),
}

/// Whatever makes machines.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// Whether the settings and classes could work.
    ///
    /// # Errors
    /// Why not.
    async fn check(&self) -> Result<(), Failure>;

    /// Makes a machine, or says which one was made of this token before.
    ///
    /// # Errors
    /// Why not; [`LaunchError::Unknown`] if it may have been made.
    async fn launch(&self, launch: Launch) -> Result<Launched, LaunchError>;

    /// Every machine of the cluster that is not long gone.
    ///
    /// # Errors
    /// Why they can't be listed.
    async fn list(&self) -> Result<Vec<Machine>, Failure>;

    /// Ends a machine.
    ///
    /// # Errors
    /// Why that is not known to have worked.
    async fn terminate(&self, machine: &str) -> Result<(), Failure>;
}

impl From<Failure> for LaunchError {
    fn from(failure: Failure) -> Self {
        match failure.reason {
            Reason::NoCapacity => Self::NoCapacity(failure.detail),
            Reason::NoMoreChoices => Self::NoMoreChoices,
            Reason::Denied | Reason::Invalid => Self::Refused(failure.detail),
            Reason::Throttled => Self::Throttled(failure.detail),
            Reason::Unknown => Self::Unknown(failure.detail),
        }
    }
}

impl Failure {
    /// A failure that leaves open whether something was done.
    pub fn unknown(detail: impl Into<String>) -> Self {
        Self { reason: Reason::Unknown, detail: detail.into() }
    }
}
