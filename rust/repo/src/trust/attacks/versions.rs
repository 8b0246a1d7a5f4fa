//! What is old, skipped, frozen or put together from parts.

use std::fs;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::case::{Answer, Case, READ, Stage};

/// The metadata files of an instant, to be put back later.
fn remember(stage: &Stage) -> Vec<(String, Vec<u8>)> {
    let names = [stage.newest("targets"), stage.newest("snapshot"), stage.newest("timestamp")];
    names.map(|name| (name.clone(), fs::read(stage.rig.metadata(&name)).unwrap())).into()
}

fn put_back(stage: &Stage, files: &[(String, Vec<u8>)]) {
    for (name, bytes) in files {
        fs::write(stage.rig.metadata(name), bytes).unwrap();
    }
}

/// Looks once, so that the node remembers; then lets `then` happen and looks again.
fn seen(stage: &Stage, then: impl FnOnce()) -> Answer {
    stage.look().expect("what is good is taken");
    then();
    stage.look()
}

fn set_version(role: &'static str, version: u64) -> impl Fn(&Stage) + Send + Sync {
    move |stage| stage.change(role, |signed| signed["version"] = version.into())
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = rollbacks();
    cases.extend(freezes());
    cases.extend(mixtures());
    cases.extend(roots());
    cases
}

fn rollbacks() -> Vec<Case> {
    let mut cases = vec![
        Case::attack("rollback-timestamp", "what was there before a publication", "metadata-rollback", |stage| {
            let old = remember(stage);
            stage.publish("b--2");
            seen(stage, || put_back(stage, &old))
        }),
        Case::attack("rollback-timestamp", "after a change of keys", "metadata-rollback", |stage| {
            stage.rotate("timestamp");
            stage.look().unwrap();
            let old = remember(stage);
            stage.publish("b--2");
            seen(stage, || put_back(stage, &old))
        }),
        Case::attack("rollback-timestamp", "a lower version, newly signed", "metadata-rollback", |stage| {
            seen(stage, || set_version("timestamp", 1)(stage))
        }),
        Case::twin("rollback-timestamp", "the same one again", |stage| seen(stage, || ())),
        Case::twin("rollback-timestamp", "a newer one", |stage| seen(stage, || stage.publish("b--2"))),
        Case::attack("rollback-snapshot", "an older snapshot under a newer timestamp", "metadata-rollback", |stage| {
            let old = stage.read("timestamp.json")["signed"]["meta"].clone();
            stage.publish("b--2");
            seen(stage, || {
                stage.change("timestamp", |signed| {
                    signed["meta"] = old;
                    signed["version"] = 9.into();
                });
            })
        }),
        Case::twin("rollback-snapshot", "the same snapshot under a newer timestamp", |stage| {
            seen(stage, || set_version("timestamp", 9)(stage))
        }),
        Case::attack(
            "rollback-targets",
            "older targets under newer snapshot and timestamp",
            "metadata-rollback",
            |stage| {
                let old = stage.read(&stage.newest("snapshot"))["signed"]["meta"].clone();
                stage.publish("b--2");
                seen(stage, || {
                    stage.publish("c--1");
                    stage.change("snapshot", |signed| signed["meta"] = old);
                    reseal_timestamp(stage);
                })
            },
        ),
        Case::twin("rollback-targets", "newer targets under newer snapshot and timestamp", |stage| {
            stage.publish("b--2");
            seen(stage, || stage.publish("c--1"))
        }),
        Case::attack("rollback-revocation", "what was before a revocation", "metadata-rollback", |stage| {
            stage.publish("b--2");
            let old = remember(stage);
            super::revoke(&stage.rig, "b--2");
            seen(stage, || put_back(stage, &old))
        }),
        Case::twin("rollback-revocation", "what is after it", |stage| {
            stage.publish("b--2");
            seen(stage, || super::revoke(&stage.rig, "b--2"))
        }),
        Case::attack("snapshot-forgets-targets", "no targets are named any more", "bad-metadata", |stage| {
            seen(stage, || {
                stage.publish("b--2");
                stage.change("snapshot", |signed| signed["meta"] = json!({}));
                reseal_timestamp(stage);
            })
        }),
        Case::twin("snapshot-forgets-targets", "they are named", |stage| seen(stage, || stage.publish("b--2"))),
    ];
    // Whoever has stolen timestamp and snapshot can push the versions out of reach; new keys begin anew.
    for version in [1_000_u64, 1 << 40, u64::from(u32::MAX)] {
        let forward = move |stage: &Stage| {
            stage.look().unwrap();
            let honest = remember(stage);
            for role in ["snapshot", "timestamp"] {
                stage.change(role, |signed| signed["version"] = version.into());
            }
            fs::rename(
                stage.rig.metadata(&stage.newest("snapshot")),
                stage.rig.metadata(&format!("{version}.snapshot.json")),
            )
            .unwrap();
            stage.seal();
            stage.look().expect("it is signed by the keys of the day");
            fs::remove_file(stage.rig.metadata(&format!("{version}.snapshot.json"))).unwrap();
            put_back(stage, &honest);
        };
        cases.push(Case::attack(
            "fast-forward",
            format!("back from version {version} with the stolen keys still good"),
            "metadata-rollback",
            move |stage| {
                forward(stage);
                stage.look()
            },
        ));
        cases.push(Case::twin("fast-forward", format!("back from version {version} by new keys"), move |stage| {
            forward(stage);
            stage.rotate("timestamp");
            stage.rotate("snapshot");
            stage.look()
        }));
    }
    cases
}

