//! A provider with every fault that the real one has, and a controller that is killed at every write.
//!
//! The provider here is a fake for the sake of the step function; the real protocol is tried against EC2's in
//! `tests/aws`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "add_sight_tests.rs"]
mod sight;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{Action, Patience, leftovers, next, told};
use crate::operation::{Add, FORMAT, Operation, Slot, Stage, Work};
use crate::provider::{LaunchError, Launched};
use crate::world::{Agent, Drain, Machine, MachineState, World};

const PATIENCE: Patience = Patience {
    horizon: SignedDuration::from_secs(300),
    join: SignedDuration::from_secs(900),
    launch: SignedDuration::from_secs(600),
    away: SignedDuration::from_secs(900),
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn asked(count: usize) -> Operation {
    Operation {
        format: FORMAT,
        id: "o1".to_owned(),
        asked_at: at(0),
        by: None,
        key: None,
        work: Work::Add(Add { class: "small".to_owned(), group: "agents".to_owned(), slots: vec![Slot::new(); count] }),
        warnings: Vec::new(),
        cancelled: None,
        end: None,
    }
}

/// A provider: idempotent by token, late to show, and rude.
#[derive(Default)]
struct Cloud {
    machines: BTreeMap<String, Made>,
    dice: Vec<u8>,
    rolled: usize,
}

struct Made {
    machine: Machine,
    made: i64,
    visible: i64,
    joins: Option<i64>,
    dies: Option<i64>,
    /// When it stops by itself: it stays until it is ended.
    stops: Option<i64>,
    ended: Option<i64>,
}

impl Cloud {
    fn roll(&mut self) -> u8 {
        self.rolled += 1;
        self.dice.get(self.rolled % self.dice.len().max(1)).copied().unwrap_or(255)
    }

    fn launch(&mut self, slot: usize, token: &str, choice: u32, now: i64) -> Result<Launched, LaunchError> {
        let before =
            self.machines.values().find(|made| made.machine.token == token).map(|made| made.machine.id.clone());
        let dice = self.roll();
        match dice % 8 {
            0 => return Err(LaunchError::Unknown("500 before anything happened".to_owned())),
            1 => return Err(LaunchError::Throttled("RequestLimitExceeded".to_owned())),
            2 if before.is_none() && choice < 3 => return Err(LaunchError::NoCapacity("none there".to_owned())),
            _ => {}
        }
        if choice > 4 {
            return Err(LaunchError::NoMoreChoices);
        }
        let id = before.unwrap_or_else(|| {
            let id = format!("i{}", self.machines.len());
            let (visible, joins, dies) = (self.roll(), self.roll(), self.roll());
            let machine = Machine {
                id: id.clone(),
                state: MachineState::Pending,
                token: token.to_owned(),
                operation: "o1".to_owned(),
                slot,
                address: Some([10, 0, 0, u8::try_from(self.machines.len()).unwrap()].into()),
                port: None,
                kind: String::new(),
            };
            let made = Made {
                machine,
                made: now,
                visible: now + i64::from(visible),
                joins: (joins % 5 != 0).then_some(now + 60 + i64::from(joins)),
                dies: (dies % 6 == 0).then_some(now + i64::from(dies)),
                stops: (dies % 6 == 5).then_some(now + i64::from(dies)),
                ended: None,
            };
            self.machines.insert(id.clone(), made);
            id
        });
        // The answer is lost after it has happened.
        if dice % 8 == 3 {
            Err(LaunchError::Unknown("the connection broke".to_owned()))
        } else {
            Ok(Launched { machine: id })
        }
    }

    fn look(&self, now: i64) -> World {
        let seen = self.machines.values().filter(|made| made.visible <= now).map(|made| {
            let state = match made.over(now) {
                true => MachineState::Gone,
                false if made.stopped(now) => MachineState::Stopping,
                false if now > made.made + 20 => MachineState::Running,
                false => MachineState::Pending,
            };
            Machine { state, ..made.machine.clone() }
        });
        let agents = self.machines.values().filter(|made| made.joined(now));
        // Every now and then the master is silent, and then it has been restarted and awaits its agents.
        let (silent, awaits) = (now / 50 % 7 == 3, now / 50 % 7 == 4);
        let agents = agents.map(|made| Agent {
            id: format!("agent-{}", made.machine.id),
            node: format!("{}:5051", made.machine.address.unwrap()),
            address: (!awaits).then(|| (made.machine.address.unwrap(), 5051).into()),
            registered: !awaits,
            active: !awaits,
            deactivated: false,
            drain: Drain::No,
            settled: Some(true),
        });
        let agents = if silent { Err("401".to_owned()) } else { Ok(agents.collect()) };
        World { machines: Ok(seen.collect()), agents }
    }

    fn live(&self, now: i64) -> Vec<&Machine> {
        self.machines.values().filter(|made| !made.over(now)).map(|made| &made.machine).collect()
    }
}

impl Made {
    fn over(&self, now: i64) -> bool {
        self.ended.is_some() || self.broke(self.dies, now)
    }

    fn stopped(&self, now: i64) -> bool {
        self.broke(self.stops, now)
    }

    /// Only what has not joined breaks.
    fn broke(&self, at: Option<i64>, now: i64) -> bool {
        at.is_some_and(|at| at <= now && self.joins.is_none_or(|joins| joins > at))
    }

    fn joined(&self, now: i64) -> bool {
        !self.over(now) && !self.stopped(now) && self.joins.is_some_and(|at| at <= now)
    }

    /// Nobody may end a machine whose agent may run tasks.
    fn end(&mut self, now: i64) {
        assert!(!self.joined(now), "{:?} is ended with its tasks", self.machine);
        self.ended = self.ended.or(Some(now));
    }
}

/// Runs an operation to its end; the controller dies before the write or after an action of each numbered instant.
fn run(count: usize, dice: Vec<u8>, dies: &[usize]) -> (Operation, Cloud, i64) {
    let mut cloud = Cloud { dice, ..Cloud::default() };
    let mut kept = serde_json::to_string(&asked(count)).unwrap();
    let mut instant = 0;
    let mut died = || {
        instant += 1;
        dies.contains(&instant)
    };
    let mut now = 0;
    'looks: while now < 20_000 {
        now += 5;
        let mut operation: Operation = serde_json::from_str(&kept).unwrap();
        if operation.is_over() {
            break;
        }
        let world = cloud.look(now);
        let actions = next(&mut operation, &world, PATIENCE, &mut 100, at(now));
        if died() {
            continue;
        }
        kept = serde_json::to_string(&operation).unwrap();
        for action in actions {
            if died() {
                continue 'looks;
            }
            match action {
                Action::Launch { slot, token, choice } => {
                    let answer = cloud.launch(slot, &token, choice, now);
                    if died() {
                        continue 'looks;
                    }
                    told(&mut operation, slot, answer, at(now));
                }
                Action::Terminate { machine } => {
                    if let Some(made) = cloud.machines.get_mut(&machine) {
                        made.end(now);
                    }
                }
            }
        }
        if died() {
            continue;
        }
        kept = serde_json::to_string(&operation).unwrap();
    }
    // What comes to light after the end is swept up as long as the operation is remembered.
    let operation: Operation = serde_json::from_str(&kept).unwrap();
    for _ in 0..100 {
        now += 5;
        let machines = cloud.look(now).machines.unwrap();
        for machine in leftovers(&operation, &machines) {
            if let Some(made) = cloud.machines.get_mut(machine) {
                made.end(now);
            }
        }
    }
    (operation, cloud, now)
}

