//! Documents that are none, and those without end.

use std::fs;

use super::case::{Case, READ, Stage};

/// Replaces the newest document of `role`, or offers a second root, and lets what names it name it.
fn replace(stage: &Stage, role: &str, bytes: &[u8]) {
    match role {
        "root" => fs::write(stage.rig.metadata("2.root.json"), bytes).unwrap(),
        _ => fs::write(stage.rig.metadata(&stage.newest(role)), bytes).unwrap(),
    }
    let mut named = role;
    while let Some(by) = match named {
        "targets" => Some("snapshot"),
        "snapshot" => Some("timestamp"),
        _ => None,
    } {
        let bytes = fs::read(stage.rig.metadata(&stage.newest(named))).unwrap();
        stage.change(by, |signed| {
            let file = &mut signed["meta"][format!("{named}.json")];
            file["length"] = bytes.len().into();
            file["hashes"]["sha256"] = dcos_core::Sha256::of(&bytes).to_string().into();
        });
        named = by;
    }
}

/// What is good, in bytes.
fn good(stage: &Stage, role: &str) -> Vec<u8> {
    if role == "root" {
        let mut signed = stage.read("1.root.json")["signed"].clone();
        signed["version"] = 2.into();
        return serde_json::to_vec(&stage.sign("root", &signed, usize::MAX)).unwrap();
    }
    fs::read(stage.rig.metadata(&stage.newest(role))).unwrap()
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = malformed();
    cases.extend(endless());
    cases.extend(given_roots());
    cases
}

type Spoil = fn(Vec<u8>) -> Vec<u8>;

fn malformed() -> Vec<Case> {
    let spoils: [(&str, Spoil); 9] = [
        ("nothing", |_| Vec::new()),
        ("a page for people", |_| b"<html>sign in</html>".to_vec()),
        ("cut off", |bytes| bytes[..bytes.len() / 2].to_vec()),
        ("zeros", |bytes| vec![0; bytes.len()]),
        ("a list", |_| b"[]".to_vec()),
        ("an object without fields", |_| b"{}".to_vec()),
        ("brackets without end", |_| vec![b'['; 50_000]),
        ("not UTF-8", |mut bytes| {
            bytes[10] = 0xff;
            bytes
        }),
        ("something behind it", |bytes| [bytes, b"{}".to_vec()].concat()),
    ];
    let mut cases = Vec::new();
    for role in ["root", "timestamp", "snapshot", "targets"] {
        for (name, spoil) in spoils {
            cases.push(Case::attack("malformed", format!("{role}: {name}"), "bad-metadata", move |stage| {
                replace(stage, role, &spoil(good(stage, role)));
                stage.look()
            }));
        }
        cases.push(Case::twin("malformed", format!("{role}: written otherwise"), move |stage| {
            let value: serde_json::Value = serde_json::from_slice(&good(stage, role)).unwrap();
            replace(stage, role, &serde_json::to_vec_pretty(&value).unwrap());
            stage.look()
        }));
    }
    cases
}

fn endless() -> Vec<Case> {
    let mut cases = Vec::new();
    for (role, rule, limit) in [
        ("timestamp", "endless-timestamp", 64 << 10),
        ("root", "endless-root", 1 << 20),
        ("snapshot", "endless-snapshot", 1 << 20),
        ("targets", "endless-targets", 32 << 20),
    ] {
        let padded = move |stage: &Stage, length: usize| {
            let mut bytes = good(stage, role);
            bytes.resize(length.max(bytes.len()), b' ');
            bytes
        };
        for (name, length) in [("a byte more than is ever read", limit + 1), ("twice that", 2 * limit)] {
            cases.push(Case::attack(rule, name, "metadata-endless", move |stage| {
                replace(stage, role, &padded(stage, length));
                stage.look()
            }));
        }
        if READ.contains(&role) && role != "timestamp" {
            for more in [1, 1_000, 10_000_000] {
                cases.push(Case::attack(
                    rule,
                    format!("{more} more than announced"),
                    "metadata-endless",
                    move |stage| {
                        let length = good(stage, role).len() + more;
                        fs::write(stage.rig.metadata(&stage.newest(role)), padded(stage, length)).unwrap();
                        stage.look()
                    },
                ));
            }
        }
        cases.push(Case::twin(rule, "some space, announced where lengths are", move |stage| {
            let length = good(stage, role).len() + 1_000;
            replace(stage, role, &padded(stage, length));
            stage.look()
        }));
    }
    cases.push(Case::attack("endless-roots", "three hundred new roots", "metadata-endless", |stage| {
        chain(stage, 300);
        stage.look()
    }));
    cases.push(Case::twin("endless-roots", "twenty new roots", |stage| {
        chain(stage, 20);
        stage.look()
    }));
    cases
}

fn chain(stage: &Stage, count: u64) {
    let mut signed = stage.read("1.root.json")["signed"].clone();
    for version in 2..2 + count {
        signed["version"] = version.into();
        let root = stage.sign("root", &signed, usize::MAX);
        stage.write(&format!("{version}.root.json"), &root);
    }
}

/// What the operator brings to the node can be wrong as well.
fn given_roots() -> Vec<Case> {
    let give = |stage: &Stage, bytes: &[u8]| {
        fs::write(stage.rig.place.path().join("root.json"), bytes).unwrap();
        stage.look()
    };
    let mut cases = vec![
        Case::attack("given-root", "none is there", "bad-root", |stage| {
            fs::remove_file(stage.rig.place.path().join("root.json")).unwrap();
            stage.look()
        }),
        Case::attack("given-root", "of somebody else", "metadata-signature", move |stage| {
            let other = stage.runtime.block_on(super::Rig::new(1));
            give(stage, &fs::read(other.metadata("1.root.json")).unwrap())
        }),
        Case::attack("given-root", "not signed by itself", "bad-root", move |stage| {
            let mut root = stage.read("1.root.json");
            root["signatures"] = serde_json::json!([]);
            give(stage, &serde_json::to_vec(&root).unwrap())
        }),
        Case::twin("given-root", "a later one", move |stage| {
            stage.rotate("root");
            stage.rotate("targets");
            give(stage, &fs::read(stage.rig.metadata("3.root.json")).unwrap())
        }),
    ];
    for (name, bytes) in [("empty", &b""[..]), ("no JSON", b"root"), ("of no fields", b"{}")] {
        cases.push(Case::attack("given-root", name, "bad-root", move |stage| give(stage, bytes)));
    }
    cases
}
