//! One archive as a stream of bytes that survives broken connections, servers and our own end.
//!
//! A [`Download`] is read by the store, which unpacks while it hashes: there is one pass over the bytes and nothing
//! of the archive is held in memory but the chunk at hand. Every byte that arrives is also written to a *partial*
//! file. When a connection breaks, the next request asks for the rest only; when our process is killed, the next one
//! finds the partial, replays it from the disk and asks for the rest. Whether a replayed byte is the right one needs
//! no thought here: the digest of the whole decides.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, IF_RANGE, RANGE, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use tokio::runtime::Handle;

use crate::backoff::{Patience, Retry};
use crate::credentials::Credentials;
use crate::error::RepoError;

/// The longest archive that is taken from an address that nobody stated a size for.
const MAX_UNSTATED_BYTES: u64 = 16 << 30;

/// How rustls begins to say that it does not believe a certificate; its error's type is that of no crate that we name.
const BAD_CERTIFICATE: &str = "invalid peer certificate";

/// An attempt that brought less than this of what was not here yet does not make us more patient: a server that hands
/// out a byte at a time and hangs up would be asked for ever, as would one that always ends at the same place.
const WORTH_ANOTHER_TRY: u64 = 64 << 10;

/// Where an archive is to be had.
#[derive(Clone, Debug)]
pub struct Source {
    pub(crate) http: reqwest::Client,
    pub(crate) url: Url,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) size: Option<u64>,
    pub(crate) retry: Retry,
    pub(crate) patience: Patience,
}

/// Why an attempt failed.
pub(crate) enum Failure {
    /// It may go well next time.
    Passing { cause: Box<dyn std::error::Error + Send + Sync>, asked_for: Option<Duration> },
    /// It will not.
    Final(RepoError),
}

impl Failure {
    /// A connection that broke or fell silent.
    pub(crate) fn interrupted(error: reqwest::Error) -> Self {
        Self::Passing { cause: Box::new(error.without_url()), asked_for: None }
    }

    pub(crate) fn passing(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Passing { cause: cause.into(), asked_for: None }
    }
}

impl Source {
    /// The address, for messages.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// The size of the archive in bytes, where it was stated.
    pub const fn size(&self) -> Option<u64> {
        self.size
    }

    /// How long to wait after a failure, or the error to give up with.
    pub(crate) fn after(&self, failure: Failure, failures: u32) -> Result<Duration, RepoError> {
        match failure {
            Failure::Final(error) => Err(error),
            Failure::Passing { cause, asked_for } => self
                .retry
                .delay(failures, asked_for)
                .ok_or_else(|| RepoError::Unreachable { url: self.url.to_string(), attempts: failures, source: cause }),
        }
    }

    /// Asks for the bytes from `offset` on; `etag` names the version that the bytes before it came from.
    pub(crate) async fn request(&self, offset: u64, etag: Option<&str>) -> Result<Response, Failure> {
        if offset == 0 {
            return self.send(self.get_it(), None).await;
        }
        let mut request = self.get_it().header(RANGE, format!("bytes={offset}-"));
        if let Some(etag) = etag {
            request = request.header(IF_RANGE, etag);
        }
        self.send(request, Some(offset)).await
    }

    /// Asks for the bytes from `offset` up to `end`, that one not included. A server without ranges sends all of them.
    pub(crate) async fn request_range(&self, offset: u64, end: u64) -> Result<Response, Failure> {
        let range = format!("bytes={offset}-{}", end.saturating_sub(1));
        self.send(self.get_it().header(RANGE, range), Some(offset)).await
    }

    /// A request that got no answer. Asking again does not make a certificate better.
    fn unsent(&self, error: reqwest::Error) -> Failure {
        let error = error.without_url();
        let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
        match causes.map(ToString::to_string).any(|text| text.contains(BAD_CERTIFICATE)) {
            true => Failure::Final(RepoError::Certificate { url: self.url.to_string(), source: Box::new(error) }),
            false => Failure::interrupted(error),
        }
    }

    fn get_it(&self) -> RequestBuilder {
        let request = self.http.get(self.url.clone());
        match &self.credentials {
            Some(credentials) => request.basic_auth(&credentials.principal, Some(&credentials.secret)),
            None => request,
        }
    }

