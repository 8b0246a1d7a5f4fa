//! `helper/<sha256>/`: the helper, kept apart from the packages it came in.
//!
//! The helper outlives the set that brought it: it stops that set's Mesos and may have to put it back. So it runs from a
//! copy, which is replaced only once a set with a newer one has been confirmed.

use std::path::PathBuf;

use dcos_core::Sha256;
use dcos_core::validate::SELF;

use crate::durable::{self, Moment};
use crate::error::StoreError;
use crate::lock::Locked;
use crate::staging::Staging;
use crate::store::{HELPER, PACKAGES, Store};

/// The helper within a dcos-bits package, and its name in its own directory.
const IN_PACKAGE: &str = "bin/dcos-restart-helper";
const FILE_NAME: &str = "dcos-restart-helper";

/// The link to the current one.
pub(crate) const CURRENT: &str = "current";

const TREE: &str = "tree";

impl Store {
    /// Copies the helper of a generation's dcos-bits package to `helper/<sha256>/`, unless it is there, makes it the
    /// current one, and answers its path.
    ///
    /// # Errors
    /// [`StoreError::NoHelper`] if the generation has none; otherwise if it can't be copied.
    pub fn install_helper(&self, _locked: &Locked, generation: u64) -> Result<PathBuf, StoreError> {
        let missing = || StoreError::NoHelper(generation);
        let set = self.generation(generation)?.set;
        let id = set.iter().find(|id| id.name().as_str() == SELF).ok_or_else(missing)?;
        let sha256 = self.package(id)?.1.digest(IN_PACKAGE).ok_or_else(missing)?;
        let name = sha256.to_string();
        let helper = self.make_top(HELPER)?;
        if !helper.has(&name)? {
            let source = self.root().join(PACKAGES).join(id.to_string()).join(IN_PACKAGE);
            let bytes = std::fs::read(&source).map_err(|error| StoreError::io("read", &source, error))?;
            if Sha256::of(&bytes) != sha256 {
                return Err(StoreError::damaged(source, "it is not what its manifest says"));
            }
            let staging = Staging::create(&self.make_scratch()?)?;
            let tree = staging.directory().create_directory(TREE)?;
            tree.write_new(FILE_NAME, &bytes, 0o755)?;
            durable::sync(Moment::TreeWritten(&tree, 1))?;
            staging.directory().rename(TREE, &helper, &name)?;
            helper.sync()?;
        }
        if helper.link_target(CURRENT)?.as_deref() != Some(name.as_str()) {
            helper.replace_link(CURRENT, &name)?;
            tracing::info!(sha256 = name, generation, "installed the helper");
        }
        Ok(helper.path().join(name).join(FILE_NAME))
    }

    /// The current helper's path; `None` before the first is installed.
    ///
    /// # Errors
    /// If the store can't be read.
    pub fn helper(&self) -> Result<Option<PathBuf>, StoreError> {
        let Some(helper) = self.top(HELPER)? else { return Ok(None) };
        Ok(helper.link_target(CURRENT)?.map(|name| helper.path().join(name).join(FILE_NAME)))
    }
}
