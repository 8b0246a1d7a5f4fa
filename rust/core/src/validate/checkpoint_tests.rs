//! The rules about an agent's checkpoint, and about the files that a dcos-bits reads, on sets like those of [`super::tests`].

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use super::facts::{AgentFacts, LeftBy, NodeFacts, SetFacts};
use super::tests::{CONFIG, good, with_config};
use super::{CHECKPOINT_REFUSED, NO_WAY_BACK, Report, validate};
use crate::formats::{Formats, Range};
use crate::node::{MesosFacts, NodeConfig};
use crate::role::Role;

const HOST: &str = "role = \"agent\"\ngroup = \"a\"\n[mesos]\nip = \"10.0.0.5\"\nport = 5051\nmaster = \"10.0.0.1:5050\"\n\
    work_dir = \"/var/lib/mesos\"\nattributes = \"rack:a\"\n";

fn host(change: impl FnOnce(&mut MesosFacts)) -> MesosFacts {
    let mut host = NodeConfig::parse(HOST).unwrap().mesos;
    change(&mut host);
    host
}

/// A node whose agent was started by generation 3, with the environment of [`good`] and `changes`.
fn node(changes: &[(&str, &str)], host: MesosFacts) -> NodeFacts {
    let rendered = [
        ("MESOS_IP", "10.0.0.5"),
        ("MESOS_PORT", "5051"),
        ("MESOS_HOSTNAME", "10.0.0.5"),
        ("MESOS_ATTRIBUTES", "rack:a"),
        ("MESOS_RESOURCES", "cpus:1"),
    ];
    let pairs = rendered.iter().chain(changes).filter(|(_, value)| !value.is_empty());
    let environment: BTreeMap<String, String> =
        pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let left_by = LeftBy { generation: 3, environment };
    NodeFacts { role: Some(Role::Agent), agent: Some(AgentFacts { left_by, host }), ..NodeFacts::default() }
}

