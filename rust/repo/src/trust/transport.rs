//! How metadata comes here: over the repository's own HTTP client, with its credentials, authority and bounds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use dcos_core::Problem;
use futures_util::stream;
use reqwest::Url;
use tough::{TransportError, TransportErrorKind, TransportStream};

use crate::client;
use crate::download::Source;
use crate::error::RepoError;

/// The longest timestamp: it names one file.
const MAX_TIMESTAMP_BYTES: u64 = 64 << 10;

/// The longest root or snapshot: a few keys, two files.
const MAX_ROLE_BYTES: u64 = 1 << 20;

/// The longest targets: about 50,000 packages.
pub(super) const MAX_TARGETS_BYTES: u64 = 32 << 20;

/// How many new roots are followed at once.
const MAX_ROOTS: u64 = 256;

/// What came last, and what failed: tough tells of a failure only by its text.
#[derive(Debug, Default)]
struct Seen {
    body: Vec<u8>,
    failure: Option<RepoError>,
    /// Every document by its name, if they are to be kept.
    recorded: Option<BTreeMap<String, Vec<u8>>>,
}

/// Metadata by HTTP. A clone shares connections and what was seen.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    source: Source,
    seen: Arc<Mutex<Seen>>,
}

impl Transport {
    /// A transport that asks as `source` does, whose address it ignores.
    pub(super) fn new(source: Source, recording: bool) -> Self {
        let seen = Seen { recorded: recording.then(BTreeMap::new), ..Seen::default() };
        Self { source, seen: Arc::new(Mutex::new(seen)) }
    }

    /// The documents that were asked for, as they came.
    pub(super) fn recorded(&self) -> BTreeMap<String, Vec<u8>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).recorded.take().unwrap_or_default()
    }

    /// The failure that ended the last load, if it was one of the network.
    pub(super) fn take_failure(&self) -> Option<RepoError> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).failure.take()
    }

    /// The bytes that arrived last.
    pub(super) fn last_body(&self) -> Vec<u8> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).body.clone()
    }

    async fn get(&self, url: &Url) -> Result<Vec<u8>, TransportError> {
        let source = Source { url: url.clone(), ..self.source.clone() };
        let error = match source.get(limit(url)).await {
            Ok(bytes) => {
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.body.clone_from(&bytes);
                if let (Some(recorded), Some(name)) = (&mut seen.recorded, url.path().rsplit('/').next()) {
                    recorded.insert(name.to_owned(), bytes.clone());
                }
                return Ok(bytes);
            }
            Err(error) => error,
        };
        if is_root(url) && is_absence(&error) {
            // The next root is asked for until there is none.
            return Err(TransportError::new(TransportErrorKind::FileNotFound, url));
        }
        let text = Problem::chain(&error);
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).failure = Some(error);
        Err(TransportError::new_with_cause(TransportErrorKind::Other, url, text))
    }
}

#[async_trait::async_trait]
impl tough::Transport for Transport {
    /// Never fails itself: tough takes any failure here for the end of the chain of roots, so that a server that can't
    /// answer would keep a node at a root that was replaced. A failure within the stream is one.
    async fn fetch(&self, url: Url) -> Result<TransportStream, TransportError> {
        let answer = self.get(&url).await.map(Into::into);
        Ok(Box::pin(stream::iter([answer])))
    }
}

/// Tough's own bounds; ours hold before a byte too many is in memory.
pub(super) const fn limits() -> tough::Limits {
    tough::Limits {
        max_root_size: MAX_ROLE_BYTES,
        max_targets_size: MAX_TARGETS_BYTES,
        max_timestamp_size: MAX_TIMESTAMP_BYTES,
        max_snapshot_size: MAX_ROLE_BYTES,
        max_root_updates: MAX_ROOTS,
    }
}

fn limit(url: &Url) -> u64 {
    match url.path() {
        path if path.ends_with("/timestamp.json") => MAX_TIMESTAMP_BYTES,
        path if path.ends_with(".targets.json") => MAX_TARGETS_BYTES,
        _ => MAX_ROLE_BYTES,
    }
}

fn is_root(url: &Url) -> bool {
    url.path().ends_with(".root.json")
}

fn is_absence(error: &RepoError) -> bool {
    matches!(error, RepoError::Status { status, .. } if client::is_absence(*status))
}
