#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Url;
use tokio::runtime::Runtime;

use super::{Download, Source, Watch};
use crate::backoff::{Patience, Retry};
use crate::credentials::Credentials;
use crate::error::RepoError;

/// A web server that answers one connection after the other with prepared bytes, and hangs up after each.
struct Scripted {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

/// How long a server waits in the middle of an answer that has a [`PAUSE`].
const PAUSED: Duration = Duration::from_millis(300);

/// Stands in an answer where the server waits.
const PAUSE: &[u8] = b"<the server waits here>";

impl Scripted {
    fn new(answers: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for answer in answers {
                let (mut connection, _) = listener.accept().unwrap();
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && connection.read(&mut byte).is_ok_and(|count| count == 1) {
                    head.push(byte[0]);
                }
                seen.lock().unwrap().push(String::from_utf8_lossy(&head).to_ascii_lowercase());
                let pause = answer.windows(PAUSE.len()).position(|bytes| bytes == PAUSE);
                let (first, second) = answer.split_at(pause.unwrap_or(answer.len()));
                // A client that has hung up is one of the cases.
                let _ = connection.write_all(first);
                if pause.is_some() {
                    std::thread::sleep(PAUSED);
                    let _ = connection.write_all(&second[PAUSE.len()..]);
                }
            }
        });
        Self { address, requests }
    }

    fn source(&self, size: Option<u64>) -> Source {
        let retry =
            Retry { attempts: 3, first_delay: Duration::from_millis(2), longest_delay: Duration::from_millis(5) };
        let http = crate::client::builder().no_proxy().build().unwrap();
        let url = Url::parse(&format!("http://{}/a.tar.gz", self.address)).unwrap();
        Source { http, url, credentials: None, size, retry, patience: Patience::default() }
    }

    /// The value of a header of the request with that number.
    fn header(&self, request: usize, name: &str) -> Option<String> {
        let requests = self.requests.lock().unwrap();
        let line = requests[request].lines().find(|line| line.starts_with(&format!("{name}: ")))?.to_owned();
        Some(line.split_once(": ").unwrap().1.to_owned())
    }
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n").into_bytes();
    answer.extend_from_slice(body);
    answer
}

fn whole(body: &[u8]) -> Vec<u8> {
    answer("200 OK", &format!("ETag: \"v1\"\r\nContent-Length: {}\r\n", body.len()), body)
}

/// An answer that promises all of `body` and hangs up after `sent` bytes.
fn cut(body: &[u8], sent: usize) -> Vec<u8> {
    answer("200 OK", &format!("ETag: \"v1\"\r\nContent-Length: {}\r\n", body.len()), &body[..sent])
}

fn rest(body: &[u8], from: usize) -> Vec<u8> {
    let size = body.len();
    let headers = format!("Content-Range: bytes {from}-{}/{size}\r\nContent-Length: {}\r\n", size - 1, size - from);
    answer("206 Partial Content", &headers, &body[from..])
}

#[derive(Default)]
struct Seen {
    retries: Vec<String>,
}

impl Watch for Seen {
    fn bytes(&mut self, _: u64) {}

    fn retrying(&mut self, why: &str) {
        self.retries.push(why.to_owned());
    }
}

/// Downloads on a thread that is none of the runtime's, as the store does.
fn download(source: &Source, partial: &mut File, runtime: &Runtime) -> (Result<Vec<u8>, RepoError>, Seen) {
    let mut seen = Seen::default();
    let mut download = Download::new(source, partial, runtime.handle().clone(), &mut seen).unwrap();
    let mut bytes = Vec::new();
    let result = match download.read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(_) => Err(download.take_failure().unwrap()),
    };
    (result, seen)
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn body() -> Vec<u8> {
    (0..100_000_u32).flat_map(u32::to_le_bytes).collect()
}

