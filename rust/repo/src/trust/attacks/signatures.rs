//! Who signs: thieves of some keys, of the wrong ones, of none.

use serde_json::{Value, json};

use super::case::{Case, READ, Stage};

/// Changes the signatures of the newest document of `role`, and lets the rest name it.
fn spoil(role: &'static str, spoil: impl Fn(&Stage, &mut Vec<Value>) + Send + Sync) -> impl Fn(&Stage) + Send + Sync {
    move |stage| {
        let name = stage.newest(role);
        let mut document = stage.read(&name);
        let mut signatures = document["signatures"].as_array().unwrap().clone();
        spoil(stage, &mut signatures);
        document["signatures"] = signatures.into();
        stage.write(&name, &document);
        reseal(stage, role);
    }
}

/// Lets what names `role` name it as it is now.
fn reseal(stage: &Stage, role: &str) {
    match role {
        "targets" => stage.seal(),
        "snapshot" => {
            let bytes = std::fs::read(stage.rig.metadata(&stage.newest("snapshot"))).unwrap();
            stage.change("timestamp", |signed| {
                let file = &mut signed["meta"]["snapshot.json"];
                file["length"] = bytes.len().into();
                file["hashes"]["sha256"] = dcos_core::Sha256::of(&bytes).to_string().into();
            });
        }
        _ => {}
    }
}

type Spoil = fn(&Stage, &mut Vec<Value>);

/// A hexadecimal text with its last digit changed.
fn flipped(hex: &Value) -> Value {
    let mut text = hex.as_str().unwrap().to_owned();
    let last = text.pop().unwrap();
    text.push(if last == '0' { '1' } else { '0' });
    text.into()
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = broken();
    cases.extend(others());
    cases.extend(thresholds());
    cases.extend(new_roots());
    cases
}

fn broken() -> Vec<Case> {
    let spoils: [(&str, &str, Spoil); 6] = [
        ("none at all", "metadata-signature", |_, signatures| signatures.clear()),
        ("a bit of it is another", "metadata-signature", |_, signatures| {
            signatures[0]["sig"] = flipped(&signatures[0]["sig"]);
        }),
        ("cut off", "metadata-signature", |_, signatures| signatures[0]["sig"] = "00".into()),
        ("empty", "metadata-signature", |_, signatures| signatures[0]["sig"] = "".into()),
        ("by a key that nobody knows", "metadata-signature", |_, signatures| {
            signatures[0]["keyid"] = "00".repeat(32).into();
        }),
        ("by a key whose name is a digit off", "metadata-signature", |_, signatures| {
            signatures[0]["keyid"] = flipped(&signatures[0]["keyid"]);
        }),
    ];
    let mut cases = Vec::new();
    for role in READ {
        for (name, problem, change) in spoils {
            cases.push(Case::attack("signature", format!("of {role}: {name}"), problem, move |stage| {
                spoil(role, change)(stage);
                stage.look()
            }));
        }
        cases.push(Case::attack(
            "signed-content",
            format!("{role} says something else"),
            "metadata-signature",
            move |stage| {
                let name = stage.newest(role);
                let mut document = stage.read(&name);
                document["signed"]["expires"] = "2039-01-01T00:00:00Z".into();
                stage.write(&name, &document);
                reseal(stage, role);
                stage.look()
            },
        ));
        cases.push(Case::attack(
            "signed-content",
            format!("{role} says something more"),
            "metadata-signature",
            move |stage| {
                let name = stage.newest(role);
                let mut document = stage.read(&name);
                document["signed"]["more"] = "x".into();
                stage.write(&name, &document);
                reseal(stage, role);
                stage.look()
            },
        ));
        cases.push(Case::twin("signature", format!("of {role}: one of a stranger beside it"), move |stage| {
            spoil(role, |_, signatures| signatures.push(json!({"keyid": "11".repeat(32), "sig": "22".repeat(64)})))(
                stage,
            );
            stage.look()
        }));
        cases.push(Case::twin(
            "signed-content",
            format!("{role} has something more that is not signed"),
            move |stage| {
                stage.change(role, |signed| signed["more"] = "x".into());
                reseal(stage, role);
                stage.look()
            },
        ));
    }
    cases
}

fn others() -> Vec<Case> {
    let mut cases = Vec::new();
    for role in READ {
        for whose in ["root", "timestamp", "snapshot", "targets"] {
            if role != whose {
                let name = format!("{role} by the keys of {whose}");
                cases.push(Case::attack("wrong-role", name, "metadata-signature", move |stage| {
                    stage.change_by(role, whose, usize::MAX, |_| ());
                    reseal(stage, role);
                    stage.look()
                }));
            }
        }
        cases.push(Case::twin("wrong-role", format!("{role} by its own keys"), move |stage| {
            stage.change_by(role, role, usize::MAX, |_| ());
            reseal(stage, role);
            stage.look()
        }));
        // A document that is signed well, as another role.
        let other = if role == "timestamp" { "snapshot" } else { "timestamp" };
        // Timestamp and snapshot look alike, so there it is the keys that tell.
        let problem = if role == "targets" { "bad-metadata" } else { "metadata-signature" };
        cases.push(Case::attack("wrong-type", format!("{role} is a {other}"), problem, move |stage| {
            let document = stage.read(&stage.newest(other));
            stage.write(&stage.newest(role), &document);
            if role != "timestamp" {
                forward(stage, role);
            }
            stage.look()
        }));
    }
    cases.push(Case::twin("wrong-type", "each is what it is", Stage::look));
    cases
}

