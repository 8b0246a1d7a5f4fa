//! A copy of a repository, killed while it is made, and the nodes that trust it by the original's root.

use std::process::{Command, Stdio};

use crate::harness::{program, until};
use crate::pkg::machine::{Machine, noise};
use crate::pkg::server::Served;

use super::nginx::{Nginx, Site};

#[test]
#[ignore = "needs nginx: make test"]
fn a_copy_is_resumed_trusted_and_kept_up_to_date() {
    let machine = Machine::new(None);
    let large = machine.build_plain("big--1", &[("share/noise", &noise(3 << 20))]);
    let small = machine.build_plain("small--1", &[("share/a", b"a")]);
    let paths = ["repository", "keys", "copy", "root.json"].map(|name| machine.path(name));
    let [repository, keys, copy, root] = paths.each_ref().map(|path| path.to_str().unwrap());
    let dcos = |arguments: &[&str]| program::dcos(arguments).expect(0);
    dcos(&["repo", "init", repository, "--keys", keys]);
    dcos(&["repo", "publish", repository, large.to_str().unwrap(), "--keys", keys]);
    std::fs::copy(machine.path("repository/metadata/1.root.json"), root).unwrap();

    let slow = Site { archives: "limit_rate 400k;".to_owned(), ..Site::default() };
    let mut nginx = Nginx::start(&paths[0], &slow);
    let url = nginx.url();
    let mut killed = Command::new(env!("CARGO_BIN_EXE_dcos"))
        .args(["repo", "mirror", &url, copy, "--root-json", root])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let partials = machine.path("copy/.mirror/staging/partial");
    until("some of it is here", 20, || {
        let sizes = std::fs::read_dir(&partials).into_iter().flatten().filter_map(|file| file.ok()?.metadata().ok());
        sizes.map(|metadata| metadata.len()).max().filter(|size| *size > 300_000)
    });
    killed.kill().unwrap();
    killed.wait().unwrap();
    // Nothing is offered before all of it is there.
    assert!(!machine.path("copy/metadata/timestamp.json").exists());

    nginx.restart(&Site::default());
    let copied = dcos(&["repo", "mirror", &url, copy, "--root-json", root, "--json"]).json();
    assert_eq!((&copied["packages"], &copied["root"]), (&1.into(), &1.into()));
    assert!(nginx.log().iter().any(|line| line.starts_with("206") && line.contains("big--1.tar")));

    // The way out is closed; a node believes the copy by the root of the original.
    let served = Served::start(&paths[2]);
    machine.write_node(&format!("[repositories.release]\nurl = \"{}\"\nroot_json = {root:?}\n", served.url));
    machine.pkg(&["fetch", "big--1"]).expect(0);
    machine.pkg(&["verify", "big--1"]).expect(0);

    // Brought up to date it costs what is new.
    dcos(&["repo", "publish", repository, small.to_str().unwrap(), "--keys", keys]);
    nginx.log();
    let copied = dcos(&["repo", "mirror", &url, copy, "--root-json", root, "--json"]).json();
    assert_eq!((&copied["packages"], &copied["removed"]), (&2.into(), &0.into()));
    assert!(nginx.log().iter().all(|line| !line.contains("big--1")));
    machine.pkg(&["fetch", "small--1"]).expect(0);
    // Nobody publishes to a copy: its keys are elsewhere.
    let refused = program::dcos(&["repo", "publish", copy, small.to_str().unwrap(), "--json"]).expect(3);
    assert_eq!(refused.json()["type"], "urn:dcos-bits:repository-signed");
}