/// [`good`] with other variables in its config.
fn set(environment: &str) -> SetFacts {
    with_config(&CONFIG.replace(r#""MESOS_RESOURCES":"cpus:1""#, environment))
}

fn codes(report: &Report) -> (Vec<&str>, Vec<&str>) {
    let codes = |findings: &'_ [super::Finding]| findings.len();
    assert_eq!(report.valid, codes(&report.problems) == 0);
    (
        report.problems.iter().map(|it| it.code.as_str()).collect(),
        report.notes.iter().map(|it| it.code.as_str()).collect(),
    )
}

#[test]
fn an_agent_that_says_the_same_of_itself_is_taken_both_ways() {
    let report = validate(&good(), &node(&[], host(|_| ())));
    assert_eq!(codes(&report), (vec![], vec![]), "{report:?}");
}

#[test]
fn every_change_of_what_an_agent_says_is_refused_under_the_default_policy() {
    let problems = |set: &SetFacts, node: &NodeFacts, word: &str| {
        let report = validate(set, node);
        assert_eq!(codes(&report), (vec![CHECKPOINT_REFUSED], vec![]), "{word}: {report:?}");
        let message = &report.problems[0].message;
        assert!(message.contains(word) && message.contains("generation 3"), "{word}: {message}");
        assert!(report.problems[0].hint.is_some());
    };
    let same = || host(|_| ());
    problems(&set(r#""MESOS_RESOURCES":"cpus:2""#), &node(&[], same()), "resource `cpus");
    problems(&set(r#""MESOS_RESOURCES":"cpus:1;disk:5""#), &node(&[], same()), "resource `disk");
    problems(&set(r#""A":"b""#), &node(&[], same()), "resource `cpus");
    let domain = r#""MESOS_RESOURCES":"cpus:1","MESOS_DOMAIN":"{\"fault_domain\":{\"region\":{\"name\":\"r\"},\"zone\":{\"name\":\"z\"}}}""#;
    problems(&set(domain), &node(&[], same()), "domain `r/z`");
    problems(&good(), &node(&[], host(|it| it.port = 5052)), "port");
    problems(&good(), &node(&[], host(|it| it.hostname = Some("a5".to_owned()))), "host name");
    problems(&good(), &node(&[], host(|it| it.attributes = Some("rack:b".to_owned()))), "attribute `rack");
    // What an earlier release accepted and this one can't read is not taken for the same.
    problems(&good(), &node(&[("MESOS_RESOURCES", "cpus")], same()), "can't be compared");
}

#[test]
fn growth_is_taken_under_the_additive_policy_and_the_way_back_is_told() {
    let grown = set(r#""MESOS_RESOURCES":"cpus:2","MESOS_RECONFIGURATION_POLICY":"additive""#);
    // The old config refuses any change; one that takes growth refuses to shrink.
    for policy in ["", "additive"] {
        let report = validate(&grown, &node(&[("MESOS_RECONFIGURATION_POLICY", policy)], host(|_| ())));
        assert_eq!(codes(&report), (vec![], vec![NO_WAY_BACK]), "{report:?}");
        assert!(report.notes[0].message.contains("generation 3") && report.notes[0].message.contains("cpus"));
    }
    // The policy alone may change: nothing that the agent says of itself does.
    let only = set(r#""MESOS_RESOURCES":"cpus:1","MESOS_RECONFIGURATION_POLICY":"additive""#);
    assert_eq!(codes(&validate(&only, &node(&[], host(|_| ())))), (vec![], vec![]));
    let shrunk = set(r#""MESOS_RESOURCES":"cpus:0.5","MESOS_RECONFIGURATION_POLICY":"additive""#);
    assert_eq!(codes(&validate(&shrunk, &node(&[], host(|_| ())))), (vec![CHECKPOINT_REFUSED], vec![]));
}

#[test]
fn an_agent_that_would_not_start_is_its_own_problem() {
    let report = validate(&set(r#""MESOS_RESOURCES":"cpus""#), &node(&[], host(|_| ())));
    assert_eq!(codes(&report), (vec!["agent-malformed"], vec![]));
    assert!(!report.with_clean_work_dir().valid);
}

#[test]
fn a_clean_work_directory_leaves_nothing_to_accept() {
    let facts = node(&[], host(|it| it.port = 5052));
    let report = validate(&good(), &facts);
    assert!(!report.valid);
    assert_eq!(codes(&report.with_clean_work_dir()), (vec![], vec![]));
    // So does a first start, and a master has no checkpoint.
    assert!(validate(&good(), &NodeFacts { agent: None, ..facts.clone() }).valid);
    let master = validate(&good(), &NodeFacts { role: Some(Role::Master), ..facts });
    assert!(!master.problems.iter().any(|it| it.code == CHECKPOINT_REFUSED));
}

#[test]
fn a_dcos_bits_that_can_not_read_the_store_is_refused() {
    let of = |formats: Option<Result<Formats, String>>| {
        let mut set = good();
        let own = set.packages.iter_mut().find(|package| package.id.name().as_str() == super::SELF).unwrap();
        own.local.as_mut().unwrap().formats = formats;
        let report = validate(&set, &NodeFacts { role: Some(Role::Agent), ..NodeFacts::default() });
        report.problems.into_iter().map(|it| (it.code, it.message)).collect::<Vec<_>>()
    };
    assert_eq!(of(None), []);
    assert_eq!(of(Some(Ok(Formats::own()))), []);
    let mut newer = Formats::own();
    newer.reads.insert("journal".to_owned(), Range { oldest: 2, newest: 3 });
    let found = of(Some(Ok(newer)));
    assert_eq!(found[0].0, "store-format");
    assert!(found[0].1.contains("`journal` in format 1 (it reads 2 to 3)"), "{found:?}");
    assert_eq!(of(Some(Err("it has format 2".to_owned())))[0].0, "store-format");
}
