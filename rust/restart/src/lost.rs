//! The port on which the helper answers `GET /restart/status` while no Mesos does.
//!
//! In the middle of an attempt, and above all where neither set comes up, the node's own endpoints are gone with its
//! Mesos, and a controller that polls learns no more than that. So from the beginning of an attempt to its end, and as
//! long as the node is lost, the helper listens itself: on `supervisor.status_port`, or on any free port, which its pings
//! name. It answers that one question and nothing else.
//!
//! Nobody authenticates here, so what it says depends on what the node lets callers without a principal read: where they
//! may not, it leaves out what Mesos logged and what the checks found.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::{Duration, Instant};

use dcos_core::Problem;
use dcos_core::node::NodeConfig;
use dcos_core::ports::NodeStore;
use serde_json::{Value, json};

use crate::service::Restart;

/// The version of the protocol between nodes.
const PROTOCOL: u32 = 1;

/// How long a caller may take to ask, and to take the answer.
const DEADLINE: Duration = Duration::from_secs(2);

/// The longest request that is read: one line matters.
const MAX_REQUEST: usize = 8 * 1024;

/// How long the listener may go on after it was told to end.
const NAP: Duration = Duration::from_millis(100);

/// How long to wait before a port that could not be had is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// Where this process answers; 0 while it does not.
static PORT: AtomicU16 = AtomicU16::new(0);

/// The port on which this process answers, if it does.
pub fn port() -> Option<u16> {
    Some(PORT.load(Ordering::Relaxed)).filter(|port| *port != 0)
}

/// Answers while it lives.
pub struct StatusServer {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
}

impl StatusServer {
    /// Listens.
    ///
    /// # Errors
    /// If the port can't be had.
    pub fn start(store: &Arc<dyn NodeStore>, node: &NodeConfig) -> io::Result<Self> {
        let port = node.supervisor.status_port.unwrap_or(0);
        let listener = TcpListener::bind(SocketAddr::new(node.mesos.ip, port))?;
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let ended = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ended);
        // The status needs no node file: it is for waking helpers only.
        let restart = Restart::new(Arc::clone(store), node.clone(), PathBuf::new());
        let open = node.limits.anonymous_reader || node.limits.insecure_allow_anonymous;
        std::thread::Builder::new().name("status".to_owned()).spawn(move || serve(&listener, &restart, open, &told))?;
        PORT.store(address.port(), Ordering::Relaxed);
        tracing::info!(%address, "answering `GET /restart/status` for as long as Mesos may not");
        Ok(Self { address, ended })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A [`StatusServer`] where and when one is needed.
#[derive(Default)]
pub struct StatusWatch {
    server: Option<StatusServer>,
    failed: Option<Instant>,
}

impl StatusWatch {
    /// Listens if that is `wanted`, and ceases if it is not. A port that can't be had is tried again now and then: the
    /// restart does not wait for it.
    pub fn keep(&mut self, wanted: bool, store: &Arc<dyn NodeStore>, node: &NodeConfig) {
        if !wanted {
            self.server = None;
            self.failed = None;
        } else if self.server.is_none() && self.failed.is_none_or(|at| at.elapsed() >= AGAIN) {
            match StatusServer::start(store, node) {
                Ok(server) => self.server = Some(server),
                Err(error) => {
                    tracing::warn!(%error, port = node.supervisor.status_port, "can't answer for a Mesos that is away");
                    self.failed = Some(Instant::now());
                }
            }
        }
    }
}

impl Drop for StatusServer {
    fn drop(&mut self) {
        PORT.store(0, Ordering::Relaxed);
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// One caller after the other: there is one controller, and it asks every few seconds.
fn serve(listener: &TcpListener, restart: &Restart, open: bool, ended: &AtomicBool) {
    while !ended.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, _)) => {
                // Whoever asked badly or left gets no answer, and that is all there is to it.
                let _ = answer(stream, restart, open);
            }
            Err(_) => std::thread::sleep(NAP),
        }
    }
}

fn answer(mut stream: TcpStream, restart: &Restart, open: bool) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    let mut request = Vec::new();
    let mut buffer = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < MAX_REQUEST {
        match stream.read(&mut buffer)? {
            0 => break,
            read => request.extend_from_slice(&buffer[..read]),
        }
    }
    let (status, media, body) = reply(&String::from_utf8_lossy(&request), || document(restart, open));
    let text = body.to_string();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {media}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )
}

const JSON: &str = "application/json";

fn reply(request: &str, status: impl FnOnce() -> Result<Value, Problem>) -> (&'static str, &'static str, Value) {
    let refused = |problem: &Problem| serde_json::to_value(problem).unwrap_or_default();
    let mut words = request.split_ascii_whitespace();
    match (words.next(), words.next().map(|path| path.split('?').next().unwrap_or(path))) {
        (Some("GET"), Some("/restart/status")) => match status() {
            Ok(status) => ("200 OK", JSON, status),
            Err(problem) => ("500 Internal Server Error", dcos_core::problem::MEDIA_TYPE, refused(&problem)),
        },
        _ => {
            let detail = "Mesos does not run here; its helper answers `GET /restart/status` only";
            let problem = Problem::new(dcos_core::ExitCode::NotFound, "no-such-endpoint", detail);
            ("404 Not Found", dcos_core::problem::MEDIA_TYPE, refused(&problem))
        }
    }
}

/// What `GET /restart/status` answers inside Mesos, as far as the caller may know it.
fn document(restart: &Restart, open: bool) -> Result<Value, Problem> {
    let status = restart.status()?;
    let mut document = serde_json::to_value(&status).map_err(|error| {
        Problem::new(dcos_core::ExitCode::Unexpected, "unexpected", format!("can't render the status: {error}"))
    })?;
    document["protocol"] = json!(PROTOCOL);
    if !open {
        withhold(&mut document["attempt"]);
        document["last_attempts"].as_array_mut().into_iter().flatten().for_each(withhold);
    }
    Ok(document)
}

fn withhold(report: &mut Value) {
    if let Some(report) = report.as_object_mut() {
        report.remove("log");
        report.insert("checks".to_owned(), json!([]));
    }
}

#[cfg(test)]
mod tests {
    use super::{reply, withhold};
    use serde_json::json;

    #[test]
    fn one_question_is_answered() {
        let status = || Ok(json!({"node": "a"}));
        assert_eq!(reply("GET /restart/status HTTP/1.1\r\n\r\n", status).2, json!({"node": "a"}));
        assert_eq!(reply("GET /restart/status?x=1 HTTP/1.1", status).0, "200 OK");
        for other in ["POST /restart/status HTTP/1.1", "GET /restart/begin HTTP/1.1", "", "nonsense"] {
            assert_eq!(reply(other, status).0, "404 Not Found", "{other}");
        }
    }

    #[test]
    fn what_mesos_logged_is_not_for_everybody() {
        let mut report =
            json!({"state": "lost", "detail": "it exits", "log": ["secret"], "checks": [{"name": "version"}]});
        withhold(&mut report);
        assert_eq!(report, json!({"state": "lost", "detail": "it exits", "checks": []}));
        let mut nothing = json!(null);
        withhold(&mut nothing);
        assert_eq!(nothing, json!(null));
    }
}
