//! The thread that owns the controller's state and its log.

use std::collections::BTreeMap;
use std::time::Instant;

use dcos_core::Problem;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::handle::{DeployHandle, Given};
use super::{Message, Tasks, unavailable};
use crate::controller;
use crate::event::{Action, Event, Now, Outcome, ReplyTo};
use crate::inventory::NoInventory;
use crate::state::{Fact, State};
use crate::store::{self, StateStore};

/// After how many records the log is replaced by what still counts.
const RECORDS: usize = 2_000;

/// How many facts one record has at most when the log is replaced.
const FACTS: usize = 500;

/// How long to wait before the log is tried again, in milliseconds.
const PAUSE: u64 = 5_000;

type Waiting = BTreeMap<ReplyTo, oneshot::Sender<Result<Outcome, Problem>>>;

pub(super) struct Core {
    store: Box<dyn StateStore>,
    tasks: Tasks,
    start: Instant,
    /// The controller's state, or why there is none and since when.
    state: Result<State, (Problem, u64)>,
    /// Whether this master leads.
    leads: bool,
    /// Whether it took office since it last began to lead.
    in_office: bool,
    records: usize,
    newest_reply: ReplyTo,
    waiting: Waiting,
}

impl Core {
    pub(super) fn new(store: Box<dyn StateStore>, tasks: Tasks, leads: bool) -> Self {
        let problem = unavailable("deploy-log", "the log of deployments is not open yet".to_owned());
        Self {
            store,
            tasks,
            start: Instant::now(),
            state: Err((problem, 0)),
            leads,
            in_office: false,
            records: 0,
            newest_reply: 0,
            waiting: Waiting::new(),
        }
    }

    /// Works until every handle is gone.
    pub(super) fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        self.open();
        while let Some(message) = messages.blocking_recv() {
            match message {
                Message::Event(event) => self.event(event),
                Message::Order(given) => self.order(given),
                Message::Read(reader) => {
                    let now = self.now();
                    match &self.state {
                        Ok(state) => reader(Ok((state, now))),
                        Err((problem, _)) => reader(Err(problem.clone())),
                    }
                }
            }
        }
    }

    fn now(&self) -> Now {
        let mono = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { wall: Timestamp::now(), mono }
    }

    /// Rebuilds the state from the log.
    fn open(&mut self) {
        self.in_office = false;
        let read = self.store.load().map_err(|error| Problem::chain(&error));
        let facts = read.and_then(|records| {
            self.records = records.len();
            store::decode(&records).map_err(|error| Problem::chain(&error))
        });
        match facts {
            Ok(facts) => {
                self.state = Ok(State::rebuild(facts));
                self.take_office();
            }
            Err(why) => self.fail(format!("can't read the log of deployments: {why}")),
        }
    }

    fn fail(&mut self, text: String) {
        tracing::error!("{text}");
        let problem = unavailable("deploy-log", text).hint("the log is `state/deploy/log` below the node's root");
        // Whoever waits must not think that their order counts.
        for (_, reply) in std::mem::take(&mut self.waiting) {
            reply.send(Err(problem.clone())).ok();
        }
        self.state = Err((problem, self.now().mono));
    }

    fn take_office(&mut self) {
        if self.leads && !self.in_office && self.state.is_ok() {
            self.in_office = true;
            self.step(Event::TookOffice);
        }
    }

    fn event(&mut self, event: Event) {
        match (&event, &self.state) {
            (Event::Tick, Err((_, since))) if self.now().mono.saturating_sub(*since) >= PAUSE => return self.open(),
            (Event::Tick, Ok(_)) => self.watch_lead(),
            (Event::Inventory(_), _) => {
                self.leads = true;
                self.take_office();
            }
            _ => {}
        }
        if self.in_office {
            self.step(event);
        }
    }

    /// Stops acting as soon as another master leads: what is under way is that one's to follow.
    fn watch_lead(&mut self) {
        if self.in_office && matches!(self.tasks.shared.listed(), Err(NoInventory::NotLeading)) {
            tracing::info!("another master leads: this one follows no deployment any more");
            self.leads = false;
            self.open();
        }
    }

    fn order(&mut self, given: Given) {
        let refusal = match &self.state {
            Err((problem, _)) => Some(problem.clone()),
            Ok(_) if !self.in_office => {
                Some(unavailable("not-leading", "this master does not lead: another one decides".to_owned()))
            }
            Ok(_) => None,
        };
        if let Some(problem) = refusal {
            given.reply.send(Err(problem)).ok();
            return;
        }
        self.newest_reply += 1;
        self.waiting.insert(self.newest_reply, given.reply);
        self.step(Event::Order { reply: self.newest_reply, by: given.by, order: given.order });
    }

    /// Takes in one event: decide, write, act.
    fn step(&mut self, event: Event) {
        let now = self.now();
        let Ok(state) = &mut self.state else { return };
        let (next, step) = controller::next(std::mem::take(state), event, now);
        *state = next;
        if !step.facts.is_empty()
            && let Err(error) = store::encode(&step.facts).and_then(|record| self.store.append(&record))
        {
            return self.fail(format!("can't write the log of deployments: {}", Problem::chain(&error)));
        }
        self.records += usize::from(!step.facts.is_empty());
        for fact in &step.facts {
            if let Fact::Event(event) = fact {
                let (deployment, node) = (event.deployment.as_deref(), event.node.as_deref());
                tracing::info!(kind = event.kind, deployment, node, "{}", event.text);
            }
        }
        for action in step.actions {
            match action {
                Action::Reply(to, outcome) => {
                    if let Some(reply) = self.waiting.remove(&to) {
                        // Whoever asked may have hung up; the order counts all the same.
                        reply.send(outcome).ok();
                    }
                }
                action @ (Action::Ask { .. } | Action::CatchUp { .. }) => {
                    let tasks = &self.tasks;
                    tasks.take(action, || {
                        let sender = tasks.sender.upgrade()?;
                        Some(DeployHandle::new(sender, std::sync::Arc::clone(&tasks.shared)))
                    });
                }
            }
        }
        if self.records > RECORDS {
            self.compact();
        }
    }

    /// Replaces the log by what still counts. If that fails, the long one still says everything.
    fn compact(&mut self) {
        let Ok(state) = &self.state else { return };
        let snapshot = state.snapshot();
        let records: Result<Vec<Vec<u8>>, _> = snapshot.chunks(FACTS).map(store::encode).collect();
        let kept = records.as_ref().map_or(0, Vec::len);
        match records.and_then(|records| self.store.replace(&records)) {
            // Counted from here, so that a snapshot with many records is not replaced at every step.
            Ok(()) => self.records = kept.min(RECORDS / 2),
            Err(error) => {
                tracing::warn!(error = Problem::chain(&error), "can't shorten the log of deployments");
                self.records = RECORDS / 2;
            }
        }
    }
}
