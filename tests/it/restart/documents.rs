//! What the helper prints is what its documents show.

use std::path::Path;

use serde_json::Value;

use super::machine::{Machine, NEW, OLD};
use crate::harness::until;

/// Every field of an example, dotted, with the fields of the first element of each list.
fn fields(prefix: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                found.push(format!("{prefix}.{name}"));
                fields(&format!("{prefix}.{name}"), value, found);
            }
        }
        Value::Array(list) => list.first().into_iter().for_each(|first| fields(&format!("{prefix}[]"), first, found)),
        _ => {}
    }
}

fn read(example: &str) -> Value {
    let path = format!("{}/docs/dcos-restart-helper/{example}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap()
}

/// The document has every field of its example, and no other.
#[track_caller]
pub(crate) fn alike(example: &str, printed: &Value) {
    let (mut wanted, mut found) = (Vec::new(), Vec::new());
    fields("", &read(example), &mut wanted);
    fields("", printed, &mut found);
    assert_eq!(found, wanted, "{example}: {printed:#}");
}

#[test]
fn each_command_prints_what_its_example_shows() {
    let machine = Machine::started();
    alike("run.dry-run", &machine.restart(NEW, &["--dry-run"]).expect(0).json());
    alike("run", &machine.restart(NEW, &[]).expect(0).json());
    alike("status", &machine.status());
    alike("status", &machine.helper(&["start", "--json"]).expect(0).json());
    alike("refused", &machine.restart(NEW, &[]).expect(3).json());
    alike("run.no-wait", &machine.restart(OLD, &["--no-wait"]).expect(0).json());
    machine.ended();
    machine.behave(NEW, "exits");
    alike("run.rolled-back", &machine.restart(NEW, &[]).expect(6).json());
    // What is written under the helper's hands it may write over.
    until("the attempt is closed", 60, || {
        let text = std::fs::read_to_string(machine.state("journal.json")).ok()?;
        let journal: Value = serde_json::from_str(&text).ok()?;
        // By these names garbage collection finds what an attempt may still need.
        assert!(["set", "from", "to"].iter().all(|name| !journal[name].is_null()), "{journal}");
        (journal["closed"] == true).then_some(())
    });
    std::fs::write(machine.state("journal.json"), "{").unwrap();
    alike("discard", &machine.helper(&["resume", "--discard", "--json"]).expect(0).json());
    alike("stop", &machine.helper(&["stop", "--mesos", "--json"]).expect(0).json());
}

#[test]
fn the_units_are_the_ones_of_their_example() {
    let machine = Machine::new();
    let folder = tempfile::tempdir().unwrap();
    let units = |verb: &str| machine.helper(&["units", verb, "--directory", folder.path().to_str().unwrap(), "--json"]);
    let installed = units("--install").expect(0).json();
    alike("units", &installed);
    // The example is an agent's, in systemd's own folder.
    let names = |units: &Value| -> Vec<String> {
        let files = units["files"].as_array().unwrap().iter().map(|file| Path::new(file.as_str().unwrap()));
        files.map(|file| file.file_name().unwrap().to_str().unwrap().replace("-agent.", "-master.")).collect()
    };
    assert_eq!(names(&installed), names(&read("units")));
    assert!(names(&installed).iter().all(|name| folder.path().join(name).is_file()), "{installed}");
    let removed = units("--remove").expect(0).json();
    assert_eq!((&removed["installed"], &removed["files"]), (&Value::Bool(false), &installed["files"]));
}
