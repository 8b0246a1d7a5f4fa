//! What a node does with its store, from the first package to the last rollback.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use dcos_core::attempt::AttemptState;
use dcos_core::node::NodeConfig;
use dcos_core::ports::NodeStore;
use dcos_core::{PackageSet, Problem, Sha256};
use dcos_store::{Activation, Expected, NodeContext, Store, StoreError};
use jiff::Timestamp;

use crate::fixture::{NODE_FILE, Node, check_invariants, set, walk};

const PLAIN: &str = r#""kind":"plain""#;

#[test]
fn a_package_is_added_listed_shown_and_removed() {
    let node = Node::new();
    let store = node.store();
    assert!(store.list().unwrap().is_empty());
    assert!(walk(&node.path("")).is_empty(), "readers make nothing");
    let archive = node.archive("x--1", PLAIN, &[("bin/run!", "run")]);
    let sha256 = Sha256::of(&fs::read(&archive).unwrap());
    let added = store.add_file(&archive, Some(sha256)).unwrap();
    assert_eq!((added.already, added.sha256), (false, sha256));
    let again = store.add_file(&archive, Some(sha256)).unwrap();
    assert!(again.already);

    let listed = store.list().unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].id.to_string().as_str(), listed[0].active, listed[0].sha256), ("x--1", false, sha256));
    let shown = store.show(&added.id).unwrap();
    assert_eq!(shown.manifest.entries.keys().collect::<Vec<_>>(), ["bin", "bin/run", "pkginfo.json"]);
    assert_eq!(shown.manifest.archive_size, fs::metadata(&archive).unwrap().len());
    let mode = |path: &str| fs::metadata(store.root().join("packages/x--1").join(path)).unwrap().permissions().mode();
    assert_eq!((mode("bin/run") & 0o7777, mode("pkginfo.json") & 0o7777), (0o555, 0o444));

    store.remove(&store.lock("test").unwrap(), &added.id).unwrap();
    assert!(store.list().unwrap().is_empty());
    assert!(matches!(store.remove(&store.lock("test").unwrap(), &added.id), Err(StoreError::NotLocal(_))));
    assert!(matches!(store.show(&added.id), Err(StoreError::NotLocal(_))));
    assert_eq!(walk(&store.root().join("packages")), Vec::<String>::new());
    assert_eq!(walk(&store.root().join("staging")), Vec::<String>::new());
}

#[test]
fn what_is_not_what_was_promised_is_refused_and_leaves_nothing() {
    let node = Node::new();
    let store = node.store();
    let archive = node.archive("x--1", PLAIN, &[]);
    let error = store.add_file(&archive, Some(Sha256::of(b"else"))).unwrap_err();
    assert!(matches!(error, StoreError::Digest { .. }));
    assert_eq!(Problem::from(error).exit_code().number(), 3);
    let renamed = node.path("y--1.tar.zst");
    fs::copy(&archive, &renamed).unwrap();
    assert!(matches!(store.add_file(&renamed, None), Err(StoreError::OtherPackage { .. })));
    let odd = node.path("x.zip");
    fs::copy(&archive, &odd).unwrap();
    assert!(matches!(store.add_file(&odd, None), Err(StoreError::FileName(_))));
    let bytes = fs::read(&archive).unwrap();
    let mut broken = std::io::Read::chain(&bytes[..100], Failing);
    let expected = Expected { origin: "test".to_owned(), ..Expected::default() };
    assert!(matches!(store.receive(&mut broken, &expected), Err(StoreError::Source { .. })));
    assert_eq!(walk(store.root()), ["staging"]);
}

struct Failing;

impl std::io::Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::ConnectionReset.into())
    }
}

#[test]
fn an_id_means_one_content_for_ever() {
    let node = Node::new();
    let store = node.store();
    let id = node.add("x--1", PLAIN, &[("a", "1")]);
    // Packed otherwise, it is still the same package.
    let archive = node.path("x--1.tar.gz");
    dcos_store::build(&node.path("tree-x--1"), &archive).unwrap();
    assert!(store.add_file(&archive, None).unwrap().already);
    let other = node.archive("x--1", PLAIN, &[("a", "2")]);
    let error = store.add_file(&other, None).unwrap_err();
    assert!(matches!(error, StoreError::Differs { .. }));
    assert_eq!(Problem::from(error).exit_code().number(), 5);
    assert_eq!(store.read_package_file(&id, "a").unwrap().unwrap(), b"1");
}