    async fn send(&self, request: RequestBuilder, from: Option<u64>) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| self.unsent(error))?;
        let status = response.status();
        match status {
            StatusCode::OK => Ok(response),
            StatusCode::PARTIAL_CONTENT if from.is_some() && starts_at(response.headers()) == from => Ok(response),
            StatusCode::PARTIAL_CONTENT => Err(Failure::passing("the server sent another range than was asked for")),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Err(busy(&response)),
            _ if status.is_server_error() => Err(busy(&response)),
            _ => Err(Failure::Final(RepoError::Status { url: self.url.to_string(), status })),
        }
    }
}

fn busy(response: &Response) -> Failure {
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let cause = format!("the server answers {}", response.status());
    Failure::Passing { cause: cause.into(), asked_for: seconds.map(Duration::from_secs) }
}

/// Where a partial answer starts: `bytes 100-199/200` starts at 100.
fn starts_at(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

/// What a download tells of itself.
pub trait Watch: Send {
    /// So many bytes of the archive are here.
    fn bytes(&mut self, count: u64);
    /// An attempt failed, and another one follows.
    fn retrying(&mut self, why: &str);
}

/// An archive under way. Reading blocks: it belongs on a thread of its own, not on one of the runtime's.
pub struct Download<'a> {
    source: &'a Source,
    runtime: Handle,
    watch: &'a mut dyn Watch,
    partial: &'a mut File,
    /// How much of the archive is in `partial`.
    stored: u64,
    /// How much of it was handed out.
    read: u64,
    /// How much of it was in `partial` from the beginning.
    replayed: u64,
    response: Option<Response>,
    etag: Option<String>,
    /// How much of the running answer is known already, since it starts further ahead than we need.
    skip: u64,
    /// Whether the answer that came last was complete.
    ended: bool,
    failures: u32,
    /// `stored` when the running attempt began, and when that was.
    attempt_from: u64,
    began: Instant,
    /// How many bytes the running attempt has brought, those included that were here already.
    received: u64,
    failure: Option<RepoError>,
}

impl<'a> Download<'a> {
    /// A download of `source` that goes on from what `partial` holds and writes to it.
    ///
    /// # Errors
    /// If the partial can't be used.
    pub fn new(
        source: &'a Source,
        partial: &'a mut File,
        runtime: Handle,
        watch: &'a mut dyn Watch,
    ) -> io::Result<Self> {
        let mut stored = partial.metadata()?.len();
        if source.size.is_some_and(|size| stored > size) {
            partial.set_len(0)?;
            stored = 0;
        }
        watch.bytes(stored);
        Ok(Self {
            source,
            runtime,
            watch,
            partial,
            stored,
            read: 0,
            replayed: stored,
            response: None,
            etag: None,
            skip: 0,
            ended: false,
            failures: 0,
            attempt_from: stored,
            began: Instant::now(),
            received: 0,
            failure: None,
        })
    }

    /// How many bytes came from an earlier, unfinished download.
    pub const fn replayed(&self) -> u64 {
        self.replayed
    }

    /// The error behind the [`io::Error`] that reading ended with, if it was one of the network.
    pub fn take_failure(&mut self) -> Option<RepoError> {
        self.failure.take()
    }

    fn limit(&self) -> u64 {
        self.source.size.unwrap_or(MAX_UNSTATED_BYTES)
    }

    /// Whether every byte is here.
    fn is_complete(&self) -> bool {
        self.source.size.map_or(self.ended, |size| self.stored == size)
    }

    /// Gets more bytes into the partial; `Ok(false)` if there are no more.
    fn advance(&mut self) -> Result<bool, RepoError> {
        let runtime = self.runtime.clone();
        while !self.is_complete() {
            let before = self.stored;
            match runtime.block_on(self.attempt()) {
                Ok(()) if self.stored > before => return Ok(true),
                Ok(()) => {}
                Err(failure) => {
                    self.response = None;
                    if self.stored >= self.attempt_from + WORTH_ANOTHER_TRY {
                        self.failures = 0;
                    }
                    self.failures += 1;
                    let why = match &failure {
                        Failure::Passing { cause, .. } => dcos_core::Problem::chain(cause.as_ref()),
                        Failure::Final(_) => String::new(),
                    };
                    let delay = self.source.after(failure, self.failures)?;
                    self.watch.retrying(&why);
                    tracing::debug!(url = %self.source.url, why, ?delay, "trying again");
                    std::thread::sleep(delay);
                }
            }
        }
        Ok(false)
    }

