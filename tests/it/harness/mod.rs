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
use std::time::{Duration, Instant};

/// Waits for `condition` to answer something; a test that waits in vain fails with `what`.
pub(crate) fn until<T>(what: &str, seconds: u64, mut condition: impl FnMut() -> Option<T>) -> T {
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
pub(crate) fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("loopback has a free port")).collect();
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
