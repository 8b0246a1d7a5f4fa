//! The log as znodes.
//!
//! ```text
//! <masters' path>/dcos-bits/log                      {"format": 1, "generation": 3, "holder": "…"}: the head
//! <masters' path>/dcos-bits/log/r-0000000003-0000000000   a record of generation 3
//! <masters' path>/dcos-bits/log/p-0000000003-0000000001-000   a part of a record that is too long for one znode …
//! <masters' path>/dcos-bits/log/s-0000000003-0000000001-002   … which counts once this says how many parts it has
//! ```
//!
//! **The fence** is the version of the head. Whoever opens the log writes the head anew, and every later write of its own is
//! a transaction that holds only while the head has the version that this left. So from the moment that another controller
//! has opened the log, nothing of the one before is written any more, however late it arrives; and since a controller acts
//! only on what it has written down, its deeds end there too. What was written before lies before the head's new version,
//! so a server that has the one has the other. Another server, asked after a connection broke, may be behind: so each handshake
//! names the newest change that was heard of, and a server that has not heard of it gives no session. The reader misses nothing.
//!
//! **A write without an answer** is repeated over another connection until one comes. Under an unchanged fence nobody else
//! creates znodes here, so "there is one already" means that the first try arrived, if what is there is what was to be written.
//!
//! A log that grew long is written again under the next generation; the head's change puts it in the old one's place.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::session::{Request, Session};
use super::wire::{Code, Reader};
use super::{Address, ZooKeeperError};
use crate::store::{StateStore, StoreError};

/// The format of the head and of the znodes' names.
const FORMAT: u32 = 1;

/// How much of a record one znode has, in bytes: a request may have a megabyte, with what goes around it.
const PART: usize = 768 * 1024;

/// For how long a request is repeated while no server answers: an ensemble elects a new leader in some seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait before the next server is asked.
const PAUSE: Duration = Duration::from_millis(100);

/// How often the head may change between a look and a write before that is given up.
const TRIES: usize = 20;

/// The log of an ensemble.
#[derive(Debug)]
pub struct ZooKeeperLog {
    address: Address,
    /// The head's path.
    path: String,
    /// Who writes, for people who look at the head; and how a head is known as our own.
    holder: String,
    turn: usize,
    /// The newest change that any server told of since the log was opened.
    seen: i64,
    session: Option<Session>,
    held: Option<Held>,
}

/// The log while it is ours.
#[derive(Clone, Copy, Debug)]
struct Held {
    fence: i32,
    generation: u64,
    next: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: u32,
    generation: u64,
    holder: String,
}

/// What the name of a znode below the head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Whole { generation: u64, number: u64 },
    Split { generation: u64, number: u64, parts: u64 },
    Part { generation: u64, number: u64, part: u64 },
}

impl Name {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split('-');
        let kind = words.next()?;
        let mut number = || words.next()?.parse::<u64>().ok();
        let (generation, record) = (number()?, number()?);
        let name = match kind {
            "r" => Self::Whole { generation, number: record },
            "s" => Self::Split { generation, number: record, parts: number()? },
            "p" => Self::Part { generation, number: record, part: number()? },
            _ => return None,
        };
        words.next().is_none().then_some(name)
    }

    fn text(self) -> String {
        match self {
            Self::Whole { generation, number } => format!("r-{generation:010}-{number:010}"),
            Self::Split { generation, number, parts } => format!("s-{generation:010}-{number:010}-{parts:03}"),
            Self::Part { generation, number, part } => format!("p-{generation:010}-{number:010}-{part:03}"),
        }
    }
}

impl ZooKeeperLog {
    /// The log below the masters' znode. Nobody is asked before it is loaded. `holder` says who this is.
    pub fn new(address: Address, holder: &str) -> Self {
        let path = format!("{}/dcos-bits/log", address.path);
        // Two controllers of one master, one after the other, are two holders.
        let since = jiff::Timestamp::now();
        let holder = format!("{holder} {} {since}", std::process::id());
        Self { address, path, holder, turn: 0, seen: 0, session: None, held: None }
    }

    fn is_private(&self) -> bool {
        self.address.auth.is_some()
    }

