//! What the store costs: adding a package against `tar xzf` of the same archive followed by `sync -f`, and the switch.
//!
//! `cargo run --release -p dcos-store --example measure -- TREE [ROUNDS]`, where TREE is the tree of a package, such as a
//! Mesos. Both ways take turns in one run, since the disk is in another mood a minute later; the ratio is what counts.

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "it is for its output")]

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use dcos_core::pkginfo::PkgInfo;
use dcos_store::{LOCK_WAIT, Store, build};

/// How often `active` is switched.
const SWITCHES: usize = 400;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let tree = arguments.next().ok_or("which tree?")?;
    let rounds: usize = arguments.next().map_or(Ok(5), |rounds| rounds.parse())?;
    let pkginfo = PkgInfo::parse(&fs::read_to_string(Path::new(&tree).join("pkginfo.json"))?)?;
    let scratch = tempfile::tempdir_in(".")?;
    for ending in ["tar.gz", "tar.zst"] {
        let archive = scratch.path().join(format!("{}.{ending}", pkginfo.id()));
        let started = Instant::now();
        let built = build(Path::new(&tree), &archive)?;
        println!("{ending}: {} bytes, built in {:.2} s", built.size, started.elapsed().as_secs_f64());
        add(scratch.path(), &archive, rounds)?;
    }
    switch(scratch.path())
}

/// Adds an archive and unpacks it with tar, by turns.
fn add(scratch: &Path, archive: &Path, rounds: usize) -> Result<(), Box<dyn Error>> {
    let (mut ours, mut theirs, mut warm) = (Vec::new(), Vec::new(), true);
    for _ in 0..=rounds {
        let root = scratch.join("store");
        let store = Store::open(&root, None)?;
        settle()?;
        let started = Instant::now();
        store.add_file(archive, None)?;
        let add = started.elapsed();

        let to = scratch.join("tar");
        fs::create_dir(&to)?;
        settle()?;
        let started = Instant::now();
        // GNU tar runs the decompressor as a process beside it, as the archive's name says.
        run(Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(&to))?;
        run(Command::new("sync").arg("-f").arg(&to))?;
        let tar = started.elapsed();
        fs::remove_dir_all(root)?;
        fs::remove_dir_all(to)?;
        // The first round brings the archive into memory.
        if !std::mem::take(&mut warm) {
            ours.push(add);
            theirs.push(tar);
        }
    }
    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    let (ours, theirs) = (ours.as_secs_f64(), theirs.as_secs_f64());
    println!("  add {ours:.3} s, tar x && sync -f {theirs:.3} s: {:.2} times", ours / theirs);
    Ok(())
}

/// Switches between two generations by their link.
fn switch(scratch: &Path) -> Result<(), Box<dyn Error>> {
    let root = scratch.join("store");
    for number in 1..=2 {
        let generation = root.join(format!("generations/{number}"));
        fs::create_dir_all(&generation)?;
        let set = format!(
            r#"{{"format":1,"generation":{number},"set":["a--1"],"mesos_version":"1","modules":[],"program":"/x","health_paths":[]}}"#
        );
        fs::write(generation.join("set.json"), set)?;
    }
    let store = Store::open(&root, None)?;
    let mut times = Vec::new();
    for number in 0..SWITCHES {
        let locked = store.lock_within("measure", LOCK_WAIT)?;
        let started = Instant::now();
        store.switch(&locked, 1 + (number % 2) as u64)?;
        times.push(started.elapsed());
    }
    times.sort();
    let at = |share: usize| times[times.len() * share / 100].as_secs_f64() * 1e3;
    println!("switch: p50 {:.2} ms, p99 {:.2} ms", at(50), at(99));
    Ok(())
}

fn settle() -> Result<(), Box<dyn Error>> {
    run(&mut Command::new("sync"))
}

fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    match command.status()?.success() {
        true => Ok(()),
        false => Err(format!("{command:?} failed").into()),
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}
