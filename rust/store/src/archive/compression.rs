//! The compressed stream: counted, hashed and decompressed on a thread of its own, so that the other core can unpack.
//!
//! What arrives is hostile until its digest is known, and the digest is known only at the end. So memory is bounded by
//! a few buffers, whatever the stream says of itself, and bytes are counted against their limit before they are used.

use std::io::{self, BufRead as _, BufReader, Chain, Cursor, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use dcos_core::Sha256;
use flate2::bufread::GzDecoder;
use sha2::Digest as _;

use super::rule::{Refusal, Rule};

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// The size of the buffers between the threads, and their number: half a MiB for each archive under way. A fetch has three of
/// those and 32 MiB for everything.
const BUFFER: usize = 128 << 10;
const BUFFERS: usize = 4;

/// The largest window of a Zstandard frame, as a power of two: the 8 MiB that RFC 8878 asks of every reader.
pub(crate) const WINDOW_LOG: u32 = 23;

/// What is known of an archive once all of it has been read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    pub(crate) sha256: Sha256,
    pub(crate) size: u64,
}

/// Why reading failed.
#[derive(Debug)]
pub(crate) enum ReadFailure {
    /// The bytes broke a rule.
    Refused(Refusal),
    /// The source of the bytes failed.
    Source(io::Error),
}

impl From<Refusal> for ReadFailure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The source, counted and hashed.
struct Metered<R> {
    source: R,
    hash: sha2::Sha256,
    size: u64,
    limit: u64,
    failure: Option<ReadFailure>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = loop {
            match self.source.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(count) => break count,
                Err(error) => {
                    // The decoder passes errors on as it likes; this one must not be taken for its own.
                    self.failure = Some(ReadFailure::Source(error));
                    return Err(io::ErrorKind::Other.into());
                }
            }
        };
        self.size += count as u64;
        if self.size > self.limit {
            let detail = format!("more than {} bytes", self.limit);
            self.failure = Some(Refusal::new(Rule::ArchiveTooLarge, detail).into());
            return Err(io::ErrorKind::Other.into());
        }
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

/// The first bytes, which were looked at, and the rest.
type Source<R> = BufReader<Chain<Cursor<Vec<u8>>, Metered<R>>>;

enum Decoder<R: Read> {
    Gzip(Box<GzDecoder<Source<R>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, Source<R>>>),
}

impl<R: Read> Decoder<R> {
    fn open(source: R, limit: u64) -> Result<Self, ReadFailure> {
        let mut metered = Metered { source, hash: sha2::Sha256::new(), size: 0, limit, failure: None };
        let mut start = Vec::new();
        if let Err(error) = metered.by_ref().take(ZSTD_MAGIC.len() as u64).read_to_end(&mut start) {
            return Err(failure(&mut metered, &error));
        }
        let (gzip, zstd) = (start.starts_with(GZIP_MAGIC), start.starts_with(ZSTD_MAGIC));
        let source = BufReader::with_capacity(BUFFER, Cursor::new(start).chain(metered));
        if gzip {
            return Ok(Self::Gzip(Box::new(GzDecoder::new(source))));
        }
        if !zstd {
            return Err(Refusal::new(Rule::UnknownCompression, "it starts like neither gzip nor Zstandard").into());
        }
        let open = || {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(source)?;
            decoder.window_log_max(WINDOW_LOG)?;
            Ok(decoder)
        };
        open().map(|decoder| Self::Zstd(Box::new(decoder))).map_err(ReadFailure::Source)
    }

    fn metered(&mut self) -> &mut Metered<R> {
        match self {
            Self::Gzip(decoder) => decoder.get_mut().get_mut().get_mut().1,
            Self::Zstd(decoder) => decoder.get_mut().get_mut().get_mut().1,
        }
    }