    /// Asks until a server answers.
    fn ask<T>(&mut self, ask: impl Fn(&mut Session) -> Result<T, ZooKeeperError>) -> Result<T, ZooKeeperError> {
        let since = Instant::now();
        loop {
            let session = match self.session.take().filter(Session::is_fresh) {
                Some(session) => Ok(session),
                None => Session::open(&self.address, self.turn, self.seen),
            };
            let answer = session.and_then(|mut session| {
                let answer = ask(&mut session);
                self.seen = self.seen.max(session.seen());
                // A refusal leaves the connection as it was.
                let is_sound = answer.as_ref().err().is_none_or(|error| !error.may_pass());
                self.session = is_sound.then_some(session);
                answer
            });
            let error = match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if !error.may_pass() || since.elapsed() > PATIENCE {
                return Err(error);
            }
            tracing::debug!(%error, "the log in ZooKeeper is tried again");
            self.turn = self.turn.wrapping_add(1);
            sleep(PAUSE);
        }
    }

    fn head(&mut self) -> Result<(Head, i32), ZooKeeperError> {
        let path = self.path.clone();
        let foreign = |why: String| ZooKeeperError::Foreign { path: path.clone(), why };
        let answer = self.ask(|session| session.call(&Request::read(&path)))?;
        let mut reader = Reader(&answer);
        let read = reader.bytes().and_then(|data| Ok((data, reader.version()?)));
        let (data, version) = read.map_err(|_| foreign("it can't be read".to_owned()))?;
        let head: Head = serde_json::from_slice(data).map_err(|error| foreign(error.to_string()))?;
        if head.format == FORMAT {
            Ok((head, version))
        } else {
            Err(foreign(format!("it has format {}, and this release knows format {FORMAT} only", head.format)))
        }
    }

