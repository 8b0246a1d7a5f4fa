//! What victims do: each command of the store, on a store that makes it do all it can.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

use dcos_core::attempt::AttemptState;
use dcos_core::{PackageId, Problem};
use dcos_store::{Activation, AppendLog, Expected, GcOptions, LOCK_WAIT, Store, StoreError};
use jiff::Timestamp;

use crate::fixture::{Node, set};
use crate::source;

/// Where a victim works, beside the store that it is a copy of.
const COPY: &str = "copy";

/// The exit code of a victim that was told of an error, as it should be.
pub(crate) const TOLD: u8 = 3;

/// How long a victim may take, in seconds, before it is killed.
const LONGEST: &str = "120";

/// A log, below the root of its store.
const LOG: &str = "state/deploy/log";

/// The root of a node that has none yet.
const FRESH: &str = "opt/dcos";

const PLAIN: &str = r#""kind":"plain""#;

/// A store before the command, the command, and what must be true afterwards.
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) node: Node,
    pub(crate) arguments: Vec<String>,
    pub(crate) holds: fn(&Store),
    /// The root below the directory that is watched: a root that has to be made is not the first directory that is there.
    pub(crate) place: &'static str,
    /// What is wrong with packages before, and may be so until the command is done.
    pub(crate) damage: &'static [&'static str],
    /// A fault that strikes the recorded command, where it is about what is left after one.
    pub(crate) fault: Option<&'static str>,
}

impl Scene {
    /// A copy of what the scene begins with; answers the directory that holds its root.
    pub(crate) fn copy(&self) -> PathBuf {
        let copy = self.copy_place();
        self.copy_to(&copy);
        copy
    }

    /// Where copies are.
    pub(crate) fn copy_place(&self) -> PathBuf {
        self.node.path(COPY)
    }

    /// The same to a directory that is made, or is there and empty.
    pub(crate) fn copy_to(&self, to: &Path) {
        fs::create_dir_all(to).unwrap();
        if self.node.root().exists() {
            assert!(self.place.is_empty(), "a root that is there is copied as it is");
            let status = Command::new("cp").arg("-a").arg(self.node.root().join(".")).arg(to).status().unwrap();
            assert!(status.success());
        }
    }

    /// The store in a copy.
    pub(crate) fn store(&self, copy: &Path) -> Store {
        Node::store_at(&copy.join(self.place))
    }

