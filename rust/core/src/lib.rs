//! The words of dcos-bits as types, and the decisions that need nothing but them. No I/O, no async, no clock of its own.
//!
//! - [`id`]: package names, versions, ids; [`version`]: Debian's order of versions; [`requirement`]: `mesos >= 1.11.0, < 1.12.0`
//! - [`pkginfo`]: what a package says about itself; [`set`]: the packages that are active together
//! - [`config`]: what a `mesos-config` package says
//! - [`index`]: what a repository offers; [`job`]: long work of a node, as its file tells it
//! - [`node`]: `node.toml`, the facts of one host; [`credentials`], [`network`]: who somebody is, and where
//! - [`resolve`](mod@resolve): from a change in an operator's words to the set of one node
//! - [`validate`]: whether a set can work on a node, and every reason why not
//! - [`checkpoint`]: whether a restarted agent accepts the checkpoint that it finds
//! - [`formats`]: which files a release of dcos-bits reads
//! - [`attempt`]: the states of a restart and what is reported of it
//! - [`ports`]: what the restart needs of whoever keeps the node's files
//! - [`provider`]: what a program that makes machines is asked and answers
//! - [`problem`], [`exit`]: how a refusal looks over HTTP and to a shell
//! - [`schema`]: the JSON schemas of what is written as plain text
//! - [`digest`], [`role`], [`clock`]: small words used everywhere

pub mod attempt;
pub mod checkpoint;
pub mod clock;
pub mod config;
pub mod credentials;
pub mod digest;
pub mod exit;
pub mod formats;
pub mod id;
pub mod index;
pub mod job;
pub mod network;
pub mod node;
pub mod pkginfo;
pub mod ports;
pub mod problem;
pub mod provider;
pub mod requirement;
pub mod resolve;
pub mod role;
pub mod schema;
pub mod set;
pub mod validate;
pub mod version;

pub use clock::Clock;
pub use digest::Sha256;
pub use exit::ExitCode;
pub use id::{PackageId, PackageName, Version};
pub use pkginfo::PkgInfo;
pub use problem::Problem;
pub use role::{Kind, Role};
pub use set::PackageSet;
