//! Walks from an order to an end, in good weather, in bad, and with the walker killed at every single effect.

use dcos_core::attempt::{Answer, AttemptState};
use dcos_core::node::NodeConfig;
use dcos_restart::phase::Phase;
use dcos_restart::records;
use proptest::prelude::*;

use crate::world::{Behaviour, NEW, OLD, Shared, node, set_of};

/// Longer than every deadline together.
const LONG: u64 = 500_000;

struct Setting {
    world: Shared,
    node: NodeConfig,
    _root: tempfile::TempDir,
}

fn setting(old: Behaviour, new: Behaviour) -> Setting {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("state")).unwrap();
    let node = node(root.path());
    let world = Shared::new(old, new);
    world.order(&node, Some(OLD));
    Setting { world, node, _root: root }
}

/// A world in which no wait is shorter than half a second, for tests that walk through it hundreds of times.
fn coarse(old: Behaviour, new: Behaviour) -> Setting {
    let setting = setting(old, new);
    setting.world.get().coarse = 500;
    setting
}

impl Setting {
    fn walk(&self) -> AttemptState {
        self.world.walk(&self.node, None, LONG);
        self.world.journal(&self.node).state()
    }

    /// The node has one set: what runs is what is active, and its journal is closed.
    fn has_one_set(&self, generation: u64) {
        assert_eq!(self.world.get().active, Some(generation));
        assert_eq!(self.world.running(), Some(generation));
        assert!(self.world.journal(&self.node).closed);
    }
}

/// Ways for a new set to be bad, and how soon that is known.
const BAD: [Behaviour; 6] = [
    Behaviour::EndsAfter(0),
    Behaviour::EndsAfter(400),
    Behaviour::EndsAfter(4_000),
    Behaviour::Silent,
    Behaviour::NeverLeads,
    Behaviour::WrongVersion,
];

#[test]
fn a_good_set_is_confirmed() {
    let setting = setting(Behaviour::Good, Behaviour::Good);
    assert_eq!(setting.walk(), AttemptState::Confirmed);
    setting.has_one_set(NEW);
    let world = setting.world.get();
    assert_eq!(world.starts, [NEW]);
    assert_eq!(world.outcomes, [(NEW, AttemptState::Confirmed)]);
    let told = [
        AttemptState::Staged,
        AttemptState::Stopping,
        AttemptState::Stopped,
        AttemptState::Switched,
        AttemptState::Starting,
        AttemptState::Watching,
        AttemptState::Confirmed,
    ];
    assert_eq!(world.pings, told);
    drop(world);
    let report = &records::reports(&setting.world).unwrap()[0];
    assert!(report.absence_ms.is_some_and(|absence| (200..300).contains(&absence)), "{report:?}");
    // Beside it, and whatever comes of it.
    let begun = std::time::Instant::now();
    while setting.world.get().collections == 0 {
        assert!(begun.elapsed() < std::time::Duration::from_secs(20), "no garbage was collected");
        std::thread::yield_now();
    }
    assert!(report.checks.iter().all(|check| check.answer == Answer::Yes));
}

#[test]
fn each_bad_set_is_rolled_back_remembered_and_explained() {
    for bad in BAD {
        let setting = setting(Behaviour::Good, bad);
        assert_eq!(setting.walk(), AttemptState::RolledBack, "{bad:?}");
        setting.has_one_set(OLD);
        assert_eq!(setting.world.get().starts, [NEW, OLD], "{bad:?}");
        let failed = records::failed_sets(&setting.world).unwrap();
        assert_eq!(failed.len(), 1, "{bad:?}");
        assert_eq!(failed[0].set, set_of(NEW));
        let report = &records::reports(&setting.world).unwrap()[0];
        assert_eq!(report.detail, failed[0].detail);
        assert_eq!(report.log, ["the last line"]);
        assert_eq!(setting.world.get().outcomes, [(NEW, AttemptState::RolledBack)]);
    }
}

#[test]
fn a_set_that_fails_fast_is_rolled_back_before_a_master_gives_the_agent_up() {
    for bad in BAD {
        let setting = setting(Behaviour::Good, bad);
        let began = setting.world.get().ms;
        setting.walk();
        let took = setting.world.get().ms - began;
        // 75 s, after which the master gives an agent up, less the hold of the old set, which runs by then.
        assert!(took < 75_000, "{bad:?} took {took} ms");
    }
}

#[test]
fn a_mesos_that_ends_in_the_middle_of_a_round_of_questions_is_noticed_soon() {
    let mut setting = setting(Behaviour::Good, Behaviour::LeavesItsPort);
    setting.node.health.checks = (0..9).map(|path| format!("/path-{path}")).collect();
    let began = setting.world.get().ms;
    assert_eq!(setting.walk(), AttemptState::RolledBack);
    let took = setting.world.get().ms - began;
    // One question in vain, and the hold of the old set; all of them would be 18 s.
    assert!(took < 10_000, "{took} ms");
}

