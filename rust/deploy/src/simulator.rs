//! A cluster in virtual time that does to the controller what real ones do, and checks that the rules hold.
//!
//! The controller is the production one, shell included: what writes to the log before it acts, gives up its office and
//! reads the log anew is the code that runs inside Mesos (see `life`). Around it stand simulated nodes that keep the
//! restart protocol: tickets die after ten seconds, one attempt runs at a time, an older term is refused. Requests,
//! answers and pings are late, overtake each other, come twice or get lost; nodes are dead beforehand, die on the way,
//! come back, hang, fall back, lie about their set, can't tell whether they are well, are of the previous release;
//! masters fail over after any write, with none, some or all of its actions taken, and the one that was deposed goes on
//! until it learns of that; writes fail, kept or lost; people halt, pause, abort, retry and roll back at any moment; the
//! wall clock jumps. Everything follows from the seed, so that a failing run can be run again.

mod life;
mod nodes;
mod people;
mod random;
mod rules;
mod sabotage;
mod scenario;
mod traffic;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use dcos_api::types::deploy::{CreateDeployment, Targets};
use dcos_core::resolve::Change;
use dcos_core::{PackageSet, Role};
use jiff::{SignedDuration, Timestamp};

use crate::event::{Action, Event, Now, Order, Seen};
use crate::plan::{Observed, plan};
use crate::state::{Phase, State};
use crate::{orders, view};
use life::{Life, Log};
use nodes::{Fate, Node};
use random::Random;
use rules::Rules;
pub use sabotage::Sabotage;
pub use scenario::{Failover, Report, Scenario};

/// How long a run may take, in milliseconds of virtual time: a day.
const HORIZON: u64 = 24 * 3_600_000;

/// How many things may happen in a run, and how many more for each node. A run whose time stands still would never come to
/// its horizon; the liveliest ones need a tenth of it.
const HAPPENINGS: usize = 300_000;
const HAPPENINGS_PER_NODE: usize = 5_000;

/// How long the shell waits for an answer, in milliseconds.
const DEADLINE: u64 = 5_000;

/// What happens at an instant.
#[derive(Debug)]
enum Happening {
    Tick,
    Inventory,
    /// A request of that controller reaches a node.
    Arrives {
        life: usize,
        ask: Action,
        answer: Way,
    },
    /// That controller hears something.
    Hears {
        life: usize,
        event: Event,
    },
    /// An attempt enters its next state.
    Proceeds {
        node: usize,
        attempt: String,
    },
    /// A node's Mesos ends or is back.
    Alive {
        node: usize,
        alive: bool,
    },
    /// A controller takes office.
    TakesOffice,
    /// The deposed controller learns that it is.
    Learns {
        life: usize,
    },
    /// Somebody says something.
    Says(Order),
    /// An admin clears the oldest halt that stands.
    ClearsHalt,
    /// An admin looks for what others left behind.
    LooksAround,
}

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// It reaches the controller.
    Heard,
    /// It gets lost.
    Lost,
    /// The controller has given up waiting for it already.
    Unheard,
}

struct World {
    scenario: Scenario,
    random: Random,
    now: u64,
    jump: i64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    happenings: HashMap<u64, Happening>,
    newest: u64,
    nodes: Vec<Node>,
    places: HashMap<String, usize>,
    log: Log,
    /// The controller in office, while it lives.
    leader: Option<Life>,
    /// The one that was in office before and does not know that it is not.
    deposed: Option<Life>,
    lives: usize,
    /// How many orders are still to come.
    orders: usize,
    /// How many of them are halts.
    halts: usize,
    /// When all deployments were found to be over.
    over_since: Option<u64>,
    rules: Rules,
    report: Report,
}

/// Runs a scenario to its end.
pub fn run(scenario: Scenario) -> Report {
    let mut world = World::new(scenario);
    world.begin();
    let mut left = HAPPENINGS + HAPPENINGS_PER_NODE * world.nodes.len();
    while let Some(Reverse((at, number))) = world.queue.pop() {
        if at > HORIZON || left == 0 || world.is_settled() {
            break;
        }
        left -= 1;
        world.now = at;
        if let Some(happening) = world.happenings.remove(&number) {
            world.happens(happening);
        }
    }
    world.finish()
}