    /// Does what the scene is about, in this process.
    pub(crate) fn act(&self, store: &Store) -> Result<(), Told> {
        act(store, self.name, &self.arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Has a victim do it on a copy, under strace with these options.
    pub(crate) fn strace(&self, copy: &Path, options: &[&str]) -> Output {
        Command::new("timeout")
            .args(["--signal=KILL", LONGEST, "strace", "-f", "-qq"])
            .args(options)
            .arg(std::env::current_exe().unwrap())
            .args(["victim", self.name])
            .arg(copy.join(self.place))
            .args(&self.arguments)
            .env("RUST_BACKTRACE", "0")
            // What a killed victim leaves outside of its store goes with the scene.
            .env("TMPDIR", self.node.path(""))
            .output()
            .unwrap()
    }
}

/// How a command failed.
#[derive(Debug)]
pub(crate) enum Told {
    /// As it may when the system does not do its part.
    Failed(#[expect(dead_code, reason = "it is read in the message of a panic")] String),
    /// Otherwise.
    Odd(String),
}

impl From<StoreError> for Told {
    fn from(error: StoreError) -> Self {
        let text = Problem::chain(&error);
        match error {
            StoreError::Io { .. } | StoreError::Source { .. } => Self::Failed(text),
            _ => Self::Odd(text),
        }
    }
}

/// Does one thing to a store.
pub(crate) fn victim(command: &str, arguments: &[&str]) -> ExitCode {
    let (root, arguments) = arguments.split_first().expect("the root comes first");
    match act(&Node::store_at(Path::new(root)), command, arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Told::Failed(_)) => ExitCode::from(TOLD),
        Err(Told::Odd(text)) => panic!("{text}"),
    }
}

fn act(store: &Store, command: &str, arguments: &[&str]) -> Result<(), Told> {
    let lock = || store.lock_within("test", LOCK_WAIT);
    match command {
        "add" | "add-many" | "add-stray" => store.add_file(Path::new(arguments[0]), None).map(drop)?,
        // A repetition finds the work done.
        "remove" => match store.remove(&lock()?, &arguments[0].parse().unwrap()) {
            Err(StoreError::NotLocal(_)) => {}
            outcome => outcome?,
        },
        "activate" => drop(store.activate(&lock()?, &set(arguments[0]), &Activation::default())?),
        // To a stated place, so that a repetition does not go on to the next one.
        "rollback" if store.active()?.is_some_and(|active| active.number == 1) => {}
        "rollback" => drop(store.rollback(&lock()?, &Activation::default())?),
        "confirm" if store.history()?[0].outcome.is_some() => {}
        "confirm" => store.record_outcome(&lock()?, 1, AttemptState::Confirmed, Timestamp::UNIX_EPOCH)?,
        "helper" => drop(store.install_helper(&lock()?, 1)?),
        "gc" => drop(store.gc(&GcOptions::default())?),
        "recover" => drop(lock()?),
        "repair" => {
            let archive = fs::File::open(arguments[0]).map_err(|error| Told::Failed(error.to_string()))?;
            let staged = store.receive(archive, &Expected::default())?;
            store.repair(&lock()?, staged).map(drop)?;
        }
        "mend" => {
            let mending = store.mending(&arguments[0].parse().unwrap())?.expect("its manifest is good");
            store.mend(&lock()?, mending).map(drop)?;
        }
        "state" => {
            // As a node does whose first command takes the lock, and whose next one relies on what that made.
            drop(lock()?);
            store.write_state("jobs/x.json", b"{}")?;
        }
        "forget" => store.remove_state("jobs/x.json")?,
        "trust" => store.advance_trust("release", |known| known.is_none().then(|| b"{}".to_vec()))?,
        "revoke" => store.record_revoked("release", [&id("bad--1")])?,
        "log" => {
            let (mut log, records) = open_log(store)?;
            if !records.ends_with(&["three".to_owned()]) {
                log.append("one").map_err(told)?;
                if let Err(error) = log.compact(["all"]) {
                    // Whatever the log is after that: what it takes it has.
                    let taken = log.append("late").is_ok();
                    drop(log);
                    if taken && !open_log(store)?.1.contains(&"late".to_owned()) {
                        return Err(Told::Odd("a record that was taken is lost".to_owned()));
                    }
                    return Err(told(error));
                }
                log.append_all(["two", "three"]).map_err(told)?;
            }
        }
        // Where the append is struck by a fault, it is refused, and must not have happened.
        "log-fails" => {
            let (mut log, _) = open_log(store)?;
            if log.append("never").is_ok() {
                log.compact([]).map_err(told)?;
            }
        }
        "fetch" => source::fetch(store, arguments[0], arguments[1]).map_err(|problem| Told::Failed(problem.detail))?,
        other => panic!("no command `{other}`"),
    }
    Ok(())
}

fn open_log(store: &Store) -> Result<(AppendLog, Vec<String>), Told> {
    AppendLog::open(&store.root().join(LOG)).map_err(told)
}

fn told(error: dcos_store::LogError) -> Told {
    match error {
        dcos_store::LogError::Store(error) => error.into(),
        other => Told::Odd(Problem::chain(&other)),
    }
}

fn id(text: &str) -> PackageId {
    text.parse().unwrap()
}

/// A node with one set active.
fn with_set() -> Node {
    let node = Node::in_memory();
    let set = node.add_set("1.10.0");
    node.activate(&set);
    node
}

/// And with another one in the store.
fn with_two() -> Node {
    let node = with_set();
    node.add_set("1.11.0");
    node
}

/// One of whose three generations, with a helper each, nobody needs the first.
fn with_garbage() -> Node {
    let node = Node::in_memory();
    let store = node.store();
    for mesos in ["1.9.0", "1.10.0", "1.11.0"] {
        let generation = node.activate(&node.add_set(mesos));
        let locked = store.lock("test").unwrap();
        store.record_outcome(&locked, generation, AttemptState::Confirmed, Timestamp::UNIX_EPOCH).unwrap();
        store.install_helper(&locked, generation).unwrap();
    }
    node
}

pub(crate) fn scenes() -> Vec<Scene> {
    let at = |name, place, node: Node, arguments: &[&str], holds| {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Scene { name, node, arguments, holds, place, damage: &[], fault: None }
    };
    let scene = |name, node, arguments: &[&str], holds| at(name, "", node, arguments, holds);
    let archive = |node: &Node, files: &[(&str, &str)]| node.archive("x--1", PLAIN, files).to_str().unwrap().to_owned();
    let has_x: fn(&Store) = |store| assert!(store.verify(&id("x--1")).unwrap().ok);

    let empty = Node::in_memory();
    let few = archive(&empty, &[("lib/a", "a"), ("bin/b!", "b")]);
    let full = Node::in_memory();
    // More than are synced one by one; links, since each is one call only.
    let tree = full.tree("x--1", PLAIN, &[("a", "a")]);
    (0..33).for_each(|number| std::os::unix::fs::symlink("a", tree.join(format!("l{number}"))).unwrap());
    let many = full.path("x--1.tar.zst");
    dcos_store::build(&tree, &many).unwrap();
    let many = many.to_str().unwrap().to_owned();
    full.add("y--1", PLAIN, &[]);
    let stray = Node::in_memory();
    let again = archive(&stray, &[("a", "a")]);
    stray.store().add_file(Path::new(&again), None).unwrap();
    fs::remove_file(stray.root().join("packages/x--1.json")).unwrap();
    fs::write(stray.root().join("packages/x--1/a"), "no longer").unwrap();
    let damaged = Node::in_memory();
    let good = archive(&damaged, &[("lib/a", "a"), ("bin/b!", "b")]);
    damaged.store().add_file(Path::new(&good), None).unwrap();
    fs::write(damaged.root().join("packages/x--1/lib/a"), "no longer").unwrap();
    fs::remove_file(damaged.root().join("packages/x--1/bin/b")).unwrap();
    let odd = Node::in_memory();
    odd.add("x--1", PLAIN, &[("a", "a")]);
    fs::create_dir(odd.root().join("packages/x--1/odd")).unwrap();

    let entered = with_two();
    entered.activate(&set("1.11.0"));
    let leftovers = with_set();
    for path in ["staging/4000000-1/tree/lib", "staging/4000000-2", "packages"] {
        fs::create_dir_all(leftovers.root().join(path)).unwrap();
    }
    for path in ["staging/4000000-1/tree/lib/x", "packages/gone--1.json", "state/.x.json.4000000.1.new"] {
        fs::write(leftovers.root().join(path), "x").unwrap();
    }
    let documented = with_set();
    documented.store().write_state("jobs/x.json", b"{}").unwrap();
    let logged = Node::in_memory();
    drop(AppendLog::open(&logged.root().join(LOG)).unwrap());
    let torn = fs::read(logged.root().join(LOG)).unwrap();
    fs::write(logged.root().join(LOG), [&torn[..], b"0123 torn"].concat()).unwrap();
    let refused = Node::in_memory();
    drop(AppendLog::open(&refused.root().join(LOG)).unwrap());
    let far = Node::in_memory();
    let fetched = source::serve(&far);
    let fetched: Vec<&str> = fetched.iter().map(String::as_str).collect();

    let mut refusing = scene("log-fails", refused, &[], |store| {
        assert_eq!(open_log(store).unwrap().1, Vec::<String>::new());
    });
    // The first sync after the append; the next one is that of taking it back.
    refusing.fault = Some("inject=fsync:error=EIO:when=1");

    vec![
        at("add", FRESH, empty, &[&few], has_x),
        scene("add-many", full, &[&many], has_x),
        scene("add-stray", stray, &[&again], has_x),
        at("fetch", FRESH, far, &fetched, |store| {
            assert!(store.verify(&id("x--1")).unwrap().ok);
            assert!(store.read_trust("release").unwrap().is_some());
            let revoked = fs::read_to_string(store.root().join("trust/release/revoked.json")).unwrap();
            assert!(revoked.contains("y--1"));
        }),
        scene("remove", with_two(), &["mesos--1.11.0"], |store| assert!(!store.has(&id("mesos--1.11.0")))),
        scene("activate", with_two(), &["1.11.0"], |store| {
            let active = store.active().unwrap().unwrap();
            assert_eq!(active.set, set("1.11.0"));
            assert_eq!(store.history().unwrap().last().unwrap().generation, active.number);
        }),
        scene("rollback", entered, &[], |store| {
            // Whoever died between the switch and the history has rolled back without a line there.
            assert_eq!(store.active().unwrap().unwrap().number, 1);
        }),
        scene("confirm", with_set(), &[], |store| {
            assert_eq!(store.history().unwrap()[0].outcome, Some(AttemptState::Confirmed));
        }),
        scene("helper", with_set(), &[], |store| assert!(store.helper().unwrap().is_some())),
        scene("gc", with_garbage(), &[], |store| {
            assert_eq!(store.generations().unwrap(), [2, 3]);
            assert_eq!(store.ids().unwrap().len(), 5);
            assert_eq!(fs::read_dir(store.root().join("helper")).unwrap().count(), 2);
        }),
        Scene {
            damage: &["`lib/a` has 9 bytes, not 1", "`bin/b` is missing"],
            ..scene("repair", damaged, &[&good], has_x)
        },
        Scene { damage: &["`odd` is not of the package"], ..scene("mend", odd, &["x--1"], has_x) },
        // It answers for nothing of its own: what it took away may come back, and is taken away again.
        scene("recover", leftovers, &[], |_| ()),
        at("state", FRESH, Node::in_memory(), &[], |store| {
            assert_eq!(store.read_state("jobs/x.json").unwrap().unwrap(), b"{}");
        }),
        scene("forget", documented, &[], |store| assert_eq!(store.read_state("jobs/x.json").unwrap(), None)),
        at("trust", FRESH, Node::in_memory(), &[], |store| {
            assert!(store.read_trust("release").unwrap().is_some());
        }),
        at("revoke", FRESH, Node::in_memory(), &[], |store| {
            let revoked = fs::read_to_string(store.root().join("trust/release/revoked.json")).unwrap();
            assert!(revoked.contains("bad--1"));
        }),
        scene("log", logged, &[], |store| assert_eq!(open_log(store).unwrap().1, ["all", "two", "three"])),
        refusing,
    ]
}