#[test]
fn a_leaderless_master_is_not_blamed_and_confirms_later() {
    let setting = setting(Behaviour::Good, Behaviour::LeaderlessUntil(1_200_000));
    let world = &setting.world;
    world.walk(&setting.node, None, 60_000);
    assert_eq!(world.journal(&setting.node).state(), AttemptState::Unconfirmed);
    setting.has_one_set(NEW);
    assert!(records::failed_sets(world).unwrap().is_empty());
    // Another helper goes on watching it.
    assert_eq!(setting.walk(), AttemptState::Confirmed);
    let outcomes = world.get().outcomes.clone();
    assert_eq!(outcomes, [(NEW, AttemptState::Unconfirmed), (NEW, AttemptState::Confirmed)]);
    assert_eq!(records::reports(world).unwrap().len(), 1, "one attempt has one report");
}

#[test]
fn an_unconfirmed_set_that_crashes_is_rolled_back() {
    let setting = setting(Behaviour::Good, Behaviour::LeaderlessUntil(u64::MAX));
    setting.world.walk(&setting.node, None, 60_000);
    assert_eq!(setting.world.journal(&setting.node).state(), AttemptState::Unconfirmed);
    setting.world.get().behaviour.insert(NEW, Behaviour::EndsAfter(0));
    assert_eq!(setting.walk(), AttemptState::RolledBack);
    setting.has_one_set(OLD);
}

#[test]
fn what_the_old_set_could_not_tell_rolls_nothing_back() {
    let setting = setting(Behaviour::LeaderlessUntil(u64::MAX), Behaviour::NeverLeads);
    setting.world.walk(&setting.node, None, 100_000);
    assert_eq!(setting.world.journal(&setting.node).state(), AttemptState::Unconfirmed);
    setting.has_one_set(NEW);
}

#[test]
fn a_node_with_two_bad_sets_is_lost_and_comes_back_when_the_old_one_does() {
    let setting = setting(Behaviour::EndsAfter(100), Behaviour::EndsAfter(100));
    setting.world.walk(&setting.node, None, LONG);
    let journal = setting.world.journal(&setting.node);
    assert_eq!(journal.state(), AttemptState::Lost);
    assert!(journal.retries >= 5, "{}", journal.retries);
    assert!(journal.detail.contains("the previous set does not come up either"), "{}", journal.detail);
    assert_eq!(setting.world.get().active, Some(OLD));
    assert_eq!(setting.world.get().pings.last(), Some(&AttemptState::Lost), "each try is not news");
    setting.world.get().behaviour.insert(OLD, Behaviour::Good);
    assert_eq!(setting.walk(), AttemptState::RolledBack);
    setting.has_one_set(OLD);
}

#[test]
fn a_lost_node_tries_at_once_after_the_machine_was_started_again() {
    let setting = setting(Behaviour::EndsAfter(100), Behaviour::EndsAfter(100));
    setting.world.walk(&setting.node, None, LONG);
    setting.world.reboot();
    setting.world.get().behaviour.insert(OLD, Behaviour::Good);
    setting.world.walk(&setting.node, None, 1_000);
    assert_eq!(setting.world.running(), Some(OLD));
}

#[test]
fn a_switch_that_fails_leaves_the_old_set_and_blames_nobody() {
    let setting = setting(Behaviour::Good, Behaviour::Good);
    setting.world.get().failing_switches = 1;
    assert_eq!(setting.walk(), AttemptState::RolledBack);
    setting.has_one_set(OLD);
    assert!(records::failed_sets(&setting.world).unwrap().is_empty());
}

#[test]
fn a_disk_that_gets_full_keeps_no_attempt_from_its_end() {
    for new in [Behaviour::Good, Behaviour::EndsAfter(100)] {
        let setting = setting(Behaviour::Good, new);
        records::reserve(&setting.world).unwrap();
        setting.world.get().disk_full = true;
        let (state, generation) = end_of(new);
        assert_eq!(setting.walk(), state);
        setting.has_one_set(generation);
    }
}

#[test]
fn an_order_that_nobody_took_up_goes_stale() {
    let late = |change: fn(&Shared)| {
        let setting = setting(Behaviour::Good, Behaviour::Good);
        change(&setting.world);
        assert_eq!(setting.walk(), AttemptState::Cancelled);
        assert_eq!(setting.world.get().active, Some(OLD));
        assert!(setting.world.get().starts.is_empty());
    };
    late(|world| world.get().ms += 60_000);
    late(Shared::reboot);
}

#[test]
fn a_first_start_has_no_previous_set_and_tries_its_own_again() {
    let setting = setting(Behaviour::Good, Behaviour::EndsAfter(100));
    {
        let mut world = setting.world.get();
        world.active = None;
    }
    setting.world.order(&setting.node, None);
    setting.world.walk(&setting.node, None, 60_000);
    assert_eq!(setting.world.journal(&setting.node).state(), AttemptState::Lost);
    setting.world.get().behaviour.insert(NEW, Behaviour::Good);
    assert_eq!(setting.walk(), AttemptState::Confirmed);
    setting.has_one_set(NEW);
}

