//! Everybody at once: processes of the real program that add, fetch, activate, roll back, remove and collect garbage in one
//! store at the same time.
//!
//! A round starts one process of each and waits for all of them. Whoever says that it is done must have done it: nothing
//! that was added is half there, no activation is missing from the history, no package that nobody took away is gone.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use dcos_core::Problem;
use dcos_store::Store;
use serde_json::Value;

use super::machine::{BITS, MESOS, Machine, id};
use super::server::Served;

const OTHER_MESOS: &str = "mesos--1.11.0";
const OTHER_BITS: &str = "dcos-bits--0.1.0+mesos1.11.0";
const SPARE: &str = "spare--1";

/// Rounds, and rounds if all tests are asked for.
const ROUNDS: usize = 25;
const ALL_ROUNDS: usize = 1000;

/// What a process may say when others were faster: refused (a package went away), not found, busy or in use.
const HONEST: [i32; 3] = [3, 4, 5];

/// What a process said.
struct Said {
    command: &'static str,
    code: i32,
    document: Value,
}

impl Said {
    fn done(&self) -> bool {
        self.code == 0
    }

    /// The packages that it names in this field, if it was done.
    fn names(&self, field: &str) -> BTreeSet<String> {
        let named = self.document[field].as_array().filter(|_| self.done());
        named.into_iter().flatten().map(|name| name.as_str().unwrap().to_owned()).collect()
    }
}