#[test]
fn a_broken_connection_is_gone_on_with() {
    let body = body();
    let server = Scripted::new(vec![cut(&body, 1000), answer("503 Busy", "", b""), rest(&body, 1000)]);
    let mut partial = tempfile::tempfile().unwrap();
    let (result, seen) = download(&server.source(Some(body.len() as u64)), &mut partial, &runtime());
    assert_eq!(result.unwrap(), body);
    assert_eq!(server.header(0, "range"), None);
    assert_eq!(server.header(2, "range").as_deref(), Some("bytes=1000-"));
    assert_eq!(server.header(2, "if-range").as_deref(), Some("\"v1\""));
    assert_eq!(server.header(0, "accept-encoding").as_deref(), Some("identity"));
    assert_eq!(seen.retries.len(), 2, "{:?}", seen.retries);
    assert_eq!(partial.metadata().unwrap().len(), body.len() as u64);
}

#[test]
fn what_an_earlier_process_left_is_replayed() {
    let body = body();
    for server_does_ranges in [true, false] {
        let answer = if server_does_ranges { rest(&body, 5000) } else { whole(&body) };
        let server = Scripted::new(vec![answer]);
        let mut partial = tempfile::tempfile().unwrap();
        partial.write_all(&body[..5000]).unwrap();
        let (result, seen) = download(&server.source(Some(body.len() as u64)), &mut partial, &runtime());
        assert_eq!(result.unwrap(), body);
        assert_eq!(server.header(0, "range").as_deref(), Some("bytes=5000-"));
        assert!(seen.retries.is_empty());
    }
}

#[test]
fn what_comes_again_from_a_server_without_ranges_is_no_trickle() {
    let body = body();
    // What is here comes again, and takes longer than the window that an attempt is judged by.
    let (first, second) = body.split_at(1000);
    let slow = whole(&body)[..].strip_suffix(&body[..]).unwrap().to_vec();
    let slow = [&slow, first, PAUSE, second].concat();
    let server = Scripted::new(vec![slow]);
    let mut partial = tempfile::tempfile().unwrap();
    partial.write_all(&body[..body.len() - 1]).unwrap();
    let mut source = server.source(Some(body.len() as u64));
    source.patience = Patience { window: PAUSED / 6, rate: 100, ..Patience::default() };
    let (result, seen) = download(&source, &mut partial, &runtime());
    assert_eq!(result.unwrap(), body);
    assert!(seen.retries.is_empty(), "{:?}", seen.retries);
}

#[test]
fn what_comes_again_and_again_is_no_progress() {
    let body = body();
    let answers = (0..3).map(|_| cut(&body, 200_000)).collect();
    let server = Scripted::new(answers);
    let mut partial = tempfile::tempfile().unwrap();
    partial.write_all(&body[..200_000]).unwrap();
    let (result, _) = download(&server.source(Some(body.len() as u64)), &mut partial, &runtime());
    assert!(matches!(result, Err(RepoError::Unreachable { attempts: 3, .. })), "{result:?}");
}

#[test]
fn a_complete_partial_needs_no_server() {
    let body = body();
    let server = Scripted::new(Vec::new());
    let mut partial = tempfile::tempfile().unwrap();
    partial.write_all(&body).unwrap();
    let (result, _) = download(&server.source(Some(body.len() as u64)), &mut partial, &runtime());
    assert_eq!(result.unwrap(), body);
}

#[test]
fn a_partial_that_is_too_long_is_not_used() {
    let body = body();
    let server = Scripted::new(vec![whole(&body)]);
    let mut partial = tempfile::tempfile().unwrap();
    partial.write_all(&body).unwrap();
    partial.write_all(b"more").unwrap();
    let (result, _) = download(&server.source(Some(body.len() as u64)), &mut partial, &runtime());
    assert_eq!(result.unwrap(), body);
    assert_eq!(server.header(0, "range"), None);
}

#[test]
fn the_end_of_an_archive_of_unstated_size_is_the_end_of_the_answer() {
    let body = body();
    let server = Scripted::new(vec![cut(&body, 7), rest(&body, 7)]);
    let mut partial = tempfile::tempfile().unwrap();
    let (result, _) = download(&server.source(None), &mut partial, &runtime());
    assert_eq!(result.unwrap(), body);
}