fn sets(role: Role) -> (PackageSet, PackageSet) {
    let set = |version: &str| {
        let ids = [format!("mesos--{version}"), format!("mesos-config--{role}")];
        // Both are ids by construction; a set without one of them would fail every rule below.
        ids.iter().filter_map(|id| id.parse().ok()).collect()
    };
    (set("1.10.0"), set("1.11.0"))
}

impl World {
    fn new(scenario: Scenario) -> Self {
        let mut random = Random::new(scenario.seed ^ 0x9e37_79b9);
        let names = (0..scenario.masters).map(|place| (format!("master-{place}:5050"), Role::Master));
        let names = names.chain((0..scenario.agents).map(|place| (format!("agent-{place:05}:5051"), Role::Agent)));
        let nodes = names.enumerate().map(|(place, (name, role))| {
            let (old, new) = sets(role);
            let fate = Fate::draw(&scenario, role, place, &mut random);
            let previous_release = random.chance(scenario.previous_release);
            Node::new(name, role, (old, new), fate, previous_release)
        });
        let nodes: Vec<Node> = nodes.collect();
        Self {
            places: nodes.iter().enumerate().map(|(place, node)| (node.name.clone(), place)).collect(),
            rules: Rules::new(&scenario),
            report: Report::new(&scenario),
            scenario,
            random,
            now: 0,
            jump: 0,
            queue: BinaryHeap::new(),
            happenings: HashMap::new(),
            newest: 0,
            nodes,
            log: Log::default(),
            leader: None,
            deposed: None,
            lives: 0,
            orders: 0,
            halts: 0,
            over_since: None,
        }
    }

    fn at(&mut self, at: u64, happening: Happening) {
        self.newest += 1;
        self.happenings.insert(self.newest, happening);
        self.queue.push(Reverse((at, self.newest)));
    }

