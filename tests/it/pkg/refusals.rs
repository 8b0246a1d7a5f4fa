//! What is refused, with which code and in which words.

use serde_json::Value;

use super::machine::{Machine, pkg};
use super::server::Served;
use crate::harness::program;

#[test]
fn refusals_say_what_was_attempted_and_what_to_do() {
    let machine = Machine::new(None);
    insta::assert_snapshot!(machine.pkg(&["fetch", "a--1"]).expect(2), @r"
    $ dcos-pkg --node TMP/node.toml fetch a--1
    exit code: 2
    --- stderr
    error: `a--1` can't be fetched: no repository is configured
    hint: name one as `[repositories.release]` in `node.toml`, or bring the archive with `dcos-pkg add FILE`
    ");
    insta::assert_snapshot!(machine.pkg(&["show", "a--1"]).expect(4), @r"
    $ dcos-pkg --node TMP/node.toml show a--1
    exit code: 4
    --- stderr
    error: `a--1` is not in the store
    hint: `dcos-pkg list` shows what is
    ");
    insta::assert_snapshot!(machine.pkg(&["remove", "a--1"]).expect(4), @r"
    $ dcos-pkg --node TMP/node.toml remove a--1
    exit code: 4
    --- stderr
    error: `a--1` is not in the store
    hint: `dcos-pkg list` shows what is
    ");
    insta::assert_snapshot!(machine.pkg(&["swap", "a--1"]).expect(4), @r"
    $ dcos-pkg --node TMP/node.toml swap a--1
    exit code: 4
    --- stderr
    error: no set is active on this node
    hint: `dcos-pkg activate ID…` makes a first set active, `dcos-restart-helper bootstrap` a node
    ");
    insta::assert_snapshot!(machine.pkg(&["rollback"]).expect(4), @r"
    $ dcos-pkg --node TMP/node.toml rollback
    exit code: 4
    --- stderr
    error: no set is active on this node
    hint: `dcos-pkg activate ID…` makes a first set active, `dcos-restart-helper bootstrap` a node
    ");
    insta::assert_snapshot!(machine.pkg(&["validate", "a--1", "a--2"]).expect(3), @r"
    $ dcos-pkg --node TMP/node.toml validate a--1 a--2
    exit code: 3
    --- stdout
    not valid, for 4 reasons:
      - `a--1` is not in the store [not-local]
        hint: fetch it first: `dcos-pkg fetch a--1`
      - `a--2` is not in the store [not-local]
        hint: fetch it first: `dcos-pkg fetch a--2`
      - `a` is in the set under 2 versions [two-versions]
        hint: leave out all but one of them
      - the set has no `dcos-bits`: this node could not be reached by dcos-bits any more [no-dcos-bits]
        hint: add the `dcos-bits` package for this Mesos, or say `--leave` to give the node up
    ");
    insta::assert_snapshot!(machine.pkg(&["activate", "mesos--1.10.0"]).expect(3), @r"
    $ dcos-pkg --node TMP/node.toml activate mesos--1.10.0
    exit code: 3
    --- stderr
    error: the set can't be activated, for 2 reasons
      - `mesos--1.10.0` is not in the store [not-local]
        hint: fetch it first: `dcos-pkg fetch mesos--1.10.0`
      - the set has no `dcos-bits`: this node could not be reached by dcos-bits any more [no-dcos-bits]
        hint: add the `dcos-bits` package for this Mesos, or say `--leave` to give the node up
    ");
}

#[test]
fn command_lines_that_are_not_understood_exit_with_2() {
    let machine = Machine::new(None);
    for arguments in [
        &["show", "a"][..],
        &["show"],
        &["fetch"],
        &["fetch", "a--1", "--url", "http://127.0.0.1:1/"],
        &["fetch", "a--1", "b--1", "--sha256", &"0".repeat(64)],
        &["add", "x", "--sha256", "0"],
        &["activate"],
        &["frobnicate"],
        &[],
    ] {
        let outcome = machine.pkg(arguments).expect(2);
        assert!(!outcome.stderr.is_empty(), "{outcome}");
        let json = machine.pkg(&[&["--json"], arguments].concat()).expect(2);
        assert_eq!(json.json()["status"], 400, "{json}");
    }
    pkg(&["--help"]).expect(0);
    pkg(&["--version"]).expect(0);
}

#[test]
fn files_that_are_no_packages_are_refused() {
    let machine = Machine::new(None);
    let good = machine.build_plain("a--1", &[("share/a", b"a")]);
    let bytes = std::fs::read(&good).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = machine.path(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    for (file, name) in [
        (write("a.tar.zst", &bytes), "bad-file-name"),
        (write("b--1.tar.zst", &bytes), "other-package"),
        (write("a--1.tar.gz", b"nothing of the kind"), "bad-archive"),
        (write("a--1.tar.zst", &bytes[..bytes.len() - 1]), "bad-archive"),
    ] {
        let refused = machine.pkg(&["add", &file, "--json"]).expect(3);
        assert_eq!(refused.json()["type"], format!("urn:dcos-bits:{name}"), "{refused}");
    }
    let good = write("a--1.tar.zst", &bytes);
    let wrong = "0".repeat(64);
    let refused = machine.pkg(&["add", &good, "--sha256", &wrong, "--json"]).expect(3);
    assert_eq!(refused.json()["type"], "urn:dcos-bits:digest-mismatch");
    assert!(machine.names("packages").is_empty());
    assert!(machine.names("staging").is_empty());
}

#[test]
fn a_site_may_not_offer_mesos() {
    let machine = Machine::new(None);
    let repository = machine.publish(&machine.build_set("1.10.0"));
    let server = Served::start(&repository);
    machine.write_node(&format!("[repositories.site]\nurl = \"{}\"\n", server.url));
    let offered = machine.pkg(&["available", "--json"]).expect(0).json();
    let kinds: Vec<&Value> = offered["packages"].as_array().unwrap().iter().map(|package| &package["kind"]).collect();
    assert_eq!(kinds, ["mesos-config"]);
    insta::assert_snapshot!(machine.pkg(&["fetch", "mesos--1.10.0"]).expect(3), @r"
    $ dcos-pkg --node TMP/node.toml fetch mesos--1.10.0
    exit code: 3
    --- stderr
    error: `mesos--1.10.0` is of kind `mesos`, and the site repository may offer `mesos-config` and `plain` only
    hint: publish it to the release repository
    ");
}

#[test]
fn a_named_address_is_no_way_round_a_root_of_trust() {
    let machine = Machine::new(None);
    machine.write_node("[repositories.release]\nurl = \"http://127.0.0.1:1/\"\nroot_json = \"/etc/dcos/root.json\"\n");
    let digest = "0".repeat(64);
    let fetch = ["fetch", "a--1", "--url", "http://127.0.0.1:1/a--1.tar.gz", "--sha256", &digest, "--json"];
    assert_eq!(machine.pkg(&fetch).expect(3).json()["type"], "urn:dcos-bits:untrusted-source");
}

#[test]
fn a_repository_that_is_not_there_is_unreachable() {
    let machine = Machine::new(None);
    // A port that was free a moment ago: nobody answers there.
    let port = crate::harness::free_ports(1)[0];
    machine.write_node(&format!("[repositories.release]\nurl = \"http://127.0.0.1:{port}/\"\n"));
    let unreachable = machine.pkg(&["available", "--json"]).expect(9);
    assert_eq!(unreachable.json()["type"], "urn:dcos-bits:repository-unreachable");
}

#[test]
fn repositories_that_are_none_are_refused() {
    let machine = Machine::new(None);
    let folder = machine.path("empty");
    std::fs::create_dir(&folder).unwrap();
    let folder = folder.to_str().unwrap();
    insta::assert_snapshot!(machine.tidy(program::dcos(&["repo", "list", folder])).expect(4), @r"
    $ dcos repo list TMP/empty
    exit code: 4
    --- stderr
    error: `TMP/empty` is not a repository: it has no `index.json`
    hint: `dcos repo init DIR` makes one
    ");
    let archive = machine.build_plain("a--1", &[]);
    program::dcos(&["repo", "publish", folder, archive.to_str().unwrap()]).expect(4);
    program::dcos(&["repo", "serve", folder]).expect(4);
    program::dcos(&["repo", "init", folder]).expect(0);
    std::fs::write(machine.path("empty/index.json"), r#"{"format": 2}"#).unwrap();
    insta::assert_snapshot!(machine.tidy(program::dcos(&["repo", "list", folder])).expect(3), @r"
    $ dcos repo list TMP/empty
    exit code: 3
    --- stderr
    error: `TMP/empty/index.json` has format 2, and this release knows format 1 only
    hint: a newer release published it: upgrade dcos-bits here first
    ");
}

#[test]
fn options_that_cannot_be_used_are_all_named() {
    let machine = Machine::new(None);
    let options = machine.path("agents.toml");
    std::fs::write(&options, "rloe = \"agent\"\nmodules = [\"fizzbuz\"]\n[flags]\nport = 5051\n").unwrap();
    let output = machine.path("x");
    let generate = ["--json", "config", "generate", "--options", options.to_str().unwrap(), "--output"];
    let refused = program::dcos(&[&generate[..], &[output.to_str().unwrap()]].concat()).expect(3).json();
    assert_eq!(refused["type"], "urn:dcos-bits:invalid-options");
    let codes: Vec<&Value> = refused["problems"].as_array().unwrap().iter().map(|found| &found["code"]).collect();
    assert_eq!(codes.len(), 2, "{refused}");
    for code in ["host-fact", "unknown-key"] {
        assert!(codes.iter().any(|found| *found == code), "{refused}");
    }
    assert!(!output.exists());
}

#[test]
fn several_failures_are_all_named_and_the_rest_comes() {
    let machine = Machine::new(None);
    let archive = machine.build_plain("a--1", &[("share/a", b"a")]);
    let server = Served::start(&machine.publish(&[archive]));
    machine.write_node(&format!("[repositories.release]\nurl = \"{}\"\n", server.url));
    insta::assert_snapshot!(machine.pkg(&["fetch", "a--1", "b--1", "c--1"]).expect(4), @r"
    $ dcos-pkg --node TMP/node.toml fetch a--1 b--1 c--1
    exit code: 4
    --- stdout
    fetched a--1
    --- stderr
    fetching a--1 (287 B)
    error: 2 of 3 packages could not be fetched
      - `b--1` is in no configured repository (release) [no-such-package]
        hint: `dcos-pkg available` lists what the repositories offer
      - `c--1` is in no configured repository (release) [no-such-package]
        hint: `dcos-pkg available` lists what the repositories offer
    ");
    let refused = machine.pkg(&["fetch", "a--1", "b--1", "c--1", "--json"]).expect(4).json();
    assert_eq!(refused["problems"].as_array().unwrap().len(), 2);
    machine.pkg(&["verify", "a--1"]).expect(0);
}

#[test]
fn a_library_that_looks_outside_its_package_is_not_built() {
    let machine = Machine::new(None);
    let tree = machine.path("a");
    std::fs::create_dir_all(tree.join("lib")).unwrap();
    std::fs::write(tree.join("pkginfo.json"), r#"{"format": 1, "name": "a", "version": "1", "kind": "plain"}"#)
        .unwrap();
    std::fs::write(machine.path("a.c"), "int a;\n").unwrap();
    let archive = machine.path("a--1.tar.zst");
    for (path, code) in [("$ORIGIN/../lib", 0), ("/usr/local/lib", 3), ("$ORIGIN/../../b--1/lib", 3)] {
        // Rust's own linking needs the same compiler.
        let compiled = std::process::Command::new("cc")
            .args(["-shared", "-o"])
            .arg(tree.join("lib/liba.so"))
            .arg(machine.path("a.c"))
            .arg(format!("-Wl,-rpath,{path}"))
            .status();
        assert!(compiled.unwrap().success());
        let built =
            pkg(&["build", tree.to_str().unwrap(), "--output", archive.to_str().unwrap(), "--json"]).expect(code);
        if code == 3 {
            let finding = &built.json()["problems"][0];
            assert_eq!(finding["message"], format!("`lib/liba.so` has the library path `{path}`"));
        }
    }
    std::fs::write(tree.join("lib/liba.so"), b"\x7fELF\x02\x01\x01 and no more").unwrap();
    let built = pkg(&["build", tree.to_str().unwrap(), "--output", archive.to_str().unwrap(), "--json"]).expect(3);
    assert_eq!(built.json()["problems"][0]["code"], "damaged-elf");
}
