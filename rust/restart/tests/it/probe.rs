//! The checks over HTTP, of a Mesos that asks for names.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use dcos_restart::health::probe::HttpProber;
use dcos_restart::health::{Check, Prober as _, Question, Subject, Verdict};

use crate::world::node;

/// `node` with the secret `new`, as HTTP's Basic writes it.
const NEW: &str = "basic bm9kztpuzxc=";

/// A Mesos that has recovered, is well, and says so to who has the secret `new`, until the test ends.
fn mesos() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let mut head = String::new();
            while reader.read_line(&mut head).unwrap() > 0 && !head.ends_with("\r\n\r\n") {}
            let head = head.to_ascii_lowercase();
            let metrics = r#"{"slave/recovery_time_secs": 0.5, "master/elected": 1}"#;
            let (status, body) = match head.contains(NEW) {
                true if head.starts_with("get /metrics/snapshot") => ("200 OK", metrics),
                true => ("200 OK", "{}"),
                false => ("401 Unauthorized", ""),
            };
            let length = body.len();
            let reply = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
            let _ = reader.get_mut().write_all(reply.as_bytes());
        }
    });
    address
}

#[test]
fn secrets_that_have_changed_since_the_helper_was_started_are_used() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    std::fs::write(&file, "node old\n").unwrap();
    let address = mesos();
    let mut node = node(folder.path());
    node.mesos.ip = address.ip();
    node.mesos.port = address.port();
    node.deploy.credentials = Some(file.clone());
    let mut prober = HttpProber::new(&node).unwrap();
    let mut ask = |question: Question| {
        let check = Check { name: "it".to_owned(), question, deadline: Duration::ZERO, excusable: false };
        prober.ask(&check, &Subject { mesos_version: "1.11.0".to_owned(), agent_id: None })
    };
    assert_eq!(ask(Question::Recovered).verdict, Verdict::CannotTell);
    std::fs::write(&file, "node new\n").unwrap();
    // A snapshot of the metrics serves all checks for a moment, also one that was refused.
    let began = Instant::now();
    while ask(Question::Recovered).verdict != Verdict::Yes {
        assert!(began.elapsed() < Duration::from_secs(20), "it goes on asking by the secret of before");
        std::thread::sleep(Duration::from_millis(50));
    }
    let found = ask(Question::Leading);
    assert_eq!(found.verdict, Verdict::Yes, "{}", found.detail);
}
