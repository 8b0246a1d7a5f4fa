//! What the tests stand on: programs as an operator runs them, and real clusters on loopback.
//!
//! - [`program`]: running one of our programs, and what came of it
//! - [`cluster`]: a real master and real agents with their own packages, ended with the test
//! - [`fake`]: a set in which a fake stands for Mesos
//! - [`framework`]: a framework with a task that is watched
//! - [`host`]: hosts with a systemd of their own
//! - [`http`]: asking an endpoint
//! - [`receiver`]: somebody who wants to be called
//! - [`served`]: `dcos-node serve`
//! - [`zookeeper`]: a real ensemble

pub(crate) mod cluster;
pub(crate) mod fake;
pub(crate) mod framework;
pub(crate) mod host;
pub(crate) mod http;
pub(crate) mod program;
pub(crate) mod receiver;
pub(crate) mod served;
pub(crate) mod zookeeper;

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What [`free_ports`] answers lies above: well-known ports of a machine of developers end here, mostly.
const LOWEST_PORT: u16 = 10_100;

/// How much longer than a test says it waits before it fails: tests name what a quiet machine never needs, and a machine of
/// CI may have much else to do. It costs nothing where things work.
const SLACK: u64 = 4;

/// Waits for `condition` to answer something; a test that waits in vain fails with `what`. `seconds` is what a quiet machine
/// never needs.
pub(crate) fn until<T>(what: &str, seconds: u64, mut condition: impl FnMut() -> Option<T>) -> T {
    let seconds = SLACK * seconds;
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {seconds} s in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Ports of loopback that nobody listens on: all held at once, so that they differ.
///
/// They lie below those that the kernel gives to whoever asks for none by number: a node keeps its port while its Mesos is
/// restarted, and no connection of a neighbour may take it meanwhile. No two tests of this process get the same ones, and
/// another process of tests begins elsewhere.
pub(crate) fn free_ports(count: usize) -> Vec<u16> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let below = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let below: u16 = below.split_whitespace().next().and_then(|port| port.parse().ok()).unwrap_or(32768);
    let span =
        usize::from(below.checked_sub(LOWEST_PORT).filter(|span| *span > 1000).expect("the kernel leaves us ports"));
    let begin = usize::try_from(std::process::id()).expect("a pid fits") * 211;
    let mut listeners: Vec<TcpListener> = Vec::new();
    for _ in 0..span {
        if listeners.len() == count {
            break;
        }
        let place = (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % span;
        let port = LOWEST_PORT + u16::try_from(place).expect("it lies below a port");
        listeners.extend(TcpListener::bind(("127.0.0.1", port)));
    }
    assert_eq!(listeners.len(), count, "loopback has free ports");
    listeners.iter().map(|listener| listener.local_addr().expect("a bound socket has an address").port()).collect()
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    // Cargo hands integration tests `<target>/tmp`.
    let tmp = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    tmp.parent().expect("cargo's folder for tests lies in the target folder").to_owned()
}

/// A package's archive, as `scripts/pack` left it: `name` with the version's beginning, such as `fizzbuzz--1.2.0`.
pub(crate) fn archive(beginning: &str, ending: &str) -> PathBuf {
    let folder = target().join("packages");
    let found = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()).find(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(beginning) && name.ends_with(&format!("{ending}.tar.gz"))
    });
    found.unwrap_or_else(|| {
        panic!("there is no archive `{beginning}…{ending}.tar.gz` in `{}`: run `scripts/build`", folder.display())
    })
}

/// The id of an archive's package.
pub(crate) fn id(archive: &std::path::Path) -> String {
    let name = archive.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.trim_end_matches(".tar.gz").to_owned()
}
