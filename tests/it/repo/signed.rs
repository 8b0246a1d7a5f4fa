//! The commands about signed repositories as an operator gives them.

use crate::harness::program;
use crate::pkg::machine::Machine;
use crate::pkg::server::Served;

#[test]
fn how_long_signatures_last_is_told_where_somebody_looks() {
    let machine = Machine::new(None);
    let archive = machine.build_plain("a--1", &[("share/a", b"a")]);
    let paths = ["repository", "keys"].map(|name| machine.path(name));
    let [repository, keys] = paths.each_ref().map(|path| path.to_str().unwrap());
    program::dcos(&["repo", "init", repository, "--keys", keys]).expect(0);
    program::dcos(&["repo", "publish", repository, archive.to_str().unwrap(), "--keys", keys]).expect(0);
    // Everything is fresh, so a list says nothing of it; in half a year it would.
    let listed = program::dcos(&["repo", "list", repository]).expect(0);
    assert!(listed.stdout.contains("a--1") && listed.stderr.is_empty(), "{listed}");
    program::dcos(&["repo", "expire", repository]).expect(0);
    program::dcos(&["repo", "expire", repository, "--within", "100"]).expect(3);

    let served = Served::start(&paths[0]);
    let root = machine.path("repository/metadata/1.root.json");
    let site =
        |root: &std::path::Path| format!("[repositories.site]\nurl = \"{}\"\nroot_json = {root:?}\n", served.url);
    let doctor = |expected: &str| {
        let node = machine.path("node.toml");
        let found = program::dcos(&["doctor", "--node", node.to_str().unwrap()]);
        assert!(found.stdout.contains(expected), "{found}");
    };
    machine.write_node(&site(&root));
    doctor("ok       repository site");
    // What the doctor learns is not kept: it changes nothing.
    assert!(!machine.root().join("trust").exists());
    // A root that can't be used is told as the refusal that a fetch would meet.
    std::fs::write(machine.path("root.json"), "{}").unwrap();
    machine.write_node(&site(&machine.path("root.json")));
    doctor("problem  repository site");
}
