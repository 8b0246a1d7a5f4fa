//! Package repositories: static files that any web server can serve, and the client that brings packages from them.
//!
//! - [`client`]: one repository over HTTP; [`repositories`]: release and site together, as a node sees them
//! - [`download`]: one archive as a stream that survives broken connections; [`backoff`]: how long to wait in between
//! - `arrival`: one archive from the network into staging
//! - [`mod@fetch`]: packages into the store, several at a time; [`worker`]: the same as a job with a file;
//!   [`mod@repair`]: a package that is there put right
//! - [`publisher`]: archives into a repository's folder; [`signing`]: its signed metadata;
//!   [`server`]: such a folder over HTTP, for trying out; [`mod@mirror`]: a verified copy of a repository
//! - [`trust`]: an index by signed metadata
//! - [`credentials`]: the file that says who we are to a server
//! - [`error`]: what can go wrong, and how it looks to others
//!
//! An archive is believed because of the index. An index is believed because of its signatures where the node was given a
//! root of trust, and because of where it comes from otherwise; nothing behind [`client`] knows the difference.

#![forbid(unsafe_code)]

mod arrival;
pub mod backoff;
pub mod client;
pub mod credentials;
pub mod download;
pub mod error;
pub mod fetch;
mod files;
mod layout;
pub mod mirror;
pub mod publisher;
mod range;
pub mod repair;
pub mod repositories;
pub mod server;
pub mod signing;
mod target;
pub mod trust;
pub mod worker;

pub use client::Client;
pub use error::RepoError;
pub use fetch::{Event, Fetched, Progress, Wanted, fetch};
pub use mirror::{Mirrored, mirror};
pub use publisher::{Published, publish};
pub use repair::repair;
pub use repositories::{Available, Repositories};
pub use signing::Signer;
