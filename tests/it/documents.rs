//! What the documents show is what the programs read.

use dcos_core::node::NodeConfig;
use serde_json::Value;

/// Every key of a document, dotted; tables whose keys are names (of principals, of checks) count as one.
fn keys(prefix: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(table) if !matches!(prefix, "roles" | "health.deadlines") => {
            for (name, value) in table {
                let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                keys(&key, value, found);
            }
        }
        _ => found.push(prefix.to_owned()),
    }
}

#[test]
fn the_example_of_a_node_file_is_read_and_names_every_key() {
    let text = include_str!("../../docs/node.toml");
    let config = NodeConfig::parse(text).unwrap();
    let mut known = Vec::new();
    keys("", &serde_json::to_value(&config).unwrap(), &mut known);
    for key in known {
        let name = key.rsplit('.').next().unwrap();
        assert!(
            text.lines()
                .any(|line| line.trim_start_matches("# ").starts_with(&format!("{name} = "))
                    || line == format!("[{key}]")),
            "docs/node.toml does not name `{key}`"
        );
    }
}

#[test]
fn the_readme_names_every_target_that_there_is() {
    let makefile = include_str!("../../Makefile");
    let readme = include_str!("../../README.md");
    let targets: Vec<&str> =
        makefile.lines().filter(|line| line.contains("  ## ")).filter_map(|line| line.split(':').next()).collect();
    assert!(targets.contains(&"demo") && targets.contains(&"test"), "{targets:?}");
    for target in targets {
        assert!(readme.contains(&format!("make {target}")), "README.md does not name `make {target}`");
    }
}
