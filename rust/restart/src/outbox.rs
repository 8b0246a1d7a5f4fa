//! Status pings: written down first, sent until they are acknowledged, by a thread of their own.
//!
//! The restart only hands over what is to be told; the thread writes it down (`outbox/<sequence>.json`) and sends it, so
//! that neither a slow disk nor a slow deploy module lengthens the absence of Mesos. What was handed over and not yet
//! written when a helper dies is lost but for the newest state, which its successor tells again: pings only hasten polls.
//!
//! Pings go out in their order, one at a time: the next only when the one before is acknowledged by its number. They are
//! idempotent for the receiver, since a sender that dies after an answer sends again.
//!
//! A ping goes to configured origins only, whatever a caller named, and this node's credentials go to masters only.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use dcos_core::attempt::{AttemptReport, AttemptState, Ping};
use dcos_core::credentials::Credential;
use dcos_core::node::NodeConfig;
use dcos_core::ports::NodeStore;
use dcos_core::{ExitCode, Problem};
use serde::{Deserialize, Serialize};

use crate::host;
use crate::http::{Asked, Http, Reply};
use crate::records;

const DIRECTORY: &str = "outbox";
const COUNTER: &str = "outbox-sequence.json";
const PATH: &str = "/deploy/status";
const PROTOCOL: u32 = 1;

/// The format of the letters and of their counter.
const FORMAT: u32 = 1;

/// What a deploy module answers about an attempt that is none of its own.
const STRANGER: &str = "urn:dcos-bits:no-such-attempt";

/// How long a master may take to acknowledge a ping.
const SEND_DEADLINE: Duration = Duration::from_secs(5);

/// The waits after a failure double from the first to the last.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LAST_WAIT: Duration = Duration::from_secs(30);

/// How long a ping is held back while Mesos is absent; it is absent for longer only if it is in trouble.
const HELD_BACK: Duration = Duration::from_secs(1);

/// Where an attempt stands, and who asked to be told.
type Noted = (AttemptReport, Option<String>);

/// More unsent pings than this are not kept: the controller polls, and a node that nobody listens to for weeks must not
/// fill its disk. The oldest go first.
const KEPT: usize = 500;

/// An unsent ping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Letter {
    format: u32,
    /// The origin that asked to be told, besides the masters.
    report_to: Option<String>,
    ping: Ping,
}

/// How far the counting went, and what was told last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counter {
    format: u32,
    /// The newest sequence number.
    sequence: u64,
    /// The attempt and state of the newest ping, so that it is not written twice.
    last: Option<(String, AttemptState)>,
}

/// The outbox of a node. Once it is dropped the thread ends after the question that it is at; nobody waits for that.
pub struct Outbox {
    post: Sender<Noted>,
}

impl Outbox {
    /// Opens the outbox and starts to send what is in it. Nothing that is wrong with its files keeps it from that: pings
    /// only hasten polls, and whoever opens it is who starts Mesos.
    ///
    /// # Errors
    /// If no thread can be had.
    pub fn open(store: Arc<dyn NodeStore>, node: &NodeConfig) -> Result<Self, Problem> {
        let counter = counted(&*store);
        let (post, posted) = channel();
        let courier = Courier { store, node: node.clone(), counter, posted };
        std::thread::Builder::new()
            .name("outbox".to_owned())
            .spawn(move || courier.run())
            .map_err(|error| Problem::new(ExitCode::Unexpected, "outbox-failed", error.to_string()))?;
        Ok(Self { post })
    }

    /// Hands over where an attempt stands. What was told last is not told again.
    pub fn note(&self, report: &AttemptReport, report_to: Option<&str>) {
        // The thread ends only with the outbox, or for want of an HTTP client, which it has complained about.
        let _ = self.post.send((report.clone(), report_to.map(str::to_owned)));
    }
}

/// How far the counting went. A ping may have been written and its number not, or the counter can't be read: numbers of
/// letters that are still there are never used twice.
fn counted(store: &dyn NodeStore) -> Counter {
    let read = records::read(store, COUNTER).and_then(|counter: Option<Counter>| match counter {
        Some(Counter { format, .. }) if format != FORMAT => {
            let detail = format!("`state/{COUNTER}` has format {format}; this release reads format {FORMAT}");
            Err(Problem::new(ExitCode::Unexpected, "unreadable-state", detail))
        }
        counter => Ok(counter.unwrap_or_default()),
    });
    let mut counter = read.unwrap_or_else(|problem| {
        tracing::warn!(problem = problem.detail, "pings are counted from the newest one that is unsent");
        Counter::default()
    });
    let newest = match letters(store) {
        Ok(letters) => letters.last().map_or(0, |(sequence, _)| *sequence),
        Err(problem) => {
            tracing::warn!(problem = problem.detail, "can't look for unsent pings");
            0
        }
    };
    if newest > counter.sequence {
        counter = Counter { format: FORMAT, sequence: newest, last: counter.last };
        // A full disk: the next ping that can be written brings its number with it.
        if let Err(problem) = records::write(store, COUNTER, &counter) {
            tracing::warn!(problem = problem.detail, "can't write down yet how far pings are counted");
        }
    }
    counter
}

