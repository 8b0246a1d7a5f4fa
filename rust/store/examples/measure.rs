//! What a switch costs, between two generations of twenty packages with two thousand files together.
//!
//! `cargo run --release -p dcos-store --example measure`, in a directory on the disk that is meant. What adding costs is
//! measured from outside, by `scripts/bench-packages`.

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "it is for its output")]

use std::error::Error;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Instant;

use dcos_core::node::NodeConfig;
use dcos_core::{PackageId, PackageSet};
use dcos_store::{LOCK_WAIT, NodeContext, Store, build};

/// How often `active` is switched.
const SWITCHES: u64 = 1000;

/// The packages besides a mesos, a config and a dcos-bits, and the files of each.
const PACKAGES: usize = 17;
const FILES: usize = 117;

const NODE: &str = "role = \"agent\"\ngroup = \"a\"\n[mesos]\nip = \"127.0.0.1\"\nport = 5051\n\
    master = \"127.0.0.1:5050\"\nwork_dir = \"/nonexistent\"\n";

fn main() -> Result<(), Box<dyn Error>> {
    let scratch = tempfile::tempdir_in(".")?;
    let node = NodeContext { config: NodeConfig::parse(NODE)?, file: "/etc/dcos/node.toml".into() };
    let store = Store::open(scratch.path().join("root"), Some(node))?;
    let add = |id: &str, rest: &str, files: &[(String, String)]| add(&store, scratch.path(), id, rest, files);
    let mesos = r#""kind":"mesos","mesos":{"version":"1.11.0"}"#;
    let mut set = vec![
        add("mesos--1.11.0", mesos, &[("bin/mesos-agent".to_owned(), String::new())])?,
        add("dcos-bits--1", r#""kind":"plain""#, &[])?,
    ];
    for number in 0..PACKAGES {
        let file = |file: usize| (format!("lib/{number}/{file}"), "x".repeat(100));
        set.push(add(&format!("p{number}--1"), r#""kind":"plain""#, &(0..FILES).map(file).collect::<Vec<_>>())?);
    }
    let mut generations = Vec::new();
    for cpus in [1, 2] {
        let environment = format!(r#"{{"MESOS_RESOURCES":"cpus:{cpus}"}}"#);
        let text = format!(r#"{{"format":1,"role":"agent","environment":{environment},"modules":[]}}"#);
        let config =
            add(&format!("conf--{cpus}"), r#""kind":"mesos-config""#, &[("etc/config.json".to_owned(), text)])?;
        let set: PackageSet = set.iter().cloned().chain([config]).collect();
        let began = Instant::now();
        generations.push(store.stage(&store.lock_within("measure", LOCK_WAIT)?, &set)?.number);
        println!("stage: {} packages in {:.1} ms", set.len(), began.elapsed().as_secs_f64() * 1e3);
    }
    // By turns with what no switch can be without, on a disk that others keep busy too.
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    let beside = scratch.path().join("bare");
    fs::create_dir(&beside)?;
    for number in 0..SWITCHES {
        let locked = store.lock_within("measure", LOCK_WAIT)?;
        let started = Instant::now();
        store.switch(&locked, generations[usize::from(number % 2 == 1)])?;
        ours.push(started.elapsed());
        drop(locked);

        let started = Instant::now();
        symlink(format!("generations/{number}"), beside.join("new"))?;
        fs::rename(beside.join("new"), beside.join("active"))?;
        fs::File::open(&beside)?.sync_all()?;
        bare.push(started.elapsed());
    }
    for (what, mut times) in [("switch", ours), ("a link, a rename, a sync", bare)] {
        times.sort();
        let at = |share: usize| times[times.len() * share / 100].as_secs_f64() * 1e3;
        println!("{what}: p50 {:.3} ms, p99 {:.3} ms, of {SWITCHES}", at(50), at(99));
    }
    Ok(())
}

/// Builds a package and adds it.
fn add(
    store: &Store,
    scratch: &Path,
    id: &str,
    rest: &str,
    files: &[(String, String)],
) -> Result<PackageId, Box<dyn Error>> {
    let (tree, archive) = (scratch.join(id), scratch.join(format!("{id}.tar.zst")));
    let (name, version) = id.split_once("--").ok_or("an id")?;
    fs::create_dir_all(&tree)?;
    fs::write(tree.join("pkginfo.json"), format!(r#"{{"format":1,"name":"{name}","version":"{version}",{rest}}}"#))?;
    for (path, content) in files {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().ok_or("a directory")?)?;
        fs::write(path, content)?;
    }
    build(&tree, &archive)?;
    Ok(store.add_file(&archive, None)?.id)
}