#[test]
fn a_complete_partial_of_unstated_size_survives_the_question_for_more() {
    let body = body();
    let server = Scripted::new(vec![answer("416 No", "", b""), whole(&body)]);
    let mut partial = tempfile::tempfile().unwrap();
    partial.write_all(&body).unwrap();
    let (result, _) = download(&server.source(None), &mut partial, &runtime());
    assert_eq!(result.unwrap(), body);
}

#[test]
fn another_range_than_asked_for_is_not_taken() {
    let body = body();
    let server = Scripted::new(vec![cut(&body, 1000), rest(&body, 900), rest(&body, 1000)]);
    let mut partial = tempfile::tempfile().unwrap();
    let (result, seen) = download(&server.source(Some(body.len() as u64)), &mut partial, &runtime());
    assert_eq!(result.unwrap(), body);
    assert!(seen.retries[1].contains("another range"), "{:?}", seen.retries);
}

#[test]
fn more_than_announced_is_refused_before_it_is_stored() {
    let body = body();
    let endless = [answer("200 OK", "", b""), vec![b'x'; 4096]].concat();
    let server = Scripted::new(vec![whole(&body), endless]);
    let mut partial = tempfile::tempfile().unwrap();
    let (result, _) = download(&server.source(Some(100)), &mut partial, &runtime());
    assert!(matches!(result, Err(RepoError::OtherSize { expected: 100, .. })), "{result:?}");
    let (result, _) = download(&server.source(Some(100)), &mut partial, &runtime());
    assert!(matches!(result, Err(RepoError::TooLong { limit: 100, .. })), "{result:?}");
    assert_eq!(partial.metadata().unwrap().len(), 0);
}

#[test]
fn a_server_that_brings_nothing_is_given_up() {
    let body = body();
    let server = Scripted::new(vec![cut(&body, 10), cut(&body, 10), cut(&body, 10)]);
    let mut partial = tempfile::tempfile().unwrap();
    let (result, _) = download(&server.source(Some(body.len() as u64)), &mut partial, &runtime());
    assert!(matches!(result, Err(RepoError::Unreachable { attempts: 3, .. })), "{result:?}");
    // What did arrive stays for the next time.
    assert_eq!(partial.metadata().unwrap().len(), 10);
}

#[test]
fn a_server_that_says_no_is_asked_once() {
    for (status, number) in [("404 Not Found", 404), ("403 Forbidden", 403), ("401 Unauthorized", 401)] {
        let server = Scripted::new(vec![answer(status, "Content-Length: 0\r\n", b"")]);
        let mut partial = tempfile::tempfile().unwrap();
        let (result, _) = download(&server.source(Some(10)), &mut partial, &runtime());
        assert!(matches!(&result, Err(RepoError::Status { status, .. }) if status.as_u16() == number), "{result:?}");
        assert_eq!(server.requests.lock().unwrap().len(), 1);
    }
}

#[test]
fn credentials_go_to_the_server_and_not_to_where_it_redirects() {
    let body = body();
    let other = Scripted::new(vec![whole(&body)]);
    let to = format!("Location: http://localhost:{}/b\r\nContent-Length: 0\r\n", other.address.port());
    let server = Scripted::new(vec![answer("302 Found", &to, b"")]);
    let mut source = server.source(Some(body.len() as u64));
    source.credentials = Some(Credentials { principal: "node".to_owned(), secret: "hidden".to_owned() });
    let mut partial = tempfile::tempfile().unwrap();
    let (result, _) = download(&source, &mut partial, &runtime());
    assert_eq!(result.unwrap(), body);
    // base64 of `node:hidden`, in lower case as all that is recorded here.
    assert_eq!(server.header(0, "authorization").as_deref(), Some("basic bm9kztpoawrkzw4="));
    assert_eq!(other.header(0, "authorization"), None);
}