    /// One step of the running answer, or of a new one.
    async fn attempt(&mut self) -> Result<(), Failure> {
        if self.response.is_none() {
            self.open().await?;
        }
        let Some(response) = &mut self.response else { return Ok(()) };
        if self.source.patience.is_over(self.began.elapsed(), self.received) {
            return Err(Failure::passing("it sends next to nothing"));
        }
        match response.chunk().await.map_err(Failure::interrupted)? {
            Some(chunk) => self.keep(&chunk),
            None if self.source.size.is_some_and(|size| self.stored < size) => {
                Err(Failure::passing("the answer ended before the archive did"))
            }
            None => {
                self.ended = true;
                Ok(())
            }
        }
    }

    async fn open(&mut self) -> Result<(), Failure> {
        (self.attempt_from, self.began, self.received) = (self.stored, Instant::now(), 0);
        let response = match self.source.request(self.stored, self.etag.as_deref()).await {
            Ok(response) => response,
            // Our partial is as long as the archive or longer: only the whole can tell.
            Err(Failure::Final(RepoError::Status { status: StatusCode::RANGE_NOT_SATISFIABLE, .. })) => {
                self.source.request(0, None).await?
            }
            Err(failure) => return Err(failure),
        };
        self.skip = if response.status() == StatusCode::PARTIAL_CONTENT { 0 } else { self.stored };
        let before = self.stored - self.skip;
        match (response.content_length().map(|length| before.saturating_add(length)), self.source.size) {
            (Some(found), Some(expected)) if found != expected => {
                let url = self.source.url.to_string();
                return Err(Failure::Final(RepoError::OtherSize { url, expected, found }));
            }
            (Some(found), None) if found > self.limit() => return Err(self.too_long()),
            _ => {}
        }
        // A weak tag says that two versions mean the same, not that their bytes are.
        let etag = response.headers().get(ETAG).and_then(|value| value.to_str().ok());
        let etag = etag.filter(|tag| !tag.starts_with("W/")).map(ToOwned::to_owned);
        // All of it in place of the rest, and of another version: what is here belongs to nothing any more.
        let is_whole = response.status() == StatusCode::OK;
        if is_whole && self.stored > 0 && self.etag.is_some() && etag.is_some() && self.etag != etag {
            return Err(Failure::Final(RepoError::Changed(self.source.url.to_string())));
        }
        self.etag = etag;
        self.response = Some(response);
        Ok(())
    }

    fn keep(&mut self, chunk: &[u8]) -> Result<(), Failure> {
        self.received += chunk.len() as u64;
        let known = self.skip.min(chunk.len() as u64);
        self.skip -= known;
        // `known` is at most the chunk's length.
        let chunk = &chunk[usize::try_from(known).unwrap_or(chunk.len())..];
        if self.stored + chunk.len() as u64 > self.limit() {
            return Err(self.too_long());
        }
        self.partial.write_all_at(chunk, self.stored).map_err(|source| {
            Failure::Final(RepoError::Io {
                action: "write what arrives of",
                path: self.source.url.path().into(),
                source,
            })
        })?;
        self.stored += chunk.len() as u64;
        self.watch.bytes(self.stored);
        Ok(())
    }

    fn too_long(&self) -> Failure {
        Failure::Final(RepoError::TooLong { url: self.source.url.to_string(), limit: self.limit() })
    }
}

impl Read for Download<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.stored {
            match self.advance() {
                Ok(true) => {}
                Ok(false) => return Ok(0),
                Err(error) => {
                    let text = error.to_string();
                    self.failure = Some(error);
                    return Err(io::Error::other(text));
                }
            }
        }
        // What arrived is still in the page cache: reading it back costs a copy, and replay and network are one path.
        let available = usize::try_from(self.stored - self.read).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(available);
        let count = self.partial.read_at(&mut buffer[..wanted], self.read)?;
        if count == 0 && wanted > 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the partial download was cut off by somebody else",
            ));
        }
        self.read += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
#[path = "download_tests.rs"]
mod tests;
