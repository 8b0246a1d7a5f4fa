#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "what is packed is no store")]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use dcos_core::node::{self, RepositoryFacts};
use dcos_core::{PackageId, Problem};
use dcos_store::Store;

use crate::fetch::{Event, Progress, Wanted};
use crate::publisher;
use crate::repositories::Repositories;
use crate::server::Server;

struct Quiet;

impl Progress for Quiet {
    fn event(&self, _: &PackageId, _: Event) {}
}

/// A disk of 1 MiB that is a folder, until this is dropped.
struct Disk(PathBuf);

impl Disk {
    fn new(place: &Path) -> Self {
        fs::create_dir(place).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "none"]).arg(place).status().unwrap();
        assert!(mounted.success(), "a test that mounts needs root");
        Self(place.to_owned())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Nobody works in it any more; if it can't go, whoever removes the folder around it says so.
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// What no compression makes smaller.
fn noise(length: usize) -> Vec<u8> {
    let step = |state: &mut u64| {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Some(state.to_be_bytes()[0])
    };
    std::iter::repeat(()).scan(1_u64, |state, ()| step(state)).take(length).collect()
}

#[tokio::test]
async fn a_full_disk_keeps_nothing_of_what_filled_it() {
    // The archive fits and what is in it does not; and the archive does not fit itself.
    for (case, file) in [("unpacked", vec![0; 4 << 20]), ("packed", noise(4 << 20))] {
        let place = tempfile::tempdir().unwrap();
        let (tree, folder) = (place.path().join("a"), place.path().join("repository"));
        fs::create_dir(&tree).unwrap();
        fs::write(tree.join("file"), file).unwrap();
        fs::write(tree.join("pkginfo.json"), r#"{"format": 1, "name": "a", "version": "1", "kind": "plain"}"#).unwrap();
        let archive = place.path().join("a--1.tar.zst");
        dcos_store::build(&tree, &archive).unwrap();
        publisher::init(&folder).unwrap();
        publisher::publish(&folder, &[archive]).unwrap();
        let server = Server::bind(&folder, SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = server.url();
        tokio::spawn(server.run());

        let disk = Disk::new(&place.path().join("disk"));
        let store = Arc::new(Store::open(disk.0.join("store"), None).unwrap());
        let release = RepositoryFacts { url, root_json: None, ca: None, credentials: None };
        let facts = node::Repositories { release: Some(release), site: None };
        let repositories = Repositories::new(&facts, &store).unwrap();
        let wanted = [Wanted::from("a--1".parse::<PackageId>().unwrap())];
        let quiet: Arc<dyn Progress> = Arc::new(Quiet);
        let error = crate::fetch(&store, &repositories, &wanted, &quiet).await.pop().unwrap().unwrap_err();
        let problem = Problem::from(error);
        assert!(problem.detail.contains("No space left"), "{case}: {}", problem.detail);
        let left: Vec<_> = fs::read_dir(disk.0.join("store/staging/partial")).unwrap().collect();
        assert!(left.is_empty(), "{case}: {left:?}");
    }
}
