//! What goes between a controller and the nodes in a run: requests, answers and pings, each of them late, lost or twice, and
//! what becomes of a node that is told to go.

use dcos_core::attempt::{AttemptState, Ping};

use super::life::Life;
use super::{DEADLINE, Happening, Sabotage, Way, World, nodes};
use crate::catch_up;
use crate::event::{Action, Event, Order, Request};
use crate::shell::catch_up_request;
use crate::view;

impl World {
    pub(super) fn act(&mut self, life: usize, action: Action) {
        match action {
            Action::Ask { ref request, .. } => {
                if matches!(request, Request::Begin { .. } | Request::Go(_)) && self.random.chance(self.scenario.alarms)
                {
                    // The worst moment for a halt: a node is about to be told to go.
                    let at = self.now + self.random.below(300);
                    let length = 1_000 + self.random.below(60_000);
                    self.halt_between(at, at + length);
                }
                if self.random.chance(self.scenario.twice) {
                    self.send(life, action.clone());
                }
                self.send(life, action);
            }
            Action::CatchUp { deployment, nodes } => self.catch_up(deployment, nodes),
            Action::ReadRegistry => self.reads_registry(life),
            Action::Reply(..) => {}
        }
    }

    /// The leading master says what its registry demands, late, or that it can't.
    fn reads_registry(&mut self, life: usize) {
        let demands = self.scenario.demands.clone();
        // A registry that can't be read is in nobody's way between these versions: where it is to be, it can be read.
        let lost = self.random.chance(self.scenario.lost) && demands.is_empty();
        let (demands, delay) = match lost {
            true => (Err("no answer in time".to_owned()), DEADLINE),
            false if self.scenario.sabotage == Some(Sabotage::IgnoresRegistry) => (Ok(Vec::new()), 5),
            false => (Ok(demands), 5 + self.random.below(200)),
        };
        self.at(self.now + delay, Happening::Hears { life, event: Event::Registry(demands) });
    }

    fn catch_up(&mut self, deployment: u64, nodes: Vec<String>) {
        let now = self.clock();
        let state = self.leader.as_ref().and_then(Life::state);
        if let Some(old) = state.and_then(|state| view::deployment(state, deployment, now)) {
            self.report.caught_up += nodes.len();
            let planned = self.asks_for(&catch_up_request(old, nodes.clone()));
            let again = planned.is_err_and(|code| catch_up::may_pass(&code));
            self.at(self.now + 31, Happening::Says(Order::CaughtUp { deployment, nodes, again }));
        }
    }

    fn send(&mut self, life: usize, ask: Action) {
        let (lost, answer_lost) = (self.random.chance(self.scenario.lost), self.random.chance(self.scenario.lost));
        let delay = 5 + self.random.below(200);
        if !lost {
            let answer = if answer_lost { Way::Lost } else { Way::Heard };
            return self.at(self.now + delay, Happening::Arrives { life, ask, answer });
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

    pub(super) fn arrives(&mut self, life: usize, ask: &Action, way: Way) {
        let Action::Ask { deployment, index, token, node, request, .. } = ask else { return };
        let (deployment, index, token) = (*deployment, *index, *token);
        let Some(place) = self.places.get(node).copied() else { return };
        if !self.nodes[place].alive {
            if way != Way::Unheard {
                self.silence(life, ask);
            }
            return;
        }
        let (answer, started) = self.nodes[place].answers(request, self.now);
        if let Some(attempt) = started {
            self.check_start(place, (deployment, index));
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

    fn check_start(&mut self, place: usize, which: (u64, usize)) {
        let rebuilt;
        let state = match self.leader.as_ref().and_then(Life::state) {
            Some(state) => state,
            // The controller is dead: what it wrote down says what it meant.
            None => {
                rebuilt = self.log.state();
                &rebuilt
            }
        };
        let problems = match state.rollouts.get(&which.0) {
            Some(rollout) => self.rules.started(place, which, &self.nodes, rollout),
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
        self.host_ends(node);
    }

    pub(super) fn proceeds(&mut self, node: usize, attempt: &str) {
        if let Some(again) = self.nodes[node].proceeds(attempt, &mut self.random) {
            self.at(self.now + again, Happening::Proceeds { node, attempt: attempt.to_owned() });
        }
    }

    /// Nodes tell of their attempts, some twice, some late, some of attempts that nobody knows.
    fn pings(&mut self, node: usize, attempt: &str) {
        if self.nodes[node].previous_release {
            return;
        }
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
                status_port: None,
            };
            let at = self.now + self.random.below(90_000);
            self.at(at, Happening::Says(Order::Ping(ping)));
        }
    }
}
