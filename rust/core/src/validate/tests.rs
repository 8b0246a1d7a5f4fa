//! One case for each rule: the smallest change of a good set that it alone objects to.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use super::facts::{LibraryFacts, LocalFacts, NodeFacts, PackageFacts, Probe, ProbedModule, SetFacts};
use super::validate;
use crate::config::MesosConfig;
use crate::pkginfo::PkgInfo;
use crate::role::Role;

const NODE: NodeFacts = NodeFacts { role: Some(Role::Agent), leave: false, back: false, zookeeper: false, agent: None };

fn package(pkginfo: &str, paths: &[&str]) -> PackageFacts {
    let pkginfo = PkgInfo::parse(pkginfo).unwrap();
    let mut linked = BTreeMap::new();
    for path in paths {
        for (end, _) in path.match_indices('/') {
            linked.insert(path[..end].to_owned(), true);
        }
        linked.insert((*path).to_owned(), false);
    }
    let local =
        LocalFacts { damage: Vec::new(), linked, config: None, libraries: BTreeMap::new(), formats: None, pkginfo };
    PackageFacts { id: local.pkginfo.id(), local: Some(local), revoked: None }
}

fn config(text: &str) -> PackageFacts {
    let config: Result<MesosConfig, _> = serde_json::from_str(text);
    let mut package =
        package(r#"{"format":1,"name":"conf","version":"1","kind":"mesos-config","roles":["agent"]}"#, &[]);
    package.local.as_mut().unwrap().config = Some(config.map_err(|error| error.to_string()));
    package
}

pub(super) const CONFIG: &str = r#"{"format":1,"role":"agent","environment":{"MESOS_RESOURCES":"cpus:1"},
    "modules":[{"name":"org_example_FizzBuzz","parameters":{"limit":"100"}}]}"#;

const FIZZBUZZ: &str = r#"{"format":1,"name":"fizzbuzz","version":"1.2.0+mesos1.11.0","kind":"module",
    "requires":["mesos >= 1.11.0, < 1.12.0"],"mesos":{"version":"1.11.0"},"roles":["agent"],
    "modules":[{"library":"lib/libfizzbuzz.so","name":"org_example_FizzBuzz",
                "parameters":{"limit":{"type":"integer"},"node":{"type":"node-file"}}}]}"#;

fn fizzbuzz(mesos_version: &str) -> PackageFacts {
    let mut package = package(FIZZBUZZ, &["lib/libfizzbuzz.so"]);
    let module = ProbedModule {
        symbol: "org_example_FizzBuzz".to_owned(),
        api_version: "2".to_owned(),
        mesos_version: mesos_version.to_owned(),
        kind: "Anonymous".to_owned(),
        compatible: None,
    };
    let probe = Probe { loadable: true, error: None, modules: vec![module], missing: Vec::new() };
    let libraries = &mut package.local.as_mut().unwrap().libraries;
    libraries.insert("lib/libfizzbuzz.so".to_owned(), LibraryFacts::Probed(probe));
    package
}

pub(super) fn good() -> SetFacts {
    let mesos = r#"{"format":1,"name":"mesos","version":"1.11.0","kind":"mesos","mesos":{"version":"1.11.0"}}"#;
    let own = r#"{"format":1,"name":"dcos-bits","version":"0.1.0","kind":"plain"}"#;
    SetFacts {
        packages: vec![
            config(CONFIG),
            package(own, &["bin/dcos-pkg"]),
            fizzbuzz("1.11.0"),
            package(mesos, &["bin/mesos-agent", "lib/libmesos.so"]),
        ],
    }
}

fn codes(set: &SetFacts, node: &NodeFacts) -> Vec<String> {
    let report = validate(set, node);
    assert_eq!(report.valid, report.problems.is_empty());
    report.problems.into_iter().map(|finding| finding.code).collect()
}

fn change(id: &str, change: impl Fn(&mut LocalFacts)) -> SetFacts {
    let mut set = good();
    let package = set.packages.iter_mut().find(|package| package.id.name().as_str() == id).unwrap();
    change(package.local.as_mut().unwrap());
    set
}

