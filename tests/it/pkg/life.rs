//! The life of packages on a machine: built, published, fetched, activated, swapped, rolled back, removed.

use serde_json::json;

use super::machine::{BITS, MESOS, Machine, id, pkg};
use super::server::Served;
use crate::harness::program;

#[test]
fn from_a_directory_to_an_active_set_and_back() {
    let machine = Machine::new(None);
    let mut archives = machine.build_set("1.10.0");
    let config = id(&archives[2]);
    archives.extend(machine.build_set("1.11.0").into_iter().take(2));
    archives.push(machine.build_plain("unused--1", &[("share/unused", b"text")]));
    let repository = machine.publish(&archives);
    let server = Served::start(&repository);
    machine.write_node(&format!("[repositories.release]\nurl = \"{}\"\n", server.url));

    // A new machine has nothing, and says so.
    assert_eq!(machine.pkg(&["list", "--json"]).expect(0).json(), json!([]));
    let none = machine.pkg(&["active", "--json"]).expect(4);
    assert_eq!(none.json()["type"], "urn:dcos-bits:no-active-generation");

    // It sees what there is, fetches it, and knows that it has it.
    let available = machine.pkg(&["available", "--json"]).expect(0).json();
    assert_eq!(available["packages"].as_array().unwrap().len(), 6);
    assert!(available["packages"].as_array().unwrap().iter().all(|package| package["local"] == false));
    machine.pkg(&["validate", MESOS, BITS, &config]).expect(3);
    machine.pkg(&["fetch", MESOS, BITS, &config]).expect(0);
    let again = machine.pkg(&["fetch", MESOS]).expect(0);
    insta::assert_snapshot!(again, @r"
    $ dcos-pkg --node TMP/node.toml fetch mesos--1.10.0
    exit code: 0
    --- stdout
    mesos--1.10.0 was here already
    ");
    machine.pkg(&["validate", MESOS, BITS, &config]).expect(0);

    // The set becomes active, and a second time is no change.
    let first = machine.pkg(&["activate", MESOS, BITS, &config, "--json"]).expect(0).json();
    assert_eq!(first["generation"], 1);
    assert_eq!(first["mesos_version"], "1.10.0");
    assert_eq!(first["modules"], json!(["org_dcos_bits_Pkg"]));
    assert_eq!(machine.pkg(&["active", "--json"]).expect(0).json(), first);
    assert_eq!(machine.pkg(&["activate", MESOS, BITS, &config, "--json"]).expect(0).json(), first);

    // Mesos and what is bound to it are swapped together; half of it is refused, with what to do instead.
    let (mesos, bits) = ("mesos--1.11.0", "dcos-bits--0.1.0+mesos1.11.0");
    machine.pkg(&["fetch", mesos, bits, "unused--1"]).expect(0);
    let half = machine.pkg(&["swap", mesos, "--json"]).expect(3).json();
    assert_eq!(half["problems"][0]["code"], "package-mesos-version");
    assert!(half["problems"][0]["hint"].as_str().unwrap().contains(bits));
    assert_eq!(machine.pkg(&["active", "--json"]).expect(0).json(), first);
    let second = machine.pkg(&["swap", mesos, bits, "--json"]).expect(0).json();
    assert_eq!(second["packages"], json!([bits, mesos, config]));

    // What a rollback needs can't be removed; what nothing needs goes.
    let refused = machine.pkg(&["remove", MESOS, "--json"]).expect(5).json();
    assert_eq!(refused["type"], "urn:dcos-bits:in-use");
    assert_eq!(machine.pkg(&["gc", "--dry-run", "--json"]).expect(0).json()["packages"], json!(["unused--1"]));
    assert_eq!(machine.pkg(&["gc", "--json"]).expect(0).json()["packages"], json!(["unused--1"]));
    machine.pkg(&["show", "unused--1"]).expect(4);

    // Back, and both are in the history.
    assert_eq!(machine.pkg(&["rollback", "--json"]).expect(0).json()["packages"], first["packages"]);
    let history = machine.pkg(&["history", "--json"]).expect(0).json();
    let generations: Vec<_> = history.as_array().unwrap().iter().map(|entry| entry["generation"].clone()).collect();
    assert_eq!(generations.len(), 3, "{history}");
    assert!(machine.names("staging/partial").is_empty());
}

#[test]
fn a_damaged_package_is_found_and_repaired() {
    let machine = Machine::new(None);
    let archive = machine.build_plain("a--1", &[("share/a", b"good"), ("share/b", b"good")]);
    machine.pkg(&["add", archive.to_str().unwrap()]).expect(0);
    machine.pkg(&["verify"]).expect(0);
    let file = machine.root().join("packages/a--1/share/a");
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, "evil").unwrap();
    let found = machine.pkg(&["verify", "a--1", "--json"]).expect(3).json();
    assert_eq!(found[0]["id"], "a--1");
    assert_eq!(found[0]["ok"], false);
    assert!(found[0]["problems"][0].as_str().unwrap().contains("share/a"), "{found}");

    // It can't be repaired out of nothing; a repository that has it makes it whole again.
    machine.pkg(&["repair"]).expect(2);
    let server = Served::start(&machine.publish(&[archive]));
    machine.write_node(&format!("[repositories.release]\nurl = \"{}\"\n", server.url));
    let repaired = machine.pkg(&["repair", "--json"]).expect(0).json();
    assert_eq!(repaired, json!([{"id": "a--1", "repaired": ["share/a"]}]));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "good");
    machine.pkg(&["verify"]).expect(0);
    assert_eq!(machine.pkg(&["repair", "--json"]).expect(0).json(), json!([{"id": "a--1", "repaired": []}]));
    machine.pkg(&["repair", "b--1"]).expect(4);
}

