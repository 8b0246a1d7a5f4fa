//! What people and monitors say in a run, and what they do about the answer.

use dcos_api::types::deploy::DeploymentCommand;
use dcos_core::ExitCode;

use super::life::{Heard, Life};
use super::{Happening, Sabotage, World};
use crate::event::{Order, Outcome};

impl World {
    /// Somebody will say something, and take it back in time where it would stand for ever.
    pub(super) fn some_order(&mut self) {
        let at = 100 + self.random.below(600_000);
        let length = 1_000 + self.random.below(300_000);
        let orders = match self.random.below(12) {
            0..=4 => return self.halt_between(at, at + length),
            5..=7 => [Some(DeploymentCommand::Pause), Some(DeploymentCommand::Start)],
            8 => [Some(DeploymentCommand::Abort), None],
            9 => [Some(DeploymentCommand::Rollback), None],
            // Whoever is late finds it over, and has the nodes tried again that failed.
            10 => [None, Some(DeploymentCommand::Retry)],
            _ => [Some(DeploymentCommand::Abort), Some(DeploymentCommand::Retry)],
        };
        for (order, at) in orders.into_iter().zip([at, at + length]) {
            if let Some(order) = order {
                self.orders += 1;
                self.at(at, Happening::Says(Order::Command(1, order)));
            }
        }
    }

    pub(super) fn halt_between(&mut self, from: u64, to: u64) {
        self.orders += 2;
        self.halts += 1;
        let alert = self.random.below(3);
        self.at(from, Happening::Says(Order::Halt(format!("alert {alert} fires"))));
        self.at(to, Happening::ClearsHalt);
    }

    pub(super) fn says(&mut self, order: Order) {
        let to_the_wrong_one = self.deposed.is_some() && self.random.chance(300);
        if to_the_wrong_one {
            self.follow(|life, now| life.order(order, now));
        } else if self.leader.is_some() {
            let halts = matches!(order, Order::Halt(_));
            self.lead(|life, now| life.order(order, now));
            let newest = self.leader.as_ref().and_then(Life::state).and_then(|state| state.desk.halts.last());
            if let Some(halt) = newest.filter(|_| halts && self.scenario.sabotage == Some(Sabotage::HaltsTooSoon)) {
                self.rules.halt_holds(&halt.id);
            }
        } else {
            // Nobody listens just now: whoever means it says it again.
            self.at(self.now + 1_000, Happening::Says(order));
        }
    }

    /// What became of an order is known, or that nobody will say.
    pub(super) fn heard(&mut self, order: Order, outcome: &Heard) {
        match (&order, outcome) {
            // Nothing may be assumed, so it is said again.
            (_, Some(Err(problem))) if problem.exit_code() == ExitCode::Unreachable => {
                if matches!(order, Order::Command(_, DeploymentCommand::Retry)) {
                    self.rules.perhaps_retried();
                }
                if matches!(order, Order::Halt(_)) {
                    // Perhaps two halts stand in the end: then both are cleared.
                    self.orders += 1;
                    self.at(self.now + 60_000, Happening::ClearsHalt);
                }
                return self.at(self.now + 1_000, Happening::Says(order));
            }
            // A controller that was deposed may know no such halt.
            (Order::Resume { halt, .. }, Some(Err(_))) if self.stands(halt) => {
                return self.at(self.now + 1_000, Happening::Says(order));
            }
            (Order::Halt(_), Some(Ok(Outcome::Halted(halt)))) => {
                self.report.halts += 1;
                self.rules.halt_holds(&halt.id);
            }
            (Order::Command(number, DeploymentCommand::Retry), Some(Ok(_))) => {
                let state = self.leader.as_ref().and_then(Life::state);
                match state.and_then(|state| state.rollouts.get(number)) {
                    Some(rollout) => self.rules.retried(rollout, &self.places),
                    // A controller that nobody has followed yet took it in.
                    None => self.rules.perhaps_retried(),
                }
            }
            // Perhaps it was taken in and perhaps not.
            (Order::Command(_, DeploymentCommand::Retry), None) => self.rules.perhaps_retried(),
            _ => {}
        }
        self.halts -= usize::from(matches!(order, Order::Halt(_)));
        self.orders -= usize::from(!matches!(order, Order::Create(_) | Order::CaughtUp { .. } | Order::Ping(_)));
    }

    /// Once everything was said, an admin looks for what was left behind: a halt or a pause whose end was lost together
    /// with the controller that was told of it.
    pub(super) fn looks_around(&mut self) {
        self.at(self.now + 60_000, Happening::LooksAround);
        let Some(state) = self.leader.as_ref().and_then(Life::state).filter(|_| self.orders == 0) else { return };
        let paused = state.rollouts.values().filter(|rollout| rollout.header.paused.is_some());
        let paused: Vec<u64> = paused.map(|rollout| rollout.header.number).collect();
        if !state.desk.halts.is_empty() {
            self.orders += 1;
            self.clears_halt();
        }
        for number in paused {
            self.orders += 1;
            self.says(Order::Command(number, DeploymentCommand::Start));
        }
    }

    /// Whether that halt stands, as far as can be told.
    fn stands(&self, halt: &str) -> bool {
        let state = self.leader.as_ref().and_then(Life::state);
        state.is_none_or(|state| state.desk.halts.iter().any(|it| it.id == halt))
    }

    pub(super) fn clears_halt(&mut self) {
        let Some(state) = self.leader.as_ref().and_then(Life::state) else {
            return self.at(self.now + 1_000, Happening::ClearsHalt);
        };
        match state.desk.halts.first().map(|halt| halt.id.clone()) {
            // The halt that it is for has not been heard yet: the controller was dead.
            None if self.halts > 0 => self.at(self.now + 1_000, Happening::ClearsHalt),
            None => self.orders -= 1,
            Some(halt) => {
                self.rules.halt_ends(&halt);
                self.says(Order::Resume { halt, note: "it was nothing".to_owned() });
            }
        }
    }
}
