//! What DC/OS's pkgpanda promised in tests of its own, as far as it still makes sense, and what it broke, told anew: one
//! test for each thing that its users relied on or were bitten by. The names follow its list.

use serde_json::{Value, json};

use super::machine::{BITS, MESOS, Machine, id, pkg};
use crate::harness::program::Outcome;

const PLAIN: &str = r#""kind": "plain""#;

/// A machine with a set that works, and the set.
fn installed() -> (Machine, Vec<String>) {
    let machine = Machine::new(None);
    let archives = machine.build_set("1.10.0");
    for archive in &archives {
        machine.pkg(&["add", archive.to_str().unwrap()]).expect(0);
    }
    let set = vec![MESOS.to_owned(), BITS.to_owned(), id(&archives[2])];
    (machine, set)
}

/// Adds a package that is built from these files.
fn add(machine: &Machine, id: &str, pkginfo: &str, files: &[(&str, &str)]) {
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, text)| (*path, text.as_bytes())).collect();
    let archive = machine.build(id, pkginfo, &files);
    machine.pkg(&["add", archive.to_str().unwrap()]).expect(0);
}

/// A command about the set and these packages besides.
fn with(machine: &Machine, command: &str, set: &[String], more: &[&str]) -> Outcome {
    let ids = set.iter().map(String::as_str).chain(more.iter().copied());
    machine.pkg(&[command, "--json"].into_iter().chain(ids).collect::<Vec<_>>())
}

fn codes(report: &Value) -> Vec<&str> {
    report["problems"].as_array().unwrap().iter().map(|problem| problem["code"].as_str().unwrap()).collect()
}

/// The set with these packages is refused, for this reason only, with all these words; and nothing has changed.
fn refused(machine: &Machine, set: &[String], more: &[&str], code: &str, words: &[&str]) {
    let report = with(machine, "validate", set, more).expect(3).json();
    assert_eq!(codes(&report), [code], "{report}");
    let message = report["problems"][0]["message"].as_str().unwrap();
    for word in words {
        assert!(message.contains(word), "no `{word}` in: {message}");
    }
    with(machine, "activate", set, more).expect(3);
    machine.pkg(&["active"]).expect(4);
}

#[test]
fn an_id_is_a_name_and_a_version() {
    let machine = Machine::new(None);
    for good in ["a--1", "mesos--0.22.0-rc1", "a.b@c+d_e-f--1:2.3@4_5+6", "@a--@1", "_--_", "a--1~rc1"] {
        // Known to be an id, and to be nowhere.
        machine.pkg(&["show", good]).expect(4);
    }
    for bad in
        ["", "a", "--", "a--", "--1", "a--1--2", "-a--1", "a--b c", "a/b--1", "../a--1", "a--b/c", "a---1", ".a--1"]
    {
        machine.pkg(&["show", "--", bad]).expect(2);
    }
}

#[test]
fn the_name_of_an_archive_is_the_id_of_what_is_in_it() {
    let machine = Machine::new(None);
    let archive = machine.build("a--1", PLAIN, &[]);
    for name in ["b--1.tar.zst", "a--2.tar.zst", "a.tar.zst"] {
        let other = machine.path(name);
        std::fs::copy(&archive, &other).unwrap();
        machine.pkg(&["add", other.to_str().unwrap()]).expect(3);
    }
    assert_eq!(machine.pkg(&["list", "--json"]).expect(0).json(), json!([]));
}

