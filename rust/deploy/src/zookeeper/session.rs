//! One connection to a server of the ensemble: requests out, answers in, in order.
//!
//! A session is given up with its connection: nothing of ours hangs on it. A connection that was idle for long is not
//! trusted either, since the server may have closed it, and a write that gets no answer costs more than a new handshake.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use super::wire::{Code, Garbled, Kind, Reader, Writer};
use super::{Address, ZooKeeperError};

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(2);

/// How long a server may take to answer. An ensemble that elects a new leader closes its connections sooner.
const ANSWER: Duration = Duration::from_secs(5);

/// What is asked for as the session's time-out, in milliseconds; a server forgets a silent client after it.
const SESSION: i32 = 10_000;

/// How long a connection may have been idle to be used again.
const IDLE: Duration = Duration::from_secs(3);

/// The longest answer that is read, in bytes: a znode has a megabyte at most, a list of some thousand names less.
const LONGEST: usize = 16 * 1024 * 1024;

/// How many requests are on their way at once.
const AT_ONCE: usize = 64;

/// A request: its kind, its znode for messages, its encoding.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) kind: Kind,
    pub(super) path: String,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn read(path: &str) -> Self {
        let body = Writer::default().bytes(path.as_bytes()).flag(false).0;
        Self { kind: Kind::GetData, path: path.to_owned(), body }
    }

    pub(super) fn children(path: &str) -> Self {
        Self { kind: Kind::GetChildren, ..Self::read(path) }
    }

    pub(super) fn create(path: &str, data: &[u8], private: bool) -> Self {
        let body = Writer::default().bytes(path.as_bytes()).bytes(data).acl(private).int(0).0;
        Self { kind: Kind::Create, path: path.to_owned(), body }
    }

    pub(super) fn write(path: &str, data: &[u8], version: i32) -> Self {
        let body = Writer::default().bytes(path.as_bytes()).bytes(data).int(version).0;
        Self { kind: Kind::SetData, path: path.to_owned(), body }
    }

    /// Deletes a znode, whatever its version.
    pub(super) fn delete(path: &str) -> Self {
        let body = Writer::default().bytes(path.as_bytes()).int(-1).0;
        Self { kind: Kind::Delete, path: path.to_owned(), body }
    }

    /// Holds if the znode has that version.
    pub(super) fn check(path: &str, version: i32) -> Self {
        let body = Writer::default().bytes(path.as_bytes()).int(version).0;
        Self { kind: Kind::Check, path: path.to_owned(), body }
    }

    /// All of these or none.
    pub(super) fn all(requests: &[Self]) -> Self {
        let body = requests.iter().fold(Writer::default(), |written, request| {
            let mut written = written.int(request.kind as i32).flag(false).int(-1);
            written.0.extend(&request.body);
            written
        });
        let path = requests.last().map_or_else(String::new, |request| request.path.clone());
        Self { kind: Kind::Multi, path, body: body.int(-1).flag(true).int(-1).0 }
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Session {
    server: String,
    stream: TcpStream,
    newest: i32,
    /// The newest change that an answer of any server told of.
    seen: i64,
    used: Instant,
}

impl Session {
    /// Connects to the first server that serves, beginning with the one that `turn` says, so that one dead server is not
    /// in the way each time. One that has not heard of the change `seen` yet gives no session: nobody is to read there
    /// what is older than what another server has answered.
    pub(super) fn open(address: &Address, turn: usize, seen: i64) -> Result<Self, ZooKeeperError> {
        let mut why = "no server is named".to_owned();
        for place in 0..address.servers.len() {
            let server = &address.servers[(turn + place) % address.servers.len()];
            match Self::connect(server, seen).and_then(|session| session.introduce(address)) {
                Ok(session) => return Ok(session),
                Err(error) => why = format!("{server}: {error}"),
            }
        }
        Err(ZooKeeperError::Unreachable { servers: address.servers.join(","), why })
    }

    fn connect(server: &str, seen: i64) -> io::Result<Self> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in server.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_read_timeout(Some(ANSWER))?;
                    stream.set_write_timeout(Some(ANSWER))?;
                    return Ok(Self { server: server.to_owned(), stream, newest: 0, seen, used: Instant::now() });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Makes a session. A server that has no part in a quorum closes the connection instead.
    fn introduce(mut self, address: &Address) -> io::Result<Self> {
        const NO_PASSWORD: [u8; 16] = [0; 16];
        let hello = Writer::default().int(0).long(self.seen).int(SESSION).long(0).bytes(&NO_PASSWORD).flag(false);
        self.send(&hello.0)?;
        let answer = self.receive()?;
        let mut reader = Reader(&answer);
        let timeout = reader.int().and_then(|_| reader.int()).map_err(garbled)?;
        if timeout <= 0 {
            return Err(io::Error::other("it gave no session"));
        }
        if let Some(auth) = &address.auth {
            // ZooKeeper knows this packet by a number of its own.
            const AUTH: i32 = -4;
            let packet = Writer::default().int(AUTH).int(Kind::Auth as i32).int(0).bytes(b"digest");
            self.send(&packet.bytes(auth.as_bytes()).0)?;
            let answer = self.receive()?;
            let mut reader = Reader(&answer);
            let code = reader.int().and_then(|_| reader.long()).and_then(|_| reader.int()).map_err(garbled)?;
            if code != 0 {
                return Err(io::Error::other(Code(code).to_string()));
            }
        }
        Ok(self)
    }

    /// Whether it may still be used.
    pub(super) fn is_fresh(&self) -> bool {
        self.used.elapsed() < IDLE
    }

    /// The newest change that an answer told of.
    pub(super) const fn seen(&self) -> i64 {
        self.seen
    }

    /// Sends a request and waits for its answer.
    pub(super) fn call(&mut self, request: &Request) -> Result<Vec<u8>, ZooKeeperError> {
        let mut answers = self.call_all(std::slice::from_ref(request))?;
        // There are as many answers as requests.
        answers.pop().unwrap_or_else(|| Err(self.broken(&io::ErrorKind::UnexpectedEof.into())))
    }

    /// Sends requests one upon the other, and answers what came of each, or that the connection broke.
    pub(super) fn call_all(
        &mut self,
        requests: &[Request],
    ) -> Result<Vec<Result<Vec<u8>, ZooKeeperError>>, ZooKeeperError> {
        let mut answers = Vec::with_capacity(requests.len());
        for some in requests.chunks(AT_ONCE) {
            for request in some {
                self.newest = self.newest.wrapping_add(1).max(1);
                let head = Writer::default().int(self.newest).int(request.kind as i32);
                self.send(&[head.0, request.body.clone()].concat()).map_err(|error| self.broken(&error))?;
            }
            let first = self.newest - i32::try_from(some.len()).unwrap_or(0) + 1;
            for (number, request) in (first..).zip(some) {
                let answer = self.receive().map_err(|error| self.broken(&error))?;
                answers.push(self.outcome(number, request, answer)?);
            }
        }
        self.used = Instant::now();
        Ok(answers)
    }

    /// The body of an answer, without its head; for a transaction, the body of its last part.
    fn outcome(
        &mut self,
        number: i32,
        request: &Request,
        mut answer: Vec<u8>,
    ) -> Result<Result<Vec<u8>, ZooKeeperError>, ZooKeeperError> {
        let refused = |code| {
            let what = request.kind.word();
            Err(ZooKeeperError::Refused { what, path: request.path.clone(), code: Code(code) })
        };
        let broken = |error| self.broken(&garbled(error));
        let mut reader = Reader(&answer);
        let (known, seen, code) =
            reader.int().and_then(|known| Ok((known, reader.long()?, reader.int()?))).map_err(broken)?;
        if known != number {
            return Err(self.broken(&io::Error::other("an answer came out of turn")));
        }
        self.seen = self.seen.max(seen);
        if code != 0 {
            return Ok(refused(code));
        }
        if request.kind == Kind::Multi
            && let Some(code) = first_failure(reader.clone()).map_err(|error| self.broken(&garbled(error)))?
        {
            return Ok(refused(code));
        }
        const HEAD: usize = 16;
        Ok(Ok(answer.split_off(HEAD)))
    }

    fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        let framed = Writer::default().bytes(packet);
        self.stream.write_all(&framed.0)
    }

    fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > LONGEST {
            return Err(io::Error::other(format!("an answer of {length} bytes is longer than any")));
        }
        let mut packet = vec![0; length];
        self.stream.read_exact(&mut packet)?;
        Ok(packet)
    }

    fn broken(&self, error: &io::Error) -> ZooKeeperError {
        let why = match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "it did not answer in time".to_owned(),
            io::ErrorKind::UnexpectedEof => "the server closed it".to_owned(),
            _ => error.to_string(),
        };
        ZooKeeperError::Broken { server: self.server.clone(), why }
    }
}

impl Drop for Session {
    /// Says farewell, so that the server need not wait for the session's end; nobody waits for its answer.
    fn drop(&mut self) {
        let packet = Writer::default().int(self.newest.wrapping_add(1)).int(Kind::Close as i32);
        self.send(&packet.0).ok();
    }
}

fn garbled(_: Garbled) -> io::Error {
    io::Error::other("it answered something that is not ZooKeeper's")
}

/// The first real reason in the answer to a transaction that failed; `None` if it did not.
fn first_failure(mut reader: Reader<'_>) -> Result<Option<i32>, Garbled> {
    const FAILURE: i32 = -1;
    loop {
        let (kind, done, _) = (reader.int()?, reader.flag()?, reader.int()?);
        if done {
            return Ok(None);
        }
        // All parts of a failed transaction are failures: nothing before the one that failed (0), that one, and those
        // after it that were not tried.
        if kind != FAILURE {
            return Ok(None);
        }
        let code = reader.int()?;
        if code != 0 && Code(code) != Code::RUNTIME_INCONSISTENCY {
            return Ok(Some(code));
        }
    }
}
