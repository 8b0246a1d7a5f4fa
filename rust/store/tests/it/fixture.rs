//! Packages and nodes that tests are about. Two test programs use it, neither of them all of it.

#![allow(dead_code, reason = "each test program has its own share")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use dcos_core::node::NodeConfig;
use dcos_core::{PackageId, PackageSet};
use dcos_store::{Activation, NodeContext, Store, build};

/// Every path below `root`, in order.
pub(crate) fn walk(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                directories.push(entry.path());
            }
            found.push(entry.path().strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        }
    }
    found.sort();
    found
}

/// A node with a store and a place to build packages.
pub(crate) struct Node {
    // Removed with it.
    scratch: tempfile::TempDir,
}

pub(crate) const NODE_FILE: &str = "role = \"agent\"\ngroup = \"agents\"\n[mesos]\nip = \"127.0.0.1\"\nport = 5051\n\
    master = \"127.0.0.1:5050\"\nwork_dir = \"/var/lib/mesos\"\n";

pub(crate) const CONFIG: &str =
    r#"{"format":1,"role":"agent","environment":{"MESOS_RESOURCES":"cpus:1;mem:64"},"modules":[]}"#;

impl Node {
    pub(crate) fn new() -> Self {
        Self { scratch: tempfile::tempdir().unwrap() }
    }

