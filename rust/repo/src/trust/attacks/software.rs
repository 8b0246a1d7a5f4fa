//! Other packages than those that were signed, and signed ones that are not where they belong.

use std::fs;

use dcos_core::node::{self, RepositoryFacts};
use serde_json::{Value, json};

use super::case::{Answer, Case, Stage};
use crate::repositories::Repositories;

const PLAIN: &str = r#""kind": "plain""#;
const MODULE: &str = r#""kind": "module", "mesos": {"version": "1.11.0"},
    "modules": [{"library": "lib/libx.so", "name": "org_example_X"}]"#;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = archives();
    cases.extend(targets());
    cases.extend(extraneous());
    cases.extend(revocations());
    cases.extend(site());
    cases
}

/// Changes every file below `packages/b`, and fetches `b--1`.
fn with_archive(change: impl Fn(Vec<u8>) -> Vec<u8> + Send + Sync) -> impl Fn(&Stage) -> Answer + Send + Sync {
    move |stage| {
        stage.publish("b--1");
        for file in fs::read_dir(stage.rig.folder().join("packages/b")).unwrap() {
            let path = file.unwrap().path();
            let bytes = change(fs::read(&path).unwrap());
            fs::remove_file(&path).unwrap();
            fs::write(path, bytes).unwrap();
        }
        stage.fetch("b--1")
    }
}

fn archives() -> Vec<Case> {
    let mut cases = vec![
        // The time in gzip's header: it still unpacks to the same, and only the digest tells.
        Case::attack(
            "wrong-software",
            "the archive was packed anew",
            "digest-mismatch",
            with_archive(|mut bytes| {
                bytes[4] = 7;
                bytes
            }),
        ),
        Case::attack("wrong-software", "another package of the repository", "wrong-size", |stage| {
            stage.publish("b--1");
            stage.publish("other--10000");
            let other = fs::read(stage.rig.folder().join("packages/other/other--10000.tar.gz")).unwrap();
            for file in fs::read_dir(stage.rig.folder().join("packages/b")).unwrap() {
                let path = file.unwrap().path();
                fs::remove_file(&path).unwrap();
                fs::write(path, &other).unwrap();
            }
            stage.fetch("b--1")
        }),
        Case::attack("wrong-software", "it is gone", "not-in-repository", |stage| {
            stage.publish("b--1");
            fs::remove_dir_all(stage.rig.folder().join("packages/b")).unwrap();
            stage.fetch("b--1")
        }),
        Case::twin("wrong-software", "the archive as it was signed", with_archive(|bytes| bytes)),
        Case::attack(
            "endless-archive",
            "a byte more",
            "wrong-size",
            with_archive(|mut bytes| {
                bytes.push(0);
                bytes
            }),
        ),
        Case::attack(
            "endless-archive",
            "ten million bytes more",
            "wrong-size",
            with_archive(|mut bytes| {
                bytes.resize(bytes.len() + 10_000_000, 0);
                bytes
            }),
        ),
        Case::twin("endless-archive", "as many bytes as were signed", with_archive(|bytes| bytes)),
        Case::attack(
            "short-archive",
            "a byte less",
            "wrong-size",
            with_archive(|mut bytes| {
                bytes.pop();
                bytes
            }),
        ),
        Case::attack("short-archive", "nothing", "wrong-size", with_archive(|_| Vec::new())),
        Case::twin("short-archive", "no byte less", with_archive(|bytes| bytes)),
    ];
    // The bytes of gzip's header that change nothing of what is unpacked: time, level, system.
    for place in [5, 6, 7, 8, 9] {
        let change = move |mut bytes: Vec<u8>| {
            bytes[place] ^= 0x20;
            bytes
        };
        let name = format!("byte {place} is another");
        cases.push(Case::attack("wrong-software", name, "digest-mismatch", with_archive(change)));
    }
    for place in [0, 12, 40, 80] {
        let change = move |mut bytes: Vec<u8>| {
            bytes[place] ^= 0x20;
            bytes
        };
        let name = format!("byte {place} is another, and it is no archive any more");
        cases.push(Case::attack("wrong-software", name, "bad-archive", with_archive(change)));
    }
    cases
}

/// Changes the target of `a--1`, signed by the right keys: what a careless or hostile publisher can do.
fn with_target(change: fn(&mut Value)) -> impl Fn(&Stage) -> Answer + Send + Sync {
    move |stage| {
        stage.change("targets", |signed| change(&mut signed["targets"]["packages/a/a--1.tar.gz"]));
        stage.seal();
        stage.look()
    }
}

/// Gives it another path.
fn moved(path: &'static str) -> impl Fn(&Stage) -> Answer + Send + Sync {
    move |stage| {
        stage.change("targets", |signed| {
            let targets = signed["targets"].as_object_mut().unwrap();
            let target = targets.remove("packages/a/a--1.tar.gz").unwrap();
            targets.insert(path.to_owned(), target);
        });
        stage.seal();
        stage.look()
    }
}