#[test]
fn every_kind_of_damage_is_found() {
    type Damage = fn(&std::path::Path);
    let damages: [(&str, Damage); 8] = [
        ("has sha256", |package| fs::write(package.join("a"), "2").unwrap()),
        ("has 2 bytes", |package| fs::write(package.join("a"), "22").unwrap()),
        ("has mode", |package| fs::set_permissions(package.join("a"), fs::Permissions::from_mode(0o644)).unwrap()),
        ("is missing", |package| fs::remove_file(package.join("d/b")).unwrap()),
        ("is missing", |package| fs::remove_dir_all(package.join("d")).unwrap()),
        ("is not of the package", |package| fs::write(package.join("d/new"), "").unwrap()),
        ("is something else", |package| {
            fs::remove_file(package.join("a")).unwrap();
            symlink("d/b", package.join("a")).unwrap();
        }),
        ("points to `d`", |package| {
            fs::remove_file(package.join("link")).unwrap();
            symlink("d", package.join("link")).unwrap();
        }),
    ];
    for (message, damage) in damages {
        let node = Node::new();
        let tree = node.tree("x--1", PLAIN, &[("a", "1"), ("d/b", "b")]);
        symlink("a", tree.join("link")).unwrap();
        let archive = node.path("x--1.tar.gz");
        dcos_store::build(&tree, &archive).unwrap();
        let store = node.store();
        let id = store.add_file(&archive, None).unwrap().id;
        assert!(store.verify(&id).unwrap().ok);
        damage(&store.root().join("packages/x--1"));
        let report = store.verify(&id).unwrap();
        assert!(!report.ok && report.problems.iter().any(|problem| problem.contains(message)), "{message}: {report:?}");

        // And put right, from the archive that it came from.
        let staged = store.receive(fs::File::open(&archive).unwrap(), &Expected::default()).unwrap();
        let repaired = store.repair(&store.lock("test").unwrap(), staged).unwrap();
        assert_eq!(repaired.len(), report.problems.len(), "{message}");
        assert!(store.verify(&id).unwrap().ok, "{message}");
    }
}

#[test]
fn a_repair_takes_nothing_but_the_same_package() {
    let node = Node::new();
    let store = node.store();
    let id = node.add("x--1", PLAIN, &[("a", "1")]);
    let receive =
        |archive: &std::path::Path| store.receive(fs::File::open(archive).unwrap(), &Expected::default()).unwrap();
    let good = receive(&node.path("x--1.tar.zst"));
    let other = receive(&node.archive("x--1", PLAIN, &[("a", "2")]));
    let locked = store.lock("test").unwrap();
    assert!(matches!(store.repair(&locked, other), Err(StoreError::Differs { .. })));
    // A manifest that can't be read is written anew.
    fs::write(store.root().join("packages/x--1.json"), "{").unwrap();
    fs::write(store.root().join("packages/x--1/a"), "2").unwrap();
    assert!(!store.verify(&id).unwrap().ok);
    assert_eq!(store.repair(&locked, good).unwrap(), ["a"]);
    assert!(store.verify(&id).unwrap().ok);
    let absent = receive(&node.archive("y--1", PLAIN, &[]));
    assert!(matches!(store.repair(&locked, absent), Err(StoreError::NotLocal(_))));
}

#[test]
fn a_tree_whose_manifest_got_lost_is_replaced_by_adding_it_again() {
    let node = Node::new();
    let store = node.store();
    let id = node.add("x--1", PLAIN, &[("a", "1")]);
    fs::remove_file(store.root().join("packages/x--1.json")).unwrap();
    fs::write(store.root().join("packages/x--1/a"), "damaged").unwrap();
    assert!(!store.has(&id));
    assert!(!store.add_file(&node.path("x--1.tar.zst"), None).unwrap().already);
    assert!(store.verify(&id).unwrap().ok);
}

