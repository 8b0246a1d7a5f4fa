//! What is built is what was there, the same bytes every time, and other programs read it too.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use dcos_store::{StoreError, build, build_with};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};

use crate::fixture::{Node, contents, walk};

const PLAIN: &str = r#""kind":"plain""#;

#[test]
fn the_same_tree_makes_the_same_bytes_wherever_and_whenever_it_lies() {
    let (one, other) = (Node::new(), Node::new());
    let files = [("lib/a", "a"), ("bin/b!", "b"), ("etc/c", &"c".repeat(1000))];
    for ending in ["tar.zst", "tar.gz"] {
        let archives = [&one, &other].map(|node| {
            let tree = node.tree("x--1", PLAIN, &files);
            // Another order of making, other times, other modes of the same meaning.
            fs::set_permissions(tree.join("lib/a"), fs::Permissions::from_mode(0o600)).unwrap();
            let archive = node.path(&format!("x--1.{ending}"));
            let built = build(&tree, &archive).unwrap();
            let bytes = fs::read(archive).unwrap();
            assert_eq!(built.sha256, dcos_core::Sha256::of(&bytes));
            assert_eq!(built.size, bytes.len() as u64);
            bytes
        });
        assert_eq!(archives[0], archives[1], "{ending}");
    }
}

#[test]
fn tar_and_python_read_what_is_built() {
    let node = Node::new();
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(120));
    let tree = node.tree("x--1", PLAIN, &[("bin/run!", "run"), (&long, "long"), ("ü/é", "utf-8")]);
    symlink("run", tree.join("bin/link")).unwrap();
    symlink(format!("../{long}"), tree.join("bin/long")).unwrap();
    for ending in ["tar.gz", "tar.zst"] {
        let archive = node.path(&format!("x--1.{ending}"));
        build(&tree, &archive).unwrap();
        let to = node.path(ending);
        fs::create_dir(&to).unwrap();
        let plain = node.path("plain.tar");
        let bytes = fs::File::open(&archive).unwrap();
        let bytes: Vec<u8> = if ending == "tar.gz" {
            let mut bytes_out = Vec::new();
            std::io::copy(&mut flate2::read::GzDecoder::new(bytes), &mut bytes_out).unwrap();
            bytes_out
        } else {
            zstd::decode_all(bytes).unwrap()
        };
        fs::write(&plain, bytes).unwrap();
        let status = Command::new("tar").arg("-xf").arg(&plain).arg("-C").arg(&to).status().unwrap();
        assert!(status.success());
        assert_eq!(normalized(&to), normalized(&tree));
        let list = Command::new("python3")
            .args(["-c", "import sys, tarfile; print(*sorted(tarfile.open(sys.argv[1]).getnames()), sep='\\n')"])
            .arg(&plain)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(list.stdout).unwrap().lines().collect::<Vec<_>>(), sorted(walk(&tree)));
    }
}

fn sorted(mut paths: Vec<String>) -> Vec<String> {
    paths.sort();
    paths
}

/// Contents with modes as packages have them.
fn normalized(root: &Path) -> BTreeMap<String, (bool, Vec<u8>)> {
    contents(root).into_iter().map(|(path, (mode, bytes))| (path, (mode & 0o111 != 0, bytes))).collect()
}

#[test]
fn what_tar_makes_of_a_tree_is_accepted_whatever_its_format() {
    let node = Node::new();
    let long = format!("{}/{}", "d".repeat(90), "f".repeat(90));
    let tree = node.tree("x--1", PLAIN, &[("bin/run!", "run"), (&long, "long")]);
    symlink("run", tree.join("bin/link")).unwrap();
    for format in ["gnu", "posix", "ustar"] {
        let archive = node.path("x--1.tar.gz");
        let status = Command::new("tar")
            .args([&format!("--format={format}"), "-czf"])
            .arg(&archive)
            .arg("-C")
            .arg(&tree)
            .arg(".")
            .status()
            .unwrap();
        assert!(status.success());
        let store = node.store();
        let added = store.add_file(&archive, None).unwrap_or_else(|error| {
            panic!("{format}: {}", dcos_core::Problem::chain(&error));
        });
        assert_eq!(normalized(&store.root().join("packages/x--1")), normalized(&tree), "{format}");
        store.remove(&store.lock("test").unwrap(), &added.id).unwrap();
    }
}