type Change = fn(&mut Value);

fn targets() -> Vec<Case> {
    let mut cases = Vec::new();
    for path in [
        "packages/b/b--1.tar.gz",
        "packages/a/a--2.tar.gz",
        "packages/a/a--1.tar.xz",
        "packages/a--1.tar.gz",
        "a--1.tar.gz",
        "/etc/passwd",
        "../a--1.tar.gz",
        "packages/../packages/a/a--1.tar.gz",
        "packages/a/a--1.tar.gz/",
        "packages//a/a--1.tar.gz",
        "metadata/timestamp.json",
    ] {
        cases.push(Case::attack("misplaced-target", path, "bad-metadata", moved(path)));
    }
    cases.push(Case::twin("misplaced-target", "where it belongs", moved("packages/a/a--1.tar.gz")));
    cases.push(Case::twin("misplaced-target", "packed the other way", moved("packages/a/a--1.tar.zst")));
    let pkginfos: [(&str, Change); 6] = [
        ("no text", |target| target["custom"]["pkginfo"] = json!({"format": 1})),
        ("no JSON", |target| target["custom"]["pkginfo"] = "a--1".into()),
        ("of another format", |target| {
            target["custom"]["pkginfo"] = r#"{"format": 9, "name": "a", "version": "1", "kind": "plain"}"#.into();
        }),
        ("of another package", |target| {
            target["custom"]["pkginfo"] = r#"{"format": 1, "name": "b", "version": "1", "kind": "plain"}"#.into();
        }),
        ("with a field that nobody knows", |target| {
            target["custom"]["pkginfo"] =
                r#"{"format": 1, "name": "a", "version": "1", "kind": "plain", "x": 1}"#.into();
        }),
        ("of no package's name", |target| {
            target["custom"]["pkginfo"] = r#"{"format": 1, "name": "../a", "version": "1", "kind": "plain"}"#.into();
        }),
    ];
    for (name, change) in pkginfos {
        cases.push(Case::attack("target-pkginfo", name, "bad-metadata", with_target(change)));
    }
    cases.push(Case::twin(
        "target-pkginfo",
        "with a field beside it",
        with_target(|target| target["custom"]["x"] = 1.into()),
    ));
    cases.push(Case::twin(
        "target-pkginfo",
        "none: the file is no package",
        with_target(|target| target["custom"] = json!({})),
    ));
    for (name, digest) in
        [("of four bytes", "00112233".to_owned()), ("of 64 bytes", "00".repeat(64)), ("of none", String::new())]
    {
        cases.push(Case::attack("target-digest", name, "bad-metadata", move |stage| {
            stage.change("targets", |signed| {
                signed["targets"]["packages/a/a--1.tar.gz"]["hashes"]["sha256"] = digest.as_str().into();
            });
            stage.seal();
            stage.look()
        }));
    }
    cases.push(Case::twin(
        "target-digest",
        "of 32 bytes",
        with_target(|target| {
            target["hashes"]["sha256"] = "00".repeat(32).into();
        }),
    ));
    cases
}

