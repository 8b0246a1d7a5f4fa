//! What the helper prints is what its documents show.

use serde_json::Value;

use super::machine::{Machine, NEW, OLD};

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

/// The document has every field of its example, and no other.
#[track_caller]
fn alike(example: &str, printed: &Value) {
    let path = format!("{}/docs/dcos-restart-helper/{example}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let (mut wanted, mut found) = (Vec::new(), Vec::new());
    fields("", &serde_json::from_str(&text).unwrap(), &mut wanted);
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
    std::fs::write(machine.state("journal.json"), "{").unwrap();
    alike("discard", &machine.helper(&["resume", "--discard", "--json"]).expect(0).json());
    alike("stop", &machine.helper(&["stop", "--mesos", "--json"]).expect(0).json());
}