    /// Fills the buffer as far as the stream reaches.
    fn fill(&mut self, buffer: &mut Vec<u8>) -> Result<(), ReadFailure> {
        buffer.resize(BUFFER, 0);
        let mut filled = 0;
        while filled < buffer.len() {
            let read = match self {
                Self::Gzip(decoder) => decoder.read(&mut buffer[filled..]),
                Self::Zstd(decoder) => decoder.read(&mut buffer[filled..]),
            };
            match read {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failure(self.metered(), &error)),
            }
        }
        buffer.truncate(filled);
        Ok(())
    }

    /// Checks that nothing follows, and says what was read.
    fn finish(self) -> Result<Received, ReadFailure> {
        let mut source = match self {
            Self::Gzip(decoder) => decoder.into_inner(),
            Self::Zstd(decoder) => decoder.finish(),
        };
        match source.fill_buf() {
            Ok([]) => {}
            Ok(_) => {
                return Err(Refusal::new(Rule::TrailingBytes, "there are bytes after the end of the stream").into());
            }
            Err(error) => return Err(failure(source.get_mut().get_mut().1, &error)),
        }
        let (_, metered) = source.into_inner().into_inner();
        Ok(Received { sha256: Sha256::from_bytes(metered.hash.finalize().into()), size: metered.size })
    }
}

fn failure<R>(metered: &mut Metered<R>, error: &io::Error) -> ReadFailure {
    metered.failure.take().unwrap_or_else(|| Refusal::new(Rule::DamagedCompression, error.to_string()).into())
}

/// The decompressed bytes, as they come from the other thread.
pub(crate) struct Decompressed {
    full: Receiver<Result<Vec<u8>, ReadFailure>>,
    empty: Sender<Vec<u8>>,
    current: Vec<u8>,
    position: usize,
    ended: bool,
}

/// Starts to decompress `source`, at most `limit` bytes of it, on a thread of `scope`.
///
/// The thread ends when the stream does, when it fails, or when [`Decompressed`] is dropped.
pub(crate) fn decompress<'scope, R: Read + Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    source: R,
    limit: u64,
) -> (Decompressed, ScopedJoinHandle<'scope, Option<Received>>) {
    let (full_sender, full) = sync_channel(BUFFERS);
    let (empty, empty_receiver) = channel();
    let thread = scope.spawn(move || produce(source, limit, &full_sender, &empty_receiver));
    (Decompressed { full, empty, current: Vec::new(), position: 0, ended: false }, thread)
}

/// `None` if it failed or nobody wants the rest; a failure went to the other side.
fn produce<R: Read>(
    source: R,
    limit: u64,
    full: &SyncSender<Result<Vec<u8>, ReadFailure>>,
    empty: &Receiver<Vec<u8>>,
) -> Option<Received> {
    let run = || -> Result<Option<Received>, ReadFailure> {
        let mut decoder = Decoder::open(source, limit)?;
        loop {
            let mut buffer = empty.try_recv().unwrap_or_default();
            decoder.fill(&mut buffer)?;
            if buffer.is_empty() {
                return decoder.finish().map(Some);
            }
            if full.send(Ok(buffer)).is_err() {
                return Ok(None);
            }
        }
    };
    run().unwrap_or_else(|failure| {
        // If the receiver is gone, it failed on its own and does not want to know.
        drop(full.send(Err(failure)));
        None
    })
}

impl Decompressed {
    /// The bytes at hand, at least one unless the stream has ended.
    pub(crate) fn chunk(&mut self) -> Result<&[u8], ReadFailure> {
        if self.position == self.current.len() && !self.ended {
            // If the other side is gone, so is its use for the buffer.
            drop(self.empty.send(std::mem::take(&mut self.current)));
            self.position = 0;
            match self.full.recv() {
                Ok(buffer) => self.current = buffer?,
                Err(_) => self.ended = true,
            }
        }
        Ok(&self.current[self.position..])
    }

    /// Takes `count` of the bytes at hand.
    pub(crate) fn consume(&mut self, count: usize) {
        self.position += count;
    }

    /// Fills `block`; answers how much of it, which is less only at the end of the stream.
    pub(crate) fn fill(&mut self, block: &mut [u8]) -> Result<usize, ReadFailure> {
        let mut filled = 0;
        while filled < block.len() {
            let chunk = self.chunk()?;
            if chunk.is_empty() {
                break;
            }
            let count = chunk.len().min(block.len() - filled);
            block[filled..filled + count].copy_from_slice(&chunk[..count]);
            filled += count;
            self.consume(count);
        }
        Ok(filled)
    }
}
