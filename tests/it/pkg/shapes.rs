//! The JSON of each command against its example in `docs/dcos-pkg`: scripts rely on these shapes.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::machine::{BITS, MESOS, Machine, id, pkg};
use super::server::Served;
use crate::harness::program::Outcome;

/// Every path to a scalar in a document, with the scalar's type. Elements of a list count as one.
fn shape(prefix: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(table) => table.iter().for_each(|(name, value)| shape(&format!("{prefix}.{name}"), value, found)),
        Value::Array(items) => items.iter().for_each(|item| shape(&format!("{prefix}[]"), item, found)),
        Value::Null => drop(found.insert(format!("{prefix}: null"))),
        Value::Bool(_) => drop(found.insert(format!("{prefix}: boolean"))),
        Value::Number(_) => drop(found.insert(format!("{prefix}: number"))),
        Value::String(_) => drop(found.insert(format!("{prefix}: text"))),
    }
}

/// Fails unless what was printed has all that the example of `name` shows, and nothing that it does not.
pub(super) fn assert_shaped_like(name: &str, outcome: &Outcome) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/dcos-pkg/{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}\n{outcome}", path.display()));
    let (mut documented, mut printed) = (BTreeSet::new(), BTreeSet::new());
    shape("", &serde_json::from_str(&text).unwrap(), &mut documented);
    shape("", &outcome.json(), &mut printed);
    assert_eq!(printed, documented, "{} differs from what was printed: {outcome}", path.display());
}

#[test]
fn what_is_printed_is_what_is_documented() {
    let machine = Machine::new(None);
    let mut archives = machine.build_set("1.10.0");
    let config = id(&archives[2]);
    archives.push(machine.build_plain("unused--1", &[("share/unused", b"text")]));
    let server = Served::start(&machine.publish(&archives));
    machine.write_node(&format!("[repositories.release]\nurl = \"{}\"\n", server.url));

    let tree = machine.path("trees/unused--1");
    let archive = machine.path("unused--1.tar.zst");
    let build = pkg(&["build", tree.to_str().unwrap(), "--output", archive.to_str().unwrap(), "--json"]);
    assert_shaped_like("build", &build.expect(0));
    assert_shaped_like("add", &machine.pkg(&["add", archive.to_str().unwrap(), "--json"]).expect(0));
    assert_shaped_like("validate.invalid", &machine.pkg(&["validate", MESOS, "--json"]).expect(3));
    assert_shaped_like("fetch", &machine.pkg(&["fetch", MESOS, BITS, &config, "--json"]).expect(0));
    assert_shaped_like("available", &machine.pkg(&["available", "dcos-bits", "--json"]).expect(0));
    assert_shaped_like("validate.valid", &machine.pkg(&["validate", MESOS, BITS, &config, "--json"]).expect(0));
    assert_shaped_like("activate", &machine.pkg(&["activate", MESOS, BITS, &config, "--json"]).expect(0));
    assert_shaped_like("active", &machine.pkg(&["active", "--json"]).expect(0));
    assert_shaped_like("list", &machine.pkg(&["list", "--json"]).expect(0));
    assert_shaped_like("show", &machine.pkg(&["show", &config, "--json"]).expect(0));
    assert_shaped_like("history", &machine.pkg(&["history", "--json"]).expect(0));
    assert_shaped_like("verify", &machine.pkg(&["verify", MESOS, "--json"]).expect(0));
    std::fs::remove_file(machine.root().join("packages").join(MESOS).join("bin/mesos-agent")).unwrap();
    assert_shaped_like("repair", &machine.pkg(&["repair", MESOS, "--json"]).expect(0));
    assert_shaped_like("refused", &machine.pkg(&["remove", MESOS, "--json"]).expect(5));
    assert_shaped_like("gc", &machine.pkg(&["gc", "--dry-run", "--json"]).expect(0));
    assert_shaped_like("remove", &machine.pkg(&["remove", "unused--1", "--json"]).expect(0));
}

#[test]
fn the_documented_index_is_one() {
    let text = include_str!("../../../docs/repository/index.json");
    let index: dcos_core::index::Index = serde_json::from_str(text).unwrap();
    let written = serde_json::to_value(&index).unwrap();
    assert_eq!(written, serde_json::from_str::<Value>(text).unwrap());
}

#[test]
fn every_command_is_there_and_has_an_example() {
    let commands = "add fetch build convert list available show active validate activate swap rollback history remove \
                    verify repair gc";
    for command in commands.split_whitespace() {
        let help = pkg(&[command, "--help"]).expect(0);
        let example = format!("Examples:\n  dcos-pkg {command}");
        assert!(help.stdout.contains(&example), "{help}");
    }
}
