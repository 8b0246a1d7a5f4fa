//! Attacks as a table: each rule has cases that it alone refuses, and a harmless twin that is accepted.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Mutex, PoisonError};

use dcos_core::Problem;
use serde_json::Value;
use tokio::runtime::Runtime;
use tough::schema::RoleType;

use super::Rig;
use crate::signing::{self, forge};

/// What the node says to what it was served: the ids that it takes, or the name of the problem.
pub(super) type Answer = Result<Vec<String>, String>;

/// What must come of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Refused with the problem of that name.
    Refused(&'static str),
    /// Taken.
    Taken,
}

/// A case of a rule.
pub(super) struct Case {
    rule: &'static str,
    name: String,
    then: Then,
    threshold: u8,
    play: Box<dyn Fn(&Stage) -> Answer + Send + Sync>,
}

impl Case {
    /// An attack that must end with the problem of that name.
    pub(super) fn attack(
        rule: &'static str,
        name: impl Into<String>,
        problem: &'static str,
        play: impl Fn(&Stage) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self { rule, name: name.into(), then: Then::Refused(problem), threshold: 1, play: Box::new(play) }
    }

    /// What looks alike, and is harmless.
    pub(super) fn twin(
        rule: &'static str,
        name: impl Into<String>,
        play: impl Fn(&Stage) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self { rule, name: name.into(), then: Then::Taken, threshold: 1, play: Box::new(play) }
    }

    /// The same in a repository whose root and targets need so many signatures.
    pub(super) fn with_threshold(self, threshold: u8) -> Self {
        Self { threshold, ..self }
    }
}

/// A repository with the package `a--1`, served, and a node that trusts its first root.
pub(super) struct Stage {
    pub(super) rig: Rig,
    pub(super) runtime: Runtime,
}

impl Stage {
    fn new(threshold: u8) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let rig = runtime.block_on(Rig::new(threshold));
        Self { rig, runtime }
    }

    /// What the node is offered.
    pub(super) fn look(&self) -> Answer {
        self.runtime.block_on(self.rig.offered())
    }

    /// The same from another server.
    pub(super) fn look_at(&self, url: &str) -> Answer {
        self.runtime.block_on(self.rig.offered_to(&self.rig.store(), url))
    }

    /// What comes of fetching.
    pub(super) fn fetch(&self, id: &str) -> Answer {
        let fetched = self.runtime.block_on(self.rig.fetch(id));
        let there = self.rig.store().has(&id.parse().unwrap());
        assert_eq!(fetched.is_ok(), there, "what is not refused is there, and nothing else");
        fetched.map(|()| vec![id.to_owned()]).map_err(|error| Problem::from(error).name().to_owned())
    }

    /// A document of the metadata.
    pub(super) fn read(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.rig.metadata(name)).unwrap()).unwrap()
    }

    pub(super) fn write(&self, name: &str, document: &Value) {
        fs::write(self.rig.metadata(name), serde_json::to_vec(document).unwrap()).unwrap();
    }

    /// The newest document of a role.
    pub(super) fn newest(&self, role: &str) -> String {
        if role == "timestamp" {
            return "timestamp.json".to_owned();
        }
        let ending = format!(".{role}.json");
        let names = fs::read_dir(self.rig.folder().join("metadata")).unwrap();
        let versions = names.filter_map(|name| {
            name.unwrap().file_name().into_string().unwrap().strip_suffix(&ending)?.parse::<u64>().ok()
        });
        format!("{}{ending}", versions.max().unwrap())
    }

    /// Changes what the newest document of `role` says, signed by its own keys.
    pub(super) fn change(&self, role: &str, change: impl FnOnce(&mut Value)) {
        self.change_by(role, role, usize::MAX, change);
    }

    /// The same, signed by at most `count` keys of the role `whose`.
    pub(super) fn change_by(&self, role: &str, whose: &str, count: usize, change: impl FnOnce(&mut Value)) {
        let name = self.newest(role);
        let mut signed = self.read(&name)["signed"].clone();
        change(&mut signed);
        self.write(&name, &self.sign(whose, &signed, count));
    }

    /// `signed` with signatures of a role of the newest root.
    pub(super) fn sign(&self, whose: &str, signed: &Value, count: usize) -> Value {
        let root = self.read(&self.newest("root"));
        forge::sign(&self.rig.signer(), &root, role(whose), signed, count)
    }

    /// Lets snapshot and timestamp name what is there now: what a thief of both keys does.
    pub(super) fn seal(&self) {
        for (of, by) in [("targets", "snapshot"), ("snapshot", "timestamp")] {
            let name = self.newest(of);
            let bytes = fs::read(self.rig.metadata(&name)).unwrap();
            let version = self.read(&name)["signed"]["version"].clone();
            self.change(by, |signed| {
                let file = &mut signed["meta"][format!("{of}.json")];
                file["length"] = bytes.len().into();
                file["hashes"]["sha256"] = dcos_core::Sha256::of(&bytes).to_string().into();
                file["version"] = version;
            });
        }
    }

    /// Publishes a package and answers what the metadata was before.
    pub(super) fn publish(&self, id: &str) {
        self.rig.publish(id);
    }

    pub(super) fn rotate(&self, role: &str) {
        signing::rotate(&self.rig.folder(), &mut self.rig.signer(), role).unwrap();
    }
}

