//! The manifest for loading the modules by hand is what a generation of a node has.

use std::collections::BTreeSet;
use std::path::Path;

use dcos_bits::routes::Family;
use serde_json::Value;

use super::mesos::template;
use crate::harness::{archive, id, program};

/// The names of a manifest's modules, with their parameters as text.
fn modules(manifest: &Value) -> BTreeSet<(String, String)> {
    let libraries = manifest["libraries"].as_array().expect("a list of libraries");
    let modules = libraries.iter().flat_map(|library| library["modules"].as_array().expect("a list of modules"));
    modules.map(|module| (module["name"].to_string(), module["parameters"].to_string())).collect()
}

#[test]
fn the_template_loads_every_family() {
    let named = modules(&template(Path::new("/lib.so"), Path::new("/node.toml"))).into_iter().map(|(name, _)| name);
    let families = Family::ALL.map(|family| {
        let name = family.name();
        format!("\"org_dcos_bits_{}{}\"", name[..1].to_uppercase(), &name[1..])
    });
    assert_eq!(named.collect::<BTreeSet<_>>(), families.into());
}

#[test]
#[ignore = "needs real Mesos and built packages: make test"]
fn a_generation_has_what_the_template_has() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| directory.path().join(name);
    let text = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
    let (root, node) = (path("root"), path("node.toml"));
    let facts = format!(
        "root = {root:?}\nrole = \"agent\"\ngroup = \"all\"\n\n[mesos]\nip = \"127.0.0.1\"\nport = 5051\n\
         master = \"127.0.0.1:5050\"\nwork_dir = {:?}\n",
        path("work")
    );
    std::fs::write(&node, facts).expect("a node file");
    let pkg = |arguments: &[&str]| {
        let node = text(&node);
        let all = [&["--node", &node, "--json"], arguments].concat();
        program::run(Path::new(env!("CARGO_BIN_EXE_dcos-pkg")), &all, &[]).expect(0).json()
    };

    let (mesos, bits) = (archive("mesos--1.11.0", ""), archive("dcos-bits--", "+mesos1.11.0"));
    for package in [&mesos, &bits] {
        pkg(&["add", &text(package)]);
    }
    let pkginfo = root.join("packages").join(id(&bits)).join("pkginfo.json");
    let (pkginfo, output) = (text(&pkginfo), text(directory.path()));
    let generate = ["--json", "config", "generate", "--role", "agent", "--modules", "dcos-bits", "--pkginfo"];
    let config = program::dcos(&[&generate[..], &[&pkginfo, "--output", &output]].concat()).expect(0).json();
    pkg(&["add", config["output"].as_str().expect("the archive of the config")]);
    pkg(&["activate", &id(&mesos), &id(&bits), config["id"].as_str().expect("the id of the config")]);

    let rendered = std::fs::read(root.join("active/modules.json")).expect("the manifest of a generation");
    let rendered: Value = serde_json::from_slice(&rendered).expect("a JSON document");
    let library = root.join("packages").join(id(&bits)).join("lib/libdcos_bits.so");
    let template = template(&library, &node);
    assert_eq!(rendered["libraries"][0]["file"], template["libraries"][0]["file"]);
    assert_eq!(modules(&rendered), modules(&template));
}