#[test]
fn trees_that_make_no_package_are_refused_and_leave_no_file() {
    type Change = fn(&Path);
    let refusals: [(&str, Change); 5] = [
        ("a link to the outside", |tree| symlink("/etc/passwd", tree.join("link")).unwrap()),
        ("a link that dangles", |tree| symlink("nothing", tree.join("link")).unwrap()),
        ("setuid", |tree| fs::set_permissions(tree.join("x"), fs::Permissions::from_mode(0o4755)).unwrap()),
        ("no pkginfo", |tree| fs::remove_file(tree.join("pkginfo.json")).unwrap()),
        ("a socket", |tree| drop(std::os::unix::net::UnixListener::bind(tree.join("socket")).unwrap())),
    ];
    for (what, change) in refusals {
        let node = Node::new();
        let tree = node.tree("x--1", PLAIN, &[("x", "x")]);
        change(&tree);
        let archive = node.path("x--1.tar.gz");
        let before = walk(node.path("").as_path());
        assert!(build(&tree, &archive).is_err(), "{what}");
        assert_eq!(walk(node.path("").as_path()), before, "{what}");
    }
    let node = Node::new();
    let tree = node.tree("x--1", PLAIN, &[]);
    assert!(matches!(build(&tree, &node.path("y--1.tar.gz")), Err(StoreError::OtherPackage { .. })));
    assert!(matches!(build(&tree, &node.path("x--1.zip")), Err(StoreError::FileName(_))));
}

#[test]
fn files_from_memory_take_the_place_of_those_of_the_tree() {
    let node = Node::new();
    let tree = node.tree("x--1", PLAIN, &[("etc/a", "old"), ("etc/b", "b")]);
    let instead = [("etc/a", "new"), ("share/deep/c", "c")].map(|(path, text)| (path.to_owned(), text.into()));
    let archive = node.path("x--1.tar.zst");
    build_with(&tree, &BTreeMap::from(instead), &archive).unwrap();
    let store = node.store();
    let id = store.add_file(&archive, None).unwrap().id;
    let read = |path| store.read_package_file(&id, path).unwrap().map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!(read("etc/a").as_deref(), Some("new"));
    assert_eq!(read("etc/b").as_deref(), Some("b"));
    assert_eq!(read("share/deep/c").as_deref(), Some("c"));
    assert_eq!(read("share/deep"), None);
}

/// A file, a link or a directory at a path of up to three parts.
#[derive(Clone, Debug)]
enum Made {
    File(Vec<u8>, bool),
    Directory,
    LinkToPkginfo,
}

fn trees() -> impl Strategy<Value = Vec<(String, Made)>> {
    let part = "[a-zäß0-9._ -]{1,6}".prop_filter("not a dot path", |part| part != "." && part != "..");
    let path = proptest::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"));
    let made = prop_oneof![
        (proptest::collection::vec(any::<u8>(), 0..2000), any::<bool>()).prop_map(|(bytes, x)| Made::File(bytes, x)),
        Just(Made::Directory),
        Just(Made::LinkToPkginfo),
    ];
    proptest::collection::vec((path, made), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_built_and_added_is_the_tree(made in trees(), gzip in any::<bool>()) {
        let node = Node::new();
        let tree = node.tree("x--1", PLAIN, &[]);
        for (path, made) in made {
            // Paths that clash with others are left out.
            let full = tree.join(&path);
            if fs::create_dir_all(full.parent().unwrap()).is_err() || fs::symlink_metadata(&full).is_ok() {
                continue;
            }
            match made {
                Made::File(bytes, executable) => {
                    fs::write(&full, bytes).unwrap();
                    let mode = if executable { 0o755 } else { 0o644 };
                    fs::set_permissions(&full, fs::Permissions::from_mode(mode)).unwrap();
                }
                Made::Directory => fs::create_dir(&full).unwrap(),
                Made::LinkToPkginfo => {
                    symlink(format!("{}pkginfo.json", "../".repeat(path.matches('/').count())), &full).unwrap();
                }
            }
        }
        let archive = node.path(if gzip { "x--1.tar.gz" } else { "x--1.tar.zst" });
        build(&tree, &archive).unwrap();
        let store = node.store();
        let id = store.add_file(&archive, None).unwrap().id;
        assert!(store.verify(&id).unwrap().ok);
        assert_eq!(normalized(&store.root().join("packages/x--1")), normalized(&tree));
        let modes = contents(&store.root().join("packages/x--1"));
        assert!(modes.values().all(|(mode, _)| matches!(mode, 0 | 0o444 | 0o555 | 0o755)));
    }
}
