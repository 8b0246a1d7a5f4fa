//! What a run shall be like, and what came of it.

use dcos_api::types::deploy::{Amount, Chore, OnFailure, Strategy};

use super::random::Random;
use super::sabotage::Sabotage;

/// What a run shall be like. [`Scenario::of`] makes one up, [`Scenario::large`] one over many nodes.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Where all chance comes from.
    pub seed: u64,
    /// The number of masters.
    pub masters: usize,
    /// The number of agents.
    pub agents: usize,
    /// Whether the deployment is about the masters too.
    pub with_masters: bool,
    /// How it goes over the nodes.
    pub strategy: Strategy,
    /// How many of a thousand nodes come up badly on the new set.
    pub broken: u64,
    /// How many of a thousand agents are dead before the start, or die before their turn.
    pub dead: u64,
    /// How many of a thousand agents hang, lie, or can't tell whether they are well.
    pub odd: u64,
    /// How many of a thousand nodes run the release before this one.
    pub previous_release: u64,
    /// How many of a thousand requests get lost, and as many answers.
    pub lost: u64,
    /// How many of a thousand requests arrive twice.
    pub twice: u64,
    /// How many of a million writes the controller does not survive.
    pub crashes: u64,
    /// How many of a million events meet a log that can't be written.
    pub bad_writes: u64,
    /// The one write, besides, that it does not survive.
    pub failover: Option<Failover>,
    /// How many of a thousand tickets and `go`s have somebody halt everything at that moment.
    pub alarms: u64,
    /// How many orders people give on the way.
    pub orders: usize,
    /// How many of a thousand looks at the wall clock find that it has jumped.
    pub jumps: u64,
    /// How often the controller is told that time has passed, in milliseconds.
    pub tick: u64,
    /// What the masters' registry demands of them.
    pub demands: Vec<String>,
    /// How the controller is broken, to see that the rules notice.
    pub sabotage: Option<Sabotage>,
}

/// The end of a controller at a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failover {
    /// Which write, from 1.
    pub write: usize,
    /// How many of the actions that follow from it are still taken.
    pub actions: usize,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// The scenario.
    pub scenario: Scenario,
    /// How the first deployment ended, or that it did not.
    pub ending: String,
    /// Which rules were broken, and when.
    pub violations: Vec<String>,
    /// How many nodes were restarted into the new set.
    pub started: usize,
    /// How often the controller died or was deposed.
    pub failovers: usize,
    /// How many events the controller took in.
    pub events: usize,
    /// How many records were written.
    pub writes: usize,
    /// How many halts were acknowledged.
    pub halts: usize,
    /// How many nodes that came back were to be caught up.
    pub caught_up: usize,
    /// How long it took in virtual time, in seconds.
    pub virtual_seconds: u64,
}

impl Report {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            scenario: scenario.clone(),
            ending: "never began".to_owned(),
            violations: Vec::new(),
            started: 0,
            failovers: 0,
            events: 0,
            writes: 0,
            halts: 0,
            caught_up: 0,
            virtual_seconds: 0,
        }
    }
}

impl Scenario {
    /// A scenario over a few nodes, made up from a seed.
    pub fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let agents = 1 + random.below(12);
        let canary = 1 + random.below(2) as u32;
        let waves = match random.below(4) {
            0 => vec![Amount::Percent(100)],
            1 => vec![Amount::Count(canary), Amount::Percent(100)],
            2 => vec![Amount::Count(canary), Amount::Percent(50), Amount::Percent(100)],
            _ => vec![Amount::Percent(10), Amount::Percent(100)],
        };
        let strategy = Strategy {
            waves,
            max_unavailable: *random.pick(&[Amount::Count(1), Amount::Count(3), Amount::Percent(50)]),
            max_failures: *random.pick(&[0, 0, 1, 3]),
            soak: *random.pick(&[0, 0, 20]),
            node_timeout: *random.pick(&[300, 600]),
            on_failure: *random.pick(&[OnFailure::Stop, OnFailure::RollBackWave, OnFailure::RollBackAll]),
            after: random.pick(&[Vec::new(), vec![Chore::Remove, Chore::Verify, Chore::Gc]]).clone(),
            ..Strategy::default()
        };
        Self {
            seed,
            masters: *random.pick(&[1, 1, 3]) as usize,
            agents: agents as usize,
            with_masters: random.chance(500),
            strategy,
            broken: *random.pick(&[0, 0, 100, 1000]),
            dead: *random.pick(&[0, 150]),
            odd: *random.pick(&[0, 100]),
            previous_release: *random.pick(&[0, 0, 300, 1000]),
            lost: *random.pick(&[0, 20, 100]),
            twice: *random.pick(&[0, 50]),
            crashes: *random.pick(&[0, 0, 20_000, 60_000]),
            bad_writes: *random.pick(&[0, 0, 10_000]),
            failover: None,
            alarms: *random.pick(&[0, 0, 100]),
            orders: *random.pick(&[0, 1, 2, 4]) as usize,
            jumps: 2,
            tick: 2_000,
            // Not drawn: chance comes to every seed as it did before there was this.
            demands: if seed % 5 == 3 { vec!["SOMETHING_NEW".to_owned()] } else { Vec::new() },
            sabotage: None,
        }
    }

    /// A scenario over that many nodes, made up from a seed: seed 0 has no trouble at all.
    ///
    /// The trouble of a small cluster, scaled by its rates, would stop every deployment at its beginning, or keep the
    /// controller busy with reading its log: here some dozen nodes go wrong, and the controller dies a few times.
    pub fn large(seed: u64, nodes: usize) -> Self {
        let mut random = Random::new(seed);
        let (masters, writes) = (3.min(nodes.saturating_sub(1)).max(1), 12 * nodes.max(1) as u64);
        let mut of = |choices: &[u64]| if seed == 0 { 0 } else { *random.pick(choices) };
        let scale = |count: u64, most: u64| (count * most).checked_div(nodes as u64).unwrap_or(0);
        let strategy = Strategy {
            waves: vec![Amount::Count(1), Amount::Percent(1), Amount::Percent(10), Amount::Percent(100)],
            max_unavailable: Amount::Percent(5),
            max_failures: [0, 0, 50, 1_000][of(&[0, 1, 2, 3, 3]) as usize],
            soak: 60,
            on_failure: [OnFailure::Stop, OnFailure::RollBackAll][of(&[0, 1]) as usize],
            ..Strategy::default()
        };
        Self {
            seed,
            masters,
            agents: nodes.saturating_sub(masters),
            with_masters: of(&[0, 1]) == 1 || seed == 0,
            strategy,
            broken: [0, scale(30, 1_000), 1_000][of(&[0, 0, 1, 1, 2]) as usize],
            dead: of(&[0, 5, 50]),
            odd: scale(of(&[0, 20]), 1_000),
            previous_release: of(&[0, 300]),
            lost: of(&[0, 5, 20]),
            twice: of(&[0, 10]),
            crashes: of(&[0, 3, 6]) * 1_000_000 / writes,
            bad_writes: of(&[0, 1]) * 1_000_000 / writes,
            failover: None,
            alarms: scale(of(&[0, 1, 2]), 1_000),
            orders: of(&[0, 0, 1, 3]) as usize,
            jumps: if seed == 0 { 0 } else { 2 },
            tick: 1_000,
            demands: Vec::new(),
            sabotage: None,
        }
    }
}
