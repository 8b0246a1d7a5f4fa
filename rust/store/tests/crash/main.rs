//! A kill at every system call that touches a file, and an error from each.
//!
//! The victim is this program itself, started as `victim COMMAND …` under `strace`, which counts its system calls and then
//! kills it at the first of a kind, at the second, and so on; not a sample but all of them. After each kill, with nothing
//! repaired, readers must find a store in which every rule holds; the same command must then simply work; and what it
//! leaves must be what it leaves without a crash. The second round lets the call fail instead, with EIO or ENOSPC.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells what it counted"
)]

#[path = "../it/fixture.rs"]
mod fixture;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use dcos_store::{Activation, GcOptions, LOCK_WAIT, Store, StoreError};

use fixture::{Node, check_invariants, set, walk};

/// The system calls by which a file or a directory changes, or is made durable.
const CHANGING: &str =
    "openat,mkdirat,write,fchmod,fsync,syncfs,renameat,renameat2,unlinkat,symlinkat,ftruncate,linkat,flock";

/// Those at which an error can be told and handled. `openat` and `write` also serve others, such as the program's start.
const FAILING: &str =
    "mkdirat,write,fchmod,fsync,syncfs,renameat,renameat2,unlinkat,symlinkat,ftruncate,getdents64,flock";

/// The fault that is no error.
const KILL: &str = "signal=KILL";

/// The exit code of a victim that was told of an error, as it should be.
const TOLD: u8 = 3;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["victim", command, rest @ ..] => victim(command, rest),
        // Runs only a part of the tests, as `cargo test NAME` asks of every test program.
        ["--list", ..] => ExitCode::SUCCESS,
        [name, ..] if !name.starts_with('-') && !"crash".contains(name) => ExitCode::SUCCESS,
        _ => {
            let strace = Command::new("strace").arg("-V").output();
            assert!(strace.is_ok_and(|output| output.status.success()), "`strace` is needed (Debian: strace)");
            run();
            ExitCode::SUCCESS
        }
    }
}

/// A store before the command, the command, and what must be true afterwards.
struct Scene {
    name: &'static str,
    node: Node,
    arguments: Vec<String>,
    holds: fn(&Store),
}

/// Does one thing to a store.
fn victim(command: &str, arguments: &[&str]) -> ExitCode {
    let (root, arguments) = arguments.split_first().expect("the root comes first");
    let store = Node::store_at(Path::new(root));
    match act(&store, command, arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(StoreError::Io { .. } | StoreError::Source { .. }) => ExitCode::from(TOLD),
        Err(error) => panic!("{}", dcos_core::Problem::chain(&error)),
    }
}

fn act(store: &Store, command: &str, arguments: &[&str]) -> Result<(), StoreError> {
    let lock = || store.lock_within("test", LOCK_WAIT);
    match command {
        "add" => store.add_file(Path::new(arguments[0]), None).map(drop),
        // A repetition finds the work done.
        "remove" => match store.remove(&lock()?, &arguments[0].parse().unwrap()) {
            Err(StoreError::NotLocal(_)) => Ok(()),
            outcome => outcome,
        },
        "activate" => store.activate(&lock()?, &set(arguments[0]), &Activation::default()).map(drop),
        // To a stated place, so that a repetition does not go on to the next one.
        "rollback" if store.active()?.is_some_and(|active| active.number == 1) => Ok(()),
        "rollback" => store.rollback(&lock()?, &Activation::default()).map(drop),
        "helper" => store.install_helper(&lock()?, 1).map(drop),
        "gc" => store.gc(&GcOptions::default()).map(drop),
        "recover" => lock().map(drop),
        "state" => store.write_state("jobs/x.json", b"{}"),
        other => panic!("no command `{other}`"),
    }
}