    /// One in memory, where there is such a place: for what takes long for its syncs only and is not about them.
    pub(crate) fn in_memory() -> Self {
        let scratch = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self { scratch: scratch.unwrap() }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.scratch.path().join("root")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    pub(crate) fn store(&self) -> Store {
        Self::store_at(&self.root())
    }

    /// The store at `root`, as a node has it.
    pub(crate) fn store_at(root: &Path) -> Store {
        let node = NodeContext { config: NodeConfig::parse(NODE_FILE).unwrap(), file: "/etc/dcos/node.toml".into() };
        Store::open(root, Some(node)).unwrap()
    }

    /// Writes the tree of a package; a file whose name ends in `!` may be executed.
    pub(crate) fn tree(&self, id: &str, rest: &str, files: &[(&str, &str)]) -> PathBuf {
        let (name, version) = id.split_once("--").unwrap();
        let pkginfo = format!(r#"{{"format":1,"name":"{name}","version":"{version}",{rest}}}"#);
        let directory = self.path(&format!("tree-{id}"));
        fs::create_dir_all(&directory).unwrap();
        for (path, content) in files.iter().copied().chain([("pkginfo.json", pkginfo.as_str())]) {
            let file = directory.join(path.trim_end_matches('!'));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, content).unwrap();
            let mode = if path.ends_with('!') { 0o755 } else { 0o644 };
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        }
        directory
    }

    /// Builds an archive of a package.
    pub(crate) fn archive(&self, id: &str, rest: &str, files: &[(&str, &str)]) -> PathBuf {
        let archive = self.path(&format!("{id}.tar.zst"));
        build(&self.tree(id, rest, files), &archive).unwrap();
        archive
    }

    /// Adds a package to the store.
    pub(crate) fn add(&self, id: &str, rest: &str, files: &[(&str, &str)]) -> PackageId {
        self.store().add_file(&self.archive(id, rest, files), None).unwrap().id
    }

    /// The archives of a small valid set with this Mesos; their ids are what [`set`] says.
    pub(crate) fn archives(&self, mesos: &str) -> Vec<PathBuf> {
        let binding = format!(r#""kind":"mesos","mesos":{{"version":"{mesos}"}}"#);
        let helper = format!("helper of {mesos}");
        vec![
            self.archive(
                &format!("mesos--{mesos}"),
                &binding,
                &[("bin/mesos-agent!", mesos), ("lib/libmesos.so", mesos), ("libexec/mesos/mesos-executor!", "")],
            ),
            self.archive("conf--1", r#""kind":"mesos-config","roles":["agent"]"#, &[("etc/config.json", CONFIG)]),
            self.archive(
                &format!("dcos-bits--0.1.0+mesos{mesos}"),
                r#""kind":"plain""#,
                &[("bin/dcos-restart-helper!", &helper), ("lib/dcos/x", "x")],
            ),
        ]
    }

    /// Adds a small valid set with this Mesos.
    pub(crate) fn add_set(&self, mesos: &str) -> PackageSet {
        self.archives(mesos).iter().map(|archive| self.store().add_file(archive, None).unwrap().id).collect()
    }

    /// Activates a set by hand.
    pub(crate) fn activate(&self, set: &PackageSet) -> u64 {
        let store = self.store();
        let locked = store.lock("test").unwrap();
        store.activate(&locked, set, &Activation::default()).unwrap().number
    }
}

pub(crate) fn ids(ids: &[&str]) -> PackageSet {
    ids.iter().map(|id| id.parse().unwrap()).collect()
}

/// The set that [`Node::archives`] are of.
pub(crate) fn set(mesos: &str) -> PackageSet {
    ids(&[&format!("mesos--{mesos}"), "conf--1", &format!("dcos-bits--0.1.0+mesos{mesos}")])
}

/// Checks every rule that holds at every instant, as far as it can be seen from outside.
pub(crate) fn check_invariants(store: &Store) {
    check_invariants_but(store, &[]);
}

/// The same where packages were damaged before, in these ways and no others.
pub(crate) fn check_invariants_but(store: &Store, damage: &[&str]) {
    let local = store.list().unwrap();
    for package in &local {
        let report = store.verify(&package.id).unwrap();
        assert!(report.problems.iter().all(|problem| damage.contains(&problem.as_str())), "{report:?}");
    }
    if let Some(active) = store.active().unwrap() {
        let launch = store.launch(active.number).unwrap();
        assert!(launch.program.exists(), "{}", launch.program.display());
        assert!(active.set.iter().all(|id| local.iter().any(|package| package.id == *id && package.active)));
        check_links(&store.root().join("active"));
        for id in active.set.iter() {
            check_linked(store, id);
        }
    }
    for number in store.generations().unwrap() {
        store.launch(number).unwrap();
        let modules = fs::read(store.root().join(format!("generations/{number}/modules.json"))).unwrap();
        let modules: Result<serde_json::Value, _> = serde_json::from_slice(&modules);
        assert!(modules.is_ok(), "`modules.json` of generation {number} is torn");
        for id in store.generation(number).unwrap().set.iter() {
            assert!(local.iter().any(|package| package.id == *id), "generation {number} lacks {id}");
        }
    }
}

/// Checks that whatever a package has for the link trees is reached through the active generation.
fn check_linked(store: &Store, id: &PackageId) {
    let linked = ["bin/", "lib/", "libexec/", "etc/"];
    for path in store.show(id).unwrap().manifest.entries.keys() {
        if linked.iter().any(|directory| path.starts_with(directory)) {
            assert!(store.root().join("active").join(path).exists(), "{path} of {id} is not in the generation");
        }
    }
}

/// Checks that every link in a generation leads somewhere.
fn check_links(directory: &Path) {
    for path in walk(directory) {
        assert!(fs::metadata(directory.join(&path)).is_ok(), "{path} leads nowhere");
    }
}

/// The contents of a tree: by path, the mode and the bytes, or the target of a link.
pub(crate) fn contents(root: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    walk(root)
        .into_iter()
        .map(|path| {
            let full = root.join(&path);
            let metadata = fs::symlink_metadata(&full).unwrap();
            let content = if metadata.is_symlink() {
                (0, fs::read_link(&full).unwrap().to_str().unwrap().as_bytes().to_vec())
            } else if metadata.is_dir() {
                (metadata.permissions().mode() & 0o7777, Vec::new())
            } else {
                (metadata.permissions().mode() & 0o7777, fs::read(&full).unwrap())
            };
            (path, content)
        })
        .collect()
}
