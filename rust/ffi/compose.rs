//! Puts the concrete parts of a node together.

use std::collections::BTreeMap;

use dcos_core::role::Role;

/// A node that can answer.
#[derive(Debug)]
pub struct Opened {
    /// Answers every endpoint, by its full path.
    pub router: axum::Router,
    /// The largest request body that is accepted, in bytes.
    pub body_limit: usize,
}

/// Why a node cannot answer.
#[derive(Debug, thiserror::Error)]
#[error("the parts of this node are not put together yet")]
pub struct OpenError;

/// Opens the node that the module parameters name.
///
/// # Errors
///
/// [`OpenError`] says what is wrong with the configuration or the node.
pub fn open(_parameters: &BTreeMap<String, String>) -> Result<Opened, OpenError> {
    Err(OpenError)
}

/// The role of the node that the module parameters name, if it can be read.
pub fn role(_parameters: &BTreeMap<String, String>) -> Option<Role> {
    None
}