fn letters(store: &dyn NodeStore) -> Result<Vec<(u64, String)>, Problem> {
    let mut letters: Vec<(u64, String)> = store
        .list_state(DIRECTORY)?
        .into_iter()
        .filter_map(|name| Some((name.strip_suffix(".json")?.parse().ok()?, format!("{DIRECTORY}/{name}"))))
        .collect();
    letters.sort_unstable();
    Ok(letters)
}

/// The thread that writes and sends.
struct Courier {
    store: Arc<dyn NodeStore>,
    node: NodeConfig,
    counter: Counter,
    posted: Receiver<Noted>,
}

impl Courier {
    fn run(mut self) {
        let http = match Http::new(SEND_DEADLINE) {
            Ok(http) => http,
            Err(error) => {
                tracing::error!(%error, "no pings will be sent: no HTTP client");
                return;
            }
        };
        let mut wait = FIRST_WAIT;
        loop {
            let pause = match self.send_all(&http) {
                Ok(()) => {
                    wait = FIRST_WAIT;
                    LAST_WAIT
                }
                Err(problem) => {
                    tracing::debug!(problem = problem.detail, "a ping was not acknowledged");
                    let pause = jittered(wait);
                    wait = (wait * 2).min(LAST_WAIT);
                    pause
                }
            };
            match self.posted.recv_timeout(pause) {
                Ok(first) => self.batch(first).into_iter().for_each(|noted| self.write(noted)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// What was handed over by now. While Mesos is absent nothing is written: two threads that sync to one disk wait for
    /// each other, and one of them is the restart.
    fn batch(&self, first: Noted) -> Vec<Noted> {
        use AttemptState::{Starting, Stopped, Stopping, Switched};
        let mut batch = vec![first];
        loop {
            let absent = batch
                .last()
                .is_some_and(|(report, _)| matches!(report.state, Stopping | Stopped | Switched | Starting));
            match self.posted.recv_timeout(if absent { HELD_BACK } else { Duration::ZERO }) {
                Ok(next) => batch.push(next),
                Err(_) => return batch,
            }
        }
    }

    fn write(&mut self, (report, report_to): Noted) {
        let what = (report.attempt.clone(), report.state);
        if self.counter.last.as_ref() == Some(&what) {
            return;
        }
        let sequence = self.counter.sequence + 1;
        let ping = Ping {
            protocol: PROTOCOL,
            node: self.node.name(),
            attempt: report.attempt,
            sequence,
            state: report.state,
            detail: report.detail,
            time: report.changed_at,
            status_port: crate::lost::port(),
        };
        let letter = Letter { format: FORMAT, report_to, ping };
        let counter = Counter { format: FORMAT, sequence, last: Some(what) };
        let written = records::write(&*self.store, &format!("{DIRECTORY}/{sequence:010}.json"), &letter)
            .and_then(|()| records::write(&*self.store, COUNTER, &counter));
        match written {
            Ok(()) => self.counter = counter,
            // The restart goes on all the same: the controller polls.
            Err(problem) => tracing::warn!(problem = problem.detail, "can't write down a ping"),
        }
    }

    fn send_all(&self, http: &Http) -> Result<(), Problem> {
        let letters = letters(&*self.store)?;
        let surplus = letters.len().saturating_sub(KEPT);
        for (sequence, name) in &letters[..surplus] {
            tracing::warn!(sequence, "dropping a ping that nobody acknowledged");
            self.store.remove_state(name)?;
        }
        for (sequence, name) in &letters[surplus..] {
            let letter: Letter = match records::read(&*self.store, name) {
                Ok(Some(letter)) => letter,
                Ok(None) => continue,
                Err(problem) => {
                    // It stands in the way of all later ones and can never be sent.
                    tracing::warn!(sequence, problem = problem.detail, "dropping a ping that can't be read");
                    self.store.remove_state(name)?;
                    continue;
                }
            };
            self.send(http, &letter)?;
            self.store.remove_state(name)?;
        }
        Ok(())
    }

    /// Sends a ping to whoever acknowledges it first. Nobody configured is not a failure: then nobody waits for pings.
    fn send(&self, http: &Http, letter: &Letter) -> Result<(), Problem> {
        let asked_for = letter.report_to.as_deref().and_then(origin_of).filter(|origin| is_allowed(origin, &self.node));
        let mut origins: Vec<String> = asked_for.into_iter().collect();
        for master in self.node.deploy.masters.iter().filter_map(|url| origin_of(url)) {
            if !origins.contains(&master) {
                origins.push(master);
            }
        }
        let body = serde_json::to_value(&letter.ping).unwrap_or_default();
        let mut last = None;
        for origin in &origins {
            match self.deliver(http, origin, &body, letter.ping.sequence) {
                Ok(()) => return Ok(()),
                Err(why) => last = Some(format!("{origin}: {why}")),
            }
        }
        last.map_or(Ok(()), |why| Err(Problem::new(ExitCode::Unreachable, "ping-unacknowledged", why)))
    }

    fn deliver(&self, http: &Http, origin: &str, body: &serde_json::Value, sequence: u64) -> Result<(), String> {
        let mut reply = self.post(http, origin, body);
        // A master that does not lead names the one that does; one hop, and only to where pings may go anyway.
        if let Ok(answer) = &reply
            && answer.status == 307
        {
            let leader = answer.location.as_deref().and_then(|location| redirect_of(origin, location));
            match leader.filter(|leader| is_allowed(leader, &self.node)) {
                Some(leader) => reply = self.post(http, &leader, body),
                None => return Err("it answers with a redirect to where no ping may go".to_owned()),
            }
        }
        acknowledged(&reply, sequence)
    }

    fn post(&self, http: &Http, origin: &str, body: &serde_json::Value) -> Asked {
        http.post(&format!("{origin}{PATH}"), body, credential_for(origin, &self.node).as_ref())
    }
}

fn acknowledged(reply: &Asked, sequence: u64) -> Result<(), String> {
    match reply {
        Ok(reply) if reply.status == 200 => {
            let number = reply.json().get("acknowledged").and_then(serde_json::Value::as_u64);
            if number == Some(sequence) { Ok(()) } else { Err(format!("it acknowledged {number:?}, not {sequence}")) }
        }
        // The deploy module knows of no such attempt: a person at the node began it, and nobody waits for news.
        Ok(reply) if reply.status == 404 && problem_type(reply).is_some_and(|kind| kind == STRANGER) => Ok(()),
        Ok(reply) => Err(format!("it answered {}", reply.status)),
        Err(silence) => Err(silence.0.clone()),
    }
}

fn problem_type(reply: &Reply) -> Option<String> {
    reply.json().get("type").and_then(serde_json::Value::as_str).map(str::to_owned)
}

/// The node's credentials, if `origin` is a master's: nobody else is shown them.
pub(crate) fn credential_for(origin: &str, node: &NodeConfig) -> Option<Credential> {
    is_master(origin, node).then(|| credential(node)).flatten()
}

/// The node's credentials, for its own Mesos and for masters.
pub(crate) fn credential(node: &NodeConfig) -> Option<Credential> {
    let path = node.deploy.credentials.as_ref()?;
    let read = std::fs::read_to_string(path).map_err(|error| error.to_string());
    let parsed = read.and_then(|text| Credential::parse(&text).map_err(|error| error.to_string()));
    parsed.map_err(|error| tracing::warn!(path = %path.display(), %error, "can't read the node's credentials")).ok()
}

/// The origin (`http://host:port`) of an absolute URL; the port of the scheme is written out.
pub(crate) fn origin_of(url: &str) -> Option<String> {
    let url = reqwest::Url::parse(url).ok()?;
    let port = url.port_or_known_default()?;
    let host = url.host_str()?;
    matches!(url.scheme(), "http" | "https").then(|| format!("{}://{host}:{port}", url.scheme()))
}

/// The origin that a redirect from `origin` leads to; Mesos writes its redirects without a scheme (`//host:port/…`).
pub(crate) fn redirect_of(origin: &str, location: &str) -> Option<String> {
    origin_of(reqwest::Url::parse(origin).ok()?.join(location).ok()?.as_str())
}

fn is_master(origin: &str, node: &NodeConfig) -> bool {
    node.deploy.masters.iter().filter_map(|url| origin_of(url)).any(|master| master == origin)
}

/// Whether this node may tell `origin` anything.
pub(crate) fn is_allowed(origin: &str, node: &NodeConfig) -> bool {
    is_master(origin, node)
        || node.deploy.allowed_origins.iter().filter_map(|url| origin_of(url)).any(|allowed| allowed == origin)
}

/// Between half of `wait` and all of it: nodes that lost the same master come back one by one.
fn jittered(wait: Duration) -> Duration {
    let byte = host::random::<1>().map_or(255, |[byte]| byte);
    wait / 2 + wait / 2 * u32::from(byte) / 255
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