/// Lets the timestamp name the newest snapshot.
fn reseal_timestamp(stage: &Stage) {
    let name = stage.newest("snapshot");
    let bytes = fs::read(stage.rig.metadata(&name)).unwrap();
    stage.change("timestamp", |signed| {
        let file = &mut signed["meta"]["snapshot.json"];
        file["length"] = bytes.len().into();
        file["hashes"]["sha256"] = dcos_core::Sha256::of(&bytes).to_string().into();
    });
}

fn expire(stage: &Stage, role: &str, seconds: i64) {
    let expires = Timestamp::now() + SignedDuration::from_secs(seconds);
    let expires = Timestamp::from_second(expires.as_second()).unwrap().to_string();
    stage.change(role, |signed| signed["expires"] = expires.into());
    stage.seal();
}

fn freezes() -> Vec<Case> {
    let mut cases = Vec::new();
    for (role, rule) in READ.into_iter().zip(["freeze-timestamp", "freeze-snapshot", "freeze-targets"]) {
        for (seconds, name) in [(-2, "two seconds ago"), (-86_400, "a day ago"), (-400 * 86_400, "a year ago")] {
            cases.push(Case::attack(rule, format!("expired {name}"), "metadata-expired", move |stage| {
                expire(stage, role, seconds);
                stage.look()
            }));
        }
        cases.push(Case::attack(
            rule,
            "seen while it was fresh, and held back since",
            "metadata-expired",
            move |stage| {
                stage.look().unwrap();
                let version = stage.read("timestamp.json")["signed"]["version"].as_u64().unwrap();
                expire(stage, role, -5);
                stage.change("timestamp", |signed| signed["version"] = (version + 1).into());
                stage.look()
            },
        ));
        cases.push(Case::twin(rule, "expires in a minute", move |stage| {
            expire(stage, role, 60);
            stage.look()
        }));
    }
    let expire_root = |stage: &Stage, seconds: i64| {
        let expires =
            Timestamp::from_second((Timestamp::now() + SignedDuration::from_secs(seconds)).as_second()).unwrap();
        let mut signed = stage.read("1.root.json")["signed"].clone();
        signed["version"] = 2.into();
        signed["expires"] = expires.to_string().into();
        let root = stage.sign("root", &signed, usize::MAX);
        stage.write("2.root.json", &root);
    };
    cases.push(Case::attack("freeze-root", "the newest root has expired", "metadata-expired", move |stage| {
        expire_root(stage, -5);
        stage.look()
    }));
    cases.push(Case::twin("freeze-root", "it expires in a minute", move |stage| {
        expire_root(stage, 60);
        stage.look()
    }));
    cases.push(Case::twin("freeze-root", "one on the way has expired, and the newest has not", move |stage| {
        expire_root(stage, -5);
        stage.rotate("root");
        stage.look()
    }));
    for (ahead, then) in [(25 * 60, Some("clock-wrong")), (90, Some("clock-wrong")), (30, None)] {
        let play = move |stage: &Stage| {
            stage.look().unwrap();
            let later = |present: Option<&[u8]>| {
                let mut known: Value = serde_json::from_slice(present.unwrap()).unwrap();
                known["trusted_at"] = (Timestamp::now() + SignedDuration::from_mins(ahead)).to_string().into();
                Some(known.to_string().into_bytes())
            };
            stage.rig.store().advance_trust("release", later).unwrap();
            stage.look()
        };
        let name = format!("this clock is {ahead} minutes behind what was seen");
        cases.push(match then {
            Some(problem) => Case::attack("clock-behind", name, problem, play),
            None => Case::twin("clock-behind", name, play),
        });
    }
    cases
}