#[test]
fn what_was_revoked_is_not_entered_but_may_be_in_use_and_gone_back_to() {
    let node = Node::new();
    let store = node.store();
    let (old, new) = (node.add_set("1.10.0"), node.add_set("1.11.0"));
    node.activate(&old);
    let revoke = |id: &str| store.record_revoked("release", [&id.parse().unwrap()]).unwrap();
    revoke("mesos--1.11.0");
    let activate = |set| store.activate(&store.lock("test").unwrap(), set, &Activation::default());
    let refused = activate(&new).unwrap_err();
    let StoreError::InvalidSet(report) = &refused else { panic!("{refused}") };
    assert_eq!(report.problems.iter().map(|problem| problem.code.as_str()).collect::<Vec<_>>(), ["revoked"]);
    assert_eq!(Problem::from(refused).exit_code().number(), 3);
    assert!(NodeStore::stage(&store, &new).is_err());

    // The set that the node is in: noted, and no more.
    revoke("mesos--1.10.0");
    let report = store.validate(&old).unwrap();
    assert!(report.valid && report.notes[0].code == "revoked", "{report:?}");
    assert_eq!(activate(&old).unwrap().number, 1);
    assert_eq!(store.launch(1).unwrap().generation.number, 1);

    // Once it has left that, only a rollback leads there again.
    let mesos = r#""kind":"mesos","mesos":{"version":"1.11.1"}"#;
    let third = new.with(&[node.add("mesos--1.11.1", mesos, &[("bin/mesos-agent!", ""), ("lib/libmesos.so", "")])]);
    assert_eq!(activate(&third).unwrap().number, 2);
    assert!(matches!(activate(&old), Err(StoreError::InvalidSet(_))));
    let locked = store.lock("test").unwrap();
    assert_eq!(store.rollback(&locked, &Activation::default()).unwrap().number, 1);
}

#[test]
fn a_site_revokes_what_came_from_it_whatever_it_is() {
    let node = Node::new();
    let repositories =
        "[repositories.release]\nurl = \"http://10.0.0.1/\"\n[repositories.site]\nurl = \"http://10.0.0.1/site\"\n";
    let config = NodeConfig::parse(&format!("{NODE_FILE}{repositories}")).unwrap();
    let store = Store::open(node.root(), Some(NodeContext { config, file: "/etc/dcos/node.toml".into() })).unwrap();
    for (id, origin, revoked) in [
        ("mesos--1.11.0", "http://10.0.0.1/packages/mesos/mesos--1.11.0.tar.zst", false),
        ("mesos--1.11.1", "http://10.0.0.1/site/packages/mesos/mesos--1.11.1.tar.zst", true),
        ("mesos--1.11.2", "/root/mesos--1.11.2.tar.zst", false),
    ] {
        let version = id.split_once("--").unwrap().1;
        let pkginfo = format!(r#""kind":"mesos","mesos":{{"version":"{version}"}}"#);
        let archive = node.archive(id, &pkginfo, &[("bin/mesos-agent!", ""), ("lib/libmesos.so", "")]);
        let expected = Expected { origin: origin.to_owned(), ..Expected::default() };
        let staged = store.receive(fs::File::open(archive).unwrap(), &expected).unwrap();
        store.commit(&store.lock("test").unwrap(), staged).unwrap();
        store.record_revoked("site", [&id.parse().unwrap()]).unwrap();
        let report = store.validate(&[id.parse().unwrap()].into_iter().collect()).unwrap();
        let codes: Vec<&str> = report.problems.iter().map(|problem| problem.code.as_str()).collect();
        assert_eq!(codes.contains(&"revoked"), revoked, "{id}: {codes:?}");
    }
}

#[test]
fn a_set_is_made_ready_entered_and_left() {
    let node = Node::new();
    let store = node.store();
    assert_eq!(store.active().unwrap(), None);
    let (old, new) = (node.add_set("1.10.0"), node.add_set("1.11.0"));
    assert_eq!(node.activate(&old), 1);
    assert_eq!(node.activate(&new), 2);
    check_invariants(&store);
    let active = store.active().unwrap().unwrap();
    assert_eq!((active.number, &active.set, active.mesos_version.as_str()), (2, &set("1.11.0"), "1.11.0"));
    assert_eq!(fs::read_link(store.root().join("active")).unwrap().to_str(), Some("generations/2"));

    let launch = store.launch(2).unwrap();
    assert_eq!(launch.program, store.root().join("packages/mesos--1.11.0/bin/mesos-agent"));
    let variable = |name: &str| launch.environment.iter().find(|(found, _)| found == name).map(|(_, value)| value);
    assert_eq!(variable("MESOS_RESOURCES").unwrap(), "cpus:1;mem:64");
    let modules = store.root().join("generations/2/modules.json");
    assert_eq!(variable("MESOS_MODULES").unwrap(), &format!("file://{}", modules.display()));
    // What a shell makes of the file is what we make of it.
    let script = "set -a; . \"$1\"; printf %s \"$MESOS_RESOURCES\"";
    let file = store.root().join("generations/2/environment");
    let output = Command::new("sh").args(["-c", script, "sh"]).arg(file).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "cpus:1;mem:64");

    // The link trees: merged where two packages meet, linked where there is one.
    let generation = store.root().join("generations/2");
    assert_eq!(fs::read_to_string(generation.join("bin/mesos-agent")).unwrap(), "1.11.0");
    assert_eq!(fs::read_to_string(generation.join("lib/dcos/x")).unwrap(), "x");
    let is_link = |path: &str| fs::symlink_metadata(generation.join(path)).unwrap().is_symlink();
    assert_eq!([is_link("lib"), is_link("lib/dcos"), is_link("lib/libmesos.so")], [false, true, true]);

    // The same set again is the same generation; a rollback goes to what was before.
    assert_eq!(node.activate(&new), 2);
    let locked = store.lock("test").unwrap();
    assert_eq!(store.rollback(&locked, &Activation::default()).unwrap().number, 1);
    drop(locked);
    check_invariants(&store);
    let history: Vec<_> = store.history().unwrap().iter().map(|entry| (entry.generation, entry.outcome)).collect();
    assert_eq!(history, [(1, None), (2, None), (1, None)]);
}

