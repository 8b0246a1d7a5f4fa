//! Where machines come from.
//!
//! [`Provider`] is the protocol of [`dcos_core::provider`] as a trait, so that a test can stand in for a program.

use async_trait::async_trait;
pub use dcos_core::provider::{
    Answer, Call, Failure, Launch, Launched, Machine, MachineState, PROTOCOL, Reason, Request,
};

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
    /// Whether the settings and a class of the configuration could work. Other classes are none of its business: what is
    /// wrong with one is no reason to refuse machines of another.
    ///
    /// # Errors
    /// Why not.
    async fn check(&self, class: &str) -> Result<(), Failure>;

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
