//! An attempt that replaces one which the node is not done with, and never goes.
//!
//! `begin` runs on the clock of this machine and the walker on that of the world: to the walker a ticket is one of another
//! boot, whose time is over.

use std::path::PathBuf;
use std::sync::Arc;

use dcos_core::attempt::AttemptState;
use dcos_core::node::NodeConfig;
use dcos_restart::before::NAME;
use dcos_restart::phase::{Phase, Step, Way};
use dcos_restart::{Request, Restart, records};

use crate::world::{Behaviour, NEW, OLD, Shared, node, set};

/// Longer than every deadline together.
const LONG: u64 = 500_000;

struct Setting {
    world: Shared,
    node: NodeConfig,
    restart: Restart,
    _root: tempfile::TempDir,
}

/// A node on which attempt `a1` was ordered.
fn setting(old: Behaviour, new: Behaviour) -> Setting {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("state")).unwrap();
    let node = node(root.path());
    let world = Shared::new(old, new);
    world.order(&node, Some(OLD));
    world.get().coarse = 500;
    let restart = Restart::new(Arc::new(world.clone()), node.clone(), PathBuf::from("/nowhere/node.toml"));
    Setting { world, node, restart, _root: root }
}

/// One whose set can't be told for a while.
fn unconfirmed() -> Setting {
    let setting = setting(Behaviour::Good, Behaviour::LeaderlessUntil(1_200_000));
    setting.world.walk(&setting.node, None, 60_000);
    assert_eq!(setting.world.journal(&setting.node).phase, Phase::Unconfirmed);
    setting
}

/// One that has lost both sets, and stands at a step of trying the old one again, which would be well now.
fn trying_again(step: Step) -> Setting {
    let setting = setting(Behaviour::EndsAfter(100), Behaviour::EndsAfter(100));
    setting.world.walk(&setting.node, None, LONG);
    let mut journal = setting.world.journal(&setting.node);
    assert_eq!(journal.state(), AttemptState::Lost);
    journal.phase = Phase::Moving { way: Way::Again, step };
    journal.write(&setting.world).unwrap();
    setting.world.get().behaviour.insert(OLD, Behaviour::Good);
    setting
}

/// For a third set.
fn request(attempt: &str) -> Request {
    Request { set: set(&["mesos--1.11.0", "d--1"]), attempt: attempt.to_owned(), ..Request::default() }
}

impl Setting {
    fn begin(&self, attempt: &str) {
        self.restart.begin(&request(attempt)).unwrap();
    }

    /// Walks to the end, which has to be this one, of `a1`.
    fn ends(&self, state: AttemptState, cancelled: &[&str]) {
        self.world.walk(&self.node, None, LONG);
        let journal = self.world.journal(&self.node);
        assert_eq!((journal.attempt.as_str(), journal.state(), journal.closed), ("a1", state, true), "{cancelled:?}");
        let reports = records::reports(&self.world).unwrap();
        for attempt in cancelled {
            let report = reports.iter().find(|report| report.attempt == *attempt);
            assert_eq!(report.map(|report| report.state), Some(AttemptState::Cancelled), "{attempt} is looked for");
        }
        assert!(!self.world.get().documents.contains_key(NAME), "nothing is left over");
    }

    /// Whether this name is known as one of an attempt.
    fn knows(&self, attempt: &str) -> bool {
        records::reports(&self.world).unwrap().iter().any(|report| report.attempt == attempt)
    }
}

#[test]
fn an_unconfirmed_set_is_asked_on_after_an_attempt_that_expired() {
    let setting = unconfirmed();
    setting.begin("a2");
    setting.ends(AttemptState::Confirmed, &["a2"]);
    assert_eq!(setting.world.running(), Some(NEW));
    let told = setting.restart.status().unwrap().last_attempts;
    let told: Vec<_> = told.iter().map(|report| (report.attempt.as_str(), report.state)).collect();
    assert_eq!(told, [("a1", AttemptState::Confirmed), ("a2", AttemptState::Cancelled)]);
}

#[test]
fn an_unconfirmed_set_that_turns_out_bad_is_rolled_back_after_an_attempt_that_expired() {
    let setting = unconfirmed();
    setting.begin("a2");
    setting.world.get().behaviour.insert(NEW, Behaviour::EndsAfter(0));
    setting.ends(AttemptState::RolledBack, &["a2"]);
    assert_eq!(setting.world.running(), Some(OLD));
}

#[test]
fn a_lost_node_starts_its_previous_set_again_after_an_attempt_that_expired() {
    for step in [Step::Stopping, Step::Stopped, Step::Switched, Step::Starting, Step::Watching] {
        let setting = trying_again(step);
        assert_eq!(setting.world.running(), None);
        setting.begin("a2");
        setting.ends(AttemptState::RolledBack, &["a2"]);
        assert_eq!(setting.world.running(), Some(OLD), "{step:?}");
    }
}