#[test]
fn a_set_that_is_not_valid_changes_nothing() {
    let node = Node::new();
    let store = node.store();
    let good = node.add_set("1.10.0");
    node.activate(&good);
    let before = walk(store.root());
    for bad in [PackageSet::default(), set("1.11.0"), good.without(&"conf".parse().unwrap())] {
        let locked = store.lock("test").unwrap();
        let error = store.activate(&locked, &bad, &Activation::default()).unwrap_err();
        assert!(matches!(&error, StoreError::InvalidSet(report) if !report.problems.is_empty()), "{bad}");
        assert_eq!(Problem::from(error).exit_code().number(), 3);
    }
    assert_eq!(walk(store.root()), before);
    let leaving = good.iter().filter(|id| id.name().as_str() != "dcos-bits").cloned().collect();
    assert!(!store.validate(&leaving).unwrap().valid);
    assert!(store.validate_leaving(&leaving).unwrap().valid);
    let leave = Activation { leave: true, ..Activation::default() };
    let locked = store.lock("test").unwrap();
    assert_eq!(store.activate(&locked, &leaving, &leave).unwrap().number, 2);
}

#[test]
fn a_damaged_package_is_not_entered() {
    let node = Node::new();
    let store = node.store();
    let set = node.add_set("1.10.0");
    fs::remove_file(store.root().join("packages/mesos--1.10.0/lib/libmesos.so")).unwrap();
    let report = store.validate(&set).unwrap();
    assert_eq!(report.problems.iter().map(|finding| finding.code.as_str()).collect::<Vec<_>>(), ["damaged"]);
}