#[test]
fn what_a_package_requires_must_be_in_the_set() {
    let (machine, set) = installed();
    add(&machine, "a--1", &format!(r#"{PLAIN}, "requires": ["b"]"#), &[]);
    add(&machine, "b--1", &format!(r#"{PLAIN}, "requires": ["c >= 2"]"#), &[]);
    add(&machine, "c--1", PLAIN, &[]);
    add(&machine, "c--2", PLAIN, &[]);
    refused(&machine, &set, &["a--1"], "requirement-not-met", &["`a--1`", "`b`"]);
    refused(&machine, &set, &["a--1", "b--1", "c--1"], "requirement-not-met", &["`b--1`", "`c >= 2`", "`c--1`"]);
    with(&machine, "validate", &set, &["a--1", "b--1", "c--2"]).expect(0);
}

#[test]
fn packages_may_require_each_other() {
    let (machine, set) = installed();
    add(&machine, "a--1", &format!(r#"{PLAIN}, "requires": ["b"]"#), &[]);
    add(&machine, "b--1", &format!(r#"{PLAIN}, "requires": ["a"]"#), &[]);
    with(&machine, "activate", &set, &["a--1", "b--1"]).expect(0);
}

#[test]
fn two_versions_of_a_package_are_not_active_together() {
    let (machine, set) = installed();
    add(&machine, "a--1", PLAIN, &[]);
    add(&machine, "a--2", PLAIN, &[]);
    refused(&machine, &set, &["a--1", "a--2"], "two-versions", &["`a`"]);
}

#[test]
fn packages_do_not_set_the_same_variable() {
    let (machine, set) = installed();
    let environment = |value: &str| format!(r#"{PLAIN}, "environment": {{"SHARED": "{value}"}}"#);
    add(&machine, "a--1", &environment("1"), &[]);
    add(&machine, "b--1", &environment("2"), &[]);
    // The same value is a conflict too: whoever changes it next changes one of them.
    add(&machine, "c--1", &environment("1"), &[]);
    refused(&machine, &set, &["a--1", "b--1"], "environment-collision", &["`a--1`", "`b--1`", "`SHARED`"]);
    refused(&machine, &set, &["a--1", "c--1"], "environment-collision", &["`a--1`", "`c--1`", "`SHARED`"]);
    with(&machine, "activate", &set, &["a--1"]).expect(0);
    let environment = std::fs::read_to_string(machine.root().join("active/environment")).unwrap();
    assert!(environment.lines().any(|line| line == "SHARED=1"), "{environment}");
}

#[test]
fn a_package_does_not_set_what_the_machine_sets() {
    let (machine, set) = installed();
    for (id, name) in [("a--1", "PATH"), ("b--1", "MESOS_IP"), ("c--1", "MESOS_WORK_DIR")] {
        add(&machine, id, &format!(r#"{PLAIN}, "environment": {{"{name}": "x"}}"#), &[]);
        refused(&machine, &set, &[id], "environment-reserved", &[name]);
    }
}

/// There it was an errno without a name.
#[test]
fn a_file_that_two_packages_have_is_named_with_both() {
    let (machine, set) = installed();
    add(&machine, "a--1", PLAIN, &[("bin/tool", "a"), ("share/x", "a")]);
    add(&machine, "b--1", PLAIN, &[("bin/tool", "b")]);
    add(&machine, "c--1", PLAIN, &[("bin/tool/deeper", "c")]);
    refused(&machine, &set, &["a--1", "b--1"], "path-conflict", &["`a--1`", "`b--1`", "`bin/tool`"]);
    refused(&machine, &set, &["a--1", "c--1"], "path-conflict", &["`a--1`", "`c--1`", "`bin/tool`"]);
    with(&machine, "activate", &set, &["a--1"]).expect(0);
}

#[test]
fn directories_within_each_other_are_merged() {
    let (machine, set) = installed();
    add(&machine, "a--1", PLAIN, &[("etc/x/y/one", "1"), ("lib/p/only", "a")]);
    add(&machine, "b--1", PLAIN, &[("etc/x/y/two", "2"), ("etc/x/three", "3")]);
    add(&machine, "c--1", PLAIN, &[("etc/x/y/z/four", "4")]);
    with(&machine, "activate", &set, &["a--1", "b--1", "c--1"]).expect(0);
    for (path, text) in [("x/y/one", "1"), ("x/y/two", "2"), ("x/three", "3"), ("x/y/z/four", "4")] {
        assert_eq!(std::fs::read_to_string(machine.root().join("active/etc").join(path)).unwrap(), text);
    }
}

/// There a directory that was a link in one package was written through by the next.
#[test]
fn merging_never_changes_a_package() {
    let (machine, set) = installed();
    let tree = machine.path("trees/a--1");
    std::fs::create_dir_all(tree.join("share/real")).unwrap();
    std::fs::create_dir_all(tree.join("etc")).unwrap();
    std::os::unix::fs::symlink("../share/real", tree.join("etc/conf")).unwrap();
    add(&machine, "a--1", PLAIN, &[]);
    add(&machine, "b--1", PLAIN, &[("etc/conf/b", "b")]);
    let report = with(&machine, "validate", &set, &["a--1", "b--1"]).expect(3).json();
    assert_eq!(codes(&report), ["path-conflict"]);
    with(&machine, "activate", &set, &["a--1"]).expect(0);
    let report = machine.pkg(&["verify", "--json"]).expect(0).json();
    assert!(report.as_array().unwrap().iter().all(|package| package["ok"] == true), "{report}");
}

#[test]
fn adding_twice_is_no_change_and_adding_another_is_refused() {
    let machine = Machine::new(None);
    add(&machine, "a--1", PLAIN, &[("share/x", "1")]);
    let before = machine.pkg(&["list", "--json"]).expect(0).json();
    add(&machine, "a--1", PLAIN, &[("share/x", "1")]);
    let other = machine.build("a--1", PLAIN, &[("share/x", b"2")]);
    let refused = machine.pkg(&["add", other.to_str().unwrap(), "--json"]).expect(5).json();
    assert!(refused["detail"].as_str().unwrap().contains("a--1"), "{refused}");
    assert_eq!(machine.pkg(&["list", "--json"]).expect(0).json(), before);
}

/// There half a download was a package.
#[test]
fn half_an_archive_is_no_package() {
    let machine = Machine::new(None);
    let archive = machine.build("a--1", PLAIN, &[("share/x", b"some text")]);
    let whole = std::fs::read(&archive).unwrap();
    for end in [0, 1, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&archive, &whole[..end]).unwrap();
        machine.pkg(&["add", archive.to_str().unwrap()]).expect(3);
    }
    assert_eq!(machine.pkg(&["list", "--json"]).expect(0).json(), json!([]));
    assert!(machine.names("packages").is_empty());
}

/// There an unknown id was removed with success, and so was what a rollback would have needed.
#[test]
fn only_what_is_there_and_not_needed_is_removed() {
    let (machine, set) = installed();
    add(&machine, "a--1", PLAIN, &[]);
    with(&machine, "activate", &set, &["a--1"]).expect(0);
    machine.pkg(&["remove", "nothing--1"]).expect(4);
    machine.pkg(&["remove", "a--1"]).expect(5);
    with(&machine, "activate", &set, &[]).expect(0);
    // It was active before: a rollback goes there.
    machine.pkg(&["remove", "a--1"]).expect(5);
    machine.pkg(&["rollback"]).expect(0);
    add(&machine, "b--1", PLAIN, &[]);
    machine.pkg(&["remove", "b--1"]).expect(0);
    machine.pkg(&["remove", "b--1"]).expect(4);
}

/// There nothing at all could be made active, with success.
#[test]
fn the_empty_set_is_refused() {
    let (machine, set) = installed();
    machine.pkg(&["activate"]).expect(2);
    with(&machine, "activate", &set, &[]).expect(0);
    machine.pkg(&["activate"]).expect(2);
    assert_eq!(machine.pkg(&["active", "--json"]).expect(0).json()["generation"], 1);
}

#[test]
fn what_is_not_here_can_not_be_active() {
    let (machine, set) = installed();
    let refused = with(&machine, "activate", &set, &["nothing--1"]).expect(3).json();
    assert_eq!(codes(&refused), ["not-local"]);
}

#[test]
fn all_problems_are_told_at_once() {
    let (machine, set) = installed();
    add(&machine, "a--1", &format!(r#"{PLAIN}, "requires": ["b"], "environment": {{"PATH": "x"}}"#), &[]);
    let report = with(&machine, "validate", &set[..1], &["a--1", "nothing--1"]).expect(3).json();
    let mut found = codes(&report);
    found.sort_unstable();
    assert_eq!(found, ["environment-reserved", "no-dcos-bits", "not-local", "requirement-not-met"], "{report}");
}

#[test]
fn a_package_is_swapped_for_another_of_its_name() {
    let (machine, set) = installed();
    add(&machine, "a--1", PLAIN, &[("etc/a", "1")]);
    add(&machine, "a--2", PLAIN, &[("etc/a", "2")]);
    with(&machine, "activate", &set, &["a--1"]).expect(0);
    machine.pkg(&["swap", "a--2"]).expect(0);
    assert_eq!(std::fs::read_to_string(machine.root().join("active/etc/a")).unwrap(), "2");
    machine.pkg(&["swap", "nothing--1"]).expect(3);
    machine.pkg(&["rollback"]).expect(0);
    assert_eq!(std::fs::read_to_string(machine.root().join("active/etc/a")).unwrap(), "1");
}

/// There two at once left one of them cut off; the loser here waits for its turn or says who is at work.
#[test]
fn whoever_adds_at_the_same_time_adds_the_same() {
    let machine = Machine::new(None);
    let archive = machine.build("a--1", PLAIN, &[("share/x", "text ".repeat(10_000).as_bytes())]);
    let adding: Vec<_> = (0..4).map(|_| machine.start_pkg(&["add", archive.to_str().unwrap()])).collect();
    for mut child in adding {
        let code = child.wait().unwrap().code();
        assert!(matches!(code, Some(0 | 5)), "{code:?}");
    }
    machine.pkg(&["verify", "a--1"]).expect(0);
    assert_eq!(machine.names("packages"), ["a--1", "a--1.json"]);
}

#[test]
fn a_pkginfo_with_a_typo_is_no_pkginfo() {
    let machine = Machine::new(None);
    let tree = machine.path("typo");
    std::fs::create_dir_all(&tree).unwrap();
    let text = r#"{"format": 1, "name": "a", "version": "1", "kind": "plain", "requres": ["b"]}"#;
    std::fs::write(tree.join("pkginfo.json"), text).unwrap();
    let output = machine.path("a--1.tar.zst");
    let refused = pkg(&["build", tree.to_str().unwrap(), "--output", output.to_str().unwrap()]).expect(3);
    assert!(refused.stderr.contains("requres"), "{refused}");
}