/// Where the walk ends whatever happens to the helper, or the machine, on its way.
fn end_of(new: Behaviour) -> (AttemptState, u64) {
    if new == Behaviour::Good { (AttemptState::Confirmed, NEW) } else { (AttemptState::RolledBack, OLD) }
}

#[test]
fn a_helper_killed_at_any_effect_ends_where_an_unharmed_one_does() {
    for new in [Behaviour::Good, Behaviour::EndsAfter(400), Behaviour::WrongVersion] {
        let (state, generation) = end_of(new);
        let mut kills = 0;
        for late in [false, true] {
            for fuel in 0.. {
                let setting = coarse(Behaviour::Good, new);
                let killed = setting.world.walk(&setting.node, Some((fuel, late)), LONG);
                assert_eq!(setting.walk(), state, "{new:?} killed at {fuel}, {late}");
                setting.has_one_set(generation);
                if !killed {
                    break; // the walk has no more effects than that
                }
                kills += 1;
            }
        }
        assert!(kills >= 40, "only {kills} effects were killed at");
    }
}

#[test]
fn a_machine_that_dies_at_any_effect_comes_up_with_one_set() {
    for new in [Behaviour::Good, Behaviour::EndsAfter(4_000), Behaviour::Silent] {
        let (state, generation) = end_of(new);
        for fuel in 0.. {
            let setting = coarse(Behaviour::Good, new);
            if !setting.world.walk(&setting.node, Some((fuel, true)), LONG) {
                break;
            }
            setting.world.reboot();
            let ended = setting.walk();
            let journal = setting.world.journal(&setting.node);
            if ended == AttemptState::Cancelled {
                // Before anything was stopped: the old set is active, and who keeps Mesos running starts it.
                assert_eq!(setting.world.get().active, Some(OLD));
                continue;
            }
            assert_eq!(ended, state, "{new:?} powered off at {fuel}: {}", journal.detail);
            assert_eq!(setting.world.get().active, Some(generation), "{new:?} at {fuel}");
            // An attempt that had ended leaves the start to whoever keeps Mesos running.
            assert!([Some(generation), None].contains(&setting.world.running()));
        }
    }
}

/// What may happen to a node between two walks.
#[derive(Clone, Copy, Debug)]
enum Blow {
    KillHelper { after: u32, late: bool },
    PowerLoss { after: u32 },
    Pause { ms: u64 },
    SwitchFails,
}

fn blows() -> impl Strategy<Value = Vec<Blow>> {
    let blow = prop_oneof![
        (0..40_u32, any::<bool>()).prop_map(|(after, late)| Blow::KillHelper { after, late }),
        (0..40_u32).prop_map(|after| Blow::PowerLoss { after }),
        (0..50_000_u64).prop_map(|ms| Blow::Pause { ms }),
        Just(Blow::SwitchFails),
    ];
    prop::collection::vec(blow, 0..6)
}

fn behaviours() -> impl Strategy<Value = Behaviour> {
    prop_oneof![
        3 => Just(Behaviour::Good),
        2 => (0..8_000_u64).prop_map(Behaviour::EndsAfter),
        1 => Just(Behaviour::Silent),
        1 => Just(Behaviour::NeverLeads),
        1 => Just(Behaviour::WrongVersion),
        1 => (1_000_000..1_100_000_u64).prop_map(Behaviour::LeaderlessUntil),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_sequence_of_events_ends_in_a_final_state_with_exactly_one_set(
        old in behaviours(),
        new in behaviours(),
        blows in blows(),
    ) {
        let setting = coarse(old, new);
        let world = &setting.world;
        for blow in &blows {
            match *blow {
                Blow::KillHelper { after, late } => {
                    world.walk(&setting.node, Some((after, late)), LONG);
                }
                Blow::PowerLoss { after } => {
                    world.walk(&setting.node, Some((after, true)), LONG);
                    world.reboot();
                }
                Blow::Pause { ms } => world.get().ms += ms,
                Blow::SwitchFails => world.get().failing_switches += 1,
            }
        }
        let ended = setting.walk();
        let journal = world.journal(&setting.node);
        prop_assert!(ended.is_final(), "{ended:?}");
        let active = world.get().active;
        match ended {
            AttemptState::Confirmed | AttemptState::Unconfirmed => prop_assert_eq!(active, Some(NEW)),
            AttemptState::RolledBack | AttemptState::Lost | AttemptState::Cancelled => prop_assert_eq!(active, Some(OLD)),
            other => prop_assert!(false, "{:?}", other),
        }
        // What runs is what is active, or nothing does: then the attempt is over, and the keeper starts what is active.
        let running = world.running();
        prop_assert!(running.is_none() || running == active, "{running:?} runs, {active:?} is active");
        if ended == AttemptState::Lost {
            prop_assert!(old != Behaviour::Good, "lost with a good old set: {}", journal.detail);
        }
        let trying = matches!(journal.phase, Phase::Moving { .. });
        prop_assert!(journal.closed || trying);
    }
}