fn mixtures() -> Vec<Case> {
    let mut cases = Vec::new();
    for (role, rule) in [("snapshot", "mix-snapshot"), ("targets", "mix-targets")] {
        cases.push(Case::attack(rule, "an older one under the newer name", "metadata-mixed", move |stage| {
            let older = fs::read(stage.rig.metadata(&stage.newest(role))).unwrap();
            stage.publish("b--2");
            // The same length, so that nothing but the digest tells.
            let newer = stage.rig.metadata(&stage.newest(role));
            let length = fs::read(&newer).unwrap().len();
            let mut bytes = older;
            bytes.resize(length, b' ');
            fs::write(newer, bytes).unwrap();
            stage.look()
        }));
        cases.push(Case::attack(rule, "one byte of space is another", "metadata-mixed", move |stage| {
            let path = stage.rig.metadata(&stage.newest(role));
            let mut bytes = fs::read(&path).unwrap();
            *bytes.last_mut().unwrap() = b' ';
            fs::write(path, bytes).unwrap();
            stage.look()
        }));
        cases.push(Case::attack(
            rule,
            "newly signed, and not the one that was announced",
            "metadata-endless",
            move |stage| {
                stage.change(role, |signed| signed["expires"] = "2030-01-01T00:00:00Z".into());
                let path = stage.rig.metadata(&stage.newest(role));
                // Pretty printing took more room: what is longer than announced is not even read.
                let mut bytes = fs::read(&path).unwrap();
                bytes.resize(bytes.len() + 20_000, b' ');
                fs::write(path, bytes).unwrap();
                stage.look()
            },
        ));
        cases.push(Case::attack(rule, "it is gone", "not-in-repository", move |stage| {
            fs::remove_file(stage.rig.metadata(&stage.newest(role))).unwrap();
            stage.look()
        }));
        cases.push(Case::twin(rule, "newly signed, and announced", move |stage| {
            stage.change(role, |signed| signed["expires"] = "2030-01-01T00:00:00Z".into());
            stage.seal();
            stage.look()
        }));
        // Versions that are not what their announcement says.
        for version in [1, 2, 4, 1_000] {
            let rule = if role == "snapshot" { "wrong-version-snapshot" } else { "wrong-version-targets" };
            cases.push(Case::attack(rule, format!("version {version} inside"), "metadata-mixed", move |stage| {
                let announced = stage.read(&stage.newest(role))["signed"]["version"].clone();
                stage.change(role, |signed| signed["version"] = version.into());
                stage.seal();
                let by = if role == "snapshot" { "timestamp" } else { "snapshot" };
                stage.change(by, |signed| signed["meta"][format!("{role}.json")]["version"] = announced);
                if role == "targets" {
                    reseal_timestamp(stage);
                }
                stage.look()
            }));
        }
        let rule = if role == "snapshot" { "wrong-version-snapshot" } else { "wrong-version-targets" };
        cases.push(Case::twin(rule, "the version that is announced", move |stage| {
            stage.change(role, |signed| signed["version"] = 3.into());
            stage.seal();
            stage.look()
        }));
    }
    cases
}

fn roots() -> Vec<Case> {
    let next_root = |stage: &Stage, version: u64| {
        let mut signed = stage.read("1.root.json")["signed"].clone();
        signed["version"] = version.into();
        let root = stage.sign("root", &signed, usize::MAX);
        stage.write("2.root.json", &root);
    };
    let mut cases = Vec::new();
    for (version, problem) in [(1, "metadata-rollback"), (3, "metadata-mixed"), (1_000, "metadata-mixed")] {
        cases.push(Case::attack(
            "wrong-version-root",
            format!("2.root.json has version {version}"),
            problem,
            move |stage| {
                next_root(stage, version);
                stage.look()
            },
        ));
    }
    cases.push(Case::twin("wrong-version-root", "2.root.json has version 2", move |stage| {
        next_root(stage, 2);
        stage.look()
    }));
    // A change of keys is signed by the old ones, too; what comes after it is not.
    let rotated = |stage: &Stage| {
        for _ in 0..3 {
            stage.rotate("timestamp");
        }
        stage.publish("b--2");
    };
    for missing in [2_u64, 3, 4] {
        let name = format!("{missing}.root.json is not there");
        cases.push(Case::attack("missing-link", name, "metadata-signature", move |stage| {
            rotated(stage);
            fs::remove_file(stage.rig.metadata(&format!("{missing}.root.json"))).unwrap();
            stage.look()
        }));
    }
    cases.push(Case::twin("missing-link", "all are there", move |stage| {
        rotated(stage);
        stage.look()
    }));
    cases.push(Case::twin("missing-link", "one that was followed before", |stage| {
        stage.rotate("timestamp");
        stage.look().unwrap();
        stage.rotate("snapshot");
        fs::remove_file(stage.rig.metadata("1.root.json")).unwrap();
        fs::remove_file(stage.rig.metadata("2.root.json")).unwrap();
        stage.look()
    }));
    cases
}