fn with(extra: PackageFacts) -> SetFacts {
    let mut set = good();
    set.packages.push(extra);
    set.packages.sort_by(|left, right| left.id.cmp(&right.id));
    set
}

fn without(id: &str) -> SetFacts {
    let mut set = good();
    set.packages.retain(|package| package.id.name().as_str() != id);
    set
}

fn configured(from: &str, to: &str) -> SetFacts {
    assert!(CONFIG.contains(from), "{from}");
    with_config(&CONFIG.replace(from, to))
}

pub(super) fn with_config(text: &str) -> SetFacts {
    let mut set = without("conf");
    set.packages.insert(0, config(text));
    set
}

fn plain(name: &str, rest: &str, paths: &[&str]) -> PackageFacts {
    package(&format!(r#"{{"format":1,"name":"{name}","version":"1","kind":"plain"{rest}}}"#), paths)
}

#[test]
fn a_good_set_is_valid() {
    let report = validate(&good(), &NODE);
    assert!(report.valid && report.notes.is_empty(), "{report:?}");
}

#[test]
fn the_empty_set_is_never_valid() {
    assert_eq!(codes(&SetFacts::default(), &NodeFacts { leave: true, ..NodeFacts::default() }), ["empty-set"]);
}

#[test]
fn what_was_revoked_is_not_entered_and_only_noted_on_the_way_back() {
    let mut set = good();
    set.packages[0].revoked = Some("release".to_owned());
    assert_eq!(codes(&set, &NODE), ["revoked"]);
    let back = validate(&set, &NodeFacts { back: true, ..NODE });
    assert!(back.valid);
    assert_eq!(back.notes.len(), 1);
    assert_eq!((back.notes[0].code.as_str(), &back.notes[0].packages[0]), ("revoked", &set.packages[0].id));
}

#[test]
fn each_rule_about_packages_has_a_case() {
    let other_mesos =
        r#"{"format":1,"name":"mesos-fork","version":"1.11.0","kind":"mesos","mesos":{"version":"1.11.0"}}"#;
    let missing = PackageFacts { id: "absent--1".parse().unwrap(), local: None, revoked: None };
    for (set, expected) in [
        (without("dcos-bits"), "no-dcos-bits"),
        (with(package(other_mesos, &[])), "several-mesos"),
        (
            with(package(r#"{"format":1,"name":"conf2","version":"1","kind":"mesos-config"}"#, &[])),
            "several-mesos-configs",
        ),
        (with(missing), "not-local"),
        (with(plain("dcos-bits", "", &[])), "two-versions"),
        (with(plain("a", r#","requires":["b"]"#, &[])), "requirement-not-met"),
        (with(plain("a", r#","conflicts":["fizzbuzz < 2"]"#, &[])), "conflict"),
        (with(plain("a", r#","roles":["master"]"#, &[])), "role"),
        (with(plain("a", "", &["bin/dcos-pkg"])), "path-conflict"),
        (with(plain("a", "", &["bin/dcos-pkg/x"])), "path-conflict"),
        (with(plain("a", r#","environment":{"MESOS_IP":"1"}"#, &[])), "environment-reserved"),
        (with(plain("a", r#","environment":{"MESOS_RESOURCES":"1"}"#, &[])), "environment-collision"),
        (with(plain("a", r#","environment":{"A=B":"1"}"#, &[])), "environment-name"),
        (with(plain("a", r#","environment":{"A":"1\n2"}"#, &[])), "environment-value"),
        (change("mesos", |mesos| mesos.damage.push("`lib/libmesos.so` is missing".to_owned())), "damaged"),
    ] {
        let found = codes(&set, &NODE);
        // A second Mesos or config also breaks what needs there to be one.
        assert!(
            found.iter().all(|code| code == expected || code == "bad-config") && !found.is_empty(),
            "{expected}: {found:?}"
        );
    }
    assert_eq!(codes(&without("mesos"), &NODE), ["no-mesos", "requirement-not-met"]);
    assert_eq!(codes(&without("conf"), &NODE), ["no-mesos-config"]);
}

#[test]
fn harmless_twins_are_accepted() {
    for set in [
        with(plain("a", r#","requires":["mesos"],"conflicts":["a","fizzbuzz > 2"],"roles":["agent"]"#, &["bin/a"])),
        with(plain("a", r#","environment":{"A":"1"}"#, &["lib/x/y"])),
    ] {
        assert_eq!(codes(&set, &NODE), Vec::<String>::new());
    }
    assert_eq!(codes(&without("dcos-bits"), &NodeFacts { leave: true, ..NODE }), Vec::<String>::new());
}

#[test]
fn each_rule_about_the_configuration_has_a_case() {
    for (from, to, expected) in [
        ("\"format\":1,", "", "bad-config"),
        ("\"agent\"", "\"master\"", "config-role"),
        ("MESOS_RESOURCES", "MESOS_PORT", "environment-reserved"),
        ("org_example_FizzBuzz", "org_example_Other", "module-not-provided"),
        ("}}]", "}},{\"name\":\"org_example_FizzBuzz\",\"parameters\":{}}]", "module-enabled-twice"),
        ("\"limit\"", "\"limits\"", "parameter-unknown"),
        ("\"100\"", "\"1.5\"", "parameter-type"),
        ("\"limit\"", "\"node\"", "parameter-of-node"),
    ] {
        assert_eq!(codes(&configured(from, to), &NODE), [expected], "{from} {to}");
    }
    let twice = FIZZBUZZ.replace("\"fizzbuzz\"", "\"buzzfizz\"").replace("lib/", "libexec/");
    assert_eq!(codes(&with(package(&twice, &[])), &NODE), ["module-provided-twice"]);
}

#[test]
fn a_master_that_zookeeper_elects_needs_a_quorum() {
    let elected = NodeFacts { role: Some(Role::Master), zookeeper: true, ..NODE };
    let of = |environment: &str| {
        let text = CONFIG.replace("\"agent\"", "\"master\"").replace(r#""MESOS_RESOURCES":"cpus:1""#, environment);
        with_config(&text)
    };
    let found = |set: &SetFacts, node: &NodeFacts| codes(set, node).contains(&"no-quorum".to_owned());
    assert!(found(&of(""), &elected));
    assert!(found(&of(r#""MESOS_REGISTRY":"replicated_log""#), &elected));
    // Harmless: who is told, who shares no registry, who is alone, and who is no master.
    assert!(!found(&of(r#""MESOS_QUORUM":"2""#), &elected));
    assert!(!found(&of(r#""MESOS_REGISTRY":"in_memory""#), &elected));
    assert!(!found(&of(""), &NodeFacts { zookeeper: false, ..elected.clone() }));
    assert!(!found(&good(), &NodeFacts { zookeeper: true, ..NODE }));
    // A package may say it as well.
    let mut set = of("");
    set.packages.push(plain("a", r#","environment":{"MESOS_QUORUM":"2"}"#, &[]));
    assert!(!found(&set, &elected));
}

#[test]
fn each_rule_about_libraries_has_a_case() {
    type Change = fn(&mut Probe);
    let probed: [(Change, &str); 6] = [
        (|probe| probe.modules[0].compatible = Some(false), "module-incompatible"),
        (|probe| probe.modules[0].mesos_version = "1.10.0".to_owned(), "module-mesos-version"),
        (|probe| probe.modules[0].api_version = "1".to_owned(), "module-api-version"),
        (|probe| probe.modules.clear(), "module-symbol-missing"),
        (|probe| probe.loadable = false, "module-not-loadable"),
        (|_| (), ""),
    ];
    for (change_probe, expected) in probed {
        let set = change("fizzbuzz", |local| {
            for library in local.libraries.values_mut() {
                if let LibraryFacts::Probed(probe) = library {
                    change_probe(probe);
                }
            }
        });
        assert_eq!(codes(&set, &NODE), Vec::from_iter((!expected.is_empty()).then_some(expected)));
    }
    let fatal = change("fizzbuzz", |local| {
        local.libraries.insert("lib/libfizzbuzz.so".to_owned(), LibraryFacts::Fatal("signal 11".to_owned()));
    });
    assert_eq!(codes(&fatal, &NODE), ["module-kills"]);
    let other_kind = change("fizzbuzz", |local| {
        let record = r#"{"api_version":"2","mesos_version":"1.11.0","kind":"Hook"}"#;
        local.pkginfo.modules[0].record = Some(serde_json::from_str(record).unwrap());
    });
    assert_eq!(codes(&other_kind, &NODE), ["module-kind"]);
}

#[test]
fn a_library_for_another_mesos_is_named_with_both_versions() {
    let mut set = without("fizzbuzz");
    set.packages.insert(2, fizzbuzz("1.10.0"));
    let report = validate(&set, &NODE);
    let message = &report.problems[0].message;
    for part in ["1.10.0", "1.11.0", "lib/libfizzbuzz.so", "fizzbuzz--1.2.0+mesos1.11.0"] {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn without_a_probe_the_pkginfo_is_believed_and_without_that_it_is_noted() {
    let unknown = change("fizzbuzz", |local| local.libraries.clear());
    let report = validate(&unknown, &NODE);
    assert!(report.valid);
    assert_eq!(report.notes[0].code, "module-record-unknown");
    let said = change("fizzbuzz", |local| {
        local.libraries.clear();
        let record = r#"{"api_version":"2","mesos_version":"1.10.0","kind":"Anonymous"}"#;
        local.pkginfo.modules[0].record = Some(serde_json::from_str(record).unwrap());
    });
    assert_eq!(codes(&said, &NODE), ["module-mesos-version"]);
}

#[test]
fn a_package_bound_to_another_mesos_is_told_by_its_build_and_not_by_its_library_too() {
    let mut set = without("fizzbuzz");
    let other = FIZZBUZZ.replace("1.11.0", "1.10.0").replace(">= 1.10.0", ">= 1.9.0");
    set.packages.insert(2, package(&other, &[]));
    let report = validate(&set, &NODE);
    let codes: Vec<_> = report.problems.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(codes, ["package-mesos-version"]);
    assert!(report.problems[0].hint.as_ref().unwrap().contains("fizzbuzz--1.2.0+mesos1.11.0"));
}

#[test]
fn a_package_that_is_not_used_is_noted() {
    let report = validate(
        &configured(
            ",\n    \"modules\":[{\"name\":\"org_example_FizzBuzz\",\"parameters\":{\"limit\":\"100\"}}]",
            ",\"modules\":[]",
        ),
        &NODE,
    );
    assert!(report.valid);
    assert_eq!(report.notes[0].code, "module-unused");
}

/// The codes stand in the rules as literals, so they can be counted there.
#[test]
fn every_rule_has_a_case() {
    let rules = [
        include_str!("../validate.rs"),
        include_str!("checkpoint.rs"),
        include_str!("config.rs"),
        include_str!("modules.rs"),
        include_str!("packages.rs"),
    ];
    let tests = [include_str!("tests.rs"), include_str!("checkpoint_tests.rs")].concat();
    let is_code = |text: &&str| {
        let words =
            text.contains('-') && text.split('-').all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()));
        (words && *text != super::SELF) || ["damaged", "conflict", "role", "revoked"].contains(text)
    };
    let codes: std::collections::BTreeSet<&str> =
        rules.iter().flat_map(|text| text.split('"').filter(is_code)).collect();
    let missing: Vec<_> = codes
        .iter()
        .filter(|code| {
            let constant = code.to_uppercase().replace('-', "_");
            !tests.contains(&format!("\"{code}\"")) && !tests.contains(&constant)
        })
        .collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
    assert!(codes.len() >= 38, "{} codes: {codes:?}", codes.len());
    // The harness keeps what its tests print, and this goes past it.
    std::io::Write::write_all(&mut std::io::stderr(), format!("hostile sets: {} rules\n", codes.len()).as_bytes())
        .unwrap();
}
