//! Copies of repositories: what a mirror takes, and what nodes take from a mirror.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use dcos_core::Problem;
use dcos_core::node::RepositoryFacts;

use super::Quiet;
use super::case::{Answer, Case, Stage};
use crate::RepoError;
use crate::fetch::Progress;
use crate::mirror::{Mirrored, mirror};
use crate::server::Server;

fn folder(stage: &Stage) -> PathBuf {
    stage.rig.place.path().join("other-copy")
}

fn copy_from(stage: &Stage, url: &str, is_signed: bool, verify: bool) -> Result<Mirrored, RepoError> {
    let root_json = is_signed.then(|| stage.rig.place.path().join("root.json"));
    let facts = RepositoryFacts { url: url.to_owned(), root_json, ca: None, credentials: None };
    let quiet: Arc<dyn Progress> = Arc::new(Quiet);
    stage.runtime.block_on(mirror(&facts, &folder(stage), verify, quiet))
}

fn copy(stage: &Stage) -> Result<Mirrored, RepoError> {
    copy_from(stage, &stage.rig.url, true, false)
}

fn named(copied: Result<Mirrored, RepoError>) -> Answer {
    copied.map(|copied| vec![copied.packages.to_string()]).map_err(|error| Problem::from(error).name().to_owned())
}

/// What a new node, which trusts the root of the original, is offered by the copy, all of which it fetches.
fn look_at_copy(stage: &Stage) -> Answer {
    let server = stage.runtime.block_on(Server::bind(&folder(stage), ([127, 0, 0, 1], 0).into())).unwrap();
    let url = server.url();
    stage.runtime.spawn(server.run());
    let ids = stage.look_at(&url)?;
    let store = stage.rig.store();
    let repositories = stage.rig.repositories(&url, &store);
    for id in &ids {
        let fetched = stage.runtime.block_on(stage.rig.fetch_from(&repositories, id));
        fetched.map_err(|error| Problem::from(error).name().to_owned())?;
    }
    Ok(ids)
}

fn archives(stage: &Stage, folder: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(stage.rig.place.path().join(folder).join("packages/b")).unwrap();
    files.map(|file| file.unwrap().path()).collect()
}

