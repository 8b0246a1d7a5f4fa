//! The Mesos that runs from this store, as the restart helper wrote it into `state/mesos.json`.

use serde::{Deserialize, Serialize};

use crate::process;

/// The document below `state/`.
pub(crate) const FILE_NAME: &str = "mesos.json";

/// A live Mesos. The document may say more: this is what the store needs of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Its process.
    pub pid: u32,
    /// When that started, in clock ticks after the boot: see [`process::start_time`].
    pub start_time: u64,
    /// The generation that it was started from.
    pub generation: u64,
}

impl Running {
    /// Whether the process is still that one, and lives.
    pub fn lives(&self) -> bool {
        process::start_time(self.pid) == Some(self.start_time)
    }
}
