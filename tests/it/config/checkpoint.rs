//! The predictor of checkpoint compatibility against real agents: each old agent registers and leaves its checkpoint, and
//! each new one is started on a copy of it, and takes it or ends.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use dcos_core::Role;
use dcos_core::checkpoint::Reason;

use super::matrix::{self, Case, Ports, Side};
use super::process::{Environment, Process, free_port, host, program};
use super::{VERSIONS, long};
use crate::harness::http;

/// Cases of each version that every run restarts an agent for. The rest is for the long run.
const SAMPLE: usize = 32;

/// What an agent says when it refuses its checkpoint.
const REFUSALS: [&str; 3] =
    ["Incompatible agent info detected", "Configuration change not permitted", "not included in current"];

#[test]
fn the_matrix_is_large_and_has_both_answers() {
    let cases = matrix::all();
    assert!(cases.len() >= 200, "{}", cases.len());
    for version in 0..VERSIONS.len() {
        for cases in [cases.clone(), sample(version)] {
            let accepted = cases.iter().filter(|case| predicted(case, [5051, 5052]).is_empty()).count();
            assert!(accepted * 10 > cases.len() && accepted < cases.len() / 2 + cases.len() / 4, "{accepted}");
            assert!(["equal", "additive"].iter().all(|policy| cases.iter().any(|case| case.new.policy == *policy)));
        }
    }
    assert!(SAMPLE * VERSIONS.len() >= 40);
}

#[test]
#[ignore = "needs real Mesos: make test"]
fn agents_of_1_10_accept_what_was_predicted() {
    agree(0);
}

#[test]
#[ignore = "needs real Mesos: make test"]
fn agents_of_1_11_accept_what_was_predicted() {
    agree(1);
}

/// Every so many cases, others for each version.
fn sample(version: usize) -> Vec<Case> {
    let cases = matrix::all();
    let step = cases.len() / SAMPLE;
    // Not a multiple of the size of any group, so that the sample goes through all of them.
    cases.into_iter().skip(version * step / VERSIONS.len()).step_by(step).collect()
}

fn predicted(case: &Case, ports: Ports) -> Vec<Reason> {
    case.new.agent(ports).refusals(&case.old.agent(ports))
}

