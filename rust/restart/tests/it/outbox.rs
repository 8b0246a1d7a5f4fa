//! The outbox against a deploy module that is slow to come, loses answers, or has no business with us.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dcos_core::attempt::{AttemptReport, AttemptState, Ping};
use dcos_core::node::NodeConfig;
use dcos_core::ports::NodeStore as _;
use dcos_restart::outbox::Outbox;
use jiff::Timestamp;

use crate::world::{Behaviour, NEW, Shared, node, set_of};

/// A request as the server saw it: its head and the ping in it.
type Seen = (String, Ping);

/// Answers each ping with what `answer` makes of it: a status and a body.
fn serve(answer: impl Fn(&Ping) -> (String, String) + Send + 'static) -> (String, Receiver<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let (sender, seen) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap() == 0 || line == "\r\n" {
                    break;
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                head.push_str(&line);
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let ping: Ping = serde_json::from_slice(&body).unwrap();
            let (status, body) = answer(&ping);
            let reply =
                format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
            let _ = reader.get_mut().write_all(reply.as_bytes());
            if sender.send((head, ping)).is_err() {
                return;
            }
        }
    });
    (origin, seen)
}

fn acknowledge(ping: &Ping) -> (String, String) {
    ("200 OK".to_owned(), format!("{{\"acknowledged\":{}}}", ping.sequence))
}

fn report(state: AttemptState) -> AttemptReport {
    AttemptReport {
        attempt: "a1".to_owned(),
        state,
        detail: "so".to_owned(),
        set: set_of(NEW),
        generation: Some(NEW),
        previous_generation: None,
        started_at: Timestamp::UNIX_EPOCH,
        changed_at: Timestamp::UNIX_EPOCH,
        checks: vec![],
        absence_ms: None,
        log: vec![],
    }
}

fn configured(masters: &[&str], allowed: &[&str], credentials: Option<&std::path::Path>) -> NodeConfig {
    let mut node = node(std::path::Path::new("/nowhere"));
    node.deploy.masters = masters.iter().map(|&url| url.to_owned()).collect();
    node.deploy.allowed_origins = allowed.iter().map(|&url| url.to_owned()).collect();
    node.deploy.credentials = credentials.map(std::path::Path::to_owned);
    node
}

fn world() -> Shared {
    Shared::new(Behaviour::Good, Behaviour::Good)
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

const SOON: Duration = Duration::from_secs(20);

#[test]
fn pings_arrive_in_order_once_each_and_are_forgotten_when_acknowledged() {
    let (origin, seen) = serve(acknowledge);
    let world = world();
    let node = configured(&[&origin], &[], None);
    let outbox = Outbox::open(Arc::new(world.clone()), &node).unwrap();
    for state in [AttemptState::Staged, AttemptState::Staged, AttemptState::Stopping, AttemptState::Stopped] {
        outbox.note(&report(state), None);
    }
    let pings: Vec<_> = (0..3).map(|_| seen.recv_timeout(SOON).unwrap().1).collect();
    let told: Vec<_> = pings.iter().map(|ping| (ping.sequence, ping.state)).collect();
    assert_eq!(told, [(1, AttemptState::Staged), (2, AttemptState::Stopping), (3, AttemptState::Stopped)]);
    assert_eq!(pings[0].node, node.name());
    wait_until("the outbox gets empty", || world.list_state("outbox").unwrap().is_empty());
}

#[test]
fn an_unacknowledged_ping_is_sent_again_also_by_the_next_helper() {
    let world = world();
    let nobody = configured(&["http://127.0.0.1:1"], &[], None);
    let outbox = Outbox::open(Arc::new(world.clone()), &nobody).unwrap();
    outbox.note(&report(AttemptState::Staged), None);
    wait_until("it is written", || world.list_state("outbox").unwrap() == ["0000000001.json"]);
    drop(outbox);
    // As if the helper had been killed before it wrote down the number.
    world.get().documents.remove("outbox-sequence.json");

    let failures = Mutex::new(2);
    let (origin, seen) = serve(move |ping| {
        let mut failures = failures.lock().unwrap();
        if *failures > 0 {
            *failures -= 1;
            return ("503 Service Unavailable".to_owned(), String::new());
        }
        acknowledge(ping)
    });
    let outbox = Outbox::open(Arc::new(world.clone()), &configured(&[&origin], &[], None)).unwrap();
    outbox.note(&report(AttemptState::Stopping), None);
    let sequences: Vec<u64> = (0..4).map(|_| seen.recv_timeout(SOON).unwrap().1.sequence).collect();
    assert_eq!(sequences, [1, 1, 1, 2], "the later one waits for the earlier one, and no number is used twice");
}

#[test]
fn credentials_go_to_masters_only() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("credentials");
    std::fs::write(&file, "node s3cret\n").unwrap();
    let (allowed, at_allowed) = serve(|_| ("503 Service Unavailable".to_owned(), String::new()));
    let (leader, at_leader) = serve(acknowledge);
    let redirect = format!("307 Temporary Redirect\r\nLocation: {}/deploy/status", leader.trim_start_matches("http:"));
    let (follower, at_follower) = serve(move |_| (redirect.clone(), String::new()));
    let node = configured(&[&follower, &leader], &[&allowed], Some(&file));
    let outbox = Outbox::open(Arc::new(world()), &node).unwrap();
    outbox.note(&report(AttemptState::Staged), Some(&format!("{allowed}/anything")));

    let authorized = |head: &str| head.to_ascii_lowercase().contains("authorization: basic");
    assert!(!authorized(&at_allowed.recv_timeout(SOON).unwrap().0), "another origin gets no credentials");
    assert!(authorized(&at_follower.recv_timeout(SOON).unwrap().0));
    assert!(authorized(&at_leader.recv_timeout(SOON).unwrap().0), "a redirect to a master is followed");
}

