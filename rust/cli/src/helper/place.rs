//! The node that a command is about.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dcos_core::node::NodeConfig;
use dcos_core::ports::NodeStore;
use dcos_core::{ExitCode, Problem};
use dcos_restart::Restart;
use dcos_restart::original::WithOriginal;
use dcos_store::{LOCK_WAIT, NodeContext, Store};

/// A node and its store.
pub(super) struct Place {
    pub(super) node: NodeConfig,
    pub(super) node_file: PathBuf,
    pub(super) store: Arc<dyn NodeStore>,
    /// The program that runs.
    pub(super) own: PathBuf,
}

impl Place {
    /// The node that a node file describes.
    pub(super) fn find(file: &Path) -> Result<Self, Problem> {
        let refused = |why: String| {
            let detail = format!("can't use the node file `{}`: {why}", file.display());
            Problem::new(ExitCode::Usage, "bad-node-file", detail)
                .hint("`--node FILE` or the environment variable `DCOS_NODE` names another")
        };
        let text = std::fs::read_to_string(file).map_err(|error| refused(error.to_string()))?;
        let node = NodeConfig::parse(&text).map_err(|error| refused(Problem::chain(&error)))?;
        // The helper runs elsewhere, and modules are given this path.
        let node_file = std::path::absolute(file).map_err(|error| refused(error.to_string()))?;
        let context = NodeContext { config: node.clone(), file: node_file.clone() };
        let store = Arc::new(Store::open(&node.root, Some(context))?);
        let behind = Arc::clone(&store);
        let store = WithOriginal::new(store, move || {
            let locked = behind.lock_within("dcos-restart-helper", LOCK_WAIT)?;
            Ok(behind.deactivate(&locked)?)
        });
        let own = std::env::current_exe().and_then(|own| own.canonicalize()).map_err(|error| {
            Problem::new(ExitCode::Unexpected, "helper-failed", format!("can't find the program that runs: {error}"))
        })?;
        Ok(Self { node, node_file, store: Arc::new(store), own })
    }

    /// The restart of the node.
    pub(super) fn restart(&self) -> Restart {
        Restart::new(Arc::clone(&self.store), self.node.clone(), self.node_file.clone())
    }

    /// A file of the helper below `state/`.
    pub(super) fn state(&self, name: &str) -> PathBuf {
        dcos_restart::host::state_directory(&self.node.root).join(name)
    }

    /// The helper to start: the node's, or this program where none is installed.
    pub(super) fn program(&self) -> PathBuf {
        self.store.helper().ok().flatten().filter(|helper| helper.exists()).unwrap_or_else(|| self.own.clone())
    }
}
