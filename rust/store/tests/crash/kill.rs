//! A kill at each system call, and an error from each.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::examine::examine;
use crate::scenes::{Scene, TOLD};

/// The system calls by which a file or a directory changes, or is made durable.
const CHANGING: &str =
    "openat,mkdirat,write,fchmod,fsync,syncfs,renameat,renameat2,unlinkat,symlinkat,ftruncate,linkat,flock";

/// Those at which an error can be told and handled. `openat` and `write` also serve others, such as the program's start.
const FAILING: &str =
    "mkdirat,write,fchmod,fsync,syncfs,renameat,renameat2,unlinkat,symlinkat,ftruncate,getdents64,flock";

/// One in so many errors is tried where not all are.
const SHARE: usize = 4;

/// The fault that is no error.
const KILL: &str = "signal=KILL";

pub(crate) fn run(scenes: &[Scene]) {
    let (mut kills, mut errors) = (0, 0);
    for scene in scenes {
        let killed = play(scene, CHANGING, &[KILL]);
        let failed = play(scene, FAILING, &["error=EIO", "error=ENOSPC"]);
        println!("{:9} killed at {killed} points, failed at {failed}", scene.name);
        kills += killed;
        errors += failed;
    }
    println!("{kills} kills and {errors} errors: every rule held, and every next command worked");
    assert!(kills > 400 && errors > 200, "so few points mean that strace counted something else");
}

/// Plays a scene once for every call of `calls` and every fault; answers how often one struck.
fn play(scene: &Scene, calls: &str, faults: &[&str]) -> usize {
    let mut struck = 0;
    for (place, (call, number)) in points(scene, calls).into_iter().enumerate() {
        for (kind, fault) in faults.iter().enumerate() {
            // Not all of them, unless all are asked for; others tomorrow.
            if faults.len() > 1 && !crate::chosen(place + kind, SHARE) {
                continue;
            }
            // Most of a fetch's own writes are to sockets and to wake its other thread, which is no failure of a disk.
            if scene.name == "fetch" && call == "write" && *fault != KILL {
                continue;
            }
            let what = format!("{fault} at {call} number {number}");
            let copy = scene.copy();
            let inject = inject(&call, fault, number);
            let output = scene.strace(&copy, &["-e", &format!("trace={call}"), "-e", &inject, "-o", "/dev/null"]);
            // Killed, done in spite of the error, or told of it; but never a panic, nor killed for taking too long.
            let told = String::from_utf8_lossy(&output.stderr);
            let killed = was_killed(&output);
            let ended_well = match output.status.code() {
                None | Some(137) => *fault == KILL,
                // With two threads at work the last few calls of one are sometimes the other's; and how many files are opened
                // in `/proc` is up to the machine.
                Some(0) => *fault != KILL || scene.name == "fetch" || call == "openat",
                Some(code) => *fault != KILL && code == i32::from(TOLD),
            };
            assert!(ended_well, "{} {what}: {:?}: {told}", scene.name, output.status);
            struck += usize::from(killed || *fault != KILL);
            examine(scene, &copy, &what);
        }
    }
    struck
}

/// What strace is told to do at a call.
fn inject(call: &str, fault: &str, number: usize) -> String {
    format!("inject={call}:{fault}:when={number}")
}

/// Whether a victim was killed: strace ends as its child did.
fn was_killed(output: &std::process::Output) -> bool {
    matches!(output.status.code(), None | Some(137))
}

/// What kills the victim of a scene at each of its changes: what strace has to trace for it, and to inject.
pub(crate) fn kills(scene: &Scene) -> Vec<[String; 2]> {
    let points = points(scene, CHANGING).into_iter();
    points.map(|(call, number)| [format!("trace={call}"), inject(&call, KILL, number)]).collect()
}

/// The calls of the victim, each with its place among those of the same kind.
///
/// A kill at a call that only opens something for reading leaves what a kill at the next change leaves. There are
/// dozens of those, so they are left out unless everything is asked for; and thousands in `/proc`, where garbage collection
/// looks at every process and changes nothing: those are always left out.
fn points(scene: &Scene, calls: &str) -> BTreeSet<(String, usize)> {
    let copy = scene.copy();
    let log = scene.node.path("strace");
    let output = scene.strace(&copy, &["-e", &format!("trace={calls}"), "-o", log.to_str().unwrap()]);
    assert!(output.status.success(), "{}: {}", scene.name, String::from_utf8_lossy(&output.stderr));
    (scene.holds)(&scene.store(&copy));
    fs::remove_dir_all(copy).unwrap();
    // strace counts for each thread by itself.
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut points = BTreeSet::new();
    for line in fs::read_to_string(log).unwrap().lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((call, arguments)) = rest.trim_start().split_once('(') else { continue };
        if calls.split(',').any(|known| known == call) {
            let count = counts.entry((call.to_owned(), thread.to_owned())).or_default();
            *count += 1;
            let reads = call == "openat" && !arguments.contains("O_CREAT");
            if !reads || (crate::all() && !arguments.contains("\"/proc/")) {
                points.insert((call.to_owned(), *count));
            }
        }
    }
    points
}