fn agree(version: usize) {
    let cases = if long() { matrix::all() } else { sample(version) };
    let ground = Ground::start(VERSIONS[version]);
    let mut olds: Vec<(Side, Vec<Side>)> = Vec::new();
    for case in &cases {
        match olds.iter_mut().find(|(old, _)| *old == case.old) {
            Some((_, news)) => news.push(case.new),
            None => olds.push((case.old, vec![case.new])),
        }
    }
    let (mut judged, mut wrong, mut cautious) = (0, Vec::new(), 0);
    for (old, news) in olds {
        let left = ground.leave_checkpoint(&old);
        for new in news {
            judged += 1;
            let reasons = predicted(&Case { old, new }, ground.ports);
            let answer = ground.restart(&left, &new);
            match (reasons.is_empty(), &answer) {
                (true, Answer::Accepted) | (false, Answer::Refused(_)) => {}
                // It can't be known beforehand, and the safe side was taken.
                (false, Answer::Accepted)
                    if reasons.iter().all(|reason| matches!(reason, Reason::CannotTell { .. })) =>
                {
                    cautious += 1;
                }
                _ => wrong.push(format!("{old:?}\n-> {new:?}\n   predicted {reasons:?}\n   answered {answer:?}")),
            }
        }
    }
    eprintln!("Mesos {}: {judged} restarts, {cautious} accepted that could not be foretold", VERSIONS[version]);
    assert!(judged >= SAMPLE);
    assert!(wrong.is_empty(), "{} of {judged} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[derive(Debug)]
enum Answer {
    Accepted,
    Refused(#[expect(dead_code, reason = "shown when a test fails")] String),
}

/// A master, and room for one agent at a time.
struct Ground {
    agent: PathBuf,
    folder: tempfile::TempDir,
    ports: Ports,
    master: u16,
    _master: Process,
}

impl Ground {
    fn start(version: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("dcos-bits-checkpoint.").tempdir().expect("a temporary directory");
        let master = free_port();
        let mut environment = host(Role::Master, &folder.path().join("master"), master);
        // An agent with a domain is refused by a master without one.
        let domain = r#"{"fault_domain":{"region":{"name":"eu"},"zone":{"name":"m"}}}"#;
        let more = [("MESOS_REGISTRY", "in_memory"), ("MESOS_DOMAIN", domain)];
        environment.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let log = folder.path().join("master.log");
        let mut process = Process::start(&program(version, Role::Master), &environment, &log);
        process.until("it answers", |_| http::get(&format!("http://127.0.0.1:{master}/version")));
        let ports = [free_port(), free_port()];
        Self { agent: program(version, Role::Agent), folder, ports, master, _master: process }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn environment(&self, side: &Side) -> Environment {
        side.environment(self.folder.path(), self.ports, self.master)
    }

    /// Runs a new agent until it has registered; what it left.
    fn leave_checkpoint(&self, old: &Side) -> Checkpoint {
        self.clear();
        let mut agent = Process::start(&self.agent, &self.environment(old), &self.path("old.log"));
        agent.until("it has registered", |agent| {
            let registered = agent.log().contains("] Registered with master");
            let written = self.path("work/meta/slaves/latest/slave.info").exists();
            (registered && written).then_some(())
        });
        drop(agent);
        Checkpoint::read(&self.path("work/meta"))
    }

    /// Starts another agent on that checkpoint.
    fn restart(&self, left: &Checkpoint, new: &Side) -> Answer {
        self.clear();
        left.write(&self.path("work/meta"));
        let mut agent = Process::start(&self.agent, &self.environment(new), &self.path("new.log"));
        let accepted = agent.wait("it takes or refuses its checkpoint", |agent| {
            let log = agent.log();
            assert!(!log.contains("] Registered with master"), "it came as a new agent:\n{log}");
            log.contains("] Re-registered with master").then_some(())
        });
        let log = agent.log();
        match accepted {
            Some(()) => Answer::Accepted,
            None => {
                let line = log.lines().find(|line| REFUSALS.iter().any(|words| line.contains(words)));
                let status = agent.ended().and_then(|status| status.code());
                assert_eq!(status, Some(1), "{log}");
                Answer::Refused(line.unwrap_or_else(|| panic!("it ended for another reason:\n{log}")).to_owned())
            }
        }
    }

    fn clear(&self) {
        for name in ["work", "run"] {
            let path = self.path(name);
            if path.exists() {
                fs::remove_dir_all(&path).expect("the agent's folders can be removed");
            }
        }
    }
}

/// The files of an agent's checkpoint, and its links.
struct Checkpoint {
    files: BTreeMap<PathBuf, Vec<u8>>,
    links: BTreeMap<PathBuf, PathBuf>,
}

impl Checkpoint {
    fn read(root: &Path) -> Self {
        let mut checkpoint = Self { files: BTreeMap::new(), links: BTreeMap::new() };
        checkpoint.add(root, Path::new(""));
        checkpoint
    }

    fn add(&mut self, root: &Path, within: &Path) {
        for entry in fs::read_dir(root.join(within)).expect("a folder of the checkpoint") {
            let entry = entry.expect("an entry of the checkpoint");
            let (path, kind) = (within.join(entry.file_name()), entry.file_type().expect("its type"));
            if kind.is_symlink() {
                self.links.insert(path, fs::read_link(entry.path()).expect("a link of the checkpoint"));
            } else if kind.is_dir() {
                self.add(root, &path);
            } else {
                self.files.insert(path, fs::read(entry.path()).expect("a file of the checkpoint"));
            }
        }
    }

    fn write(&self, root: &Path) {
        let parent = |path: &Path| {
            fs::create_dir_all(path.parent().expect("it lies in the checkpoint")).expect("a folder of the checkpoint");
        };
        for (path, bytes) in &self.files {
            parent(&root.join(path));
            fs::write(root.join(path), bytes).expect("a file of the checkpoint");
        }
        for (path, target) in &self.links {
            parent(&root.join(path));
            std::os::unix::fs::symlink(target, root.join(path)).expect("a link of the checkpoint");
        }
    }
}
