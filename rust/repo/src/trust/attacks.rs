//! What a hostile server, mirror or thief of keys can do, each next to what is harmless.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "how many cases there are is told")]
#![expect(clippy::disallowed_methods, reason = "an attacker has a folder, not a store")]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::http::{StatusCode, Uri};
use dcos_core::node::{self, RepositoryFacts};
use dcos_core::{PackageId, Problem};
use dcos_store::Store;
use jiff::{SignedDuration, Timestamp};
use tough::schema::RoleType;

use crate::backoff::Retry;
use crate::fetch::{Event, Progress};
use crate::repositories::Repositories;
use crate::server::Server;
use crate::signing::{self, Signer};
use crate::{RepoError, Wanted, publisher};

mod case;
mod documents;
mod mirrors;
mod publishers;
mod servers;
mod signatures;
mod software;
mod versions;

/// A repository with signed metadata, served, and a node that trusts its first root.
struct Rig {
    place: tempfile::TempDir,
    url: String,
}

struct Quiet;

impl Progress for Quiet {
    fn event(&self, _: &PackageId, _: Event) {}
}

impl Rig {
    async fn new(threshold: u8) -> Self {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("repository");
        publisher::init(&folder).unwrap();
        assert!(signing::init(&folder, &place.path().join("keys"), threshold).unwrap());
        fs::copy(folder.join("metadata/1.root.json"), place.path().join("root.json")).unwrap();
        let server = Server::bind(&folder, SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = server.url();
        tokio::spawn(server.run());
        let rig = Self { place, url };
        rig.publish("a--1");
        rig
    }

    fn folder(&self) -> PathBuf {
        self.place.path().join("repository")
    }

    fn metadata(&self, name: &str) -> PathBuf {
        self.folder().join("metadata").join(name)
    }

    fn store(&self) -> Arc<Store> {
        Arc::new(Store::open(self.place.path().join("store"), None).unwrap())
    }

    fn signer(&self) -> Signer {
        Signer::open(&self.folder(), &self.place.path().join("keys")).unwrap()
    }

    fn archive(&self, id: &str) -> PathBuf {
        self.archive_of(id, r#""kind": "plain""#, &[])
    }

    /// The archive of a package with these files beside its pkginfo.
    fn archive_of(&self, id: &str, pkginfo: &str, files: &[&str]) -> PathBuf {
        let tree = self.place.path().join("trees").join(id);
        let (name, version) = id.split_once("--").unwrap();
        let pkginfo = format!(r#"{{"format": 1, "name": "{name}", "version": "{version}", {pkginfo}}}"#);
        for (path, text) in files.iter().map(|path| (*path, "x")).chain([("pkginfo.json", pkginfo.as_str())]) {
            let path = tree.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let archive = self.place.path().join(format!("{id}.tar.gz"));
        dcos_store::build(&tree, &archive).unwrap();
        archive
    }

    fn publish(&self, id: &str) {
        publisher::publish_signed(&self.folder(), &[self.archive(id)], &self.signer()).unwrap();
    }

    fn repositories(&self, url: &str, store: &Store) -> Repositories {
        let root_json = Some(self.place.path().join("root.json"));
        let release = RepositoryFacts { url: url.to_owned(), root_json, ca: None, credentials: None };
        let facts = node::Repositories { release: Some(release), site: None };
        let (short, attempts) = (Duration::from_millis(1), 2);
        let retry = Retry { attempts, first_delay: short, longest_delay: short };
        Repositories::new(&facts, store).unwrap().with_retry(retry)
    }

    /// The ids that the node is offered, or the name of the problem.
    async fn offered(&self) -> Result<Vec<String>, String> {
        self.offered_to(&self.store(), &self.url).await
    }

    async fn offered_to(&self, store: &Store, url: &str) -> Result<Vec<String>, String> {
        let available = self.repositories(url, store).available().await;
        let available = available.map_err(|error| Problem::from(error).name().to_owned())?;
        Ok(available.into_iter().map(|available| available.entry.id.to_string()).collect())
    }

    /// The version of the root that the node trusts.
    fn trusted_root(&self) -> u64 {
        let known = self.store().read_trust("release").unwrap().unwrap();
        let known: serde_json::Value = serde_json::from_slice(&known).unwrap();
        known["root"]["signed"]["version"].as_u64().unwrap()
    }

    async fn fetch(&self, id: &str) -> Result<(), RepoError> {
        self.fetch_from(&self.repositories(&self.url, &self.store()), id).await
    }

    async fn fetch_from(&self, repositories: &Repositories, id: &str) -> Result<(), RepoError> {
        let wanted = [Wanted::from(id.parse::<PackageId>().unwrap())];
        let quiet: Arc<dyn Progress> = Arc::new(Quiet);
        crate::fetch(&self.store(), repositories, &wanted, &quiet).await.pop().unwrap().map(|_| ())
    }
}

fn revoke(rig: &Rig, id: &str) {
    signing::revoke(&rig.folder(), &rig.signer(), &[id.parse().unwrap()]).unwrap();
}

fn ok(ids: &[&str]) -> Result<Vec<String>, String> {
    Ok(ids.iter().map(|id| (*id).to_owned()).collect())
}

fn refused(name: &str) -> Result<Vec<String>, String> {
    Err(name.to_owned())
}

fn pad(path: &Path, bytes: usize) {
    let mut text = fs::read(path).unwrap();
    text.extend(std::iter::repeat_n(b' ', bytes));
    fs::write(path, text).unwrap();
}

#[tokio::test]
async fn what_is_signed_is_offered_and_fetched() {
    let rig = Rig::new(1).await;
    rig.publish("b--2");
    assert_eq!(rig.offered().await, ok(&["a--1", "b--2"]));
    rig.fetch("b--2").await.unwrap();
    assert!(rig.store().has(&"b--2".parse().unwrap()));
    // How long what it has seen lasts is known without asking anybody.
    let known = rig.store().freshness().unwrap();
    let mut roles: Vec<&str> = known.iter().map(|known| known.role).collect();
    roles.sort_unstable();
    assert_eq!(roles, ["root", "snapshot", "targets", "timestamp"]);
    let days = known.iter().map(|known| (known.role, known.seconds_left(Timestamp::now()) / 86_400 + 1));
    assert!(days.clone().all(|(_, days)| days > 5), "{:?}", days.collect::<Vec<_>>());
    assert!(known.iter().all(|known| known.repository == "release" && known.seen_at.is_some()));
    // The plain index beside it says the same, and nobody who has a root reads it.
    assert_eq!(publisher::list(&rig.folder()).unwrap().packages.len(), 2);
    fs::write(rig.folder().join("index.json"), "{}").unwrap();
    assert_eq!(rig.offered().await, ok(&["a--1", "b--2"]));
}

#[tokio::test]
async fn rollback() {
    let rig = Rig::new(1).await;
    let old = fs::read(rig.metadata("timestamp.json")).unwrap();
    rig.publish("b--2");
    let new = fs::read(rig.metadata("timestamp.json")).unwrap();
    assert_eq!(rig.offered().await, ok(&["a--1", "b--2"]));
    fs::write(rig.metadata("timestamp.json"), old).unwrap();
    assert_eq!(rig.offered().await, refused("metadata-rollback"));
    fs::write(rig.metadata("timestamp.json"), new).unwrap();
    assert_eq!(rig.offered().await, ok(&["a--1", "b--2"]));
}

#[tokio::test]
async fn rollback_after_another_root_was_given() {
    let (first, second) = (Rig::new(1).await, Rig::new(1).await);
    for id in ["b--1", "b--2", "b--3", "b--4", "b--5", "b--6"] {
        first.publish(id);
    }
    second.publish("c--1");
    assert_eq!(first.offered().await.map(|ids| ids.len()), Ok(7));
    let trusted_at = |rig: &Rig| {
        let known = rig.store().read_trust("release").unwrap().unwrap();
        let known: serde_json::Value = serde_json::from_slice(&known).unwrap();
        known["trusted_at"].as_str().map(ToOwned::to_owned)
    };
    let before = trusted_at(&first);
    // The first load by the other root fails, and what it has accepted by then is learned.
    let given = first.place.path().join("root.json");
    fs::copy(second.metadata("1.root.json"), &given).unwrap();
    let timestamp = fs::read(second.metadata("timestamp.json")).unwrap();
    fs::remove_file(second.metadata("timestamp.json")).unwrap();
    assert_eq!(first.offered_to(&first.store(), &second.url).await, refused("not-in-repository"));
    assert_eq!(trusted_at(&first), before, "when this clock was right is about no repository");
    fs::write(second.metadata("timestamp.json"), &timestamp).unwrap();
    assert_eq!(first.offered_to(&first.store(), &second.url).await, ok(&["a--1", "c--1"]));
    second.publish("c--2");
    assert_eq!(first.offered_to(&first.store(), &second.url).await, ok(&["a--1", "c--1", "c--2"]));
    fs::write(second.metadata("timestamp.json"), timestamp).unwrap();
    assert_eq!(first.offered_to(&first.store(), &second.url).await, refused("metadata-rollback"));
}

#[tokio::test]
async fn rollback_after_a_change_of_keys() {
    let rig = Rig::new(1).await;
    assert_eq!(rig.offered().await, ok(&["a--1"]));
    assert_eq!(signing::rotate(&rig.folder(), &mut rig.signer(), "timestamp").unwrap(), 2);
    assert_eq!(rig.offered().await, ok(&["a--1"]));
    let old = fs::read(rig.metadata("timestamp.json")).unwrap();
    rig.publish("b--2");
    assert_eq!(rig.offered().await, ok(&["a--1", "b--2"]));
    fs::write(rig.metadata("timestamp.json"), old).unwrap();
    assert_eq!(rig.offered().await, refused("metadata-rollback"));
}

#[tokio::test]
async fn freeze() {
    let rig = Rig::new(1).await;
    let week_ago = Timestamp::now() - SignedDuration::from_hours(8 * 24);
    signing::refresh(&rig.folder(), &rig.signer().at(week_ago)).unwrap();
    assert_eq!(rig.offered().await, refused("metadata-expired"));
    signing::refresh(&rig.folder(), &rig.signer()).unwrap();
    assert_eq!(rig.offered().await, ok(&["a--1"]));
}

#[tokio::test]
async fn a_clock_that_is_behind() {
    let rig = Rig::new(1).await;
    assert_eq!(rig.offered().await, ok(&["a--1"]));
    for (ahead, answer) in [(1, ok(&["a--1"])), (25 * 60, refused("clock-wrong"))] {
        let trusted_at = Timestamp::now() + SignedDuration::from_mins(ahead);
        let later = |present: Option<&[u8]>| {
            let mut known: serde_json::Value = serde_json::from_slice(present.unwrap()).unwrap();
            known["trusted_at"] = trusted_at.to_string().into();
            Some(known.to_string().into_bytes())
        };
        rig.store().advance_trust("release", later).unwrap();
        assert_eq!(rig.offered().await, answer, "{ahead} minutes");
    }
}

#[tokio::test]
async fn endless_data() {
    // A little space is no harm where no length was announced.
    for (file, bytes, answer) in [
        ("timestamp.json", 10, ok(&["a--1"])),
        ("timestamp.json", 100 << 10, refused("metadata-endless")),
        ("3.snapshot.json", 1, refused("metadata-endless")),
        ("3.snapshot.json", 2 << 20, refused("metadata-endless")),
        ("3.targets.json", 1, refused("metadata-endless")),
        ("2.root.json", 2 << 20, refused("metadata-endless")),
    ] {
        let rig = Rig::new(1).await;
        if file == "2.root.json" {
            fs::copy(rig.metadata("1.root.json"), rig.metadata(file)).unwrap();
        }
        pad(&rig.metadata(file), bytes);
        assert_eq!(rig.offered().await, answer, "{file} {bytes}");
    }
}

#[tokio::test]
async fn mix_and_match() {
    let rig = Rig::new(1).await;
    rig.publish("b--2");
    let targets = rig.metadata("4.targets.json");
    let new = fs::read(&targets).unwrap();
    // All of it is signed, but not for each other.
    fs::copy(rig.metadata("3.targets.json"), &targets).unwrap();
    assert_eq!(rig.offered().await, refused("metadata-mixed"));
    fs::write(&targets, new).unwrap();
    assert_eq!(rig.offered().await, ok(&["a--1", "b--2"]));
}

#[tokio::test]
async fn wrong_software() {
    let rig = Rig::new(1).await;
    rig.publish("b--1");
    let folder = rig.folder().join("packages/b");
    for file in fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        // The time in gzip's header: it still unpacks to the same, and only the digest tells.
        bytes[4] = 7;
        fs::write(&path, bytes).unwrap();
    }
    let error = Problem::from(rig.fetch("b--1").await.unwrap_err());
    assert_eq!(error.name(), "digest-mismatch");
    assert!(!rig.store().has(&"b--1".parse().unwrap()));
    rig.fetch("a--1").await.unwrap();
}

#[tokio::test]
async fn fewer_keys_than_the_threshold() {
    let rig = Rig::new(2).await;
    rig.publish("b--2");
    assert_eq!(rig.offered().await, ok(&["a--1", "b--2"]));
    let mut keys: Vec<PathBuf> =
        fs::read_dir(rig.place.path().join("keys")).unwrap().map(|key| key.unwrap().path()).collect();
    keys.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with("targets-"));
    assert_eq!(keys.len(), 2);
    fs::remove_file(&keys[0]).unwrap();
    // The publisher notices itself; a thief does not care.
    let honest = publisher::publish_signed(&rig.folder(), &[rig.archive("c--1")], &rig.signer());
    assert_eq!(Problem::from(honest.unwrap_err()).name(), "keys-missing");
    let forget = |root: &mut tough::schema::Root| {
        root.roles.get_mut(&RoleType::Targets).unwrap().threshold = std::num::NonZeroU64::MIN;
    };
    signing::publish_by_root(&rig.folder(), &rig.signer(), forget).unwrap();
    assert_eq!(rig.offered().await, refused("metadata-threshold"));
}

#[tokio::test]
async fn metadata_of_somebody_else() {
    let (rig, other) = (Rig::new(1).await, Rig::new(1).await);
    other.publish("b--2");
    let names = ["timestamp.json", "4.snapshot.json", "4.targets.json"];
    for name in names {
        fs::copy(other.metadata(name), rig.metadata(name)).unwrap();
    }
    assert_eq!(rig.offered().await, refused("metadata-signature"));
    assert_eq!(other.offered().await, ok(&["a--1", "b--2"]));
    // A root of theirs is no better, and leaves nothing behind.
    fs::copy(other.metadata("1.root.json"), rig.metadata("2.root.json")).unwrap();
    assert_eq!(rig.offered().await, refused("metadata-signature"));
    fs::write(rig.metadata("2.root.json"), "<html>").unwrap();
    assert_eq!(rig.offered().await, refused("bad-metadata"));
}

#[tokio::test]
async fn a_new_root_is_followed() {
    let rig = Rig::new(1).await;
    assert_eq!(rig.offered().await, ok(&["a--1"]));
    for (version, role) in [(2, "root"), (3, "targets"), (4, "snapshot"), (5, "root")] {
        assert_eq!(signing::rotate(&rig.folder(), &mut rig.signer(), role).unwrap(), version);
        assert_eq!(rig.offered().await, ok(&["a--1"]), "{role}");
        assert_eq!(rig.trusted_root(), version);
    }
    rig.publish("b--2");
    assert_eq!(rig.offered().await, ok(&["a--1", "b--2"]));
    // One that has slept since the first root follows all of them.
    let fresh = Store::open(rig.place.path().join("another"), None).unwrap();
    assert_eq!(rig.offered_to(&fresh, &rig.url).await, ok(&["a--1", "b--2"]));
}

#[tokio::test]
async fn a_server_that_hides_the_next_root() {
    let rig = Rig::new(1).await;
    let folder = rig.folder();
    let busy = axum::Router::new().fallback(move |uri: Uri| {
        let path = folder.join(uri.path().trim_start_matches('/'));
        async move {
            match fs::read(path) {
                Ok(bytes) if !uri.path().ends_with(".root.json") => (StatusCode::OK, bytes),
                _ => (StatusCode::SERVICE_UNAVAILABLE, Vec::new()),
            }
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, busy).await });
    assert_eq!(rig.offered_to(&rig.store(), &url).await, refused("repository-unreachable"));
    assert_eq!(rig.offered().await, ok(&["a--1"]));
}

#[tokio::test]
async fn what_is_revoked_is_gone_for_good() {
    let rig = Rig::new(1).await;
    rig.publish("b--2");
    let id: PackageId = "b--2".parse().unwrap();
    signing::revoke(&rig.folder(), &rig.signer(), std::slice::from_ref(&id)).unwrap();
    assert_eq!(rig.offered().await, ok(&["a--1"]));
    assert_eq!(publisher::list(&rig.folder()).unwrap().packages.len(), 1);
    assert_eq!(fs::read_dir(rig.folder().join("packages/b")).unwrap().count(), 0);
    let again = publisher::publish_signed(&rig.folder(), &[rig.archive("b--2")], &rig.signer());
    assert_eq!(Problem::from(again.unwrap_err()).name(), "package-revoked");
    let twice = signing::revoke(&rig.folder(), &rig.signer(), &[id]);
    assert_eq!(Problem::from(twice.unwrap_err()).name(), "no-such-package");
    rig.publish("b--3");
    assert_eq!(rig.offered().await, ok(&["a--1", "b--3"]));
}

#[tokio::test]
async fn the_keys_decide_who_publishes() {
    let rig = Rig::new(1).await;
    let unsigned = publisher::publish(&rig.folder(), &[rig.archive("b--2")]);
    assert_eq!(Problem::from(unsigned.unwrap_err()).name(), "repository-signed");
    assert!(!signing::init(&rig.folder(), &rig.place.path().join("more"), 1).unwrap());
    let inside = Signer::open(&rig.folder(), &rig.folder().join("packages"));
    assert!(inside.is_err_and(|error| Problem::from(error).name() == "keys-served"));
    let plain = rig.place.path().join("plain");
    publisher::init(&plain).unwrap();
    let shared = signing::init(&plain, &rig.place.path().join("keys"), 1);
    assert_eq!(Problem::from(shared.unwrap_err()).name(), "keys-there");
    let absent = signing::refresh(&plain, &rig.signer());
    assert_eq!(Problem::from(absent.unwrap_err()).name(), "repository-unsigned");
}

#[tokio::test]
async fn an_id_leaves_room_for_a_digest() {
    let rig = Rig::new(1).await;
    let id = |length: usize| format!("a--{}", "1".repeat(length - 3));
    rig.publish(&id(179));
    rig.fetch(&id(179)).await.unwrap();
    let refused = publisher::publish_signed(&rig.folder(), &[rig.archive(&id(180))], &rig.signer());
    assert_eq!(Problem::from(refused.unwrap_err()).name(), "long-id");
}

#[tokio::test]
async fn another_root_given_is_another_beginning() {
    let (rig, other) = (Rig::new(1).await, Rig::new(1).await);
    assert_eq!(rig.offered().await, ok(&["a--1"]));
    assert_eq!(rig.offered_to(&rig.store(), &other.url).await, refused("metadata-signature"));
    fs::copy(other.metadata("1.root.json"), rig.place.path().join("root.json")).unwrap();
    assert_eq!(rig.offered_to(&rig.store(), &other.url).await, ok(&["a--1"]));
    fs::write(rig.place.path().join("root.json"), "{}").unwrap();
    assert_eq!(rig.offered().await, refused("bad-root"));
}
