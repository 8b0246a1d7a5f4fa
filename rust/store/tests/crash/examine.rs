//! What must be true after a crash: readers find every rule kept; the same command works; it leaves what it leaves without
//! a crash.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use dcos_core::Sha256;
use dcos_store::Store;

use crate::fixture::{check_invariants_but, walk};
use crate::scenes::Scene;

/// While a state is examined: what is found wrong is told once, by whoever asked.
static QUIET: AtomicBool = AtomicBool::new(false);

pub(crate) fn tell_only_the_last_panic() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !QUIET.load(Ordering::Relaxed) {
            tell(panic);
        }
    }));
}

/// Examines what a crash left, and removes it.
pub(crate) fn examine(scene: &Scene, copy: &Path, what: &str) {
    let outcome = examined(scene, copy, false);
    assert!(outcome.is_ok(), "{} after {what}: {}", scene.name, outcome.unwrap_err());
    fs::remove_dir_all(copy).unwrap();
}

/// The same; the error is what was found wrong. What was `answered` must be there before the command is given again.
pub(crate) fn examined(scene: &Scene, copy: &Path, answered: bool) -> Result<(), String> {
    QUIET.store(true, Ordering::Relaxed);
    let outcome = std::panic::catch_unwind(|| {
        let store = scene.store(copy);
        check_rules(&store, scene.damage);
        if answered {
            (scene.holds)(&store);
        }
        scene.act(&store).unwrap();
        (scene.holds)(&store);
        drop(store.lock("test").unwrap());
        check_rules(&store, &[]);
        check_nothing_left(store.root());
    });
    QUIET.store(false, Ordering::Relaxed);
    outcome.map_err(|panic| match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast_ref::<&str>().unwrap_or(&"a panic").to_string(),
    })
}

/// The rules of packages and generations, and those of what lies beside them.
fn check_rules(store: &Store, damage: &[&str]) {
    check_invariants_but(store, damage);
    store.history().unwrap();
    if let Some(helper) = store.helper().unwrap() {
        let digest = helper.canonicalize().unwrap().parent().unwrap().file_name().unwrap().to_owned();
        assert_eq!(Sha256::of(&fs::read(&helper).unwrap()).to_string(), digest.to_str().unwrap());
    }
    for top in ["state", "trust"] {
        let documents = walk_if_any(&store.root().join(top)).into_iter();
        for document in documents.filter(|path| path.ends_with(".json") && !path.contains("/.")) {
            let text = fs::read(store.root().join(top).join(&document)).unwrap();
            let whole: Result<serde_json::Value, _> = serde_json::from_slice(&text);
            assert!(whole.is_ok(), "{document} is torn");
        }
    }
}

fn walk_if_any(directory: &Path) -> Vec<String> {
    if directory.exists() { walk(directory) } else { Vec::new() }
}

/// Checks that nothing half-done lies about any more, but for what a download has brought.
fn check_nothing_left(root: &Path) {
    let left = walk(root).into_iter().filter(|path| path.ends_with(".new")).collect::<Vec<_>>();
    assert_eq!(left, Vec::<String>::new());
    let staged = walk_if_any(&root.join("staging")).into_iter().filter(|path| !path.starts_with("partial"));
    assert_eq!(staged.collect::<Vec<_>>(), Vec::<String>::new());
    let packages = walk_if_any(&root.join("packages")).into_iter().filter(|path| path.ends_with("--1.json"));
    packages.for_each(|manifest| assert!(root.join("packages").join(manifest.trim_end_matches(".json")).exists()));
}
