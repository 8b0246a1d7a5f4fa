//! A kill at every system call that touches a file, and an error from each.
//!
//! The victim is this program itself, started as `victim COMMAND …` under `strace`, which counts its system calls and then
//! kills it at the first of a kind, at the second, and so on; not a sample but all of them. After each kill, with nothing
//! repaired, readers must find a store in which every rule holds; the same command must then simply work; and what it
//! leaves must be what it leaves without a crash. The second round lets the call fail instead, with EIO or ENOSPC. The
//! third one takes the power away (see [`power`]).
//!
//! `DCOS_BITS_LONG=1 cargo test -p dcos-store --test crash` checks all of it.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells what it counted"
)]

mod disk;
#[path = "../it/fixture.rs"]
mod fixture;
mod power;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use dcos_store::{Activation, GcOptions, LOCK_WAIT, Store, StoreError};

use fixture::{Node, check_invariants, set, walk};

/// The system calls by which a file or a directory changes, or is made durable.
const CHANGING: &str =
    "openat,mkdirat,write,fchmod,fsync,syncfs,renameat,renameat2,unlinkat,symlinkat,ftruncate,linkat,flock";

/// Those at which an error can be told and handled. `openat` and `write` also serve others, such as the program's start.
const FAILING: &str =
    "mkdirat,write,fchmod,fsync,syncfs,renameat,renameat2,unlinkat,symlinkat,ftruncate,getdents64,flock";

/// The variable that asks for everything, which takes five minutes.
const ALL: &str = "DCOS_BITS_LONG";

/// One in so many states is checked otherwise, another share every day; those after the answer always.
const SHARE: u64 = 8;

/// Where a victim works, beside the store that it is a copy of.
const COPY: &str = "copy";

/// While a state is examined: what is found wrong is told once, by whoever asked.
static QUIET: AtomicBool = AtomicBool::new(false);

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
            let tell = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                if !QUIET.load(Ordering::Relaxed) {
                    tell(panic);
                }
            }));
            let strace = Command::new("strace").arg("-V").output();
            assert!(strace.is_ok_and(|output| output.status.success()), "`strace` is needed (Debian: strace)");
            run();
            lose_power();
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
        // It answers for nothing of its own: what it took away may come back, and is taken away again.
        scene("recover", leftovers, &[], |_| ()),
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

/// Every state that a loss of power may leave is good; without any one of the syncs that count, some state is not.
fn lose_power() {
    let all = std::env::var_os(ALL).is_some();
    let today = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs() / 86_400);
    let (mut states, mut checked, mut needed) = (0, 0, 0);
    for scene in scenes() {
        let record = power::Record::of(&scene);
        // Where it was recorded: a generation knows its own place.
        let root = scene.node.path(COPY);
        let (mut seen, mut distinct) = (HashSet::new(), 0);
        let count = record.states(None, &mut seen, |disk, answered| {
            distinct += 1;
            if all || answered || (distinct + today).is_multiple_of(SHARE) {
                checked += 1;
                let outcome = power::is_good(&scene, disk, answered, &root);
                assert!(outcome.is_ok(), "{}: a loss of power leaves {}", scene.name, outcome.unwrap_err());
            }
            true
        });
        states += count;
        println!("{:9} {count} states after a loss of power, {distinct} of them distinct", scene.name);
        if all {
            needed += syncs(&scene, &record, &seen, &root);
        }
    }
    println!("{states} states after a loss of power, {checked} checked: all good");
    assert!(!all || needed > 12, "fewer syncs are needed than there are kinds of them");
}

/// How many syncs are needed: without such a one, some state is bad.
fn syncs(scene: &Scene, record: &power::Record, good: &HashSet<(String, bool)>, root: &Path) -> usize {
    let places = record.syncs();
    let is_needed = |place: &&usize| {
        let mut needed = false;
        record.states(Some(**place), &mut good.clone(), |disk, answered| {
            needed = power::is_good(scene, disk, answered, root).is_err();
            !needed
        });
        needed
    };
    let needed = places.iter().filter(is_needed).count();
    println!("{:9} {needed} of {} syncs are needed", scene.name, places.len());
    needed
}

/// Readers find every rule kept; the same command works; it leaves what it leaves without a crash.
fn examine(scene: &Scene, root: &Path, what: &str) {
    let outcome = examine_quietly(scene, root, false);
    assert!(outcome.is_ok(), "after {what}: {}", outcome.unwrap_err());
    fs::remove_dir_all(root).unwrap();
}

/// The same; the error is what was found wrong. What was `answered` must be there before the command is given again.
fn examine_quietly(scene: &Scene, root: &Path, answered: bool) -> Result<(), String> {
    QUIET.store(true, Ordering::Relaxed);
    let outcome = std::panic::catch_unwind(|| {
        let store = Node::store_at(root);
        check_invariants(&store);
        if answered {
            (scene.holds)(&store);
        }
        let arguments: Vec<&str> = scene.arguments.iter().map(String::as_str).collect();
        act(&store, scene.name, &arguments).unwrap();
        (scene.holds)(&store);
        drop(store.lock("test").unwrap());
        check_invariants(&store);
        let left = walk(root).into_iter().filter(|path| path.ends_with(".new")).collect::<Vec<_>>();
        assert_eq!(left, Vec::<String>::new());
        assert_eq!(walk(&root.join("staging")), Vec::<String>::new());
        let packages = walk(&root.join("packages")).into_iter().filter(|path| path.ends_with("--1.json"));
        packages.for_each(|manifest| assert!(root.join("packages").join(manifest.trim_end_matches(".json")).exists()));
    });
    QUIET.store(false, Ordering::Relaxed);
    outcome.map_err(|panic| match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast_ref::<&str>().unwrap_or(&"a panic").to_string(),
    })
}

/// The calls of the victim, each with its place among those of the same kind.
///
/// A kill at a call that only opens something for reading leaves what a kill at the next change leaves. There are
/// hundreds of those (garbage collection looks at every process), so they are left out unless everything is asked for.
fn points(scene: &Scene, calls: &str) -> BTreeSet<(String, usize)> {
    let root = copy(scene);
    let log = scene.node.path("strace");
    let output = strace(scene, &root, &["-e", &format!("trace={calls}"), "-o", log.to_str().unwrap()]);
    assert!(output.status.success(), "{}: {}", scene.name, String::from_utf8_lossy(&output.stderr));
    (scene.holds)(&Node::store_at(&root));
    fs::remove_dir_all(root).unwrap();
    let all = std::env::var_os(ALL).is_some();
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
    let root = scene.node.path(COPY);
    if scene.node.root().exists() {
        let status = Command::new("cp").arg("-a").arg(scene.node.root()).arg(&root).status().unwrap();
        assert!(status.success());
    } else {
        fs::create_dir(&root).unwrap();
    }
    root
}
