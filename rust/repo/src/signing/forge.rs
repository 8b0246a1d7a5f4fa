//! What whoever has stolen keys can write. For tests only.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use tough::schema::{Role, RoleType, Root, Signed, Snapshot, Targets, Timestamp};

use super::Signer;

/// `signed`, a document's own part, with the signatures of the keys that `root` lists for the role `whose`, at most
/// `count` of them.
pub(crate) fn sign(signer: &Signer, root: &Value, whose: RoleType, signed: &Value, count: usize) -> Value {
    let root: Signed<Root> = serde_json::from_value(root.clone()).unwrap();
    let text = canonical(signed);
    let listed = &root.signed.roles[&whose].keyids;
    let pairs = signer.keys.pairs.iter().filter(|(id, _)| listed.contains(id)).take(count);
    let signatures: Vec<Value> = pairs
        .map(|(id, pair)| {
            let hex: String = pair.sign(&text).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            json!({"keyid": serde_json::to_value(id).unwrap(), "sig": hex})
        })
        .collect();
    json!({"signed": signed, "signatures": signatures})
}

fn canonical(signed: &Value) -> Vec<u8> {
    let value = signed.clone();
    match signed["_type"].as_str().unwrap() {
        "root" => form::<Root>(value),
        "targets" => form::<Targets>(value),
        "snapshot" => form::<Snapshot>(value),
        "timestamp" => form::<Timestamp>(value),
        other => panic!("no role `{other}`"),
    }
}

fn form<T: Role + serde::de::DeserializeOwned>(value: Value) -> Vec<u8> {
    serde_json::from_value::<T>(value).unwrap().canonical_form().unwrap()
}
