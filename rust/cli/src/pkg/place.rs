//! Which store and which node file a command means.

use std::path::{Path, PathBuf};

use dcos_core::node::{DEFAULT_PATH, DEFAULT_ROOT, DeployFacts, NodeConfig};
use dcos_core::{ExitCode, Problem};
use dcos_repo::Repositories;
use dcos_restart::journal::{self, Journal};
use dcos_store::{NodeContext, Store};

use super::args;

/// The store, and the node that it belongs to if there is a node file.
pub(super) struct Place {
    pub(super) store: Store,
    node: Option<NodeContext>,
}

impl Place {
    /// `--root` and `--node` as far as they are given, the usual places otherwise.
    pub(super) fn find(place: &args::Place) -> Result<Self, Problem> {
        let node = match &place.node {
            Some(file) => Some(read(file)?),
            None if Path::new(DEFAULT_PATH).exists() => Some(read(Path::new(DEFAULT_PATH))?),
            None => None,
        };
        let (root, node) = match (&place.root, node) {
            (None, Some(node)) => (node.config.root.clone(), Some(node)),
            (None, None) => (PathBuf::from(DEFAULT_ROOT), None),
            (Some(root), None) => (root.clone(), None),
            (Some(root), Some(node)) if same(root, &node.config.root) => (root.clone(), Some(node)),
            // The machine's own node file has no say about a store somewhere else.
            (Some(root), Some(_)) if place.node.is_none() => (root.clone(), None),
            (Some(root), Some(node)) => return Err(disagree(root, &node)),
        };
        Ok(Self { store: Store::open(root, node.clone())?, node })
    }

    /// Whom the node reports to; nobody without a node file.
    pub(super) fn deploy(&self) -> DeployFacts {
        self.node.as_ref().map(|node| node.config.deploy.clone()).unwrap_or_default()
    }

    /// What the last restart of the node stands at; `None` without one, and if it can't be read, which the helper says.
    pub(super) fn journal(&self) -> Option<Journal> {
        let node = self.node.as_ref()?;
        let bytes = self.store.read_state(journal::NAME).ok()??;
        Journal::parse(&bytes, &node.config.name()).ok()
    }

    /// The repositories that the node file names; none without one.
    pub(super) fn repositories(&self) -> Result<Repositories, Problem> {
        match &self.node {
            Some(node) => Ok(Repositories::new(&node.config.repositories, &self.store)?),
            None => Ok(Repositories::default()),
        }
    }
}

fn read(file: &Path) -> Result<NodeContext, Problem> {
    let refused = |why: String| {
        Problem::new(
            ExitCode::Usage,
            "bad-node-file",
            format!("could not use the node file `{}`: {why}", file.display()),
        )
        .hint("`--node FILE` or `DCOS_NODE` names another; docs/node.toml is an example with every key")
    };
    let text = std::fs::read_to_string(file).map_err(|error| refused(error.to_string()))?;
    let config = NodeConfig::parse(&text).map_err(|error| refused(Problem::chain(&error)))?;
    // Modules are given this path, and they run somewhere else.
    let file = std::path::absolute(file).map_err(|error| refused(error.to_string()))?;
    Ok(NodeContext { config, file })
}

/// Whether two paths lead to the same directory; a directory that is not there yet is compared by name.
fn same(left: &Path, right: &Path) -> bool {
    let resolve = |path: &Path| std::fs::canonicalize(path).or_else(|_| std::path::absolute(path)).ok();
    resolve(left) == resolve(right)
}

fn disagree(root: &Path, node: &NodeContext) -> Problem {
    let detail = format!(
        "`--root {}` and `root = \"{}\"` in `{}` name different stores",
        root.display(),
        node.config.root.display(),
        node.file.display()
    );
    Problem::new(ExitCode::Usage, "two-roots", detail).hint("leave out `--root` (or `DCOS_ROOT`)")
}
