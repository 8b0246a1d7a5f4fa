//! Puts the concrete parts of a node together.

use std::collections::BTreeMap;
use std::path::PathBuf;

use dcos_core::node::{DEFAULT_PATH, InvalidNodeConfig, NodeConfig};
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
pub enum OpenError {
    /// Its configuration could not be read.
    #[error("reading `{path}` failed")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Its configuration could not be understood.
    #[error("`{path}` is not a node configuration")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        source: InvalidNodeConfig,
    },
    /// The rest is to be written.
    #[error("the parts of this node are not put together yet")]
    Unfinished,
}

/// Opens the node that the module parameters name.
///
/// # Errors
///
/// [`OpenError`] says what is wrong with the configuration or the node.
pub fn open(parameters: &BTreeMap<String, String>) -> Result<Opened, OpenError> {
    read(parameters)?;
    Err(OpenError::Unfinished)
}

/// The role of the node that the module parameters name, if it can be read.
pub fn role(parameters: &BTreeMap<String, String>) -> Option<Role> {
    read(parameters).ok().map(|config| config.role)
}

fn read(parameters: &BTreeMap<String, String>) -> Result<NodeConfig, OpenError> {
    let path = PathBuf::from(parameters.get("node").map_or(DEFAULT_PATH, String::as_str));
    match std::fs::read_to_string(&path) {
        Ok(text) => NodeConfig::parse(&text).map_err(|source| OpenError::Parse { path, source }),
        Err(source) => Err(OpenError::Read { path, source }),
    }
}
