//! What a change makes of a node's set.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, Facts, Install, Resolution, Uninstall, Upgrade, resolve};
use crate::pkginfo::PkgInfo;
use crate::role::Role;
use crate::set::PackageSet;

const CURRENT: &[&str] = &["mesos--1.10.0", "mesos-config--aaa", "dcos-bits--0.1.0+mesos1.10.0", "tools--3"];

fn set(ids: &[&str]) -> PackageSet {
    ids.iter().map(|id| id.parse().unwrap()).collect()
}

/// Something to offer: an id, and what else its pkginfo says.
fn info(id: &str, kind: &str, rest: &str) -> PkgInfo {
    let (name, version) = id.split_once("--").unwrap();
    let mesos = version.rsplit_once("+mesos").map_or(version, |(_, mesos)| mesos);
    let kind_fields = match kind {
        "mesos" => format!(r#","mesos":{{"version":"{mesos}"}}"#),
        "module" => {
            format!(r#","mesos":{{"version":"{mesos}"}},"modules":[{{"library":"lib/x.so","name":"org_example_X"}}]"#)
        }
        _ => String::new(),
    };
    let text = format!(r#"{{"format":1,"name":"{name}","version":"{version}","kind":"{kind}"{kind_fields}{rest}}}"#);
    PkgInfo::parse(&text).unwrap()
}

fn offers() -> Vec<PkgInfo> {
    vec![
        info("mesos--1.11.0", "mesos", ""),
        info("dcos-bits--0.1.0+mesos1.11.0", "module", ""),
        info("dcos-bits--0.2.0+mesos1.11.0", "module", ""),
        info("mesos-config--bbb", "mesos-config", r#","roles":["agent"],"requires":["mesos >= 1.10.0, < 1.12.0"]"#),
        info("fizzbuzz--1.2.0+mesos1.10.0", "module", r#","roles":["agent"]"#),
        info("fizzbuzz--1.10.0+mesos1.10.0", "module", r#","roles":["agent"]"#),
        info("fizzbuzz--2.0.0+mesos1.11.0", "module", r#","roles":["agent"]"#),
        info("picky--1+mesos1.10.0", "module", r#","requires":["tools >= 4"]"#),
        info("newer--1+mesos1.11.0", "module", ""),
    ]
}

fn on(role: Role, group: &str, current: &[&str], change: &Change) -> Result<Resolution, Vec<String>> {
    let current = set(current);
    let local: BTreeSet<_> = current.iter().cloned().collect();
    let facts = Facts { role, group, current: &current, local: &local, available: &offers() };
    resolve(change, facts)
        .map_err(|findings| findings.into_iter().map(|f| format!("{}: {}", f.code, f.message)).collect())
}

fn on_agent(change: &Change) -> Result<Resolution, Vec<String>> {
    on(Role::Agent, "agents", CURRENT, change)
}

fn upgrade(mesos: &str) -> Change {
    Change::Upgrade(Upgrade { mesos: mesos.to_owned() })
}

fn install(modules: &[&str], configs: &[(&str, &str)]) -> Change {
    let configs = configs.iter().map(|(group, id)| ((*group).to_owned(), id.parse().unwrap())).collect();
    Change::Install(Install { modules: modules.iter().map(|module| (*module).to_owned()).collect(), configs })
}

fn target(ids: &[&str]) -> Result<Resolution, Vec<String>> {
    Ok(Resolution::Target(set(ids)))
}

#[test]
fn an_upgrade_takes_along_what_is_bound_to_mesos_and_keeps_base_versions() {
    let expected = ["mesos--1.11.0", "mesos-config--aaa", "dcos-bits--0.1.0+mesos1.11.0", "tools--3"];
    assert_eq!(on_agent(&upgrade("1.11.0")), target(&expected));
}

#[test]
fn an_upgrade_says_everything_that_is_missing() {
    let current: Vec<&str> = CURRENT.iter().copied().chain(["fizzbuzz--1.2.0+mesos1.10.0"]).collect();
    let findings = on(Role::Agent, "agents", &current, &upgrade("1.12.0")).unwrap_err();
    assert_eq!(findings.len(), 3, "{findings:?}");
    for missing in ["mesos--1.12.0", "dcos-bits--0.1.0+mesos1.12.0", "fizzbuzz--1.2.0+mesos1.12.0"] {
        assert!(findings.iter().any(|f| f.starts_with("not-available") && f.contains(missing)), "{findings:?}");
    }
    let findings = on(Role::Agent, "agents", &current, &upgrade("1.11.0")).unwrap_err();
    assert_eq!(findings.len(), 1, "only fizzbuzz 1.2.0 is not built for it: {findings:?}");
}

#[test]
fn what_is_local_need_not_be_on_offer() {
    let current = set(CURRENT);
    let back = upgrade("1.10.0");
    let local: BTreeSet<_> = current.iter().cloned().collect();
    let facts = Facts { role: Role::Agent, group: "agents", current: &current, local: &local, available: &[] };
    assert_eq!(resolve(&back, facts).unwrap(), Resolution::Target(current.clone()));
    let nothing = BTreeSet::new();
    assert_eq!(resolve(&back, Facts { local: &nothing, ..facts }).unwrap_err().len(), 4);
}

#[test]
fn an_installation_picks_the_newest_that_the_nodes_mesos_can_use() {
    let with = |id: &str| target(&[CURRENT, &[id]].concat());
    assert_eq!(on_agent(&install(&["fizzbuzz"], &[])), with("fizzbuzz--1.10.0+mesos1.10.0"));
    assert_eq!(on_agent(&install(&["fizzbuzz--1.2.0"], &[])), with("fizzbuzz--1.2.0+mesos1.10.0"));
    assert_eq!(on_agent(&install(&["fizzbuzz--1.2.0+mesos1.10.0"], &[])), with("fizzbuzz--1.2.0+mesos1.10.0"));
    for (module, code) in [
        ("fizzbuzz--2.0.0", "not-available"),
        ("newer", "not-available"),
        ("nothing", "not-available"),
        ("picky", "requirement-not-met"),
        ("two--words--here", "not-a-package"),
        ("", "not-a-package"),
    ] {
        let findings = on_agent(&install(&[module], &[])).unwrap_err();
        assert!(findings[0].starts_with(code), "{module}: {findings:?}");
    }
}

#[test]
fn an_installation_brings_the_config_of_the_group() {
    let change = install(&["fizzbuzz"], &[("agents", "mesos-config--bbb")]);
    let expected = [
        "mesos--1.10.0",
        "mesos-config--bbb",
        "dcos-bits--0.1.0+mesos1.10.0",
        "tools--3",
        "fizzbuzz--1.10.0+mesos1.10.0",
    ];
    assert_eq!(on_agent(&change), target(&expected));
    let left_out = on(Role::Agent, "others", CURRENT, &change).unwrap();
    assert_eq!(left_out, Resolution::LeftOut("the change brings no config for group `others`".to_owned()));
}

#[test]
fn roles_that_do_not_fit_are_left_out_or_refused() {
    let left_out = on(Role::Master, "masters", CURRENT, &install(&["fizzbuzz"], &[])).unwrap();
    assert_eq!(left_out, Resolution::LeftOut("`fizzbuzz` is not for nodes of role master".to_owned()));
    let change = install(&["newer", "fizzbuzz"], &[]);
    let current = ["mesos--1.11.0", "mesos-config--aaa"];
    assert_eq!(
        on(Role::Master, "masters", &current, &change),
        target(&["mesos--1.11.0", "mesos-config--aaa", "newer--1+mesos1.11.0"]),
        "what fits is installed, what does not is left out"
    );
    let wrong = install(&["newer"], &[("masters", "mesos-config--bbb")]);
    let findings = on(Role::Master, "masters", &current, &wrong).unwrap_err();
    assert_eq!(findings, ["wrong-role: `mesos-config--bbb` is not for nodes of role master"]);
}

#[test]
fn a_node_without_a_set_has_nothing_to_start_from() {
    for change in [upgrade("1.11.0"), install(&["fizzbuzz"], &[])] {
        for current in [&[][..], &["tools--3"]] {
            let findings = on(Role::Agent, "agents", current, &change).unwrap_err();
            assert!(findings[0].starts_with("needs-mesos"), "{findings:?}");
        }
    }
}

#[test]
fn an_uninstallation_leaves_out_nodes_that_have_none_of_it() {
    let change =
        |name: &str| Change::Uninstall(Uninstall { modules: vec![name.parse().unwrap()], configs: BTreeMap::new() });
    let expected = ["mesos--1.10.0", "mesos-config--aaa", "dcos-bits--0.1.0+mesos1.10.0"];
    assert_eq!(on_agent(&change("tools")), target(&expected));
    assert!(matches!(on_agent(&change("fizzbuzz")), Ok(Resolution::LeftOut(_))));
}

#[test]
fn a_stated_set_is_taken_as_it_is() {
    let change = Change::Set(BTreeMap::from([("agents".to_owned(), set(&["mesos--1.11.0", "tools--3"]))]));
    assert_eq!(on_agent(&change), target(&["mesos--1.11.0", "tools--3"]));
    assert!(matches!(on(Role::Agent, "others", CURRENT, &change), Ok(Resolution::LeftOut(_))));
    let unknown = Change::Set(BTreeMap::from([("agents".to_owned(), set(&["mesos--9"]))]));
    assert!(on_agent(&unknown).unwrap_err()[0].starts_with("not-available"));
    let empty = Change::Set(BTreeMap::from([("agents".to_owned(), PackageSet::default())]));
    assert!(on_agent(&empty).unwrap_err()[0].starts_with("empty-set"));
}
