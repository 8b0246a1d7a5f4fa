//! Archives on their way from a real nginx that is slow, fails, is killed, or changes what it serves.

use std::path::PathBuf;

use crate::harness::until;
use crate::pkg::machine::{Machine, noise};

use super::nginx::{Nginx, Site};

/// Large enough to be cut in the middle.
const SIZE: usize = 3 << 20;

/// A machine that fetches from an nginx that serves the package `big--1`, and the archive in the repository.
fn setting(site: &Site) -> (Machine, Nginx, PathBuf) {
    let machine = Machine::new(None);
    let archive = machine.build_plain("big--1", &[("share/noise", &noise(SIZE))]);
    let repository = machine.publish(&[archive]);
    let nginx = Nginx::start(&repository, site);
    machine.write_node(&format!("[repositories.release]\nurl = \"{}\"\n", nginx.url()));
    (machine, nginx, repository.join("packages/big/big--1.tar.zst"))
}

fn slow() -> Site {
    Site { archives: "limit_rate 400k;".to_owned(), ..Site::default() }
}

/// How much of the archive is here.
fn arrived(machine: &Machine) -> u64 {
    let partials = std::fs::read_dir(machine.root().join("staging/partial"));
    let sizes = partials.into_iter().flatten().filter_map(|file| Some(file.ok()?.metadata().ok()?.len()));
    sizes.max().unwrap_or(0)
}

/// The requests for archives: status and range.
fn archives(log: &[String]) -> Vec<(String, String)> {
    let of_archives = log.iter().filter(|line| line.contains(".tar."));
    let parts = of_archives.map(|line| line.split(' ').collect::<Vec<_>>());
    parts.map(|parts| (parts[0].to_owned(), parts[2].to_owned())).collect()
}

#[test]
#[ignore = "needs nginx: make test"]
fn a_server_that_is_restarted_in_the_middle_is_gone_on_with() {
    let (machine, mut nginx, _) = setting(&slow());
    let mut fetch = machine.start_pkg(&["fetch", "big--1"]);
    until("some of it is here", 20, || (arrived(&machine) > 300_000).then_some(()));
    nginx.stop();
    let here = arrived(&machine);
    nginx.restart(&Site::default());
    assert!(fetch.wait().unwrap().success());
    machine.pkg(&["verify", "big--1"]).expect(0);
    let asked = archives(&nginx.log());
    let (status, range) = asked.last().unwrap();
    let from: u64 = range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap();
    assert_eq!(status, "206");
    assert!(from >= here, "{from} of {here} bytes were not asked for again");
}

#[test]
#[ignore = "needs nginx: make test"]
fn a_fetch_that_is_killed_goes_on_by_range() {
    let (machine, mut nginx, _) = setting(&slow());
    let mut fetch = machine.start_pkg(&["fetch", "big--1"]);
    until("some of it is here", 20, || (arrived(&machine) > 300_000).then_some(()));
    fetch.kill().unwrap();
    fetch.wait().unwrap();
    let here = arrived(&machine);
    nginx.restart(&Site::default());
    machine.pkg(&["fetch", "big--1"]).expect(0);
    machine.pkg(&["verify", "big--1"]).expect(0);
    assert_eq!(archives(&nginx.log()).last().unwrap(), &("206".to_owned(), format!("bytes={here}-")));
}

#[test]
#[ignore = "needs nginx: make test"]
fn a_server_that_is_busy_is_waited_for() {
    let (machine, mut nginx, _) = setting(&Site { archives: "return 503;".to_owned(), ..Site::default() });
    let mut fetch = machine.start_pkg(&["fetch", "big--1"]);
    until("it was asked twice", 20, || {
        let log = std::fs::read_to_string(nginx.path("access.log")).unwrap_or_default();
        (log.lines().filter(|line| line.starts_with("503")).count() >= 2).then_some(())
    });
    nginx.restart(&Site::default());
    assert!(fetch.wait().unwrap().success());
    machine.pkg(&["verify", "big--1"]).expect(0);
}

/// The web server's copy is put right in the middle of a download: what came of the wrong one is of no use, and its tag
/// tells so at once.
#[test]
#[ignore = "needs nginx: make test"]
fn an_archive_that_is_replaced_in_the_middle_is_fetched_anew() {
    let (machine, mut nginx, archive) = setting(&slow());
    let good = std::fs::read(&archive).unwrap();
    let mut wrong = good.clone();
    wrong[10_000..].iter_mut().for_each(|byte| *byte ^= 1);
    std::fs::write(&archive, &wrong).unwrap();
    let minute_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    std::fs::File::options().write(true).open(&archive).unwrap().set_modified(minute_ago).unwrap();
    let mut fetch = machine.start_pkg(&["fetch", "big--1"]);
    until("some of it is here", 20, || (arrived(&machine) > 0).then_some(()));
    nginx.stop();
    std::fs::write(&archive, &good).unwrap();
    nginx.restart(&Site::default());
    let ended_well = fetch.wait().unwrap().success();
    let asked = archives(&nginx.log());
    assert!(ended_well, "{asked:?}");
    machine.pkg(&["verify", "big--1"]).expect(0);
    // `If-Range` with the old tag: all of it, not the rest.
    assert!(asked.iter().any(|(status, range)| status == "200" && range != "-"), "{asked:?}");
}
