//! A range of a file as a stream of bytes that survives broken connections.
//!
//! Unlike a [`Download`](crate::download::Download) it keeps nothing: what is had this way is small beside the archive,
//! and a repair that is killed begins anew with what is still damaged.

use std::io::{self, Read};

use reqwest::{Response, StatusCode};
use tokio::runtime::Handle;

use crate::download::{Failure, Source};
use crate::error::RepoError;

/// Part of a file, read in order. Reading blocks: it belongs on a thread of its own, not on one of the runtime's.
pub(crate) struct Range<'a> {
    source: &'a Source,
    runtime: Handle,
    next: u64,
    end: u64,
    response: Option<Response>,
    /// What arrived and was not read yet, from `position` on.
    chunk: Vec<u8>,
    position: usize,
    failures: u32,
    failure: Option<RepoError>,
}

impl<'a> Range<'a> {
    /// `length` bytes of `source` from `offset` on. Asks nothing yet.
    pub(crate) fn new(source: &'a Source, runtime: Handle, offset: u64, length: u64) -> Self {
        let end = offset.saturating_add(length);
        let (response, chunk, failure) = (None, Vec::new(), None);
        Self { source, runtime, next: offset, end, response, chunk, position: 0, failures: 0, failure }
    }

    /// The error behind the [`io::Error`] that reading ended with.
    pub(crate) fn take_failure(&mut self) -> Option<RepoError> {
        self.failure.take()
    }

    /// Gets more bytes; none at the range's end.
    fn advance(&mut self) -> Result<(), RepoError> {
        let runtime = self.runtime.clone();
        (self.position, self.chunk) = (0, Vec::new());
        while self.chunk.is_empty() && self.next < self.end {
            if let Err(failure) = runtime.block_on(self.attempt()) {
                self.response = None;
                self.failures += 1;
                std::thread::sleep(self.source.after(failure, self.failures)?);
            }
        }
        Ok(())
    }

    async fn attempt(&mut self) -> Result<(), Failure> {
        if self.response.is_none() {
            let response = self.source.request_range(self.next, self.end).await?;
            if response.status() != StatusCode::PARTIAL_CONTENT {
                return Err(Failure::Final(RepoError::NoRanges(self.source.url.to_string())));
            }
            self.response = Some(response);
        }
        let Some(response) = &mut self.response else { return Ok(()) };
        match response.chunk().await.map_err(Failure::interrupted)? {
            Some(chunk) => {
                // A server that sends more than was asked for is not listened to any longer.
                let wanted = usize::try_from(self.end - self.next).unwrap_or(usize::MAX);
                self.chunk.extend_from_slice(&chunk[..chunk.len().min(wanted)]);
                self.next += self.chunk.len() as u64;
                Ok(())
            }
            None => Err(Failure::passing("the answer ended before the range did")),
        }
    }
}

impl Read for Range<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.chunk.len()
            && let Err(error) = self.advance()
        {
            let text = error.to_string();
            self.failure = Some(error);
            return Err(io::Error::other(text));
        }
        let count = buffer.len().min(self.chunk.len() - self.position);
        buffer[..count].copy_from_slice(&self.chunk[self.position..][..count]);
        self.position += count;
        Ok(count)
    }
}
