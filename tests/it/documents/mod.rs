//! What the documents show is what the programs read, do and print.
//!
//! - [`page`]: what of a page is a command, an output, a file, a link
//! - [`alike`]: whether an output is the one that a page shows
//! - [`session`]: a page's commands, run on a clean machine
//! - [`links`]: every link leads somewhere

mod alike;
mod links;
mod page;
mod session;

use std::path::{Path, PathBuf};

use dcos_core::node::NodeConfig;
use serde_json::Value;

/// README.md, CHANGELOG.md and every page below docs/, relative to the tree, in order.
fn pages() -> Vec<PathBuf> {
    fn collect(tree: &Path, folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(tree.join(folder)).unwrap().flatten() {
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                collect(tree, &path, found);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                found.push(path);
            }
        }
    }
    let mut found = vec!["README.md".into(), "CHANGELOG.md".into()];
    collect(Path::new(env!("CARGO_MANIFEST_DIR")), Path::new("docs"), &mut found);
    found.sort();
    found
}

/// The text of one of [`pages`].
fn text(page: &Path) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

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
    let text = include_str!("../../../docs/node.toml");
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
fn every_node_file_of_a_page_is_read() {
    let mut found = 0;
    for page in pages() {
        for block in page::Page::parse(&text(&page)).steps {
            let page::Step::Write { line, path, content } = block else { continue };
            if path.starts_with("/etc/dcos/") && path.ends_with(".toml") {
                let place = format!("{}:{line}", page.display());
                NodeConfig::parse(&content).unwrap_or_else(|error| panic!("{place}: {error}"));
                found += 1;
            }
        }
    }
    assert!(found > 2, "{found} node files on all pages");
}

#[test]
fn the_readme_names_every_target_that_there_is() {
    let makefile = include_str!("../../../Makefile");
    let readme = include_str!("../../../README.md");
    let targets: Vec<&str> =
        makefile.lines().filter(|line| line.contains("  ## ")).filter_map(|line| line.split(':').next()).collect();
    assert!(targets.contains(&"demo") && targets.contains(&"test"), "{targets:?}");
    for target in targets {
        assert!(readme.contains(&format!("make {target}")), "README.md does not name `make {target}`");
    }
}
