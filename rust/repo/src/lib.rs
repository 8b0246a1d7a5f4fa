//! Package repositories: static files that any web server can serve, and the client that brings packages from them.
//!
//! - [`client`]: one repository over HTTP; [`repositories`]: release and site together, as a node sees them
//! - [`download`]: one archive as a stream that survives broken connections; [`backoff`]: how long to wait in between
//! - `arrival`: one archive from the network into staging
//! - [`mod@fetch`]: packages into the store, several at a time; [`worker`]: the same as a job with a file;
//!   [`mod@repair`]: a package that is there put right
//! - [`publisher`]: archives into a repository's folder; [`server`]: such a folder over HTTP, for trying out
//! - [`credentials`]: the file that says who we are to a server
//! - [`error`]: what can go wrong, and how it looks to others
//!
//! For now an index is believed because of where it comes from, and an archive because of the index: signed metadata
//! will take the index's place in [`client`], and nothing behind it changes.

#![forbid(unsafe_code)]

mod arrival;
pub mod backoff;
pub mod client;
pub mod credentials;
pub mod download;
pub mod error;
pub mod fetch;
pub mod publisher;
pub mod repair;
pub mod repositories;
pub mod server;
pub mod worker;

pub use client::Client;
pub use error::RepoError;
pub use fetch::{Event, Fetched, Progress, Wanted, fetch};
pub use publisher::{Published, publish};
pub use repair::repair;
pub use repositories::{Available, Repositories};
