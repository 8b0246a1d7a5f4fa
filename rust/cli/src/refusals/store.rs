//! Refusals of the store, and of the archives that come into it.

use dcos_core::PkgInfo;
use dcos_core::validate::Report;
use dcos_store::{LogError, Owner, Refusal, Rule, Running, StoreError};

use super::{because, denied, digest, examples, finding, id};

#[test]
fn of_the_store() {
    let package = || "fizzbuzz--1.2.0".to_owned();
    examples! { "store", StoreError:
        StoreError::Io { .. } => StoreError::Io {
            action: "open the file", path: "/opt/dcos/state/jobs/1.json".into(), to: None, source: denied() },
        StoreError::Busy { .. } => StoreError::Busy {
            root: "/opt/dcos".into(),
            owner: Some(Owner { format: 1, pid: 4711, command: "dcos-pkg gc".into(), since: jiff::Timestamp::UNIX_EPOCH }) },
        StoreError::Damaged { .. } => StoreError::Damaged {
            path: "/opt/dcos/packages/fizzbuzz--1.2.0.json".into(), source: because("EOF while parsing a value") },
        StoreError::Format { .. } => StoreError::Format {
            path: "/opt/dcos/generations/4/set.json".into(), found: 2, known: 1 },
        StoreError::Archive { .. } => StoreError::Archive { package: package(), source: Refusal {
            rule: Rule::HardLink, entry: Some("lib/x.so".into()), detail: "a hard link".into() } },
        StoreError::Source { .. } => StoreError::Source { package: package(), source: denied() },
        StoreError::FileName(_) => StoreError::FileName("fizzbuzz.tgz".into()),
        StoreError::Digest { .. } => StoreError::Digest { package: package(), expected: digest(1), found: digest(2) },
        StoreError::PkgInfo { .. } => StoreError::PkgInfo {
            package: package(), source: PkgInfo::parse(r#"{"format": 2}"#).map(|_| ()).expect_err("a later format") },
        StoreError::OtherPackage { .. } => StoreError::OtherPackage {
            expected: id("fizzbuzz--1.2.0"), found: id("fizzbuzz--1.3.0") },
        StoreError::Differs { .. } => StoreError::Differs {
            id: id("fizzbuzz--1.2.0"), present: digest(1), offered: digest(2) },
        StoreError::NotLocal(_) => StoreError::NotLocal(id("fizzbuzz--1.2.0")),
        StoreError::InUse { .. } => StoreError::InUse { id: id("fizzbuzz--1.2.0"), why: "generation 3 is active".into() },
        StoreError::InvalidSet(_) => StoreError::InvalidSet(Report {
            valid: false, problems: vec![finding("no-mesos", "the set has no Mesos", "add one: `mesos--VERSION`")],
            notes: Vec::new() }),
        StoreError::NoGeneration(_) => StoreError::NoGeneration(9),
        StoreError::NothingActive => StoreError::NothingActive,
        StoreError::NoRollbackTarget => StoreError::NoRollbackTarget,
        StoreError::MesosRuns(_) => StoreError::MesosRuns(Running { pid: 4711, start_time: 1, generation: 3 }),
        StoreError::NoNode => StoreError::NoNode,
        StoreError::NoHelper(_) => StoreError::NoHelper(3),
        StoreError::StateName(_) => StoreError::StateName("../x".into()),
        StoreError::Unbuildable { .. } => StoreError::Unbuildable {
            path: "fizzbuzz/lib".into(), why: "it has no `pkginfo.json`".into() },
    }
}

#[test]
fn of_a_log() {
    let path = || "/opt/dcos/state/deploy/log".into();
    // As the controller that can't open its log says it.
    struct Told(LogError);
    impl From<Told> for dcos_core::Problem {
        fn from(told: Told) -> Self {
            let problem = Self::new(dcos_core::ExitCode::Unexpected, "no-log", Self::chain(&told.0));
            problem.hint("`dcos deploy restore FILE` makes a new one from a backup")
        }
    }
    let mut page = super::Page::new("log");
    let all = [
        LogError::Store(StoreError::NothingActive),
        LogError::Busy(path()),
        LogError::Damaged { path: path(), line: 17 },
        LogError::Format { path: path(), header: "something else".into() },
        LogError::NotALine(path()),
        LogError::Broken(path()),
    ];
    for error in all {
        // A new value has to be named here, and to be among the examples.
        let name = match &error {
            LogError::Store(_) => "Store",
            LogError::Busy(_) => "Busy",
            LogError::Damaged { .. } => "Damaged",
            LogError::Format { .. } => "Format",
            LogError::NotALine(_) => "NotALine",
            LogError::Broken(_) => "Broken",
        };
        page.add(name, Told(error));
    }
    page.compare();
}
