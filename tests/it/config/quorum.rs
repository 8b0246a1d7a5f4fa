//! A master that ZooKeeper elects, and what it is told of its registry: Mesos starts with just what a set may say.

use std::collections::BTreeMap;

use dcos_core::config::MesosConfig;
use dcos_core::validate::{LocalFacts, NodeFacts, PackageFacts, SetFacts, validate};
use dcos_core::{PkgInfo, Role};

use super::VERSIONS;
use super::process::{Environment, Process, free_port, host, program};
use crate::harness::http;

/// Whether a set with this config would be refused on a master for want of a quorum.
fn is_refused(environment: &Environment, zookeeper: bool) -> bool {
    let pkginfo =
        r#"{"format": 1, "name": "mesos-config", "version": "1", "kind": "mesos-config", "roles": ["master"]}"#;
    let pkginfo = PkgInfo::parse(pkginfo).expect("a pkginfo");
    let config = MesosConfig { format: 1, role: Role::Master, environment: environment.clone(), modules: Vec::new() };
    let local = LocalFacts {
        damage: Vec::new(),
        linked: BTreeMap::new(),
        config: Some(Ok(config)),
        libraries: BTreeMap::new(),
        formats: None,
        pkginfo,
    };
    let package = PackageFacts { id: local.pkginfo.id(), local: Some(local), revoked: None };
    let node = NodeFacts { role: Some(Role::Master), zookeeper, ..NodeFacts::default() };
    let report = validate(&SetFacts { packages: vec![package] }, &node);
    report.problems.iter().any(|problem| problem.code == "no-quorum")
}

#[test]
#[ignore = "needs real Mesos: make test"]
fn a_master_starts_with_just_what_a_set_may_say_of_its_registry() {
    for version in VERSIONS {
        for zookeeper in [false, true] {
            for said in [
                &[][..],
                &[("MESOS_REGISTRY", "replicated_log")],
                &[("MESOS_REGISTRY", "in_memory")],
                &[("MESOS_QUORUM", "1")],
            ] {
                let environment: Environment =
                    said.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
                let folder = tempfile::tempdir().expect("a temporary directory");
                let port = free_port();
                let mut all = host(Role::Master, folder.path(), port);
                all.extend(environment.clone());
                if zookeeper {
                    // Nobody listens there: that it elects nobody is not the question.
                    all.insert("MESOS_ZK".to_owned(), "zk://127.0.0.1:1/mesos".to_owned());
                }
                let mut mesos = Process::start(&program(version, Role::Master), &all, &folder.path().join("log"));
                let url = format!("http://127.0.0.1:{port}/version");
                let started = mesos.wait("it answers", |_| http::get(&url)).is_some();
                assert_eq!(
                    started,
                    !is_refused(&environment, zookeeper),
                    "{version}, ZooKeeper: {zookeeper}, {said:?}; its log:\n{}",
                    mesos.log()
                );
                assert!(started || mesos.log().contains("quorum"), "it ended for another reason:\n{}", mesos.log());
            }
        }
    }
}
