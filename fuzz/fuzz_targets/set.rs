//! Sets and their validation. A line of the input is a package: its pkginfo, then, after a tab, what there is of it.
#![no_main]

use std::collections::BTreeMap;

use dcos_core::checkpoint::{Agent, Reason};
use dcos_core::config::MesosConfig;
use dcos_core::formats::Formats;
use dcos_core::node::NodeConfig;
use dcos_core::validate::facts::{AgentFacts, LeftBy, LocalFacts, NodeFacts, PackageFacts, SetFacts};
use dcos_core::validate::validate;
use dcos_core::{Kind, PackageSet, PkgInfo, Role};
use libfuzzer_sys::fuzz_target;

const NODE: &str = "role = \"agent\"\ngroup = \"a\"\n[mesos]\nip = \"10.0.0.5\"\nport = 5051\nmaster = \"10.0.0.1:5050\"\n\
    work_dir = \"/var/lib/mesos\"\n";

fn package(line: &str) -> Option<PackageFacts> {
    let (pkginfo, rest) = line.split_once('\t').unwrap_or((line, ""));
    let pkginfo = PkgInfo::parse(pkginfo).ok()?;
    let config = (pkginfo.kind == Kind::MesosConfig)
        .then(|| serde_json::from_str::<MesosConfig>(rest).map_err(|error| error.to_string()));
    let linked: BTreeMap<String, bool> =
        rest.split(' ').map(|path| (path.trim_end_matches('/').to_owned(), path.ends_with('/'))).collect();
    let formats = rest.starts_with('{').then(|| Formats::parse(rest));
    let local = LocalFacts { damage: Vec::new(), linked, config, libraries: BTreeMap::new(), formats, pkginfo };
    Some(PackageFacts { id: local.pkginfo.id(), local: Some(local), revoked: None })
}

fuzz_target!(|text: &str| {
    if let Ok(set) = serde_json::from_str::<PackageSet>(text) {
        let written = serde_json::to_string(&set).unwrap();
        assert_eq!(serde_json::from_str::<PackageSet>(&written).unwrap(), set);
    }
    let packages: Vec<PackageFacts> = text.lines().filter_map(package).collect();
    let set = SetFacts { packages };
    let environment: BTreeMap<String, String> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    // An agent takes what it left itself, save where it confuses attributes of one name.
    if let Ok(agent) = Agent::rendered(&environment) {
        let refusals = agent.refusals(&agent);
        assert!(refusals.iter().all(|reason| matches!(reason, Reason::Ambiguous { .. })), "{refusals:?}");
    }
    let host = NodeConfig::parse(NODE).unwrap().mesos;
    let agent = AgentFacts { left_by: LeftBy { generation: 1, environment }, host };
    let node = NodeFacts { role: Some(Role::Agent), agent: Some(agent), ..NodeFacts::default() };
    let report = validate(&set, &node);
    assert_eq!(report.valid, report.problems.is_empty());
    assert_eq!(report, validate(&set, &node));
    // Codes are for programs, sentences for people.
    for finding in report.problems.iter().chain(&report.notes) {
        assert!(finding.code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
        assert!(!finding.message.is_empty() && !finding.message.ends_with('.'));
    }
    assert!(!set.packages.is_empty() || !report.valid);
});