/// Whoever serves the folder would like nodes to take more than they need.
fn extraneous() -> Vec<Case> {
    vec![
        Case::attack("extraneous", "a package that only the plain index has", "no-such-package", |stage| {
            let folder = stage.rig.folder();
            let evil = stage.rig.archive("evil--1");
            fs::create_dir_all(folder.join("packages/evil")).unwrap();
            fs::copy(&evil, folder.join("packages/evil/evil--1.tar.gz")).unwrap();
            let path = folder.join("index.json");
            let mut index: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            let mut entry = index["packages"][0].clone();
            entry["id"] = "evil--1".into();
            entry["pkginfo"]["name"] = "evil".into();
            index["packages"].as_array_mut().unwrap().push(entry);
            fs::write(path, index.to_string()).unwrap();
            stage.fetch("evil--1")
        }),
        Case::attack("extraneous", "a requirement that was not signed", "metadata-signature", |stage| {
            let name = stage.newest("targets");
            let mut document = stage.read(&name);
            document["signed"]["targets"]["packages/a/a--1.tar.gz"]["custom"]["pkginfo"] =
                r#"{"format": 1, "name": "a", "version": "1", "kind": "plain", "requires": ["evil"]}"#.into();
            stage.write(&name, &document);
            stage.seal();
            stage.look()
        }),
        Case::attack("extraneous", "an archive beside those that are signed", "no-such-package", |stage| {
            let folder = stage.rig.folder();
            fs::copy(stage.rig.archive("a--2"), folder.join("packages/a/a--2.tar.gz")).unwrap();
            stage.fetch("a--2")
        }),
        Case::twin("extraneous", "what is signed, whatever the plain index says", |stage| {
            fs::write(stage.rig.folder().join("index.json"), r#"{"format": 1, "packages": []}"#).unwrap();
            stage.fetch("a--1")
        }),
    ]
}

fn revocations() -> Vec<Case> {
    vec![
        Case::attack("revoked", "it is asked for", "package-revoked", |stage| {
            stage.publish("b--2");
            super::revoke(&stage.rig, "b--2");
            stage.fetch("b--2")
        }),
        Case::attack("revoked", "its archive is still there", "package-revoked", |stage| {
            stage.publish("b--2");
            let kept = fs::read(stage.rig.folder().join("packages/b/b--2.tar.gz")).unwrap();
            super::revoke(&stage.rig, "b--2");
            fs::write(stage.rig.folder().join("packages/b/b--2.tar.gz"), kept).unwrap();
            stage.fetch("b--2")
        }),
        Case::attack("revoked", "a node that has it already validates a set", "revoked", |stage| {
            stage.publish("b--2");
            stage.fetch("b--2").unwrap();
            super::revoke(&stage.rig, "b--2");
            stage.look().unwrap();
            let report = stage.rig.store().validate(&["b--2".parse().unwrap()].into_iter().collect()).unwrap();
            let codes: Vec<&str> = report.problems.iter().map(|problem| problem.code.as_str()).collect();
            if codes.contains(&"revoked") { Err("revoked".to_owned()) } else { Ok(Vec::new()) }
        }),
        Case::twin("revoked", "its next version", |stage| {
            stage.publish("b--2");
            super::revoke(&stage.rig, "b--2");
            stage.publish("b--3");
            stage.fetch("b--3")
        }),
    ]
}

/// The keys of a site's repository are good for configs and plain packages.
fn site() -> Vec<Case> {
    let publish = |stage: &Stage, pkginfo: &str, files: &[&str]| {
        let archive = stage.rig.archive_of("a--1.11.0", pkginfo, files);
        crate::publisher::publish_signed(&stage.rig.folder(), &[archive], &stage.rig.signer()).unwrap();
    };
    let fetch = |stage: &Stage| {
        let id = "a--1.11.0";
        let root_json = Some(stage.rig.place.path().join("root.json"));
        let facts = RepositoryFacts { url: stage.rig.url.clone(), root_json, ca: None, credentials: None };
        let facts = node::Repositories { release: None, site: Some(facts) };
        let repositories = Repositories::new(&facts, &stage.rig.store()).unwrap();
        let fetched = stage.runtime.block_on(stage.rig.fetch_from(&repositories, id));
        let there = stage.rig.store().list().unwrap();
        assert_eq!(there.len(), usize::from(fetched.is_ok()), "what is refused is not there");
        fetched.map(|()| vec![id.to_owned()]).map_err(|error| dcos_core::Problem::from(error).name().to_owned())
    };
    let fetch_from_site = move |stage: &Stage, pkginfo: &str, files: &[&str]| {
        publish(stage, pkginfo, files);
        fetch(stage)
    };
    // A thief of the site's keys signs of an archive what they like.
    let forged = move |stage: &Stage, pkginfo: &str, files: &[&str], said: &str| {
        publish(stage, pkginfo, files);
        let said = format!(r#"{{"format": 1, "name": "a", "version": "1.11.0", {said}}}"#);
        stage.change("targets", |signed| {
            signed["targets"]["packages/a/a--1.11.0.tar.gz"]["custom"]["pkginfo"] = said.into();
        });
        stage.seal();
        fetch(stage)
    };
    vec![
        Case::attack("kind-in-disguise", "a module that is said to be plain", "bad-metadata", move |stage| {
            forged(stage, MODULE, &["lib/libx.so"], PLAIN)
        }),
        Case::attack("kind-in-disguise", "a Mesos that is said to be a config", "bad-metadata", move |stage| {
            let mesos = r#""kind": "mesos", "mesos": {"version": "1.11.0"}"#;
            forged(stage, mesos, &["bin/mesos-agent"], r#""kind": "mesos-config""#)
        }),
        Case::attack("kind-in-disguise", "a requirement that nobody is told of", "bad-metadata", move |stage| {
            forged(stage, r#""kind": "plain", "requires": ["evil"]"#, &[], PLAIN)
        }),
        Case::twin("kind-in-disguise", "the same in other words", move |stage| {
            forged(stage, PLAIN, &[], r#""requires": [], "kind":    "plain""#)
        }),
        Case::attack("site-offers-mesos", "a Mesos", "wrong-repository", move |stage| {
            fetch_from_site(stage, r#""kind": "mesos", "mesos": {"version": "1.11.0"}"#, &["bin/mesos-agent"])
        }),
        Case::attack("site-offers-mesos", "a module", "wrong-repository", move |stage| {
            fetch_from_site(stage, MODULE, &["lib/libx.so"])
        }),
        Case::twin("site-offers-mesos", "a plain package", move |stage| fetch_from_site(stage, PLAIN, &[])),
    ]
}