fn check(count: usize, dice: Vec<u8>, dies: &[usize]) -> Result<(), TestCaseError> {
    let (operation, cloud, now) = run(count, dice, dies);
    prop_assert!(operation.is_over(), "{operation:?}");
    let Work::Add(add) = &operation.work else { unreachable!("it adds") };
    let kept: Vec<&str> = add
        .slots
        .iter()
        .filter(|slot| slot.stage == Stage::Registered)
        .filter_map(|slot| slot.machine.as_deref())
        .collect();
    let live: Vec<&str> = cloud.live(now).into_iter().map(|machine| machine.id.as_str()).collect();
    let mut expected = kept.clone();
    expected.sort_unstable();
    expected.dedup();
    prop_assert_eq!(expected.len(), kept.len(), "two slots with one machine");
    for machine in &live {
        prop_assert!(kept.contains(machine), "{machine} is leaked: {:?}", add.slots);
    }
    prop_assert_eq!(operation.end.as_ref().unwrap().done, kept.len() == count);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_leaked_or_doubled_whatever_the_provider_does_and_whenever_we_die(
        count in 1_usize..5,
        dice in prop::collection::vec(any::<u8>(), 1..40),
        dies in prop::collection::vec(1_usize..120, 0..12),
    ) {
        check(count, dice, &dies)?;
    }
}

#[test]
fn a_death_at_every_single_instant_costs_nothing() {
    for instant in 1..200 {
        check(3, vec![9, 3, 4, 200, 61, 7], &[instant]).unwrap();
    }
}

#[test]
fn an_unruffled_provider_gives_what_was_asked_for() {
    let (operation, cloud, now) = run(3, vec![7], &[]);
    assert_eq!(operation.end.unwrap().reason, "3 of 3 agents are registered");
    assert_eq!(cloud.live(now).len(), 3);
}

#[test]
fn without_capacity_every_choice_is_tried_once_and_the_operation_says_so() {
    let mut operation = asked(1);
    let world = World { machines: Ok(Vec::new()), agents: Ok(Vec::new()) };
    let mut choices = Vec::new();
    for round in 0..6 {
        for action in next(&mut operation, &world, PATIENCE, &mut 9, at(round)) {
            let Action::Launch { slot, choice, .. } = action else { unreachable!("nothing is there to be ended") };
            choices.push(choice);
            let none = LaunchError::NoCapacity("InsufficientInstanceCapacity".to_owned());
            told(&mut operation, slot, Err(if choice < 2 { none } else { LaunchError::NoMoreChoices }), at(round));
        }
    }
    assert_eq!(choices, [0, 1, 2]);
    let end = operation.end.unwrap();
    assert!(!end.done && end.reason.contains("InsufficientInstanceCapacity"), "{}", end.reason);
}