    /// Makes the head and what is above it.
    fn make(&mut self) -> Result<(), ZooKeeperError> {
        let head = self.head_text(0);
        let path = self.path.clone();
        let private = self.is_private();
        for (end, _) in path.match_indices('/').skip(1) {
            // One that is there need not be ours; if one can't be made, neither can the head.
            let above = Request::create(&path[..end], b"", private);
            match self.ask(|session| session.call(&above)) {
                Err(error) if error.may_pass() => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        match self.ask(|session| session.call(&Request::create(&path, head.as_bytes(), private))) {
            Err(ZooKeeperError::Refused { code: Code::NODE_EXISTS, .. }) => Ok(()),
            made => made.map(drop),
        }
    }

    fn head_text(&self, generation: u64) -> String {
        // Numbers and texts are always JSON.
        serde_json::to_string(&Head { format: FORMAT, generation, holder: self.holder.clone() }).unwrap_or_default()
    }

    /// Writes the head, if it still has the version; answers the one that it has now.
    fn write_head(&mut self, generation: u64, version: i32) -> Result<i32, ZooKeeperError> {
        let request = Request::write(&self.path, self.head_text(generation).as_bytes(), version);
        let answer = self.ask(|session| session.call(&request))?;
        Reader(&answer).version().map_err(|_| ZooKeeperError::Foreign {
            path: self.path.clone(),
            why: "its version can't be read".to_owned(),
        })
    }

    /// Puts up the fence.
    fn seize(&mut self) -> Result<Held, ZooKeeperError> {
        let mut tries = 0;
        loop {
            let (head, version) = match self.head() {
                Err(ZooKeeperError::Refused { code: Code::NO_NODE, .. }) if tries == 0 => {
                    tries += 1;
                    self.make()?;
                    continue;
                }
                head => head?,
            };
            match self.write_head(head.generation, version) {
                Err(ZooKeeperError::Refused { code: Code::BAD_VERSION, .. }) if tries < TRIES => tries += 1,
                written => return Ok(Held { fence: written?, generation: head.generation, next: 0 }),
            }
        }
    }

    fn open(&mut self) -> Result<Vec<Vec<u8>>, ZooKeeperError> {
        self.held = None;
        // An ensemble that was put back to an older state is taken as it is: seizing writes, and that is the newest.
        (self.seen, self.session) = (0, None);
        let mut held = self.seize()?;
        let path = self.path.clone();
        let answer = self.ask(|session| session.call(&Request::children(&path)))?;
        let names = children(&answer).ok_or_else(|| ZooKeeperError::Foreign {
            path: path.clone(),
            why: "what is below it can't be listed".to_owned(),
        })?;
        // Each record with the znodes that it is made of.
        let mut records = BTreeMap::new();
        for name in names.iter().filter_map(|name| Name::parse(name)) {
            match name {
                Name::Whole { generation, number } if generation == held.generation => {
                    records.insert(number, vec![name]);
                }
                Name::Split { generation, number, parts } if generation == held.generation => {
                    let parts = (0..parts).map(|part| Name::Part { generation, number, part });
                    records.insert(number, parts.collect());
                }
                Name::Whole { .. } | Name::Split { .. } | Name::Part { .. } => {}
            }
        }
        let mut read = Vec::with_capacity(records.len());
        for (next, (number, parts)) in (0..).zip(&records) {
            if *number != next {
                return Err(ZooKeeperError::Missing { path, number: next });
            }
            held.next = next + 1;
            read.extend(parts.iter().map(|part| (*number, *part)));
        }
        let requests: Vec<Request> = read.iter().map(|(_, name)| Request::read(&self.below(*name))).collect();
        let answers = self.ask(|session| session.call_all(&requests))?;
        let mut contents: Vec<Vec<u8>> = vec![Vec::new(); records.len()];
        for ((number, _), answer) in read.into_iter().zip(answers) {
            let answer = answer.map_err(|error| match error {
                ZooKeeperError::Refused { code: Code::NO_NODE, .. } => {
                    ZooKeeperError::Missing { path: path.clone(), number }
                }
                other => other,
            })?;
            let data = Reader(&answer).bytes().map_err(|_| ZooKeeperError::Missing { path: path.clone(), number })?;
            contents[usize::try_from(number).unwrap_or(usize::MAX)].extend(data);
        }
        let counts = |name: Name| match name {
            Name::Whole { generation, number } | Name::Split { generation, number, .. } => {
                generation == held.generation && number < held.next
            }
            Name::Part { generation, number, .. } => {
                generation == held.generation && records.get(&number).is_some_and(|parts| parts.contains(&name))
            }
        };
        let strays = names.iter().filter(|name| Name::parse(name).is_some_and(|name| !counts(name)));
        let strays: Vec<String> = strays.map(|name| format!("{path}/{name}")).collect();
        self.held = Some(held);
        self.sweep(&strays)?;
        Ok(contents)
    }

    fn below(&self, name: Name) -> String {
        format!("{}/{}", self.path, name.text())
    }

    fn held(&self) -> Result<Held, ZooKeeperError> {
        self.held.ok_or_else(|| ZooKeeperError::Fenced { path: self.path.clone() })
    }

    /// A request that counts only while the log is ours.
    fn fenced(&self, held: Held, request: Request) -> Request {
        Request::all(&[Request::check(&self.path, held.fence), request])
    }

    fn or_fenced(&self, error: ZooKeeperError) -> ZooKeeperError {
        match error {
            ZooKeeperError::Refused { code: Code::BAD_VERSION, .. } => {
                ZooKeeperError::Fenced { path: self.path.clone() }
            }
            other => other,
        }
    }

    /// Removes znodes that count for nothing.
    fn sweep(&mut self, paths: &[String]) -> Result<(), ZooKeeperError> {
        let held = self.held()?;
        let requests: Vec<Request> = paths.iter().map(|path| self.fenced(held, Request::delete(path))).collect();
        for answer in self.ask(|session| session.call_all(&requests))? {
            match answer {
                Ok(_) | Err(ZooKeeperError::Refused { code: Code::NO_NODE, .. }) => {}
                Err(error) => return Err(self.or_fenced(error)),
            }
        }
        Ok(())
    }

    /// Creates one znode under the fence.
    fn create(&mut self, held: Held, name: Name, data: &[u8]) -> Result<(), ZooKeeperError> {
        let path = self.below(name);
        let create = Request::create(&path, data, self.is_private());
        let request = self.fenced(held, create);
        match self.ask(|session| session.call(&request)) {
            Ok(_) => Ok(()),
            Err(error @ ZooKeeperError::Refused { code: Code::NODE_EXISTS, .. }) => {
                let there = self.ask(|session| session.call(&Request::read(&path)))?;
                // If it is not what an earlier try has left, it is a record that we don't know: the log is opened anew.
                if Reader(&there).bytes().is_ok_and(|there| there == data) { Ok(()) } else { Err(error) }
            }
            Err(error) => Err(self.or_fenced(error)),
        }
    }

    /// Writes one record under a number.
    fn write(&mut self, held: Held, generation: u64, number: u64, record: &[u8]) -> Result<(), ZooKeeperError> {
        if record.len() <= PART {
            return self.create(held, Name::Whole { generation, number }, record);
        }
        let mut parts = 0;
        for data in record.chunks(PART) {
            self.create(held, Name::Part { generation, number, part: parts }, data)?;
            parts += 1;
        }
        self.create(held, Name::Split { generation, number, parts }, b"")
    }

    fn add(&mut self, record: &[u8]) -> Result<(), ZooKeeperError> {
        let held = self.held()?;
        self.write(held, held.generation, held.next, record)?;
        self.held = Some(Held { next: held.next + 1, ..held });
        Ok(())
    }

    fn rewrite(&mut self, records: &[Vec<u8>]) -> Result<(), ZooKeeperError> {
        let held = self.held()?;
        // What a failure leaves half-written must not be met again under the same names: then the log is opened anew.
        self.held = None;
        let generation = held.generation + 1;
        let mut next = 0;
        for record in records {
            self.write(held, generation, next, record)?;
            next += 1;
        }
        let fence = match self.write_head(generation, held.fence) {
            Err(ZooKeeperError::Refused { code: Code::BAD_VERSION, .. }) => match self.head()? {
                (head, version) if head.holder == self.holder && head.generation == generation => version,
                _ => return Err(ZooKeeperError::Fenced { path: self.path.clone() }),
            },
            written => written?,
        };
        self.held = Some(Held { fence, generation, next });
        let path = self.path.clone();
        let answer = self.ask(|session| session.call(&Request::children(&path)))?;
        let old = children(&answer).unwrap_or_default().into_iter().filter(|name| match Name::parse(name) {
            Some(
                Name::Whole { generation: of, .. }
                | Name::Split { generation: of, .. }
                | Name::Part { generation: of, .. },
            ) => of < generation,
            None => false,
        });
        let old: Vec<String> = old.map(|name| format!("{path}/{name}")).collect();
        // They count for nothing already; whoever opens the log next removes what is left.
        if let Err(error) = self.sweep(&old) {
            tracing::debug!(%error, "old records stay for now");
        }
        Ok(())
    }
}

fn children(answer: &[u8]) -> Option<Vec<String>> {
    let mut reader = Reader(answer);
    let count = reader.int().ok()?;
    (0..count).map(|_| reader.text().ok().map(str::to_owned)).collect()
}

impl From<ZooKeeperError> for StoreError {
    fn from(error: ZooKeeperError) -> Self {
        match error {
            ZooKeeperError::Fenced { .. } => Self::Fenced(Box::new(error)),
            other => Self::Failed(Box::new(other)),
        }
    }
}

impl StateStore for ZooKeeperLog {
    fn load(&mut self) -> Result<Vec<Vec<u8>>, StoreError> {
        Ok(self.open()?)
    }

    fn append(&mut self, record: &[u8]) -> Result<(), StoreError> {
        Ok(self.add(record)?)
    }

    fn replace(&mut self, records: &[Vec<u8>]) -> Result<(), StoreError> {
        Ok(self.rewrite(records)?)
    }
}

#[cfg(test)]
#[path = "servers_tests.rs"]
mod servers_tests;

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn names_are_read_back_and_strange_ones_are_nobodys() {
        for name in [
            Name::Whole { generation: 3, number: 12 },
            Name::Split { generation: 0, number: 1, parts: 2 },
            Name::Part { generation: u64::MAX, number: 0, part: 1_000 },
        ] {
            assert_eq!(Name::parse(&name.text()), Some(name));
        }
        for text in ["", "r", "r-1", "r-1-2-3", "p-1-2", "x-1-2", "r-1-x", "s-1-2-3-4", "r--1-2"] {
            assert_eq!(Name::parse(text), None, "{text}");
        }
    }
}
