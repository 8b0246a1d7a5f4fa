#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and damages what it likes"
)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use dcos_core::PackageId;

use crate::archive::frames::frames;
use crate::{Mending, Store, StoreError};

struct Place {
    folder: tempfile::TempDir,
    store: Store,
    id: PackageId,
    archive: PathBuf,
}

/// A store with a package of a few files, directories and links.
fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    let pkginfo = r#"{"format": 1, "name": "a", "version": "1", "kind": "plain"}"#;
    for (path, text) in [("pkginfo.json", pkginfo), ("lib/one", "1"), ("lib/deep/two", "22"), ("share/three", "333")] {
        let path = tree.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    std::os::unix::fs::symlink("deep/two", tree.join("lib/link")).unwrap();
    let archive = folder.path().join("a--1.tar.zst");
    crate::build(&tree, &archive).unwrap();
    let store = Store::open(folder.path().join("store"), None).unwrap();
    let id = store.add_file(&archive, None).unwrap().id;
    Place { folder, store, id, archive }
}

impl Place {
    fn tree(&self) -> PathBuf {
        self.folder.path().join("store/packages/a--1")
    }

    fn mending(&self) -> Mending {
        self.store.mending(&self.id).unwrap().unwrap()
    }

    /// Receives what is wanted, each file from its own range of the archive.
    fn fill(&self, mending: &mut Mending) {
        let bytes = std::fs::read(&self.archive).unwrap();
        let frames = frames(&self.archive).unwrap();
        for path in mending.wanted() {
            let frame = frames[&path];
            let range = &bytes[frame.offset as usize..][..frame.length as usize];
            mending.receive(&path, range, frame.skip).unwrap();
        }
    }

    fn mend(&self) -> Vec<String> {
        let mut mending = self.mending();
        self.fill(&mut mending);
        let locked = self.store.lock("test").unwrap();
        self.store.mend(&locked, mending).unwrap()
    }

    fn is_well(&self) -> bool {
        self.store.verify(&self.id).unwrap().ok
    }
}

fn overwrite(path: &Path, text: &str) {
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn only_what_is_damaged_is_wanted() {
    type Damage = fn(&Path);
    let cases: [(&str, Damage, &[&str], &[&str]); 8] = [
        ("nothing", |_| {}, &[], &[]),
        ("another byte", |tree| overwrite(&tree.join("lib/one"), "x"), &["lib/one"], &["lib/one"]),
        ("cut off", |tree| overwrite(&tree.join("share/three"), ""), &["share/three"], &["share/three"]),
        ("gone", |tree| std::fs::remove_file(tree.join("lib/one")).unwrap(), &["lib/one"], &["lib/one"]),
        (
            "another mode",
            |tree| std::fs::set_permissions(tree.join("lib/one"), std::fs::Permissions::from_mode(0o666)).unwrap(),
            &["lib/one"],
            &["lib/one"],
        ),
        ("too much", |tree| std::fs::write(tree.join("lib/more"), "x").unwrap(), &[], &["lib/more"]),
        ("a link gone", |tree| std::fs::remove_file(tree.join("lib/link")).unwrap(), &[], &["lib/link"]),
        (
            "a whole directory",
            |tree| std::fs::remove_dir_all(tree.join("lib")).unwrap(),
            &["lib/deep/two", "lib/one"],
            &["lib"],
        ),
    ];
    for (name, damage, wanted, paths) in cases {
        let place = place();
        damage(&place.tree());
        assert_eq!(place.mending().wanted(), wanted, "{name}");
        assert_eq!(place.mend(), paths, "{name}");
        assert!(place.is_well(), "{name}");
        assert_eq!(place.mend(), [""; 0], "{name}");
    }
}

#[test]
fn a_file_is_replaced_and_never_written_to() {
    let place = place();
    overwrite(&place.tree().join("lib/one"), "x");
    let open = std::fs::File::open(place.tree().join("lib/one")).unwrap();
    place.mend();
    assert_eq!(std::io::read_to_string(open).unwrap(), "x");
}

#[test]
fn another_file_than_the_wanted_one_changes_nothing() {
    let place = place();
    overwrite(&place.tree().join("lib/one"), "x");
    let mut mending = place.mending();
    let bytes = std::fs::read(&place.archive).unwrap();
    let frame = frames(&place.archive).unwrap()["lib/deep/two"];
    let range = &bytes[frame.offset as usize..][..frame.length as usize];
    let other = mending.receive("lib/one", range, frame.skip);
    assert!(matches!(other, Err(StoreError::Digest { .. })), "{other:?}");
    let garbage = mending.receive("lib/one", &b"no frame at all"[..], 512);
    assert!(matches!(garbage, Err(StoreError::Source { .. })), "{garbage:?}");
    // It is still wanted, and what it is not put right with stays as it was.
    assert_eq!(mending.wanted(), ["lib/one"]);
    let locked = place.store.lock("test").unwrap();
    assert!(place.store.mend(&locked, mending).is_err());
    assert_eq!(std::fs::read_to_string(place.tree().join("lib/one")).unwrap(), "x");
    drop(locked);
    place.mend();
    assert!(place.is_well());
}

#[test]
fn without_a_manifest_nothing_can_be_told() {
    let place = place();
    std::fs::write(place.folder.path().join("store/packages/a--1.json"), "{").unwrap();
    assert!(place.store.mending(&place.id).unwrap().is_none());
}
