//! Configs against the real Mesos: what it is told is what it reads, and what it accepts is what was predicted.
//!
//! These need what `tests/mesos/prepare` leaves behind, and [`started`] the packages of `scripts/build`. Without them
//! they fail and say so, and a bare `cargo test` leaves them out.
//!
//! - [`flags`]: the data about flags, against the programs
//! - [`started`]: generated configs start master and agent, which then say that they have these flags
//! - [`sampled`]: any options that are accepted make a config that Mesos can read
//! - [`checkpoint`]: the predictor of checkpoint compatibility, against restarted agents; [`matrix`]: its cases
//! - [`quorum`]: what a master that ZooKeeper elects must be told
//! - [`commands`]: `dcos config options` and `diff`
//! - [`process`]: a Mesos of these tests

mod checkpoint;
mod commands;
mod flags;
mod matrix;
pub(crate) mod process;
mod quorum;
mod sampled;
mod started;

/// The versions that configs are for.
const VERSIONS: [&str; 2] = ["1.10.0", "1.11.0"];

/// Whether the tests that take minutes are wanted.
fn long() -> bool {
    std::env::var_os("DCOS_BITS_LONG").is_some()
}
