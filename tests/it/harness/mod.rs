//! What the tests stand on: programs as an operator runs them, and real clusters on loopback.
//!
//! - [`program`]: running one of our programs, and what came of it
//! - [`cluster`]: a real master and real agents with their own packages, ended with the test
//! - [`http`]: asking an endpoint

pub(crate) mod cluster;
pub(crate) mod http;
pub(crate) mod program;

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
