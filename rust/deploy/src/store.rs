//! Where the controller's facts are kept.
//!
//! A store is a log of records. Each record is the facts of one step as one line of JSON, with the format's number, so
//! that a step is written whole or not at all. Now and then the log is replaced by one record with everything that still
//! counts.

use serde::{Deserialize, Serialize};

use crate::state::Fact;

/// The format of records that this release reads and writes.
pub const FORMAT: u32 = 1;

/// A log of records. Methods block.
pub trait StateStore: Send + 'static {
    /// All records since the last [`StateStore::replace`], with the one that it wrote, oldest first. From then on the
    /// log is this controller's, and no other one that loaded it before can write to it.
    ///
    /// # Errors
    /// If the log can't be read, or is damaged elsewhere than at its end.
    fn load(&mut self) -> Result<Vec<Vec<u8>>, StoreError>;

    /// Adds a record. It is on stable storage when this returns.
    ///
    /// # Errors
    /// If it can't be written; whether the record is in the log is then not known.
    fn append(&mut self, record: &[u8]) -> Result<(), StoreError>;

    /// Puts these records in the place of all before, at once.
    ///
    /// # Errors
    /// If they can't be written; the ones before are then still there.
    fn replace(&mut self, records: &[Vec<u8>]) -> Result<(), StoreError>;
}

/// What went wrong with a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It can't be read or written.
    #[error("can't use the log of deployments")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another controller has loaded the log since this one did: nothing of this one's is written any more.
    #[error("the log of deployments is another controller's")]
    Fenced(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A record that can't be read.
#[derive(Debug, thiserror::Error)]
pub enum InvalidRecord {
    /// It is not JSON of the right shape.
    #[error("record {number} is not one of this log")]
    Json {
        /// Which one, from 1.
        number: usize,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// It has a format that this release does not know.
    #[error("record {number} has format {format}, and this release knows format {FORMAT} only")]
    Format {
        /// Which one, from 1.
        number: usize,
        /// Its format.
        format: u32,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    format: u32,
    facts: Vec<Fact>,
}

/// The facts of one step as a record: one line, without its end.
///
/// # Errors
/// If a fact can't be written as JSON.
pub fn encode(facts: &[Fact]) -> Result<Vec<u8>, StoreError> {
    #[derive(Serialize)]
    struct Borrowed<'a> {
        format: u32,
        facts: &'a [Fact],
    }
    serde_json::to_vec(&Borrowed { format: FORMAT, facts }).map_err(|error| StoreError::Failed(Box::new(error)))
}

/// The facts in records.
///
/// # Errors
/// If a record is damaged or of another format.
pub fn decode(records: &[Vec<u8>]) -> Result<Vec<Fact>, InvalidRecord> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let mut facts = Vec::new();
    for (place, bytes) in records.iter().enumerate() {
        let number = place + 1;
        let record = serde_json::from_slice::<Record>(bytes).map_err(|source| {
            // A newer record may well have facts that look wrong here: its format is the better reason.
            match serde_json::from_slice(bytes) {
                Ok(Format { format }) if format != FORMAT => InvalidRecord::Format { number, format },
                Ok(_) | Err(_) => InvalidRecord::Json { number, source },
            }
        })?;
        if record.format != FORMAT {
            return Err(InvalidRecord::Format { number, format: record.format });
        }
        facts.extend(record.facts);
    }
    Ok(facts)
}

/// A store that forgets everything with the process: for tests and the simulator.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(std::sync::Arc<std::sync::Mutex<Vec<Vec<u8>>>>);

impl MemoryStore {
    fn records(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        // A panic elsewhere leaves whole records behind.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl StateStore for MemoryStore {
    fn load(&mut self) -> Result<Vec<Vec<u8>>, StoreError> {
        Ok(self.records().clone())
    }

    fn append(&mut self, record: &[u8]) -> Result<(), StoreError> {
        self.records().push(record.to_vec());
        Ok(())
    }

    fn replace(&mut self, records: &[Vec<u8>]) -> Result<(), StoreError> {
        *self.records() = records.to_vec();
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{InvalidRecord, decode, encode};
    use crate::state::Fact;

    #[test]
    fn records_come_back_as_they_were_and_others_are_refused() {
        let facts = vec![Fact::Term(7), Fact::Forgotten(3)];
        let record = encode(&facts).unwrap();
        assert!(!record.contains(&b'\n'));
        assert_eq!(decode(&[record.clone(), record]).unwrap(), [facts.clone(), facts].concat());
        let newer = br#"{"format":2,"facts":[],"more":1}"#.to_vec();
        assert!(matches!(decode(&[newer]), Err(InvalidRecord::Format { number: 1, format: 2 })));
        for damaged in [&br#"{"format":1,"facts":[{"later":1}]}"#[..], b"", br#"{"format":1}"#] {
            assert!(matches!(decode(&[damaged.to_vec()]), Err(InvalidRecord::Json { number: 1, .. })));
        }
    }
}
