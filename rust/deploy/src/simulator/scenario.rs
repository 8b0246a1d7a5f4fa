//! What a run shall be like, and what came of it.

use dcos_api::types::deploy::{Amount, OnFailure, Strategy};

use super::random::Random;

/// What a run shall be like. [`Scenario::of`] makes one up.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Where all chance comes from.
    pub seed: u64,
    /// The number of masters; the first hosts the controller.
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
    /// How many of a thousand requests get lost, and as many answers.
    pub lost: u64,
    /// How many of a thousand writes the controller does not survive.
    pub crashes: u64,
    /// How many of a thousand tickets and `go`s have somebody halt everything at that moment.
    pub alarms: u64,
    /// How many orders people give on the way.
    pub orders: usize,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// The scenario.
    pub scenario: Scenario,
    /// How the deployment ended, or that it did not.
    pub ending: String,
    /// Which rules were broken, and when.
    pub violations: Vec<String>,
    /// How many nodes were restarted into the new set.
    pub started: usize,
    /// How often the controller died.
    pub crashes: usize,
    /// How many events the controller took in.
    pub events: usize,
    /// How many halts were acknowledged.
    pub halts: usize,
}

impl Scenario {
    /// A scenario made up from a seed.
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
            lost: *random.pick(&[0, 20, 100]),
            crashes: *random.pick(&[0, 0, 20, 60]),
            alarms: *random.pick(&[0, 0, 100]),
            orders: *random.pick(&[0, 1, 2, 4]) as usize,
        }
    }
}
