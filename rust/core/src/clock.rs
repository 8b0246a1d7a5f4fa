//! Time as an argument, so that a test can move it.

use jiff::Timestamp;

/// The wall clock, as far as durable files and messages need one.
pub trait Clock: Send + Sync {
    /// The current instant. It may jump; nothing but messages and records may depend on it.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
