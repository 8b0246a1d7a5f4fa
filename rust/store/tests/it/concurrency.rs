//! Many at once: never half a package, never a lost update, and the loser is told who holds the lock.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use dcos_core::PackageSet;
use dcos_store::{Activation, GcOptions, LOCK_WAIT, StoreError};

use crate::fixture::{Node, check_invariants, set, walk};

/// Each worker does this many things. Most of the time is the disk's.
const ROUNDS: usize = 12;

/// What may happen to whoever is not alone: the package went away, or came, in the meantime.
fn is_honest(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::NotLocal(_)
            | StoreError::InUse { .. }
            | StoreError::InvalidSet(_)
            | StoreError::NoRollbackTarget
            | StoreError::NothingActive
    )
}

fn honest<T>(what: &str, outcome: Result<T, StoreError>) {
    if let Err(error) = outcome {
        assert!(is_honest(&error), "{what}: {}", dcos_core::Problem::chain(&error));
    }
}

#[test]
fn everybody_changes_the_store_at_once_and_it_holds() {
    let node = Node::new();
    let archives: Vec<_> = ["1.10.0", "1.11.0"].iter().flat_map(|mesos| node.archives(mesos)).collect();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let mut workers = Vec::new();
        for archive in &archives {
            workers.push(scope.spawn(|| {
                let store = node.store();
                let id = archive.file_name().unwrap().to_str().unwrap().trim_end_matches(".tar.zst").parse().unwrap();
                for _ in 0..ROUNDS {
                    store.add_file(archive, None).unwrap();
                    let locked = store.lock_within("test remove", LOCK_WAIT).unwrap();
                    honest("remove", store.remove(&locked, &id));
                    drop(locked);
                    store.add_file(archive, None).unwrap();
                }
            }));
        }
        workers.push(scope.spawn(|| {
            let store = node.store();
            for round in 0..ROUNDS {
                let wanted: PackageSet = set(["1.10.0", "1.11.0"][round % 2]);
                let locked = store.lock_within("test activate", LOCK_WAIT).unwrap();
                honest("activate", store.activate(&locked, &wanted, &Activation::default()));
                honest("rollback", store.rollback(&locked, &Activation::default()));
            }
        }));
        workers.push(scope.spawn(|| {
            for _ in 0..ROUNDS {
                honest("gc", node.store().gc(&GcOptions::default()));
            }
        }));
        let reader = scope.spawn(|| {
            let store = node.store();
            while !stop.load(Ordering::Relaxed) {
                store.list().unwrap();
                // What `active` says is there, even while everything else moves.
                let _held = store.lock_within("test look", LOCK_WAIT).unwrap();
                check_invariants(&store);
            }
        });
        // The first panic is the one to see; the reader is stopped in any case.
        let outcomes: Vec<_> = workers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        stop.store(true, Ordering::Relaxed);
        assert!(outcomes.into_iter().all(|outcome| outcome.is_ok()));
        reader.join().unwrap();
    });
    let store = node.store();
    drop(store.lock("test").unwrap());
    check_invariants(&store);
    assert_eq!(walk(&store.root().join("staging")), Vec::<String>::new());
}

#[test]
fn one_of_many_that_add_the_same_package_adds_it() {
    let node = Node::new();
    let archive = node.archive("x--1", r#""kind":"plain""#, &[("a", "1")]);
    let added: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| node.store().add_file(&archive, None).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(added.iter().filter(|added| !added.already).count(), 1);
    check_invariants(&node.store());
}

#[test]
fn what_somebody_works_on_in_staging_is_left_alone_and_leftovers_go() {
    let node = Node::new();
    let store = node.store();
    let archive = node.archive("x--1", r#""kind":"plain""#, &[("a", "1")]);
    let staged = store.receive(fs::File::open(&archive).unwrap(), &dcos_store::Expected::default()).unwrap();
    let leftover = store.root().join("staging/4000000-7/tree/deep");
    fs::create_dir_all(&leftover).unwrap();
    fs::write(leftover.join("x"), "x").unwrap();
    fs::write(store.root().join("staging/file"), "x").unwrap();
    fs::create_dir(store.root().join("packages")).unwrap();
    fs::write(store.root().join("packages/gone--1.json"), "{}").unwrap();
    store.write_state("jobs/x.json", b"x").unwrap();
    fs::write(store.root().join("state/jobs/.x.json.4000000.1.new"), "x").unwrap();
    let locked = store.lock("test").unwrap();
    assert_eq!(fs::read_dir(store.root().join("staging")).unwrap().count(), 1);
    assert!(!store.root().join("packages/gone--1.json").exists());
    assert_eq!(walk(&store.root().join("state")), ["jobs", "jobs/x.json", "lock"]);
    store.commit(&locked, staged).unwrap();
    check_invariants(&store);
}
