//! What whoever can write to the served folder can make a publisher sign: nothing.

use std::fs;
use std::path::PathBuf;

use dcos_core::Problem;
use serde_json::{Value, json};
use tough::schema::RoleType;

use super::{Rig, ok};
use crate::publisher;
use crate::signing::{self, Signer, forge};

fn read(rig: &Rig, name: &str) -> Value {
    serde_json::from_slice(&fs::read(rig.metadata(name)).unwrap()).unwrap()
}

fn name<T>(result: Result<T, crate::RepoError>) -> Result<(), String> {
    result.map(|_| ()).map_err(|error| Problem::from(error).name().to_owned())
}

/// Another folder of keys, with those of the timer and the root that nodes began with.
fn timer(rig: &Rig) -> PathBuf {
    let timer = rig.place.path().join("timer");
    fs::create_dir(&timer).unwrap();
    for key in fs::read_dir(rig.place.path().join("keys")).unwrap() {
        let key = key.unwrap();
        let name = key.file_name().into_string().unwrap();
        if name.starts_with("snapshot-") || name.starts_with("timestamp-") {
            fs::copy(key.path(), timer.join(name)).unwrap();
        }
    }
    fs::copy(rig.place.path().join("root.json"), timer.join("root.json")).unwrap();
    timer
}

/// Puts a root into the folder of `rig` that lists its keys and those of `thief`, who signed it, and the thief's list.
fn plant(rig: &Rig, thief: &Rig, version: u64) {
    let (mut root, theirs) = (read(rig, "1.root.json")["signed"].clone(), read(thief, "1.root.json")["signed"].clone());
    root["version"] = version.into();
    root["keys"].as_object_mut().unwrap().extend(theirs["keys"].as_object().unwrap().clone());
    for (role, listed) in root["roles"].as_object_mut().unwrap() {
        let more = theirs["roles"][role]["keyids"].as_array().unwrap().clone();
        listed["keyids"].as_array_mut().unwrap().extend(more);
    }
    let unsigned = json!({"signed": root, "signatures": []});
    let signed = forge::sign(&thief.signer(), &unsigned, RoleType::Root, &root, 9);
    fs::write(rig.metadata(&format!("{version}.root.json")), signed.to_string()).unwrap();
    for name in ["timestamp.json", "4.snapshot.json", "4.targets.json"] {
        fs::copy(thief.metadata(name), rig.metadata(name)).unwrap();
    }
    fs::create_dir_all(rig.folder().join("packages/evil")).unwrap();
    let archive = "packages/evil/evil--1.tar.gz";
    fs::copy(thief.folder().join(archive), rig.folder().join(archive)).unwrap();
}

#[tokio::test]
async fn a_root_that_somebody_planted() {
    for version in [2, 999] {
        let (rig, thief) = (Rig::new(1).await, Rig::new(1).await);
        thief.publish("evil--1");
        let timer = timer(&rig);
        plant(&rig, &thief, version);
        let refused = || Err("bad-root".to_owned());
        let archive = [rig.archive("b--1")];
        assert_eq!(name(publisher::publish_signed(&rig.folder(), &archive, &rig.signer())), refused(), "{version}");
        assert_eq!(name(signing::revoke(&rig.folder(), &rig.signer(), &["evil--1".parse().unwrap()])), refused());
        assert_eq!(name(signing::rotate(&rig.folder(), &mut rig.signer(), "targets")), refused());
        assert_eq!(name(signing::refresh(&rig.folder(), &Signer::open(&rig.folder(), &timer).unwrap())), refused());
        assert_eq!(name(signing::newest_root(&rig.folder(), &timer)), refused());
        let offered = rig.offered().await;
        assert!(offered.is_err(), "{version}: {offered:?}");
        // Who has no keys can't know whose the first root is, but sees that this one does not follow.
        assert_eq!(name(signing::expiries(&rig.folder())), refused());
        fs::remove_file(rig.metadata(&format!("{version}.root.json"))).unwrap();
        // Without it the list is what it is: somebody else's.
        let left = publisher::publish_signed(&rig.folder(), &archive, &rig.signer());
        assert_eq!(name(left), Err("bad-metadata".to_owned()));
    }
}

#[tokio::test]
async fn a_root_by_keys_that_were_replaced() {
    let (rig, thief) = (Rig::new(1).await, Rig::new(1).await);
    let old = rig.signer();
    assert_eq!(signing::rotate(&rig.folder(), &mut rig.signer(), "root").unwrap(), 2);
    // The same version once more, by the old keys as well: whoever has seen the right one is not led astray.
    let mut root = read(&rig, "1.root.json")["signed"].clone();
    root["version"] = 2.into();
    root["expires"] = read(&thief, "1.root.json")["signed"]["expires"].clone();
    let signed = forge::sign(&old, &read(&rig, "1.root.json"), RoleType::Root, &root, 9);
    fs::write(rig.metadata("2.root.json"), signed.to_string()).unwrap();
    let published = publisher::publish_signed(&rig.folder(), &[rig.archive("b--1")], &rig.signer());
    let problem = Problem::from(published.unwrap_err());
    assert!(problem.detail.ends_with("it is not the one that is kept with the keys"), "{}", problem.detail);
}

#[tokio::test]
async fn the_chain_is_followed_and_has_no_gap() {
    let rig = Rig::new(1).await;
    let timer = timer(&rig);
    let refresh = || signing::refresh(&rig.folder(), &Signer::open(&rig.folder(), &timer).unwrap());
    for (version, role) in [(2, "root"), (3, "targets")] {
        assert_eq!(signing::rotate(&rig.folder(), &mut rig.signer(), role).unwrap(), version);
    }
    let second = fs::read(rig.metadata("2.root.json")).unwrap();
    fs::remove_file(rig.metadata("2.root.json")).unwrap();
    assert_eq!(name(refresh()), Err("bad-root".to_owned()));
    fs::write(rig.metadata("2.root.json"), second).unwrap();
    refresh().unwrap();
    // It knows the third now, as a node does that has seen it.
    let known: Value = serde_json::from_slice(&fs::read(timer.join("root.json")).unwrap()).unwrap();
    assert_eq!(known["signed"]["version"], 3);
    assert_eq!(rig.offered().await, ok(&["a--1"]));
}

#[tokio::test]
async fn keys_without_the_root_sign_nothing() {
    let rig = Rig::new(1).await;
    let pinned = rig.place.path().join("keys/root.json");
    fs::remove_file(&pinned).unwrap();
    let publish = || publisher::publish_signed(&rig.folder(), &[rig.archive("b--1")], &rig.signer());
    assert_eq!(name(publish()), Err("keys-missing".to_owned()));
    fs::copy(rig.place.path().join("root.json"), pinned).unwrap();
    publish().unwrap();
    assert_eq!(rig.offered().await, ok(&["a--1", "b--1"]));
}