#[test]
fn an_agent_that_is_registered_late_is_kept() {
    let mut cloud = Cloud { dice: vec![7], ..Cloud::default() };
    let mut operation = asked(1);
    let mut world = cloud.look(0);
    let Action::Launch { slot, token, choice } = next(&mut operation, &world, PATIENCE, &mut 1, at(0)).remove(0) else {
        unreachable!("a launch comes first")
    };
    let answer = cloud.launch(slot, &token, choice, 0);
    told(&mut operation, slot, answer, at(0));
    world = cloud.look(5_000);
    assert_eq!(next(&mut operation, &world, PATIENCE, &mut 1, at(5_000)), []);
    assert!(operation.end.unwrap().done, "its tasks are worth more than the deadline");
}

#[test]
fn what_is_withdrawn_is_terminated_and_what_is_registered_stays() {
    let mut cloud = Cloud { dice: vec![7], ..Cloud::default() };
    let mut operation = asked(2);
    let mut launches = 1;
    for action in next(&mut operation, &cloud.look(0), PATIENCE, &mut launches, at(0)) {
        let Action::Launch { slot, token, choice } = action else { unreachable!("launches come first") };
        let answer = cloud.launch(slot, &token, choice, 0);
        told(&mut operation, slot, answer, at(0));
    }
    next(&mut operation, &cloud.look(440), PATIENCE, &mut launches, at(440));
    operation.cancelled = Some("ada".to_owned());
    for now in [441, 442] {
        assert_eq!(next(&mut operation, &cloud.look(now), PATIENCE, &mut launches, at(now)), []);
    }
    let end = operation.end.unwrap();
    assert_eq!((end.done, end.reason.as_str()), (false, "1 of 2 agents are registered: withdrawn by ada"));
    assert_eq!(cloud.live(500).len(), 1);
}

#[test]
fn a_launch_that_is_withdrawn_before_its_answer_is_over_once_its_machine_is_gone() {
    let mut cloud = Cloud { dice: vec![7], ..Cloud::default() };
    let mut operation = asked(1);
    let Action::Launch { slot, token, choice } =
        next(&mut operation, &cloud.look(0), PATIENCE, &mut 1, at(0)).remove(0)
    else {
        unreachable!("a launch comes first")
    };
    cloud.launch(slot, &token, choice, 0).unwrap();
    operation.cancelled = Some("ada".to_owned());
    assert_eq!(next(&mut operation, &cloud.look(2), PATIENCE, &mut 1, at(2)), [], "it is not to be seen yet");
    assert!(!operation.is_over());
    let seen = next(&mut operation, &cloud.look(8), PATIENCE, &mut 1, at(8));
    assert_eq!(seen, [Action::Terminate { machine: "i0".to_owned() }]);
    cloud.machines.get_mut("i0").unwrap().ended = Some(9);
    next(&mut operation, &cloud.look(10), PATIENCE, &mut 1, at(10));
    assert!(operation.is_over(), "there is nothing to wait the horizon for: {operation:?}");
}

#[test]
fn a_machine_that_may_have_been_made_is_waited_for_before_its_slot_is_closed() {
    let mut operation = asked(1);
    let nothing = || World { machines: Ok(Vec::new()), agents: Ok(Vec::new()) };
    next(&mut operation, &nothing(), PATIENCE, &mut 1, at(0));
    told(&mut operation, 0, Err(LaunchError::Unknown("the connection broke".to_owned())), at(0));
    next(&mut operation, &nothing(), PATIENCE, &mut 1, at(10));
    told(&mut operation, 0, Err(LaunchError::Refused("the credentials expired".to_owned())), at(10));
    next(&mut operation, &nothing(), PATIENCE, &mut 1, at(299));
    assert!(!operation.is_over(), "it may still come to light");
    let late = Machine {
        id: "i0".to_owned(),
        state: MachineState::Running,
        token: "o1-0-0-0".to_owned(),
        operation: "o1".to_owned(),
        slot: 0,
        address: None,
        port: None,
        kind: String::new(),
    };
    let seen = World { machines: Ok(vec![late.clone()]), agents: Ok(Vec::new()) };
    let terminate = Action::Terminate { machine: "i0".to_owned() };
    assert_eq!(next(&mut operation, &seen, PATIENCE, &mut 1, at(300)), [terminate]);
    next(&mut operation, &nothing(), PATIENCE, &mut 1, at(301));
    assert!(operation.is_over(), "{operation:?}");
    assert_eq!(leftovers(&operation, &[late]), ["i0"], "and later still it is swept up");
}
