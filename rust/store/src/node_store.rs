//! What the restart needs of the store. Each change takes the node's lock for itself, and waits for it if it must.

use std::path::PathBuf;

use dcos_core::attempt::AttemptState;
use dcos_core::ports::{Generation, Launch, NodeStore};
use dcos_core::validate::Report;
use dcos_core::{PackageSet, Problem};
use jiff::Timestamp;

use crate::error::StoreError;
use crate::gc::GcOptions;
use crate::lock::Locked;
use crate::store::{LOCK_WAIT, Store};

/// What the lock's record says of whoever comes this way.
const COMMAND: &str = "restart";

fn locked(store: &Store) -> Result<Locked, StoreError> {
    store.lock_within(COMMAND, LOCK_WAIT)
}

impl NodeStore for Store {
    fn active(&self) -> Result<Option<Generation>, Problem> {
        Ok(Self::active(self)?)
    }

    fn validate(&self, set: &PackageSet) -> Result<Report, Problem> {
        Ok(Self::validate(self, set)?)
    }

    fn stage(&self, set: &PackageSet) -> Result<Generation, Problem> {
        // Module libraries are asked before the lock is taken: it may take a while, and the answers are kept.
        let report = Self::validate(self, set)?;
        if !report.valid {
            return Err(StoreError::InvalidSet(report).into());
        }
        Ok(Self::stage(self, &locked(self)?, set)?)
    }

    fn switch(&self, generation: u64) -> Result<(), Problem> {
        Ok(Self::switch(self, &locked(self)?, generation)?)
    }

    fn launch(&self, generation: u64) -> Result<Launch, Problem> {
        Ok(Self::launch(self, generation)?)
    }

    fn record_outcome(&self, generation: u64, outcome: AttemptState, at: Timestamp) -> Result<(), Problem> {
        Ok(Self::record_outcome(self, &locked(self)?, generation, outcome, at)?)
    }

    fn rollback_target(&self, except: u64) -> Result<Option<Generation>, Problem> {
        Ok(Self::rollback_target(self, except)?)
    }

    fn read_state(&self, name: &str) -> Result<Option<Vec<u8>>, Problem> {
        Ok(Self::read_state(self, name)?)
    }

    fn write_state(&self, name: &str, bytes: &[u8]) -> Result<(), Problem> {
        Ok(Self::write_state(self, name, bytes)?)
    }

    fn remove_state(&self, name: &str) -> Result<(), Problem> {
        Ok(Self::remove_state(self, name)?)
    }

    fn list_state(&self, directory: &str) -> Result<Vec<String>, Problem> {
        Ok(Self::list_state(self, directory)?)
    }

    fn install_helper(&self, generation: u64) -> Result<PathBuf, Problem> {
        Ok(Self::install_helper(self, &locked(self)?, generation)?)
    }

    fn collect_garbage(&self) -> Result<(), Problem> {
        let node = self.node().ok_or(StoreError::NoNode)?;
        self.gc(&GcOptions::unasked(node.config.limits.disk_budget, Timestamp::now()))?;
        Ok(())
    }

    fn helper(&self) -> Result<Option<PathBuf>, Problem> {
        Ok(Self::helper(self)?)
    }
}