/// Lets what names `role` name it without looking into it.
fn forward(stage: &Stage, role: &str) {
    let bytes = std::fs::read(stage.rig.metadata(&stage.newest(role))).unwrap();
    let by = if role == "snapshot" { "timestamp" } else { "snapshot" };
    stage.change(by, |signed| {
        let file = &mut signed["meta"][format!("{role}.json")];
        file["length"] = bytes.len().into();
        file["hashes"]["sha256"] = dcos_core::Sha256::of(&bytes).to_string().into();
    });
    if by == "snapshot" {
        forward(stage, "snapshot");
    }
}

fn thresholds() -> Vec<Case> {
    let mut cases = Vec::new();
    for (threshold, count) in [(2, 1), (3, 1), (3, 2), (4, 3)] {
        let name = format!("{count} of {threshold} keys are stolen");
        let case = Case::attack("threshold", name, "metadata-threshold", move |stage| {
            stage.change_by("targets", "targets", count, |signed| signed["targets"] = json!({}));
            stage.seal();
            stage.look()
        });
        cases.push(case.with_threshold(threshold));
        let name = format!("{threshold} of {threshold} keys sign");
        let case = Case::twin("threshold", name, move |stage| {
            stage.change_by("targets", "targets", usize::from(threshold), |_| ());
            stage.seal();
            stage.look()
        });
        cases.push(case.with_threshold(threshold));
    }
    let twice = |stage: &Stage, change: fn(&mut Value)| {
        spoil("targets", |_, signatures| {
            signatures.truncate(1);
            let mut again = signatures[0].clone();
            change(&mut again);
            signatures.push(again);
        })(stage);
        stage.look()
    };
    let same: fn(&mut Value) = |_| ();
    let other_case: fn(&mut Value) = |again| again["keyid"] = again["keyid"].as_str().unwrap().to_uppercase().into();
    let other_name: fn(&mut Value) = |again| again["keyid"] = "33".repeat(32).into();
    let cases_of_one_key = [
        ("the same signature twice", "metadata-signature", same),
        ("the key's name in capitals", "metadata-signature", other_case),
        ("the key under another name", "metadata-threshold", other_name),
    ];
    for (name, problem, change) in cases_of_one_key {
        let case = Case::attack("counted-once", name, problem, move |stage| twice(stage, change));
        cases.push(case.with_threshold(2));
    }
    cases.push(Case::twin("counted-once", "two keys", Stage::look).with_threshold(2));
    cases
}

/// What a thief of root's keys, or of none, can do to the chain of roots.
fn new_roots() -> Vec<Case> {
    let new_root = |change: fn(&Stage, &mut Value), count: usize| {
        move |stage: &Stage| {
            let mut signed = stage.read("1.root.json")["signed"].clone();
            signed["version"] = 2.into();
            change(stage, &mut signed);
            let root = stage.sign("root", &signed, count);
            stage.write("2.root.json", &root);
            stage.look()
        }
    };
    let nothing: fn(&Stage, &mut Value) = |_, _| ();
    let strangers: fn(&Stage, &mut Value) = |stage, signed| {
        // Root's keys become those of the timestamp: the old ones sign it, the new ones don't.
        signed["roles"]["root"]["keyids"] = signed["roles"]["timestamp"]["keyids"].clone();
        let _ = stage;
    };
    let more: fn(&Stage, &mut Value) = |_, signed| signed["roles"]["root"]["threshold"] = 3.into();
    vec![
        Case::attack("root-by-old-keys", "nobody has signed it", "metadata-signature", new_root(nothing, 0)),
        Case::attack("root-by-old-keys", "one of two has", "metadata-threshold", new_root(nothing, 1))
            .with_threshold(2),
        Case::attack("root-by-old-keys", "the timestamp's keys have", "metadata-signature", |stage| {
            let mut signed = stage.read("1.root.json")["signed"].clone();
            signed["version"] = 2.into();
            stage.write("2.root.json", &stage.sign("timestamp", &signed, 9));
            stage.look()
        }),
        Case::twin("root-by-old-keys", "the old ones have", new_root(nothing, 9)),
        Case::twin("root-by-old-keys", "two of two have", new_root(nothing, 2)).with_threshold(2),
        Case::attack(
            "root-by-its-own-keys",
            "the new keys have not signed it",
            "metadata-signature",
            new_root(strangers, 9),
        ),
        Case::attack("root-by-its-own-keys", "it wants more than have", "metadata-threshold", new_root(more, 9)),
        Case::twin("root-by-its-own-keys", "old and new ones have", |stage| {
            stage.rotate("root");
            stage.look()
        }),
    ]
}