fn scenes() -> Vec<Scene> {
    let scene = |name, node: Node, arguments: &[&str], holds| {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Scene { name, node, arguments, holds }
    };
    let with_set = || {
        let node = Node::in_memory();
        let set = node.add_set("1.10.0");
        node.activate(&set);
        node
    };
    let with_two = || {
        let node = with_set();
        node.add_set("1.11.0");
        node
    };

    let empty = Node::in_memory();
    let archive = empty.archive("x--1", r#""kind":"plain""#, &[("lib/a", "a"), ("bin/b!", "b")]);
    let archive = archive.to_str().unwrap().to_owned();
    let entered = with_two();
    entered.activate(&set("1.11.0"));
    let leftovers = with_set();
    for path in ["staging/4000000-1/tree/lib", "staging/4000000-2", "packages"] {
        fs::create_dir_all(leftovers.root().join(path)).unwrap();
    }
    for path in ["staging/4000000-1/tree/lib/x", "packages/gone--1.json", "state/.x.json.4000000.1.new"] {
        fs::write(leftovers.root().join(path), "x").unwrap();
    }
    vec![
        scene("add", empty, &[&archive], |store| assert!(store.has(&"x--1".parse().unwrap()))),
        scene("remove", with_two(), &["mesos--1.11.0"], |store| assert!(!store.has(&"mesos--1.11.0".parse().unwrap()))),
        scene("activate", with_two(), &["1.11.0"], |store| {
            let active = store.active().unwrap().unwrap();
            assert_eq!(active.set, set("1.11.0"));
        }),
        scene("rollback", entered, &[], |store| assert_eq!(store.active().unwrap().unwrap().number, 1)),
        scene("helper", with_set(), &[], |store| assert!(store.helper().unwrap().unwrap().exists())),
        scene("gc", with_two(), &[], |store| assert_eq!(store.ids().unwrap().len(), 3)),
        scene("recover", leftovers, &[], |store| assert!(!store.root().join("packages/gone--1.json").exists())),
        scene("state", with_set(), &[], |store| {
            assert_eq!(store.read_state("jobs/x.json").unwrap().unwrap(), b"{}");
        }),
    ]
}

fn run() {
    let (mut kills, mut errors) = (0, 0);
    for scene in scenes() {
        let (killed, failed) = (play(&scene, CHANGING, &[KILL]), play(&scene, FAILING, &["error=EIO", "error=ENOSPC"]));
        println!("{:9} killed at {killed} points, failed at {failed}", scene.name);
        kills += killed;
        errors += failed;
    }
    println!("{kills} kills and {errors} errors: every rule held, and every next command worked");
    assert!(kills > 200 && errors > 200, "so few points mean that strace counted something else");
}

/// Plays a scene once for every call of `calls` and every fault; answers how often.
fn play(scene: &Scene, calls: &str, faults: &[&str]) -> usize {
    let points = points(scene, calls);
    for (call, number) in &points {
        for fault in faults {
            let what = format!("{} {fault} at {call} number {number}", scene.name);
            let root = copy(scene);
            let inject = format!("inject={call}:{fault}:when={number}");
            let output = strace(scene, &root, &["-e", &format!("trace={call}"), "-e", &inject, "-o", "/dev/null"]);
            // Killed, done in spite of the error, or told of it; but never a panic.
            let told = String::from_utf8_lossy(&output.stderr);
            let ended_well = match output.status.code() {
                // strace ends as its child did.
                None | Some(137) => *fault == KILL,
                Some(code) => *fault != KILL && (code == 0 || code == i32::from(TOLD)),
            };
            assert!(ended_well, "{what}: {:?}: {told}", output.status);
            examine(scene, &root, &what);
        }
    }
    points.len() * faults.len()
}

/// Readers find every rule kept; the same command works; it leaves what it leaves without a crash.
fn examine(scene: &Scene, root: &Path, what: &str) {
    let outcome = std::panic::catch_unwind(|| {
        let store = Node::store_at(root);
        check_invariants(&store);
        let arguments: Vec<&str> = scene.arguments.iter().map(String::as_str).collect();
        act(&store, scene.name, &arguments).unwrap();
        (scene.holds)(&store);
        drop(store.lock("test").unwrap());
        check_invariants(&store);
        let left = walk(root).into_iter().filter(|path| path.ends_with(".new")).collect::<Vec<_>>();
        assert_eq!(left, Vec::<String>::new());
        assert_eq!(walk(&root.join("staging")), Vec::<String>::new());
    });
    assert!(outcome.is_ok(), "after {what}");
    fs::remove_dir_all(root).unwrap();
}

/// The calls of the victim, each with its place among those of the same kind.
///
/// A kill at a call that only opens something for reading leaves what a kill at the next change leaves. There are
/// hundreds of those (garbage collection looks at every process), so they are left out unless `DCOS_CRASH_ALL` is set.
fn points(scene: &Scene, calls: &str) -> BTreeSet<(String, usize)> {
    let root = copy(scene);
    let log = scene.node.path("strace");
    let output = strace(scene, &root, &["-e", &format!("trace={calls}"), "-o", log.to_str().unwrap()]);
    assert!(output.status.success(), "{}: {}", scene.name, String::from_utf8_lossy(&output.stderr));
    (scene.holds)(&Node::store_at(&root));
    fs::remove_dir_all(root).unwrap();
    let all = std::env::var_os("DCOS_CRASH_ALL").is_some();
    // strace counts for each thread by itself.
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut points = BTreeSet::new();
    for line in fs::read_to_string(log).unwrap().lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((call, arguments)) = rest.trim_start().split_once('(') else { continue };
        if calls.split(',').any(|known| known == call) {
            let count = counts.entry((call.to_owned(), thread.to_owned())).or_default();
            *count += 1;
            if all || call != "openat" || arguments.contains("O_CREAT") {
                points.insert((call.to_owned(), *count));
            }
        }
    }
    points
}

fn strace(scene: &Scene, root: &Path, options: &[&str]) -> std::process::Output {
    Command::new("strace")
        .args(["-f", "-qq"])
        .args(options)
        .arg(std::env::current_exe().unwrap())
        .args(["victim", scene.name])
        .arg(root)
        .args(&scene.arguments)
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap()
}

fn copy(scene: &Scene) -> PathBuf {
    let root = scene.node.path("copy");
    if scene.node.root().exists() {
        let status = Command::new("cp").arg("-a").arg(scene.node.root()).arg(&root).status().unwrap();
        assert!(status.success());
    } else {
        fs::create_dir(&root).unwrap();
    }
    root
}
