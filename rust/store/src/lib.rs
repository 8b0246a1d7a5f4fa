//! The package tree of a node: packages, generations, the switch, and the small documents beside them. Nobody else
//! touches that tree.
//!
//! - [`store`]: the store itself, its lock, its recovery, its documents below `state/`
//! - [`packages`]: packages received into staging, committed by a rename, removed by another
//! - [`inspect`]: what is there, what it says of itself; [`verify`]: whether it is still what was added, and repair;
//!   [`mend`]: repair with the damaged files only
//! - [`archive`]: the strict subset of tar that packages are, and how one is built
//! - [`generation`]: a set made ready to be started, what it is validated by, and the switch
//! - [`keep`], [`gc`]: what must stay and why; everything else
//! - [`lock`], [`staging`], [`flock`]: who may change what; [`partial`]: what unfinished downloads have brought
//! - [`directory`], [`durable`]: the only doors to the file system, and the policy of syncing
//! - `trust`: what is known of whose signatures to believe; [`freshness`]: for how long
//! - [`running`], [`process`]: which Mesos runs from here
//! - [`append_log`]: a log that survives crashes
//! - [`node_store`]: the store as the restart sees it
//!
//! What holds at every instant, whatever crashes, is in the design: `active` names a complete generation or does not
//! exist; a package is there only once all of it is verified and durable; a switch is one rename; a crash needs no
//! person, as whoever takes the lock next brings the store in order first.

#![forbid(unsafe_code)]

pub mod append_log;
mod archive;
mod directory;
mod durable;
mod error;
mod flock;
mod freshness;
mod gc;
mod generation;
mod inspect;
mod keep;
mod lock;
pub mod manifest;
mod mend;
mod node_store;
mod packages;
mod partial;
pub mod process;
mod running;
mod staging;
mod store;
mod trust;
mod verify;

pub use append_log::{AppendLog, LogError};
pub use archive::frames::{Frame, frames};
pub use archive::pack::{Built, build, build_with};
pub use archive::{Refusal, Rule};
pub use error::StoreError;
pub use flock::Flock;
pub use freshness::Freshness;
pub use gc::{GcOptions, GcReport};
pub use generation::history::HistoryEntry;
pub use generation::stage::Activation;
pub use inspect::{Package, PackageSummary};
pub use lock::{Locked, Owner};
pub use manifest::Manifest;
pub use mend::Mending;
pub use packages::{Added, Expected, MAX_ARCHIVE_BYTES, MAX_PACKAGE_BYTES, Staged, survey};
pub use partial::Partial;
pub use process::start_time;
pub use running::Running;
pub use store::{LOCK_WAIT, NodeContext, Store};
pub use verify::VerifyReport;