fn spoil(stage: &Stage, folder: &str) {
    for path in archives(stage, folder) {
        let mut bytes = fs::read(&path).unwrap();
        bytes[4] ^= 1;
        fs::remove_file(&path).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// A target that is no package, signed by the right keys.
fn with_target(path: &'static str) -> impl Fn(&Stage) -> Answer + Send + Sync {
    move |stage| {
        stage.change("targets", |signed| {
            let mut target = signed["targets"]["packages/a/a--1.tar.gz"].clone();
            target["custom"] = serde_json::json!({});
            signed["targets"][path] = target;
        });
        stage.seal();
        let file = stage.rig.folder().join("packages/a/a--1.tar.gz");
        let hashed = dcos_core::Sha256::of(&fs::read(&file).unwrap());
        let place = stage.rig.folder().join(crate::layout::hashed(path, &hashed));
        // Where the source has it does not matter: what counts is where the copy would have it.
        if let Some(parent) = place.parent().filter(|_| !path.starts_with(['/', '.']) && !path.contains("..")) {
            fs::create_dir_all(parent).unwrap();
            fs::copy(file, place).unwrap();
        }
        named(copy(stage))
    }
}

pub(super) fn cases() -> Vec<Case> {
    let paths = ["../evil", "../../evil", "/tmp/evil", ".mirror/trust/source/trust.json", "metadata/timestamp.json"];
    let more = [
        "index.json",
        "packages/evil",
        "packages/../evil/x",
        "packages/a/../../../evil",
        "packages/a/b/c/evil",
        "packages/a/.lock",
    ];
    let paths = paths.into_iter().chain(more);
    let mut cases: Vec<Case> =
        paths.map(|path| Case::attack("mirror-path", path, "bad-metadata", with_target(path))).collect();
    cases.push(Case::twin("mirror-path", "packages/a/notes.txt", with_target("packages/a/notes.txt")));
    cases.extend(copies());
    cases
}

fn copies() -> Vec<Case> {
    vec![
        Case::attack("mirror-archive", "another one than was signed", "digest-mismatch", |stage| {
            stage.publish("b--1");
            spoil(stage, "repository");
            named(copy(stage))
        }),
        Case::attack("mirror-archive", "it is gone", "not-in-repository", |stage| {
            stage.publish("b--1");
            fs::remove_dir_all(stage.rig.folder().join("packages/b")).unwrap();
            named(copy(stage))
        }),
        Case::twin("mirror-archive", "as it was signed, and fetched by a node", |stage| {
            stage.publish("b--1");
            let copied = copy(stage).unwrap();
            assert_eq!((copied.packages, copied.fetched, copied.root), (2, 2, Some(1)));
            // The metadata is the original's, byte for byte.
            for name in ["1.root.json", "timestamp.json", &stage.newest("targets"), &stage.newest("snapshot")] {
                let here = fs::read(folder(stage).join("metadata").join(name)).unwrap();
                assert_eq!(here, fs::read(stage.rig.metadata(name)).unwrap(), "{name}");
            }
            look_at_copy(stage)
        }),
        Case::attack("mirror-rollback", "the source goes back", "metadata-rollback", |stage| {
            let old = fs::read(stage.rig.metadata("timestamp.json")).unwrap();
            stage.publish("b--1");
            copy(stage).unwrap();
            fs::write(stage.rig.metadata("timestamp.json"), old).unwrap();
            let answer = named(copy(stage));
            assert_eq!(look_at_copy(stage), Ok(vec!["a--1".to_owned(), "b--1".to_owned()]));
            answer
        }),
        Case::twin("mirror-rollback", "the source goes on, and so does the copy", |stage| {
            copy(stage).unwrap();
            stage.publish("b--1");
            assert_eq!(copy(stage).unwrap().fetched, 1);
            look_at_copy(stage)
        }),
        Case::attack("mirror-signature", "the source is somebody else's", "metadata-signature", |stage| {
            let other = stage.runtime.block_on(super::Rig::new(1));
            named(copy_from(stage, &other.url, true, false))
        }),
        Case::attack(
            "mirror-signature",
            "a root before the one that is known is not of the chain",
            "metadata-signature",
            |stage| {
                stage.rotate("root");
                fs::copy(stage.rig.metadata("2.root.json"), stage.rig.place.path().join("root.json")).unwrap();
                let other = stage.runtime.block_on(super::Rig::new(1));
                fs::copy(other.metadata("1.root.json"), stage.rig.metadata("1.root.json")).unwrap();
                named(copy(stage))
            },
        ),
        Case::twin("mirror-signature", "all roots, also for nodes that begin with the first", |stage| {
            let first = fs::read(stage.rig.metadata("1.root.json")).unwrap();
            stage.rotate("root");
            stage.rotate("targets");
            fs::copy(stage.rig.metadata("3.root.json"), stage.rig.place.path().join("root.json")).unwrap();
            assert_eq!(copy(stage).unwrap().root, Some(3));
            fs::write(stage.rig.place.path().join("root.json"), first).unwrap();
            look_at_copy(stage)
        }),
        Case::attack(
            "mirror-unsigned",
            "signed metadata is there, and no root is given",
            "repository-signed",
            |stage| named(copy_from(stage, &stage.rig.url, false, false)),
        ),
        Case::twin("mirror-unsigned", "a plain repository", |stage| {
            fs::remove_dir_all(stage.rig.folder().join("metadata")).unwrap();
            named(copy_from(stage, &stage.rig.url, false, false))
        }),
        Case::attack("mirror-revoked", "the copy offers what was revoked no more", "package-revoked", |stage| {
            stage.publish("b--1");
            copy(stage).unwrap();
            super::revoke(&stage.rig, "b--1");
            assert_eq!(copy(stage).unwrap().removed, 2);
            assert!(archives(stage, "other-copy").is_empty());
            let server = stage.runtime.block_on(Server::bind(&folder(stage), ([127, 0, 0, 1], 0).into())).unwrap();
            let url = server.url();
            stage.runtime.spawn(server.run());
            let repositories = stage.rig.repositories(&url, &stage.rig.store());
            let fetched = stage.runtime.block_on(stage.rig.fetch_from(&repositories, "b--1"));
            fetched.map(|()| Vec::new()).map_err(|error| Problem::from(error).name().to_owned())
        }),
        Case::twin("mirror-revoked", "and still all that was not", |stage| {
            stage.publish("b--1");
            copy(stage).unwrap();
            super::revoke(&stage.rig, "b--1");
            copy(stage).unwrap();
            look_at_copy(stage)
        }),
        Case::attack("mirror-damage", "an archive of the copy has rotted", "digest-mismatch", |stage| {
            stage.publish("b--1");
            copy(stage).unwrap();
            spoil(stage, "other-copy");
            // What is there counts as what was put there, unless it is read.
            assert_eq!(copy(stage).unwrap().fetched, 0);
            look_at_copy(stage)
        }),
        Case::twin("mirror-damage", "found and fetched again by `--verify`", |stage| {
            stage.publish("b--1");
            copy(stage).unwrap();
            spoil(stage, "other-copy");
            assert_eq!(copy_from(stage, &stage.rig.url, true, true).unwrap().fetched, 1);
            look_at_copy(stage)
        }),
    ]
}
