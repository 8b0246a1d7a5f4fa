//! A cluster in virtual time that does to the controller what real ones do, and checks that the rules hold.
//!
//! The controller is the production one ([`crate::controller::next`], with facts through a [`crate::store`] and back at
//! every restart). Around it stand simulated nodes that keep the restart protocol: tickets die after ten seconds, one
//! attempt runs at a time, an older term is refused. Requests and answers are late or get lost; nodes are dead
//! beforehand, die on the way, hang, fall back, lie about their set, can't tell whether they are well; the controller
//! dies after any write, with none, some or all of its actions taken; people halt, pause, abort and roll back at any
//! moment; the wall clock jumps. Everything follows from the seed, so that a failing run can be run again.

mod nodes;
mod random;
mod rules;
mod scenario;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use dcos_api::types::deploy::{CreateDeployment, DeploymentCommand, Targets};
use dcos_core::attempt::{AttemptState, Ping};
use dcos_core::resolve::Change;
use dcos_core::{PackageSet, Role};
use jiff::{SignedDuration, Timestamp};

use crate::controller;
use crate::event::{Action, Event, Now, Order, Outcome, Request, Seen};
use crate::plan::{Observed, plan};
use crate::state::{Fact, Phase, State};
use crate::store;
use nodes::{Fate, Node};
use random::Random;
use rules::Rules;
pub use scenario::{Report, Scenario};

/// How long a run may take, in milliseconds of virtual time: twelve hours.
const HORIZON: u64 = 12 * 3_600_000;

/// How long the shell waits for an answer, in milliseconds.
const DEADLINE: u64 = 5_000;

