//! How much memory a fetch needs, whatever the packages' sizes: of the program that is shipped, since a debug build's code
//! alone takes half of what is allowed.

use std::process::{Child, Command, Stdio};

use crate::harness::target;
use crate::pkg::machine::{Machine, noise};
use crate::pkg::server::Served;

/// What a worker may have in memory at most, in KiB: code, buffers and all.
const LIMIT: u64 = 32 << 10;

/// The most memory that the process ever had, in KiB, once it has ended with success.
fn peak(mut child: Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(now.unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            return peak;
        }
        // The kernel keeps the highest value: only what comes after the last look is missed.
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

/// Starts the released `dcos-pkg` for the machine.
fn start(machine: &Machine, arguments: &[&str]) -> Child {
    let program = target().join("release/dcos-pkg");
    let started = Command::new(&program)
        .arg("--node")
        .arg(machine.path("node.toml"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    started.unwrap_or_else(|error| panic!("can't start `{}` ({error}): run `scripts/build`", program.display()))
}

#[test]
#[ignore = "needs released programs: make test"]
fn a_fetch_needs_little_memory() {
    let machine = Machine::new(None);
    let noise = noise(8 << 20);
    let zeros = vec![0; 64 << 20];
    let files: [(&str, &[u8]); 4] = [("lib/one", &noise), ("lib/zeros", &zeros), ("lib/two", &noise), ("a", b"a")];
    let ids = ["one--1", "two--1", "three--1"];
    let archives: Vec<_> = ids.iter().map(|id| machine.build_plain(id, &files)).collect();
    let served = Served::start(&machine.publish(&archives));
    machine.write_node(&format!("[repositories.release]\nurl = \"{}\"\n", served.url));
    let three = peak(start(&machine, &[&["fetch"][..], &ids].concat()));
    let _ = std::fs::remove_file(machine.root().join("packages/one--1/lib/zeros"));
    let repair = peak(start(&machine, &["repair", "one--1"]));
    eprintln!("peak memory: {three} KiB for three packages at once, {repair} KiB for a repair, of {LIMIT} KiB");
    assert!(three < LIMIT && repair < LIMIT, "{three} KiB, {repair} KiB");
}