    fn clock(&self) -> Now {
        let offset = SignedDuration::from_millis(i64::try_from(self.now).unwrap_or(i64::MAX).saturating_add(self.jump));
        let start = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 365 * 50);
        Now { wall: start + offset, mono: self.now }
    }

    /// What the controller is told of the time.
    fn told(&self) -> Now {
        let now = self.clock();
        match self.scenario.sabotage {
            Some(Sabotage::StandsStill) => Now { mono: now.mono.min(sabotage::LAST_MOMENT), ..now },
            Some(_) | None => now,
        }
    }

    fn begin(&mut self) {
        for node in 0..self.nodes.len() {
            match self.nodes[node].fate {
                Fate::DeadBefore { back } => {
                    self.nodes[node].dies(0);
                    // Long ago: the master has given it up already.
                    self.nodes[node].listed = false;
                    if let Some(back) = back {
                        self.at(back, Happening::Alive { node, alive: true });
                    }
                }
                Fate::DiesEarly { at } => self.at(at, Happening::Alive { node, alive: false }),
                Fate::Absent { from, to } => {
                    self.at(from, Happening::Alive { node, alive: false });
                    self.at(to, Happening::Alive { node, alive: true });
                }
                _ => {}
            }
        }
        self.at(0, Happening::TakesOffice);
        self.at(10, Happening::Inventory);
        self.at(20, Happening::Tick);
        let groups = [Role::Master, Role::Agent].map(|role| (format!("{role}s"), sets(role).1));
        let roles = if self.scenario.with_masters { Vec::new() } else { vec![Role::Agent] };
        let request = CreateDeployment {
            change: Change::Set(groups.into_iter().collect()),
            targets: Targets { roles, ..Targets::default() },
            strategy: self.scenario.strategy.clone(),
            dry_run: false,
        };
        if let Err(code) = self.asks_for(&request) {
            self.report.ending = format!("refused: {code}");
            self.over_since = Some(0);
        }
        for _ in 0..self.scenario.orders {
            self.some_order();
        }
        self.at(60_000, Happening::LooksAround);
    }

    /// Somebody asks for a deployment, if it can be planned.
    fn asks_for(&mut self, request: &CreateDeployment) -> Result<(), String> {
        let cluster: Vec<Observed> = self.nodes.iter().map(|node| node.observed(&self.nodes[0].name)).collect();
        let mut draft = plan(request, &cluster).map_err(|findings| findings[0].code.clone())?;
        draft.ended = self.leader.as_ref().and_then(Life::state).map(orders::ended).unwrap_or_default();
        // For the plan everything counts as local, so that no repository is needed here; it is fetched all the same.
        for node in draft.nodes.iter_mut().filter(|node| node.left.is_none()) {
            node.fetch = node.to.iter().filter(|id| !node.from.contains(id)).cloned().collect();
        }
        if let Some(sabotage) = self.scenario.sabotage {
            sabotage.draft(&mut draft);
        }
        self.at(self.now + 30, Happening::Says(Order::Create(Box::new(draft))));
        Ok(())
    }

    fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Tick => {
                self.lead(|life, now| life.hear(Event::Tick, now));
                self.follow(|life, now| life.hear(Event::Tick, now));
                self.at(self.now + self.scenario.tick, Happening::Tick);
            }
            Happening::Inventory => {
                let mut seen = self.nodes.iter_mut().map(|node| node.seen(self.now)).collect::<Vec<Seen>>();
                if self.scenario.sabotage == Some(Sabotage::WaitsForTheDead) {
                    seen.iter_mut().for_each(|node| node.alive = true);
                }
                self.lead(|life, now| life.leads(true, now));
                self.lead(|life, now| life.hear(Event::Inventory(seen), now));
                self.at(self.now + 2 * self.scenario.tick, Happening::Inventory);
                if self.random.chance(self.scenario.jumps) {
                    self.jump += i64::try_from(self.random.below(7_200_000)).unwrap_or(0) - 3_600_000;
                }
            }
            Happening::Arrives { life, ask, answer } => self.arrives(life, &ask, answer),
            Happening::Hears { life, event } => {
                if self.leader.as_ref().is_some_and(|leader| leader.number == life) {
                    self.lead(|leader, now| leader.hear(event, now));
                } else if self.deposed.as_ref().is_some_and(|deposed| deposed.number == life) {
                    self.follow(|deposed, now| deposed.hear(event, now));
                }
            }
            Happening::Proceeds { node, attempt } => self.proceeds(node, &attempt),
            Happening::Alive { node, alive: true } => self.nodes[node].comes_back(),
            // A master that restarts is away enough.
            Happening::Alive { node, alive: false }
                if self.nodes[node].role == Role::Master && self.nodes[node].is_under_way() => {}
            Happening::Alive { node, alive: false } => {
                self.nodes[node].dies(self.now);
                self.host_ends(node);
            }
            Happening::TakesOffice => self.takes_office(),
            Happening::Learns { life } => {
                if self.deposed.as_ref().is_some_and(|deposed| deposed.number == life) {
                    self.follow(|deposed, now| deposed.leads(false, now));
                    if let Some(deposed) = self.deposed.take() {
                        self.forgets(deposed);
                    }
                }
            }
            Happening::Says(order) => self.says(order),
            Happening::ClearsHalt => self.clears_halt(),
            Happening::LooksAround => self.looks_around(),
        }
    }

    fn takes_office(&mut self) {
        let masters: Vec<usize> = (0..self.scenario.masters).filter(|place| self.nodes[*place].alive).collect();
        if masters.is_empty() {
            return self.at(self.now + 1_000, Happening::TakesOffice);
        }
        let host = *self.random.pick(&masters);
        self.lives += 1;
        let life = Life::new((self.lives, host), &self.log, self.scenario.sabotage, self.told());
        self.leader = Some(life);
        self.lead(|life, _| life.take_office());
    }

    /// Has the controller in office take something in. It may not survive what it writes because of it.
    fn lead(&mut self, act: impl FnOnce(&mut Life, Now) -> Vec<Action>) {
        let Some(mut life) = self.leader.take() else { return };
        if self.random.chance_of_a_million(self.scenario.bad_writes) {
            self.log.fail_next(if self.random.chance(500) { life::Fault::Kept } else { life::Fault::Lost });
        }
        let before = self.log.writes();
        let mut actions = act(&mut life, self.told());
        let after = self.log.writes();
        self.report.events += 1;
        self.report.writes = after;
        let mut heard = life.outcomes();
        let survives = match self.scenario.failover {
            Some(failover) if (before + 1..=after).contains(&failover.write) => Some(failover.actions),
            _ if after > before && self.random.chance_of_a_million(self.scenario.crashes) => {
                Some(usize::try_from(self.random.below(3)).unwrap_or(0))
            }
            _ => None,
        };
        if let Some(survives) = survives {
            actions.truncate(survives);
            if survives == 0 {
                // Whoever gave an order hears that the connection is lost.
                heard.iter_mut().for_each(|(_, outcome)| *outcome = None);
            }
        }
        let number = life.number;
        self.leader = Some(life);
        actions.into_iter().for_each(|action| self.act(number, action));
        heard.into_iter().for_each(|(order, outcome)| self.heard(order, &outcome));
        if survives.is_some() {
            self.fails_over();
        }
    }

    /// Has the controller that was deposed take something in.
    fn follow(&mut self, act: impl FnOnce(&mut Life, Now) -> Vec<Action>) {
        let Some(mut life) = self.deposed.take() else { return };
        let actions = act(&mut life, self.clock());
        let (number, heard) = (life.number, life.outcomes());
        self.deposed = Some(life);
        actions.into_iter().for_each(|action| self.act(number, action));
        heard.into_iter().for_each(|(order, outcome)| self.heard(order, &outcome));
    }

    /// The controller in office dies, or is cut off from the others.
    fn fails_over(&mut self) {
        let Some(life) = self.leader.take() else { return };
        self.report.failovers += 1;
        if self.scenario.masters > 1 && self.random.chance(500) {
            if let Some(older) = self.deposed.take() {
                self.forgets(older);
            }
            let learns = self.now + 1_000 + self.random.below(30_000);
            self.at(learns, Happening::Learns { life: life.number });
            self.deposed = Some(life);
        } else {
            self.forgets(life);
        }
        let back = self.now + 2_000 + self.random.below(5_000);
        self.at(back, Happening::TakesOffice);
    }

    /// A node's Mesos ends, and with it the controller that lives in it.
    fn host_ends(&mut self, node: usize) {
        if let Some(deposed) = self.deposed.take_if(|life| life.host == node) {
            self.forgets(deposed);
        }
        if let Some(leader) = self.leader.take_if(|life| life.host == node) {
            self.forgets(leader);
            self.report.failovers += 1;
            let back = self.now + 1_000 + self.random.below(8_000);
            self.at(back, Happening::TakesOffice);
        }
    }

    /// A controller is no more: whoever waits for it hears nothing.
    fn forgets(&mut self, life: Life) {
        life.unanswered().into_iter().for_each(|order| self.heard(order, &None));
    }

    /// Whether everything is over, everything was said, and what was on its way has had time to arrive.
    fn is_settled(&mut self) -> bool {
        let Some(state) = self.leader.as_ref().and_then(Life::state) else { return false };
        if !state.rollouts.is_empty() {
            if state.rollouts.values().all(crate::state::Rollout::is_over) {
                self.over_since.get_or_insert(self.now);
            } else {
                self.over_since = None;
            }
        }
        self.orders == 0 && self.deposed.is_none() && self.over_since.is_some_and(|since| self.now > since + 15_000)
    }

    fn finish(mut self) -> Report {
        self.report.started = self.rules.forward_starts();
        self.report.virtual_seconds = self.now / 1_000;
        let Some(state) = self.leader.as_ref().and_then(Life::state) else {
            self.report.violations.push("no controller is in office at the end".to_owned());
            return self.report;
        };
        if let Some(rollout) = state.rollouts.get(&1) {
            self.report.ending = match rollout.header.phase {
                Phase::Ended(ending) => format!("{ending:?}: {}", rollout.header.reason),
                phase => {
                    let shown = view::deployment(state, 1, self.clock());
                    let (reason, nodes) = shown.map(|shown| (shown.reason, shown.nodes)).unwrap_or_default();
                    let nodes = nodes.into_iter().filter(|node| !node.detail.is_empty());
                    let nodes: Vec<String> = nodes.map(|node| format!("{}: {}", node.node, node.detail)).collect();
                    format!("not over: {phase:?}: {reason}: {nodes:?}")
                }
            };
        }
        let problems = state.rollouts.values().flat_map(|rollout| self.rules.at_the_end(rollout, &self.nodes));
        self.report.violations.extend(problems.collect::<Vec<_>>());
        // What the log says must be what the controller believes.
        let (known, written): (&State, State) = (state, self.log.state());
        if self.over_since.is_some() && written.snapshot() != known.snapshot() {
            self.report.violations.push("the log does not say what the controller knows".to_owned());
        }
        self.report
    }
}

#[cfg(test)]
#[path = "simulator_tests.rs"]
mod tests;
