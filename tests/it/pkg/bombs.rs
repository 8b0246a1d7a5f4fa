//! Archives that are small and become large: what they may cost is bounded, and bounded beforehand.
//!
//! The kernel holds `dcos-pkg` to 64 MiB of data here, so a decoder that believed an archive would die of it. The same
//! limit is enough for an honest package of a hundred times the size of a buffer.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::machine::{Machine, noise};
use super::server::Served;
use crate::harness::program::{self, Outcome};

/// The memory that may be had, in bytes.
const MEMORY: u64 = 64 << 20;

/// Runs `dcos-pkg` for `machine` with bounded memory.
fn bounded(machine: &Machine, arguments: &[&str]) -> Outcome {
    let (limit, node) = (format!("--data={MEMORY}"), machine.path("node.toml"));
    let ours = [&limit, env!("CARGO_BIN_EXE_dcos-pkg"), "--node", node.to_str().unwrap()];
    program::run(Path::new("prlimit"), &[&ours[..], arguments].concat(), &[])
}

/// The bytes that the store's files take.
fn on_disk(machine: &Machine) -> u64 {
    let root = machine.root();
    let output =
        Command::new("du").args(["--summarize", "--block-size=1", "--apparent-size"]).arg(&root).output().unwrap();
    String::from_utf8_lossy(&output.stdout).split_whitespace().next().unwrap_or("0").parse().unwrap_or(0)
}

/// A tar stream that is told in pieces, through `compress`, with a pkginfo at its beginning.
fn archive(machine: &Machine, name: &str, compress: &str, pieces: impl FnOnce(&mut dyn std::io::Write)) -> PathBuf {
    let path = machine.path(name);
    let mut child = Command::new(compress)
        .args(["-1", "--stdout"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::fs::File::create(&path).unwrap())
        .spawn()
        .unwrap();
    let mut tar = child.stdin.take().unwrap();
    let pkginfo = br#"{"format":1,"name":"bomb","version":"1","kind":"plain"}"#;
    tar.write_all(&header("pkginfo.json", pkginfo.len() as u64)).unwrap();
    tar.write_all(pkginfo).unwrap();
    tar.write_all(&vec![0; 512 - pkginfo.len()]).unwrap();
    pieces(&mut tar);
    drop(tar);
    assert!(child.wait().unwrap().success());
    path
}

fn header(name: &str, size: u64) -> [u8; 512] {
    let mut block = [0; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    for (place, text) in [(100, "0000644".to_owned()), (124, format!("{size:011o}")), (257, "ustar\x0000".to_owned())] {
        block[place..place + text.len()].copy_from_slice(text.as_bytes());
    }
    block[156] = b'0';
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}

#[test]
fn a_file_larger_than_any_package_is_refused_by_what_it_says() {
    let machine = Machine::new(None);
    // The largest size that a header can state; not one byte of it is written.
    let bomb = archive(&machine, "bomb--1.tar.gz", "gzip", |tar| {
        tar.write_all(&header("zeros", 0o77_777_777_777)).unwrap();
        tar.write_all(&vec![0; 64 << 20]).unwrap();
    });
    let refused = bounded(&machine, &["add", bomb.to_str().unwrap()]).expect(3);
    assert!(refused.stderr.contains("`unpacked-too-large`") || refused.stderr.contains("`truncated`"), "{refused}");
    assert!(on_disk(&machine) < 128 << 10, "{} bytes are left", on_disk(&machine));
}

#[test]
fn names_without_end_are_refused_in_bounded_memory() {
    let machine = Machine::new(None);
    let bomb = archive(&machine, "bomb--1.tar.zst", "zstd", |tar| {
        let mut block = [0_u8; 512 * 1000];
        for thousand in 0..300_u32 {
            for (number, place) in (0..).zip(block.chunks_mut(512)) {
                let deep = format!("{}/{:06}", "d".repeat(80), thousand * 1000 + number);
                let mut link = header(&deep, 0);
                link[156] = b'2';
                link[157..169].copy_from_slice(b"pkginfo.json");
                link[148..156].fill(b' ');
                let sum: u32 = link.iter().map(|byte| u32::from(*byte)).sum();
                link[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
                place.copy_from_slice(&link);
            }
            tar.write_all(&block).unwrap();
        }
    });
    let refused = bounded(&machine, &["add", bomb.to_str().unwrap()]).expect(3);
    assert!(refused.stderr.contains("`too-many-entries`"), "{refused}");
}

#[test]
fn an_honest_package_needs_no_more_memory_than_that() {
    let machine = Machine::new(None);
    let archive = machine.build(
        "big--1",
        r#""kind": "plain""#,
        &[("share/a", &noise(24 << 20)), ("share/b", &vec![7; 64 << 20])],
    );
    bounded(&machine, &["add", archive.to_str().unwrap()]).expect(0);
    machine.pkg(&["verify", "big--1"]).expect(0);
}

/// The signed index says how large an archive is: what a server sends beyond that is not even written.
#[test]
fn a_server_that_sends_more_than_was_said_fills_no_disk() {
    let machine = Machine::new(None);
    let built = machine.build_plain("a--1", &[("share/x", &noise(1 << 20))]);
    let repository = machine.publish(std::slice::from_ref(&built));
    let published = repository.join("packages/a/a--1.tar.zst");
    let mut bytes = std::fs::read(&published).unwrap();
    let said = bytes.len() as u64;
    bytes.extend(noise(32 << 20));
    std::fs::write(&published, bytes).unwrap();
    let server = Served::start(&repository);
    machine.write_node(&format!("[repositories.release]\nurl = \"{}\"\n", server.url));
    let refused = bounded(&machine, &["fetch", "a--1"]);
    assert_ne!(refused.code, Some(0), "{refused}");
    assert!(on_disk(&machine) < said + (256 << 10), "{} bytes are there, and {said} were said", on_disk(&machine));
    machine.pkg(&["show", "a--1"]).expect(4);
}