fn run(machine: &Machine, arguments: &[&'static str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_dcos-pkg"))
        .args(["--json", "--node"])
        .arg(machine.path("node.toml"))
        .args(arguments)
        .current_dir(machine.path(""))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let code = output.status.code().unwrap_or_else(|| panic!("{arguments:?} was killed: {told}"));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {told}"));
    assert!(code == 0 || HONEST.contains(&code), "{arguments:?} ends with {code}: {document}");
    Said { command: arguments[0], code, document }
}

/// The sets in the history, oldest first.
fn history(store: &Store) -> Vec<BTreeSet<String>> {
    let entries = store.history().unwrap().into_iter();
    entries.map(|entry| entry.packages.iter().map(ToString::to_string).collect()).collect()
}

fn packages(store: &Store) -> BTreeSet<String> {
    store.ids().unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn many_processes_at_once_leave_a_whole_store_and_lose_nothing() {
    let machine = Machine::new(None);
    let mut archives = machine.build_set("1.10.0");
    let config: &'static str = Box::leak(id(&archives[2]).into_boxed_str());
    archives.extend(machine.build_set("1.11.0").into_iter().take(2));
    archives.push(machine.build_plain(SPARE, &[("share/spare", b"spare"), ("bin/spare", b"spare")]));
    let server = Served::start(&machine.publish(&archives));
    machine.write_node(&format!("[repositories.release]\nurl = \"{}\"\n", server.url));
    let all = [MESOS, BITS, config, OTHER_MESOS, OTHER_BITS];
    machine.pkg(&[&["fetch"][..], &all[..]].concat()).expect(0);
    machine.pkg(&["activate", MESOS, BITS, config]).expect(0);

    let store = Store::open(machine.root(), None).unwrap();
    let rounds = if std::env::var_os("DCOS_BITS_LONG").is_some() { ALL_ROUNDS } else { ROUNDS };
    let (mut processes, mut losers, mut switches) = (0, 0, 0);
    for round in 0..rounds {
        let commands: [&[&'static str]; 9] = [
            &["fetch", SPARE],
            &["add", "spare--1.tar.zst"],
            &["remove", SPARE],
            &["add", "mesos--1.11.0.tar.zst"],
            &["remove", OTHER_MESOS],
            &["activate", MESOS, BITS, config],
            &["activate", OTHER_MESOS, OTHER_BITS, config],
            &["rollback"],
            &["gc"],
        ];
        if round % 200 == 199 {
            // The history keeps a thousand lines, and none of what is compared may be cut off: it begins anew.
            store.remove_state("history.json").unwrap();
            machine.pkg(&["activate", MESOS, BITS, config]).expect(0);
        }
        let (before, had) = (history(&store), packages(&store));
        let here = &machine;
        let said: Vec<Said> = std::thread::scope(|scope| {
            let started = commands.map(|command| scope.spawn(move || run(here, command)));
            started.into_iter().map(|process| process.join().unwrap()).collect()
        });
        processes += said.len();
        losers += said.iter().filter(|said| !said.done()).count();

        // Whole: every package that is there, and every one that the active set and the generations need.
        let verified = machine.pkg(&["verify", "--json"]).expect(0).json();
        assert!(verified.as_array().unwrap().iter().all(|package| package["ok"] == true), "{verified}");
        let has = packages(&store);
        for generation in store.generations().unwrap() {
            let set = store.generation(generation).unwrap().set;
            assert!(set.iter().all(|id| has.contains(&id.to_string())), "round {round}: generation {generation}");
        }

        // Nothing lost: each switch is in the history, and where somebody says that it went, the node was.
        let after = history(&store);
        assert!(after.starts_with(&before), "round {round}: the past has changed");
        let visited = &after[before.len() - 1..];
        switches += visited.len() - 1;
        assert!(visited.windows(2).all(|pair| pair[0] != pair[1]), "round {round}: {visited:?}");
        let active = store.active().unwrap().unwrap().set.iter().map(ToString::to_string).collect();
        assert_eq!(visited.last(), Some(&active), "round {round}");
        for said in said.iter().filter(|said| said.done() && ["activate", "rollback"].contains(&said.command)) {
            let set = said.names("packages");
            assert!(visited.contains(&set), "round {round}: {} said {set:?}, and {visited:?}", said.command);
        }
        let removed = said.iter().filter(|said| said.command == "remove").flat_map(|said| said.names("removed"));
        let collected = said.iter().filter(|said| said.command == "gc").flat_map(|said| said.names("packages"));
        let gone: BTreeSet<String> = removed.chain(collected).collect();
        assert!(had.iter().all(|id| has.contains(id) || gone.contains(id)), "round {round}: {had:?} became {has:?}");
        for (command, id) in [(0, SPARE), (1, SPARE), (3, OTHER_MESOS)] {
            let there = !said[command].done() || has.contains(id) || gone.contains(id);
            assert!(there, "round {round}: `{}` of {id} was done, and it is not there", said[command].command);
        }
        // Whatever went comes back for the next round.
        machine.pkg(&[&["fetch"][..], &all[..]].concat()).expect(0);
    }
    eprintln!("{rounds} rounds, {processes} processes: {switches} switches, {losers} told that others were faster");
    assert!(switches >= rounds / 4 && losers > 0, "they hardly met");
    assert!(machine.names("staging").iter().all(|name| name == "partial"));
}

#[test]
fn the_loser_says_who_holds_the_lock() {
    let machine = Machine::new(None);
    machine.pkg(&["add", machine.build_plain("a--1", &[]).to_str().unwrap()]).expect(0);
    let store = Store::open(machine.root(), None).unwrap();
    let locked = store.lock_within("a long change", Duration::ZERO).map_err(|error| Problem::chain(&error)).unwrap();
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let commands: [&[&str]; 3] = [&["remove", "a--1"], &["gc"], &["activate", "a--1"]];
        let here = &machine;
        let started = commands.map(|command| scope.spawn(move || here.pkg(&[command, &["--json"][..]].concat())));
        started.into_iter().map(|process| process.join().unwrap()).collect()
    });
    drop(locked);
    for outcome in outcomes {
        let problem = outcome.expect(5).json();
        assert_eq!(problem["type"], "urn:dcos-bits:locked");
        let holder = format!("is locked by `a long change` (pid {})", std::process::id());
        assert!(problem["detail"].as_str().unwrap().contains(&holder), "{problem}");
    }
    machine.pkg(&["remove", "a--1"]).expect(0);
}