#[test]
fn nothing_goes_where_the_configuration_does_not_point() {
    let (stranger, at_stranger) = serve(acknowledge);
    let redirect = format!("307 Temporary Redirect\r\nLocation: {stranger}/deploy/status");
    let (liar, at_liar) = serve(move |_| (redirect.clone(), String::new()));
    let world = world();
    let outbox = Outbox::open(Arc::new(world.clone()), &configured(&[&liar], &[], None)).unwrap();
    outbox.note(&report(AttemptState::Staged), Some(&stranger));
    at_liar.recv_timeout(SOON).unwrap();
    at_liar.recv_timeout(SOON).unwrap();
    assert!(at_stranger.try_recv().is_err());
    assert_eq!(world.list_state("outbox").unwrap().len(), 1, "it is kept until somebody acknowledges it");
}

/// An unsent ping with this number, as an earlier helper left it.
fn leave_letter(world: &Shared, sequence: u64) {
    let outbox = Outbox::open(Arc::new(world.clone()), &configured(&["http://127.0.0.1:1"], &[], None)).unwrap();
    outbox.note(&report(AttemptState::Staged), None);
    wait_until("it is written", || world.get().documents.contains_key("outbox/0000000001.json"));
    drop(outbox);
    let mut world = world.get();
    let letter = world.documents.remove("outbox/0000000001.json").unwrap();
    let letter = String::from_utf8(letter).unwrap().replace("\"sequence\": 1", &format!("\"sequence\": {sequence}"));
    world.documents.insert(format!("outbox/{sequence:010}.json"), letter.into_bytes());
}

/// The numbers that a master is told, once a new ping is handed over.
fn told_with_one_more(world: &Shared) -> Vec<u64> {
    let (origin, seen) = serve(acknowledge);
    let outbox = Outbox::open(Arc::new(world.clone()), &configured(&[&origin], &[], None)).unwrap();
    world.get().disk_full = false;
    outbox.note(&report(AttemptState::Stopping), None);
    (0..2).map(|_| seen.recv_timeout(SOON).unwrap().1.sequence).collect()
}

#[test]
fn a_full_disk_keeps_no_helper_from_its_work() {
    let world = world();
    leave_letter(&world, 7);
    dcos_restart::records::reserve(&world).unwrap();
    world.get().disk_full = true;
    assert_eq!(told_with_one_more(&world), [7, 8]);
}

#[test]
fn a_counter_that_can_not_be_read_counts_as_the_newest_letter() {
    for counter in ["{\"format\": 1, \"sequ", "{\"format\": 2, \"sequence\": 90, \"last\": null}", "{\"later\": 1}"] {
        let world = world();
        leave_letter(&world, 7);
        world.get().documents.insert("outbox-sequence.json".to_owned(), counter.as_bytes().to_vec());
        assert_eq!(told_with_one_more(&world), [7, 8], "{counter}");
    }
}
