//! What the groups should run, told to the node that the controller runs on: `state/desired.json`.
//!
//! The controller's log may be in ZooKeeper, and is the controller's own business; the store collects garbage, and must
//! leave what a desired set names. So whoever writes the log also tells the store, in a document that it knows. It is made
//! anew whenever the log is read, and one that can't be written holds up no deployment.

use std::collections::BTreeMap;
use std::sync::Arc;

use dcos_core::{PackageSet, Problem};
use dcos_deploy::state::Fact;
use dcos_deploy::{StateStore, StoreError, store};
use dcos_store::Store;
use serde_json::json;

/// The document, as the store looks for it.
const DESIRED: &str = "desired.json";

/// A log whose desired sets the node's store is told of.
pub(super) struct Desired {
    log: Box<dyn StateStore>,
    node: Arc<Store>,
    sets: BTreeMap<String, PackageSet>,
}

impl Desired {
    pub(super) fn new(log: Box<dyn StateStore>, node: Arc<Store>) -> Self {
        Self { log, node, sets: BTreeMap::new() }
    }

    /// Takes note of the desired sets in records; answers whether there were any.
    fn note(&mut self, records: &[Vec<u8>]) -> bool {
        let mut noted = false;
        // What can't be read here is refused by the controller itself.
        for fact in store::decode(records).unwrap_or_default() {
            if let Fact::Desired { group, set } = fact {
                self.sets.insert(group, set);
                noted = true;
            }
        }
        noted
    }

    fn tell(&self) {
        let document = json!({"format": 1, "sets": self.sets}).to_string();
        if let Err(error) = self.node.write_state(DESIRED, document.as_bytes()) {
            tracing::warn!("can't tell this node's store of the desired sets: {}", Problem::chain(&error));
        }
    }
}

impl StateStore for Desired {
    fn load(&mut self) -> Result<Vec<Vec<u8>>, StoreError> {
        let records = self.log.load()?;
        self.sets.clear();
        if self.note(&records) {
            self.tell();
        }
        Ok(records)
    }

    fn append(&mut self, record: &[u8]) -> Result<(), StoreError> {
        self.log.append(record)?;
        if self.note(&[record.to_vec()]) {
            self.tell();
        }
        Ok(())
    }

    fn replace(&mut self, records: &[Vec<u8>]) -> Result<(), StoreError> {
        self.log.replace(records)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::Arc;

    use dcos_core::PackageSet;
    use dcos_deploy::state::Fact;
    use dcos_deploy::store::encode;
    use dcos_deploy::{MemoryStore, StateStore as _};
    use dcos_store::Store;

    use super::{DESIRED, Desired};

    #[test]
    fn the_store_hears_of_desired_sets_as_they_are_written_and_when_they_are_read() {
        let root = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(root.path(), None).unwrap());
        let told = || store.read_state(DESIRED).unwrap().map(|bytes| String::from_utf8(bytes).unwrap());
        let set: PackageSet = ["mesos--1.11.0".parse().unwrap()].into_iter().collect();
        let mut log = Desired::new(Box::new(MemoryStore::default()), store.clone());
        log.load().unwrap();
        log.append(&encode(&[Fact::Term(1)]).unwrap()).unwrap();
        assert_eq!(told(), None);
        log.append(&encode(&[Fact::Desired { group: "agents".to_owned(), set }]).unwrap()).unwrap();
        let document = told().unwrap();
        assert_eq!(document, r#"{"format":1,"sets":{"agents":["mesos--1.11.0"]}}"#);
        store.remove_state(DESIRED).unwrap();
        log.load().unwrap();
        assert_eq!(told(), Some(document));
    }
}