#[test]
fn a_mesos_that_was_started_meanwhile_is_stopped_before_the_set_is_switched() {
    let setting = trying_again(Step::Stopped);
    setting.world.get().active = Some(NEW);
    setting.world.get().behaviour.insert(NEW, Behaviour::Good);
    setting.begin("a2");
    setting.world.start_by_itself(NEW);
    setting.ends(AttemptState::RolledBack, &["a2"]);
    assert_eq!(setting.world.running(), Some(OLD));
}

#[test]
fn each_way_not_to_go_brings_it_back_also_several_in_a_row() {
    let setting = unconfirmed();
    setting.begin("a2");
    setting.restart.cancel("a2").unwrap();
    // Before the helper has come to it.
    let unstageable = Request { set: set(&["mesos--1.11.0", "unstageable--1"]), ..request("a3") };
    assert_eq!(setting.restart.begin(&unstageable).unwrap_err().name(), "disk-full");
    let ticket = setting.restart.begin(&request("a4")).unwrap().ticket.unwrap();
    assert_eq!(setting.restart.go(&ticket).unwrap_err().name(), "helper-missing");
    assert_eq!(setting.restart.cancel("a2").unwrap().state, AttemptState::Cancelled, "it is known by its name");
    setting.ends(AttemptState::Confirmed, &["a2", "a3", "a4"]);
}

#[test]
fn an_attempt_that_goes_leaves_nothing_of_the_one_that_it_replaced() {
    let setting = unconfirmed();
    setting.begin("a2");
    assert!(setting.world.get().documents.contains_key(NAME));
    let mut journal = setting.world.journal(&setting.node);
    journal.phase = Phase::Moving { way: Way::Forward, step: Step::Stopping };
    journal.entered = dcos_restart::execute::Ticks::now(&setting.world);
    journal.write(&setting.world).unwrap();
    setting.world.walk(&setting.node, None, LONG);
    let journal = setting.world.journal(&setting.node);
    assert_eq!((journal.attempt.as_str(), journal.state()), ("a2", AttemptState::Confirmed));
    assert!(!setting.world.get().documents.contains_key(NAME));

    // Nor does what is left over of another attempt come back, as where a release began the next that knows nothing of it.
    let setting = unconfirmed();
    setting.begin("a2");
    let left_over = setting.world.get().documents[NAME].clone();
    setting.ends(AttemptState::Confirmed, &["a2"]);
    setting.begin("a3");
    setting.world.get().documents.insert(NAME.to_owned(), left_over);
    setting.world.walk(&setting.node, None, LONG);
    let journal = setting.world.journal(&setting.node);
    assert_eq!((journal.attempt.as_str(), journal.state()), ("a3", AttemptState::Cancelled));
}

#[test]
fn it_comes_back_where_the_disk_is_full() {
    let setting = unconfirmed();
    setting.begin("a2");
    setting.world.get().disk_full = true;
    setting.ends(AttemptState::Confirmed, &["a2"]);
}

#[test]
fn a_begin_that_is_killed_at_any_effect_loses_nothing() {
    for late in [false, true] {
        for fuel in 0.. {
            let setting = unconfirmed();
            let killed = setting.world.until_killed(Some((fuel, late)), || setting.begin("a2"));
            // Where it was killed before the journal was its own, nobody has heard of it.
            let begun = setting.world.journal(&setting.node).attempt == "a2";
            if begun {
                setting.restart.cancel("a2").unwrap();
            }
            setting.begin("a3");
            setting.ends(AttemptState::Confirmed, if begun { &["a2", "a3"] } else { &["a3"] });
            assert_eq!(setting.knows("a2"), begun);
            if !killed {
                assert!(fuel >= 4, "only {fuel} effects were killed at");
                break;
            }
        }
    }
}

#[test]
fn a_helper_that_is_killed_at_any_effect_puts_back_all_the_same() {
    let settings: [(fn() -> Setting, AttemptState); 2] =
        [(unconfirmed, AttemptState::Confirmed), (|| trying_again(Step::Stopped), AttemptState::RolledBack)];
    for (setting, state) in settings {
        for (late, reboot) in [(false, false), (true, false), (true, true)] {
            for fuel in 0.. {
                let setting = setting();
                setting.begin("a2");
                let killed = setting.world.walk(&setting.node, Some((fuel, late)), LONG);
                if reboot && killed {
                    setting.world.reboot();
                    // Whoever keeps Mesos running starts what is active.
                    let active = setting.world.get().active.unwrap();
                    setting.world.start_by_itself(active);
                    setting.world.get().behaviour.insert(NEW, Behaviour::Good);
                }
                setting.ends(state, &["a2"]);
                if !killed {
                    assert!(fuel >= 8, "only {fuel} effects were killed at");
                    break;
                }
            }
        }
    }
}