#[test]
fn an_archive_is_the_same_bytes_every_time() {
    let (one, other) = (Machine::new(None), Machine::new(None));
    let files: &[(&str, &[u8])] = &[("bin/tool", b"tool"), ("share/text", b"text")];
    let digest = |machine: &Machine| {
        let archive = machine.build_plain("a--1", files);
        std::fs::read(archive).unwrap()
    };
    let first = digest(&one);
    assert_eq!(first, digest(&other));
    // Neither times nor the rights of others leave a trace.
    let tree = one.path("trees/a--1");
    let file = std::fs::File::open(tree.join("share/text")).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let archive = one.path("again");
    std::fs::create_dir(&archive).unwrap();
    let archive = archive.join("a--1.tar.zst");
    pkg(&["build", tree.to_str().unwrap(), "--output", archive.to_str().unwrap()]).expect(0);
    assert_eq!(std::fs::read(archive).unwrap(), first);
}

#[test]
fn publishing_twice_changes_nothing_and_other_content_is_refused() {
    let machine = Machine::new(None);
    let archive = machine.build_plain("a--1", &[("share/a", b"one")]);
    let repository = machine.publish(std::slice::from_ref(&archive));
    let index = std::fs::read(repository.join("index.json")).unwrap();
    let again =
        machine.tidy(program::dcos(&["repo", "publish", repository.to_str().unwrap(), archive.to_str().unwrap()]));
    insta::assert_snapshot!(again.expect(0), @r"
    $ dcos repo publish TMP/repository TMP/a--1.tar.zst
    exit code: 0
    --- stdout
    a--1 was published already
    ");
    std::fs::remove_file(&archive).unwrap();
    let other = machine.build_plain("a--1", &[("share/a", b"two")]);
    let refused =
        program::dcos(&["--json", "repo", "publish", repository.to_str().unwrap(), other.to_str().unwrap()]).expect(5);
    assert_eq!(refused.json()["type"], "urn:dcos-bits:package-differs");
    assert_eq!(std::fs::read(repository.join("index.json")).unwrap(), index);
    let listed = program::dcos(&["--json", "repo", "list", repository.to_str().unwrap()]).expect(0).json();
    assert_eq!(listed["packages"][0]["url"], "packages/a/a--1.tar.zst");
    assert_eq!(listed["packages"][0]["pkginfo"]["kind"], "plain");
}

#[test]
fn a_config_is_compared_with_another() {
    let machine = Machine::new(None);
    let (old, new) = (machine.build_config("cpus:4"), machine.build_config("cpus:8"));
    assert_ne!(id(&old), id(&new));
    assert_eq!(id(&old), id(&machine.build_config("cpus:4")));
    let diff = program::dcos(&["config", "diff", old.to_str().unwrap(), new.to_str().unwrap()]).expect(0);
    insta::assert_snapshot!(diff.stdout, @r"
    `flags.resources` changes from `cpus:4` to `cpus:8`
    with this change, agents refuse their checkpoints and do not come back:
      - resource `cpus` changes from `4` to `8`
    rolled back, agents refuse their checkpoints and do not come back:
      - resource `cpus` changes from `8` to `4`
    ");
}

#[test]
fn a_set_is_not_switched_under_a_mesos_that_runs() {
    let machine = Machine::new(None);
    let archives = machine.build_set("1.10.0");
    let config = id(&archives[2]);
    for archive in &archives {
        machine.pkg(&["add", archive.to_str().unwrap()]).expect(0);
    }
    machine.pkg(&["activate", MESOS, BITS, &config]).expect(0);
    // This test's own process stands in for the Mesos that the helper has noted.
    let pid = std::process::id();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let start_time: u64 = stat.rsplit(") ").next().unwrap().split(' ').nth(19).unwrap().parse().unwrap();
    let note = json!({"format": 1, "pid": pid, "start_time": start_time, "generation": 1});
    std::fs::write(machine.root().join("state/mesos.json"), note.to_string()).unwrap();

    let new = machine.build_config("cpus:8");
    machine.pkg(&["add", new.to_str().unwrap()]).expect(0);
    for command in [&["activate", MESOS, BITS, &id(&new)][..], &["swap", &id(&new)], &["rollback"]] {
        let refused = machine.pkg(&[command, &["--json"]].concat()).expect(3).json();
        assert_eq!(refused["type"], "urn:dcos-bits:mesos-runs", "{refused}");
    }
    machine.pkg(&["swap", &id(&new), "--offline"]).expect(0);
    // A Mesos that has ended is in nobody's way: the number may belong to somebody else by now.
    let note = json!({"format": 1, "pid": pid, "start_time": start_time + 1, "generation": 1});
    std::fs::write(machine.root().join("state/mesos.json"), note.to_string()).unwrap();
    machine.pkg(&["swap", &config]).expect(0);
}
