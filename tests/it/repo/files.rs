//! Damaged packages put right by the ranges of their files, from a real web server.

use crate::pkg::machine::{Machine, noise};

use super::nginx::{Nginx, Site};

/// A machine with the package `big--1`: a large file, a small one, a link, from an nginx.
fn setting(ending: &str) -> (Machine, Nginx) {
    let machine = Machine::new(None);
    let large = noise(2 << 20);
    let files: [(&str, &[u8]); 3] = [("lib/large", &large), ("lib/small", b"small"), ("share/text", b"text")];
    let mut archive = machine.build_plain("big--1", &files);
    if ending == ".tar.gz" {
        let tree = machine.path("trees/big--1");
        archive = machine.path("big--1.tar.gz");
        crate::pkg::machine::pkg(&["build", tree.to_str().unwrap(), "--output", archive.to_str().unwrap()]).expect(0);
    }
    let nginx = Nginx::start(&machine.publish(&[archive]), &Site::default());
    machine.write_node(&format!("[repositories.release]\nurl = \"{}\"\n", nginx.url()));
    machine.pkg(&["fetch", "big--1"]).expect(0);
    nginx.log();
    (machine, nginx)
}

fn damage(machine: &Machine, path: &str) {
    let path = machine.root().join("packages/big--1").join(path);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(path, "damaged").unwrap();
}

/// The bytes that were sent of archives, and how many requests for them there were.
fn sent(nginx: &Nginx) -> (u64, usize) {
    let log = nginx.log();
    let of_archives: Vec<&String> = log.iter().filter(|line| line.contains(".tar.")).collect();
    let bytes = of_archives.iter().map(|line| line.split(' ').nth(1).unwrap().parse::<u64>().unwrap()).sum();
    (bytes, of_archives.len())
}

#[test]
#[ignore = "needs nginx: make test"]
fn only_the_damaged_files_are_fetched() {
    let (machine, nginx) = setting(".tar.zst");
    damage(&machine, "lib/small");
    damage(&machine, "share/text");
    machine.pkg(&["verify", "big--1"]).expect(3);
    let repaired = machine.pkg(&["repair", "big--1", "--json"]).expect(0);
    assert_eq!(repaired.json()[0]["repaired"], serde_json::json!(["lib/small", "share/text"]), "{repaired}");
    machine.pkg(&["verify", "big--1"]).expect(0);
    let (bytes, requests) = sent(&nginx);
    assert_eq!(requests, 2);
    assert!(bytes < 1_000, "{bytes} bytes for two files of a few");

    damage(&machine, "lib/large");
    machine.pkg(&["repair", "big--1"]).expect(0);
    machine.pkg(&["verify", "big--1"]).expect(0);
    assert!(sent(&nginx).0 > 2 << 20);
    // Nothing is fetched for what needs nothing.
    std::fs::write(machine.root().join("packages/big--1/more"), "x").unwrap();
    machine.pkg(&["repair", "big--1"]).expect(0);
    machine.pkg(&["verify", "big--1"]).expect(0);
    assert_eq!(nginx.log(), Vec::<String>::new());
}

#[test]
#[ignore = "needs nginx: make test"]
fn an_archive_without_frames_is_fetched_whole() {
    let (machine, nginx) = setting(".tar.gz");
    damage(&machine, "lib/small");
    machine.pkg(&["repair", "big--1"]).expect(0);
    machine.pkg(&["verify", "big--1"]).expect(0);
    let (bytes, requests) = sent(&nginx);
    assert_eq!(requests, 1);
    assert!(bytes > 2 << 20);
}

/// The index is a map, not a witness: whoever changes it can't make anybody take another file.
#[test]
#[ignore = "needs nginx: make test"]
fn a_wrong_index_costs_the_whole_archive_and_nothing_else() {
    let (machine, nginx) = setting(".tar.zst");
    let path = machine.path("repository/packages/big/big--1.files.json");
    let mut index: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    // What is said of one file is that of another.
    index["files"]["lib/small"] = index["files"]["share/text"].clone();
    std::fs::write(&path, index.to_string()).unwrap();
    damage(&machine, "lib/small");
    machine.pkg(&["repair", "big--1"]).expect(0);
    machine.pkg(&["verify", "big--1"]).expect(0);
    let (bytes, requests) = sent(&nginx);
    assert_eq!(requests, 2);
    assert!(bytes > 2 << 20);
}

#[test]
#[ignore = "needs nginx: make test"]
fn a_server_without_ranges_sends_all_of_it() {
    let (machine, mut nginx) = setting(".tar.zst");
    nginx.restart(&Site { archives: "max_ranges 0;".to_owned(), ..Site::default() });
    damage(&machine, "lib/small");
    machine.pkg(&["repair", "big--1"]).expect(0);
    machine.pkg(&["verify", "big--1"]).expect(0);
}