pub(super) fn role(name: &str) -> RoleType {
    match name {
        "root" => RoleType::Root,
        "targets" => RoleType::Targets,
        "snapshot" => RoleType::Snapshot,
        _ => RoleType::Timestamp,
    }
}

/// The roles whose documents a node reads each time.
pub(super) const READ: [&str; 3] = ["timestamp", "snapshot", "targets"];

/// Plays one case; the error says what went otherwise.
fn play(case: &Case) -> Result<(), String> {
    let stage = Stage::new(case.threshold);
    let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (case.play)(&stage)));
    let answer = played.unwrap_or_else(|_| Err("a panic, told above".to_owned()));
    let as_expected = match (&answer, case.then) {
        (Err(problem), Then::Refused(expected)) => problem == expected,
        (Ok(_), Then::Taken) => true,
        _ => false,
    };
    // Whatever a server does, nothing is written but in the store, and there only what is named.
    let stray = fs::read_dir(stage.rig.place.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let known = ["repository", "keys", "root.json", "store", "trees"];
    let stray: Vec<_> = stray
        .filter(|name| {
            let name = name.to_string_lossy();
            !known.contains(&name.as_ref()) && !name.ends_with(".tar.gz") && !name.starts_with("other")
        })
        .collect();
    match (as_expected, stray.is_empty()) {
        (true, true) => Ok(()),
        _ => Err(format!(
            "{}: {}: {:?}, and the answer is {answer:?}; stray: {stray:?}",
            case.rule, case.name, case.then
        )),
    }
}

#[test]
fn each_rule_refuses_its_attacks_and_takes_its_twins() {
    let tables =
        [super::versions::cases(), super::documents::cases(), super::signatures::cases(), super::software::cases()];
    let cases: Vec<Case> =
        tables.into_iter().flatten().chain(super::servers::cases()).chain(super::mirrors::cases()).collect();
    let next = Mutex::new(cases.iter());
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let case = next.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(case) = case else { break };
                    if let Err(why) = play(case) {
                        wrong.lock().unwrap_or_else(PoisonError::into_inner).push(why);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    let mut rules: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for case in &cases {
        let (attacks, twins) = rules.entry(case.rule).or_default();
        *(if case.then == Then::Taken { twins } else { attacks }) += 1;
    }
    let alone: Vec<&str> =
        rules.iter().filter(|(_, (attacks, twins))| *attacks == 0 || *twins == 0).map(|(rule, _)| *rule).collect();
    assert!(alone.is_empty(), "rules without an attack or without a twin: {alone:?}");
    println!("hostile repositories: {} cases over {} rules", cases.len(), rules.len());
}
