//! What garbage collection takes, and above all what it leaves.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::Command;

use dcos_core::attempt::AttemptState;
use dcos_store::{GcOptions, GcReport, Store, StoreError};
use jiff::Timestamp;

use crate::fixture::{Node, check_invariants, walk};

fn gc(node: &Node) -> GcReport {
    node.store().gc(&GcOptions::default()).unwrap()
}

fn names(report: &GcReport) -> Vec<String> {
    report.packages.iter().map(ToString::to_string).collect()
}

#[test]
fn what_nobody_needs_goes_and_a_dry_run_only_says_so() {
    let node = Node::new();
    let store = node.store();
    node.activate(&node.add_set("1.10.0"));
    node.add("x--1", r#""kind":"plain""#, &[("a", "1")]);
    let before = walk(store.root());
    let dry = store.gc(&GcOptions { dry_run: true, ..GcOptions::default() }).unwrap();
    assert_eq!(names(&dry), ["x--1"]);
    assert_eq!(walk(store.root()), before);
    let recent = GcOptions { keep_added_after: Some(Timestamp::UNIX_EPOCH), ..GcOptions::default() };
    assert!(store.gc(&recent).unwrap().packages.is_empty());
    assert_eq!(gc(&node), dry);
    assert!(gc(&node).packages.is_empty());
    check_invariants(&store);
    assert_eq!(walk(&store.root().join("staging")), Vec::<String>::new());
}

#[test]
fn a_budget_keeps_what_it_has_room_for_and_the_oldest_goes_first() {
    let node = Node::new();
    let store = node.store();
    node.activate(&node.add_set("1.10.0"));
    for id in ["z--1", "y--1", "x--1"] {
        node.add(id, r#""kind":"plain""#, &[("a", &"x".repeat(1000))]);
    }
    let all: u64 = store.list().unwrap().iter().map(|package| package.size).sum();
    let within = |budget| store.gc(&GcOptions { budget: Some(budget), ..GcOptions::default() }).unwrap();
    assert_eq!(within(all), GcReport::default());
    let size = store.show(&"z--1".parse().unwrap()).unwrap().summary.size;
    let report = within(all - size);
    assert_eq!(report.bytes, size);
    assert_eq!(names(&report), ["z--1"]);
    // What nobody asked for touches nothing that came today; and what must stay does, whatever the budget.
    let unasked = GcOptions::unasked(0, Timestamp::now());
    assert!(store.gc(&unasked).unwrap().packages.is_empty());
    let tomorrow = Timestamp::now() + jiff::SignedDuration::from_hours(25);
    assert_eq!(names(&store.gc(&GcOptions::unasked(0, tomorrow)).unwrap()), ["x--1", "y--1"]);
    assert_eq!(store.list().unwrap().len(), 3);
}

#[test]
fn a_tree_whose_manifest_got_lost_goes_unless_a_generation_leads_to_it() {
    let node = Node::new();
    let store = node.store();
    node.activate(&node.add_set("1.10.0"));
    node.add("x--1", r#""kind":"plain""#, &[("a", "1")]);
    for id in ["x--1", "mesos--1.10.0"] {
        std::fs::remove_file(store.root().join(format!("packages/{id}.json"))).unwrap();
    }
    assert_eq!(names(&gc(&node)), ["x--1"]);
    assert!(!store.root().join("packages/x--1").exists());
    assert!(store.root().join("packages/mesos--1.10.0/bin/mesos-agent").exists());
}

#[test]
fn the_active_set_and_the_last_two_confirmed_stay() {
    let node = Node::new();
    let store = node.store();
    for mesos in ["1.8.0", "1.9.0", "1.10.0", "1.11.0"] {
        let generation = node.activate(&node.add_set(mesos));
        if mesos != "1.11.0" {
            let locked = store.lock("test").unwrap();
            store.record_outcome(&locked, generation, AttemptState::Confirmed, Timestamp::now()).unwrap();
        }
    }
    let report = gc(&node);
    assert_eq!(report.generations, [1]);
    assert_eq!(names(&report), ["dcos-bits--0.1.0+mesos1.8.0", "mesos--1.8.0"]);
    check_invariants(&store);
    for id in ["mesos--1.11.0", "mesos--1.10.0", "mesos--1.9.0", "conf--1"] {
        let error = store.remove(&store.lock("test").unwrap(), &id.parse().unwrap()).unwrap_err();
        assert!(matches!(error, StoreError::InUse { .. }), "{id}: {error}");
    }
}

#[test]
fn what_journals_jobs_and_desired_sets_name_stays() {
    let node = Node::new();
    let store = node.store();
    for (name, document) in [
        ("journal.json", r#"{"format":9,"state":"staged","what":{"set":["a--1"]}}"#),
        ("desired.json", r#"{"sets":[["b--1"]]}"#),
        ("jobs/fetch-1.json", r#"{"state":"running","packages":[{"id":"c--1"}]}"#),
        ("jobs/fetch-2.json", r#"{"state":"done","packages":[{"id":"d--1"}]}"#),
    ] {
        store.write_state(name, document.as_bytes()).unwrap();
    }
    for id in ["a--1", "b--1", "c--1", "d--1"] {
        node.add(id, r#""kind":"plain""#, &[("a", id)]);
    }
    assert_eq!(names(&gc(&node)), ["d--1"]);
}

#[test]
fn a_generation_that_a_journal_names_stays_with_its_packages() {
    let node = Node::new();
    let store = node.store();
    let (old, new) = (node.add_set("1.10.0"), node.add_set("1.11.0"));
    node.activate(&old);
    let staged = store.stage(&store.lock("test").unwrap(), &new).unwrap();
    let journal = format!(r#"{{"format":1,"previous":null,"generation":{{"number":{}}}}}"#, staged.number);
    store.write_state("journal.json", journal.as_bytes()).unwrap();
    assert_eq!(gc(&node), GcReport::default());
    store.remove_state("journal.json").unwrap();
    let report = gc(&node);
    assert_eq!((report.generations.as_slice(), report.packages.len()), (&[staged.number][..], 2));
}

#[test]
fn where_an_attempt_comes_from_stays_although_it_was_never_confirmed() {
    let node = Node::new();
    let store = node.store();
    let outcome = |number, outcome| {
        store.record_outcome(&store.lock("test").unwrap(), number, outcome, Timestamp::now()).unwrap();
    };
    // Two that were confirmed, one that was not, and the one that is being watched.
    let sets = ["1.8.0", "1.9.0", "1.10.0", "1.11.0"].map(|version| node.add_set(version));
    let numbers = sets.each_ref().map(|set| node.activate(set));
    outcome(numbers[0], AttemptState::Confirmed);
    outcome(numbers[1], AttemptState::Confirmed);
    outcome(numbers[2], AttemptState::Unconfirmed);
    let journal = serde_json::json!({"format": 1, "set": sets[3], "from": numbers[2], "to": numbers[3]});
    store.write_state("journal.json", journal.to_string().as_bytes()).unwrap();
    assert_eq!(gc(&node), GcReport::default());
    store.remove_state("journal.json").unwrap();
    assert_eq!(gc(&node).generations, [numbers[2]], "the journal kept it");
}

#[test]
fn what_was_made_for_an_attempt_stays_before_its_journal_knows_the_number() {
    let node = Node::new();
    let store = node.store();
    let (old, new) = (node.add_set("1.10.0"), node.add_set("1.11.0"));
    node.activate(&old);
    let staged = store.stage(&store.lock("test").unwrap(), &new).unwrap();
    let journal = serde_json::json!({"format": 1, "set": new, "from": 1, "to": null});
    store.write_state("journal.json", journal.to_string().as_bytes()).unwrap();
    assert_eq!(gc(&node), GcReport::default());
    store.switch(&store.lock("test").unwrap(), staged.number).unwrap();
}

#[test]
fn a_package_goes_with_files_whose_names_are_no_text() {
    let node = Node::new();
    let store = node.store();
    node.add("x--1", r#""kind":"plain""#, &[("a", "1")]);
    std::fs::write(store.root().join("packages/x--1").join(OsStr::from_bytes(b"left \xff here")), "").unwrap();
    assert_eq!(names(&gc(&node)), ["x--1"]);
    assert!(std::fs::read_dir(store.root().join("staging")).unwrap().next().is_none());
}

/// A file system in memory.
struct Mounted(PathBuf);

impl Mounted {
    fn at(path: PathBuf, options: &str) -> Self {
        std::fs::create_dir_all(&path).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(&path).output().unwrap();
        assert!(mounted.status.success(), "mount, as root: {}", String::from_utf8_lossy(&mounted.stderr));
        Self(path)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_leftover_that_can_not_be_removed_keeps_nobody_from_a_switch() {
    let node = Node::new();
    let store = node.store();
    let set = node.add_set("1.10.0");
    let busy = Mounted::at(store.root().join("staging/left/busy"), "size=1m");
    node.activate(&set);
    assert!(busy.0.exists());
    drop(busy);
    drop(store.lock("test").unwrap());
    assert!(!store.root().join("staging/left").exists());
}

#[test]
fn on_a_full_disk_the_lock_is_had_and_nothing_unfinished_piles_up() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Mounted::at(folder.path().join("disk"), "size=64k");
    let state = disk.0.join("state");
    std::fs::create_dir(&state).unwrap();
    std::fs::write(state.join("lock"), "").unwrap();
    let full = std::fs::write(disk.0.join("filler"), vec![1; 65_537]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    let store = Store::open(&disk.0, None).unwrap();
    drop(store.lock("test").unwrap());
    for _ in 0..3 {
        store.write_state("journal.json", &[b' '; 4096]).unwrap_err();
    }
    let left: Vec<_> = std::fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["lock"]);
}

#[test]
fn what_a_live_process_uses_stays_however_it_uses_it() {
    let node = Node::new();
    let store = node.store();
    let package = |id: &str| store.root().join("packages").join(id);
    for id in ["arg--1", "env--1", "cwd--1", "exe--1+mesos1.11.0", "list--1:2", "free--1"] {
        node.add(id, r#""kind":"plain""#, &[("bin/x", "x")]);
    }
    // A program of a package: a copy of `sleep` would be read-only there, so the package brings it.
    let sleep = std::fs::read("/bin/sleep").unwrap();
    let tree = node.tree("exe--2", r#""kind":"plain""#, &[("bin/sleep!", "")]);
    std::fs::write(tree.join("bin/sleep"), sleep).unwrap();
    let archive = node.path("exe--2.tar.gz");
    dcos_store::build(&tree, &archive).unwrap();
    store.add_file(&archive, None).unwrap();

    let path = format!("{}:{}", package("list--1:2").join("bin").display(), "/usr/bin");
    let mut processes = [
        Command::new("sh").args(["-c", "read x", "sh"]).arg(package("arg--1").join("bin/x")),
        Command::new("sh").args(["-c", "read x"]).env("LIBRARIES", package("env--1")),
        Command::new("sh").args(["-c", "read x"]).env("PATHS", path),
        Command::new("sh").args(["-c", "read x"]).current_dir(package("cwd--1")),
        Command::new(package("exe--2").join("bin/sleep")).arg("1000"),
    ]
    .map(|command| command.stdin(std::process::Stdio::piped()).spawn().unwrap());
    let gone = names(&gc(&node));
    for process in &mut processes {
        process.kill().unwrap();
        process.wait().unwrap();
    }
    assert_eq!(gone, ["exe--1+mesos1.11.0", "free--1"]);
    assert_eq!(gc(&node).packages.len(), 5);
}

#[test]
fn helpers_go_but_for_the_current_one() {
    let node = Node::new();
    let store = node.store();
    for mesos in ["1.10.0", "1.11.0"] {
        let generation = node.activate(&node.add_set(mesos));
        let locked = store.lock("test").unwrap();
        store.install_helper(&locked, generation).unwrap();
    }
    assert_eq!(gc(&node).helpers.len(), 1);
    assert!(store.helper().unwrap().unwrap().exists());
}