/// What happens at an instant.
#[derive(Debug)]
enum Happening {
    Tick,
    Inventory,
    /// A request of that life of the controller reaches a node.
    Arrives {
        life: usize,
        ask: Action,
        answer: Way,
    },
    /// The controller of that life hears something.
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
    /// The controller takes office.
    TakesOffice,
    /// Somebody says something.
    Says(Order),
    /// An admin clears the oldest halt that stands.
    ClearsHalt,
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

impl Way {
    const fn of(lost: bool) -> Self {
        if lost { Self::Lost } else { Self::Heard }
    }
}

struct World {
    scenario: Scenario,
    random: Random,
    now: u64,
    jump: i64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    happenings: BTreeMap<u64, Happening>,
    newest: u64,
    nodes: Vec<Node>,
    /// What the controller wrote down. It goes through the form of the log whenever it is read.
    log: Vec<Fact>,
    /// The controller, while it lives.
    state: Option<State>,
    /// Which of the controller's lives it is.
    life: usize,
    replies: u64,
    /// How many orders are still to come.
    orders: usize,
    /// How many of them are halts.
    halts: usize,
    /// When the deployment was found to be over.
    over_since: Option<u64>,
    rules: Rules,
    report: Report,
}

/// Runs a scenario to its end.
pub fn run(scenario: Scenario) -> Report {
    let mut world = World::new(scenario);
    world.begin();
    while let Some(Reverse((at, number))) = world.queue.pop() {
        if at > HORIZON || world.is_settled() {
            break;
        }
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
        let names = names.chain((0..scenario.agents).map(|place| (format!("agent-{place:03}:5051"), Role::Agent)));
        let nodes = names.enumerate().map(|(place, (name, role))| {
            let (old, new) = sets(role);
            let fate = Fate::draw(&scenario, role, place, &mut random);
            Node::new(name, role, old, new, fate)
        });
        let nodes: Vec<Node> = nodes.collect();
        let rules = Rules::new(&scenario);
        let report = Report {
            scenario: scenario.clone(),
            ending: "never began".to_owned(),
            violations: Vec::new(),
            started: 0,
            crashes: 0,
            events: 0,
            halts: 0,
        };
        Self {
            scenario,
            random,
            now: 0,
            jump: 0,
            queue: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            newest: 0,
            nodes,
            log: Vec::new(),
            state: None,
            life: 0,
            replies: 0,
            orders: 0,
            halts: 0,
            over_since: None,
            rules,
            report,
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

    fn begin(&mut self) {
        for node in 0..self.nodes.len() {
            match self.nodes[node].fate {
                Fate::DeadBefore { back } => {
                    self.nodes[node].dies(0);
                    // Long ago: the master has given it up already.
                    self.nodes[node].dead_since = Some(0);
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
        let request = self.request();
        let cluster: Vec<Observed> = self.nodes.iter().map(|node| node.observed(&self.nodes[0].name)).collect();
        match plan(&request, &cluster) {
            Ok(draft) => self.at(30, Happening::Says(Order::Create(Box::new(draft)))),
            Err(findings) => {
                self.report.ending = format!("refused: {}", findings[0].code);
                self.over_since = Some(0);
            }
        }
        for _ in 0..self.scenario.orders {
            self.some_order();
        }
    }

    /// Somebody will say something, and take it back in time where it would stand for ever.
    fn some_order(&mut self) {
        let at = 100 + self.random.below(600_000);
        let length = 1_000 + self.random.below(300_000);
        let orders = match self.random.below(10) {
            0..=4 => return self.halt_between(at, at + length),
            5..=7 => [Some(DeploymentCommand::Pause), Some(DeploymentCommand::Start)],
            8 => [Some(DeploymentCommand::Abort), None],
            _ => [Some(DeploymentCommand::Rollback), None],
        };
        for (order, at) in orders.into_iter().flatten().zip([at, at + length]) {
            self.orders += 1;
            self.at(at, Happening::Says(Order::Command(1, order)));
        }
    }

    fn halt_between(&mut self, from: u64, to: u64) {
        self.orders += 2;
        self.halts += 1;
        self.at(from, Happening::Says(Order::Halt("an alert fires".to_owned())));
        self.at(to, Happening::ClearsHalt);
    }

    /// Nodes tell of their attempts, some twice, some late, some of attempts that nobody knows.
    fn pings(&mut self, node: usize, attempt: &str) {
        for _ in 0..self.random.below(4) {
            let attempt = if self.random.chance(900) { attempt.to_owned() } else { format!("{attempt}9") };
            let ping = Ping {
                protocol: 1,
                node: self.nodes[node].name.clone(),
                attempt,
                sequence: 1,
                state: AttemptState::Confirmed,
                detail: String::new(),
                time: self.clock().wall,
            };
            let at = self.now + self.random.below(90_000);
            self.at(at, Happening::Says(Order::Ping(ping)));
        }
    }

    fn request(&self) -> CreateDeployment {
        let groups = [Role::Master, Role::Agent].map(|role| (format!("{role}s"), sets(role).1));
        let roles = if self.scenario.with_masters { Vec::new() } else { vec![Role::Agent] };
        CreateDeployment {
            change: Change::Set(groups.into_iter().collect()),
            targets: Targets { roles, ..Targets::default() },
            strategy: self.scenario.strategy.clone(),
            dry_run: false,
        }
    }

    fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Tick => {
                self.tell(Event::Tick);
                self.at(self.now + 2_000, Happening::Tick);
            }
            Happening::Inventory => {
                let seen = self.nodes.iter_mut().map(|node| node.seen(self.now)).collect::<Vec<Seen>>();
                self.tell(Event::Inventory(seen));
                self.at(self.now + 4_000, Happening::Inventory);
                if self.random.chance(2) {
                    self.jump += i64::try_from(self.random.below(7_200_000)).unwrap_or(0) - 3_600_000;
                }
            }
            Happening::Arrives { life, ask, answer } => self.arrives(life, &ask, answer),
            Happening::Hears { life, event } if life == self.life => self.tell(event),
            Happening::Hears { .. } => {}
            Happening::Proceeds { node, attempt } => self.proceeds(node, &attempt),
            Happening::Alive { node, alive: true } => self.nodes[node].comes_back(),
            // A master that restarts is away enough.
            Happening::Alive { node, alive: false }
                if self.nodes[node].role == Role::Master && self.nodes[node].is_under_way() => {}
            Happening::Alive { node, alive: false } => self.nodes[node].dies(self.now),
            Happening::TakesOffice => self.takes_office(),
            Happening::Says(order) => self.says(order),
            Happening::ClearsHalt => {
                let standing = self.state.as_ref().map(|state| state.desk.halts.first().map(|halt| halt.id.clone()));
                match standing {
                    None => self.at(self.now + 1_000, Happening::ClearsHalt),
                    // The halt that it is for has not been heard yet: the controller was dead.
                    Some(None) if self.halts > 0 => self.at(self.now + 1_000, Happening::ClearsHalt),
                    Some(None) => self.orders -= 1,
                    Some(Some(halt)) => {
                        self.rules.halt_ends(&halt);
                        self.says(Order::Resume { halt, note: "it was nothing".to_owned() });
                    }
                }
            }
        }
    }

    fn says(&mut self, order: Order) {
        if self.state.is_none() {
            // Nobody listens just now: whoever means it says it again.
            return self.at(self.now + 1_000, Happening::Says(order));
        }
        self.replies += 1;
        self.halts -= usize::from(matches!(order, Order::Halt(_)));
        if !matches!(order, Order::Create(_) | Order::Ping(_)) {
            self.orders -= 1;
        }
        self.tell(Event::Order { reply: self.replies, by: Some("sim".to_owned()), order });
    }

    fn takes_office(&mut self) {
        let state = self.rebuilt();
        if self.random.chance(500) {
            // The log is replaced by what still counts.
            self.log = state.snapshot();
        }
        self.state = Some(state);
        self.life += 1;
        self.tell(Event::TookOffice);
    }

    /// Has the controller take in an event, as the shell does: facts first, then actions. It may die in between.
    fn tell(&mut self, event: Event) {
        let Some(state) = self.state.take() else { return };
        let (state, step) = controller::next(state, event, self.clock());
        self.report.events += 1;
        self.state = Some(state);
        let mut survives = usize::MAX;
        if !step.facts.is_empty() {
            self.log.extend(step.facts);
            if self.random.chance(self.scenario.crashes) {
                survives = usize::try_from(self.random.below(3)).unwrap_or(0);
            }
        }
        for (place, action) in step.actions.into_iter().enumerate() {
            if place >= survives {
                break;
            }
            self.act(action);
        }
        if survives != usize::MAX {
            self.dies(2_000);
        }
    }

    /// The controller dies and is back after some time.
    fn dies(&mut self, away: u64) {
        self.report.crashes += 1;
        self.state = None;
        // Whoever waits for a halt hears that the connection is lost: it does not hold yet for them.
        let back = self.now + away + self.random.below(5_000);
        self.at(back, Happening::TakesOffice);
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Ask { ref request, .. } => {
                if matches!(request, Request::Begin { .. } | Request::Go(_)) && self.random.chance(self.scenario.alarms)
                {
                    // The worst moment for a halt: a node is about to be told to go.
                    let at = self.now + self.random.below(300);
                    let length = 1_000 + self.random.below(60_000);
                    self.halt_between(at, at + length);
                }
                self.send(action);
            }
            Action::Reply(_, Ok(Outcome::Halted(halt))) => {
                self.report.halts += 1;
                self.rules.halt_holds(&halt.id);
            }
            Action::Reply(..) | Action::CatchUp { .. } => {}
        }
    }

    fn send(&mut self, ask: Action) {
        let life = self.life;
        let trouble = |random: &mut Random, scenario: &Scenario| random.chance(scenario.lost);
        let (lost, answer_lost) =
            (trouble(&mut self.random, &self.scenario), trouble(&mut self.random, &self.scenario));
        let delay = 5 + self.random.below(200);
        if !lost {
            return self.at(self.now + delay, Happening::Arrives { life, ask, answer: Way::of(answer_lost) });
        }
        self.silence(life, &ask);
        if self.random.chance(500) {
            // It was not lost but late: the node takes it in when nobody waits for the answer any more.
            let late = self.now + DEADLINE + self.random.below(8_000);
            self.at(late, Happening::Arrives { life, ask, answer: Way::Unheard });
        }
    }

    /// The shell gives up waiting for an answer.
    fn silence(&mut self, life: usize, ask: &Action) {
        if let Some(event) = nodes::unreachable(ask) {
            self.at(self.now + DEADLINE, Happening::Hears { life, event });
        }
    }

    fn arrives(&mut self, life: usize, ask: &Action, way: Way) {
        let Action::Ask { deployment, index, token, node, request, .. } = ask else { return };
        let (deployment, index, token) = (*deployment, *index, *token);
        let Some(place) = self.nodes.iter().position(|it| it.name == *node) else { return };
        if !self.nodes[place].alive {
            if way != Way::Unheard {
                self.silence(life, ask);
            }
            return;
        }
        let (answer, started) = self.nodes[place].answers(request, self.now);
        if let Some(attempt) = started {
            self.check_start(place);
            self.pings(place, &attempt);
            self.goes(place, attempt);
        }
        match (answer, way) {
            (Some(answer), Way::Heard) => {
                let event = Event::Answered { deployment, index, token, answer };
                let delay = 5 + self.random.below(200);
                self.at(self.now + delay, Happening::Hears { life, event });
            }
            (_, Way::Unheard) => {}
            (None, Way::Heard) | (_, Way::Lost) => self.silence(life, ask),
        }
    }

    /// The state that the log says.
    fn rebuilt(&self) -> State {
        let facts = store::encode(&self.log).map(|record| store::decode(&[record]));
        // A log that can't be read shows as a controller that knows nothing, which breaks the rules below.
        State::rebuild(facts.ok().and_then(Result::ok).unwrap_or_default())
    }

    fn check_start(&mut self, place: usize) {
        let rebuilt;
        let state = match &self.state {
            Some(state) => state,
            // The controller is dead: what it wrote down says what it meant.
            None => {
                rebuilt = self.rebuilt();
                &rebuilt
            }
        };
        let problems = match state.rollouts.get(&1) {
            Some(rollout) => self.rules.started(place, &self.nodes, rollout),
            None => vec!["a node starts, and there is no deployment".to_owned()],
        };
        let at = self.now;
        self.report.violations.extend(problems.into_iter().map(|problem| format!("at {at} ms: {problem}")));
    }

    /// A node was told to go: its Mesos is away for some seconds, and the controller with it where it lives in that.
    fn goes(&mut self, node: usize, attempt: String) {
        let away = 1_000 + self.random.below(8_000);
        self.nodes[node].alive = false;
        self.at(self.now + away, Happening::Alive { node, alive: true });
        let length = away + 1_000 + self.random.below(60_000);
        self.at(self.now + length, Happening::Proceeds { node, attempt });
        if node == 0 && self.state.is_some() {
            // The controller lives in that Mesos.
            self.dies(away);
        }
    }

    fn proceeds(&mut self, node: usize, attempt: &str) {
        if let Some(again) = self.nodes[node].proceeds(attempt, &mut self.random) {
            self.at(self.now + again, Happening::Proceeds { node, attempt: attempt.to_owned() });
        }
    }

    /// Whether the deployment is over, everything was said, and what was on its way has had time to arrive.
    fn is_settled(&mut self) -> bool {
        let Some(state) = &self.state else { return false };
        match state.rollouts.get(&1) {
            Some(rollout) if !rollout.is_over() => self.over_since = None,
            Some(_) => {
                self.over_since.get_or_insert(self.now);
            }
            None => {}
        }
        self.orders == 0 && self.over_since.is_some_and(|since| self.now > since + 15_000)
    }

    fn finish(mut self) -> Report {
        self.report.started = self.rules.forward_starts();
        if let Some(state) = &self.state {
            if let Some(rollout) = state.rollouts.get(&1) {
                let phase = rollout.header.phase;
                self.report.ending = match phase {
                    Phase::Ended(ending) => format!("{ending:?}: {}", rollout.header.reason),
                    phase => format!("not over: {phase:?}"),
                };
                let problems = self.rules.at_the_end(rollout, &self.nodes);
                self.report.violations.extend(problems);
            }
            // What the log says must be what the controller believes.
            if self.over_since.is_some() && self.rebuilt().snapshot() != state.snapshot() {
                self.report.violations.push("the log does not say what the controller knows".to_owned());
            }
        } else {
            self.report.violations.push("the controller is dead at the end".to_owned());
        }
        self.report
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Report, Scenario, run};

    /// As many as `make test` runs.
    const RUNS: u64 = 2_000;

    /// The reports of all seeds, made on as many threads as help.
    fn reports() -> Vec<(u64, Report)> {
        const THREADS: u64 = 4;
        std::thread::scope(|scope| {
            let part = |first: u64| {
                (first..=RUNS).step_by(THREADS as usize).map(|seed| (seed, run(Scenario::of(seed)))).collect()
            };
            let parts: Vec<_> = (1..=THREADS).map(|first| scope.spawn(move || -> Vec<_> { part(first) })).collect();
            parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
        })
    }

    #[test]
    fn the_rules_hold_in_many_runs() {
        let (mut violations, mut done, mut halts, mut crashes, mut started) = (Vec::new(), 0, 0, 0, 0);
        for (seed, report) in reports() {
            done += u64::from(report.ending.starts_with("Done"));
            halts += report.halts;
            crashes += report.crashes;
            started += report.started;
            violations.extend(report.violations.into_iter().map(|violation| format!("seed {seed}: {violation}")));
        }
        assert_eq!(violations, [""; 0], "{} violations in {RUNS} runs", violations.len());
        // The runs must be worth something: many deployments went through, many did not, and much came in their way.
        assert!((RUNS / 5..RUNS * 4 / 5).contains(&done), "{done} of {RUNS} runs ended well");
        assert!(
            halts > 500 && crashes > 1_000 && started > 3_000,
            "{halts} halts, {crashes} crashes, {started} starts"
        );
    }

    #[test]
    fn a_run_follows_from_its_seed() {
        for seed in 1..20 {
            assert_eq!(format!("{:?}", run(Scenario::of(seed))), format!("{:?}", run(Scenario::of(seed))));
        }
    }
}