#[test]
fn nothing_is_entered_by_hand_while_mesos_runs() {
    let node = Node::new();
    let store = node.store();
    let (old, new) = (node.add_set("1.10.0"), node.add_set("1.11.0"));
    node.activate(&old);
    let mut sleeper = Command::new("sleep").arg("1000").spawn().unwrap();
    let start_time = dcos_store::start_time(sleeper.id()).unwrap();
    let pid = sleeper.id();
    let record = |start_time: u64| {
        format!(r#"{{"format":1,"pid":{pid},"start_time":{start_time},"generation":1,"more":"ignored"}}"#)
    };
    let activate = |activation: &Activation| {
        let locked = store.lock("test").unwrap();
        store.activate(&locked, &new, activation).map(|generation| generation.number)
    };
    store.write_state("mesos.json", record(start_time).as_bytes()).unwrap();
    assert_eq!(store.running().unwrap().unwrap().generation, 1);
    assert!(matches!(activate(&Activation::default()), Err(StoreError::MesosRuns(_))));
    let locked = store.lock("test").unwrap();
    assert!(matches!(store.rollback(&locked, &Activation::default()), Err(StoreError::MesosRuns(_))));
    drop(locked);
    assert_eq!(activate(&Activation { offline: true, ..Activation::default() }).unwrap(), 2);
    // Another process of the same number is not that Mesos.
    store.write_state("mesos.json", record(start_time + 1).as_bytes()).unwrap();
    assert_eq!(store.running().unwrap(), None);
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    store.write_state("mesos.json", record(start_time).as_bytes()).unwrap();
    assert_eq!(activate(&Activation::default()).unwrap(), 2);
}

#[test]
fn without_a_node_file_packages_can_be_kept_but_no_set_made_ready() {
    let node = Node::new();
    let set = node.add_set("1.10.0");
    let store = Store::open(node.root(), None).unwrap();
    assert!(store.validate(&set).unwrap().valid);
    let locked = store.lock("test").unwrap();
    assert!(matches!(store.stage(&locked, &set), Err(StoreError::NoNode)));
}

#[test]
fn a_restart_goes_through_the_port() {
    let node = Node::new();
    let store = node.store();
    let port: &dyn NodeStore = &store;
    let now = Timestamp::UNIX_EPOCH;
    assert_eq!(port.active().unwrap(), None);
    let (old, new) = (node.add_set("1.10.0"), node.add_set("1.11.0"));
    let first = port.stage(&old).unwrap();
    assert_eq!(port.active().unwrap(), None, "staging enters nothing");
    port.switch(first.number).unwrap();
    port.record_outcome(first.number, AttemptState::Confirmed, now).unwrap();
    let second = port.stage(&new).unwrap();
    port.switch(second.number).unwrap();
    port.record_outcome(second.number, AttemptState::Unconfirmed, now).unwrap();
    assert_eq!(port.rollback_target(second.number).unwrap().unwrap().number, first.number);
    assert_eq!(port.rollback_target(first.number).unwrap(), None, "what is unconfirmed is no target");
    port.record_outcome(second.number, AttemptState::Confirmed, now).unwrap();
    assert_eq!(port.rollback_target(first.number).unwrap().unwrap().number, second.number);
    let outcomes: Vec<_> = store.history().unwrap().iter().map(|entry| (entry.generation, entry.outcome)).collect();
    assert_eq!(outcomes, [(1, Some(AttemptState::Confirmed)), (2, Some(AttemptState::Confirmed))]);
    assert_eq!(port.switch(9).unwrap_err().name(), "no-such-generation");
    let problem = port.stage(&set("1.9.0")).unwrap_err();
    assert_eq!((problem.name(), problem.status), ("invalid-set", 422));
    assert!(problem.problems.iter().any(|finding| finding.code == "not-local"));
    check_invariants(&store);
}

#[test]
fn the_helper_is_a_copy_that_outlives_its_package() {
    let node = Node::new();
    let store = node.store();
    assert_eq!(store.helper().unwrap(), None);
    let (old, new) = (node.add_set("1.10.0"), node.add_set("1.11.0"));
    let (first, second) = (node.activate(&old), node.activate(&new));
    let locked = store.lock("test").unwrap();
    let path = store.install_helper(&locked, first).unwrap();
    assert_eq!(store.helper().unwrap(), Some(path.clone()));
    assert_eq!(fs::read_to_string(&path).unwrap(), "helper of 1.10.0");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(store.install_helper(&locked, first).unwrap(), path);
    let newer = store.install_helper(&locked, second).unwrap();
    assert_ne!(newer, path);
    assert_eq!(store.helper().unwrap(), Some(newer));
    let current = store.root().join("helper/current/dcos-restart-helper");
    assert_eq!(fs::read_to_string(current).unwrap(), "helper of 1.11.0");
    assert!(path.exists(), "whoever still runs from the old one keeps it");
}

#[test]
fn a_number_is_never_used_twice() {
    let node = Node::new();
    let store = node.store();
    let (old, new) = (node.add_set("1.10.0"), node.add_set("1.11.0"));
    node.activate(&old);
    assert_eq!(node.activate(&new), 2);
    node.activate(&old);
    fs::remove_dir_all(store.root().join("generations/2")).unwrap();
    assert_eq!(node.activate(&new), 3);
}

#[test]
fn documents_of_later_formats_are_refused_by_name() {
    let node = Node::new();
    let store = node.store();
    let set = node.add_set("1.10.0");
    node.activate(&set);
    for (path, from, to) in [
        ("generations/1/set.json", "\"format\": 1", "\"format\": 2"),
        ("packages/conf--1.json", "\"format\":1", "\"format\":2"),
        ("state/history.json", "\"format\":1", "\"format\":2"),
    ] {
        let file = store.root().join(path);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{path}: {text}");
        fs::write(&file, text.replace(from, to)).unwrap();
        let error = match path.split('/').next().unwrap() {
            "generations" => store.active().unwrap_err(),
            "packages" => store.show(&"conf--1".parse().unwrap()).unwrap_err(),
            _ => store.history().unwrap_err(),
        };
        assert!(matches!(error, StoreError::Format { found: 2, .. }), "{path}: {error}");
        fs::write(&file, text).unwrap();
    }
}
