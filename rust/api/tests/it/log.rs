//! Every change that is asked for leaves one line: who asked, for what, and what came of it.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

use crate::examples::text;
use crate::fake::{ask, master, request};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The lines that one request leaves, without how long it took.
async fn lines(method: &str, path: &str, example: Option<&str>, principal: Option<&str>) -> Vec<String> {
    let router = master();
    let lines = Lines::default();
    let format = tracing_subscriber::fmt().with_writer(lines.clone()).with_ansi(false).without_time();
    let guard = tracing::subscriber::set_default(format.with_target(false).finish());
    let body = example.map(text);
    ask(&router, request(method, path, body.as_deref(), principal)).await;
    drop(guard);
    let bytes = lines.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    text.lines()
        .map(|line| {
            let (head, tail) = line.trim().split_once(" in ").unwrap();
            format!("{head}{}", tail.trim_start_matches(|digit: char| digit.is_ascii_digit()).trim_start_matches(" ms"))
        })
        .collect()
}

#[tokio::test]
async fn changes_are_logged_with_who_what_and_the_answer() {
    for (method, path, example, principal, line) in [
        (
            "POST",
            "/pkg/fetch",
            Some("pkg/fetch.request.json"),
            "operator",
            "INFO POST /pkg/fetch by operator: 202: job fetch-20261122-151200-0001: \
             fizzbuzz--1.2.0+mesos1.11.0 tools--2.1",
        ),
        (
            "POST",
            "/restart/go",
            Some("restart/go.request.json"),
            "admin",
            "INFO POST /restart/go by admin: 202: attempt d-8/127.0.0.1:5051/1",
        ),
        (
            "DELETE",
            "/pkg/packages/tools--2.1",
            None,
            "operator",
            "INFO DELETE /pkg/packages/tools--2.1 by operator: 404: tools--2.1: `tools--2.1` is not here",
        ),
        (
            "POST",
            "/deploy/halt",
            Some("deploy/halt.request.json"),
            "reader",
            "INFO POST /deploy/halt by reader: 403: the role `monitor` is needed, and the principal `reader` has the role \
             `reader`",
        ),
    ] {
        assert_eq!(lines(method, path, example, Some(principal)).await, [line]);
    }
}

#[tokio::test]
async fn reading_and_heartbeats_leave_no_line() {
    assert!(lines("GET", "/pkg/state", None, Some("reader")).await.is_empty());
    assert!(lines("GET", "/pkg/state", None, None).await.is_empty());
    assert!(lines("POST", "/deploy/pulse", Some("deploy/pulse.request.json"), Some("monitor")).await.is_empty());
    let refused = lines("POST", "/deploy/status", Some("deploy/status.request.json"), Some("admin")).await;
    assert_eq!(refused.len(), 1, "{refused:?}");
}

/// A ticket is a secret until it is spent.
#[tokio::test]
async fn tickets_are_not_logged() {
    let lines = lines("POST", "/restart/begin", Some("restart/begin.request.json"), Some("operator")).await;
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("attempt d-8/127.0.0.1:5051/1") && !lines[0].contains("5f0c6a1be27d49f8"), "{lines:?}");
}
