//! `dcos-pkg repair` of several packages, of which some can't be had.

use crate::pkg::machine::Machine;
use crate::pkg::server::Served;

#[test]
fn a_package_that_cannot_be_had_keeps_no_other_from_being_repaired() {
    let machine = Machine::new(None);
    let ids = ["a--1", "b--1", "c--1"];
    let repository = machine.publish(&ids.map(|id| machine.build_plain(id, &[("share/file", b"as it was added")])));
    let served = Served::start(&repository);
    machine.write_node(&format!("[repositories.release]\nurl = \"{}\"\n", served.url));
    machine.pkg(&[&["fetch"], &ids[..]].concat()).expect(0);
    let damage = |id: &str| std::fs::write(machine.root().join("packages").join(id).join("share/file"), "x").unwrap();
    damage("a--1");
    damage("b--1");
    std::fs::remove_dir_all(repository.join("packages/a")).unwrap();

    let repaired = machine.pkg(&["repair"]).expect(4);
    assert!(repaired.stdout.contains("b--1 is repaired") && repaired.stdout.contains("c--1 is as"), "{repaired}");
    assert!(repaired.stderr.contains("packages/a/a--1"), "{repaired}");
    machine.pkg(&["verify", "b--1"]).expect(0);
    machine.pkg(&["verify", "a--1"]).expect(3);

    // Several that can't be had are told one by one; the one document of `--json` is the problem.
    std::fs::remove_dir_all(repository.join("packages/b")).unwrap();
    damage("b--1");
    let refused = machine.pkg(&["repair", "nobodys--1", "a--1", "b--1", "c--1", "--json"]).expect(4);
    assert_eq!(refused.json()["detail"], "3 of 4 packages could not be repaired", "{refused}");
    assert_eq!(refused.json()["problems"].as_array().unwrap().len(), 3);
}
