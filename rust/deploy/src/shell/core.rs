//! What the controller's thread does: it owns the state and the log, writes before it acts, and gives up its office when
//! it must.
//!
//! The clock and everything that acts on the world come through [`Outside`], so that the simulator runs this very code
//! in virtual time.

use std::collections::BTreeMap;

use dcos_core::Problem;
use tokio::sync::{mpsc, oneshot};

use super::handle::Given;
use super::{Message, unavailable};
use crate::backup::{self, Restoring};
use crate::controller;
use crate::event::{Action, Event, Now, Outcome, ReplyTo};
use crate::state::{Fact, State};
use crate::store::{self, StateStore, StoreError};

/// After how many records the log is replaced by what still counts, at least. A log whose snapshot alone is long grows
/// to several times that: to write ten thousand nodes anew after every two thousand changes would cost more than these.
const RECORDS: usize = 2_000;

/// How many records of changes are worth as many facts of a snapshot.
const RECORDS_PER_FACT: usize = 3;

/// How many facts one record has at most when the log is replaced.
const FACTS: usize = 500;

/// How long to wait before the log is tried again, in milliseconds.
const PAUSE: u64 = 1_000;

type Waiting = BTreeMap<ReplyTo, oneshot::Sender<Result<Outcome, Problem>>>;

/// What is around the controller.
pub(crate) trait Outside {
    /// The time.
    fn now(&self) -> Now;

    /// Whether another master is known to lead.
    fn another_leads(&self) -> bool;

    /// Takes an action: asks a node, or has nodes caught up. It must not wait for what comes of it.
    fn take(&self, action: Action);
}

pub(crate) struct Core<O> {
    store: Box<dyn StateStore>,
    outside: O,
    /// The controller's state, or why there is none and since when.
    state: Result<State, (Problem, u64)>,
    /// Whether this master leads.
    leads: bool,
    /// Whether it took office since it last began to lead.
    in_office: bool,
    /// How many records were added since the log was replaced, and at how many that is done again.
    records: usize,
    most_records: usize,
    newest_reply: ReplyTo,
    waiting: Waiting,
}

impl<O: Outside> Core<O> {
    pub(crate) fn new(store: Box<dyn StateStore>, outside: O, leads: bool) -> Self {
        let problem = unavailable("deploy-log", "the log of deployments is not open yet".to_owned());
        Self {
            store,
            outside,
            state: Err((problem, 0)),
            leads,
            in_office: false,
            records: 0,
            most_records: RECORDS,
            newest_reply: 0,
            waiting: Waiting::new(),
        }
    }

    /// Works until every handle is gone.
    pub(super) fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        self.open();
        while let Some(message) = messages.blocking_recv() {
            self.message(message);
        }
    }

    /// Takes in a message.
    pub(crate) fn message(&mut self, message: Message) {
        match message {
            Message::Event(event) => self.event(event),
            Message::Order(given) => self.order(given),
            Message::Restore(restoring) => self.restore(restoring),
            Message::Leads(true) => self.lead(),
            Message::Leads(false) => self.step_down(),
            Message::Read(reader) => {
                let now = self.now();
                match &self.state {
                    Ok(state) => reader(Ok((state, now))),
                    Err((problem, _)) => reader(Err(problem.clone())),
                }
            }
        }
    }

    /// The state, while this controller acts by it.
    pub(crate) fn state(&self) -> Option<&State> {
        self.state.as_ref().ok().filter(|_| self.in_office)
    }

    fn now(&self) -> Now {
        self.outside.now()
    }

    /// Rebuilds the state from the log, if this master leads: to open a log is to take it from whoever had it.
    pub(crate) fn open(&mut self) {
        self.in_office = false;
        if !self.leads {
            let text = "this master does not lead: another one decides".to_owned();
            return self.close(unavailable("not-leading", text));
        }
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
        let hint = "the log is `state/deploy/log` below the node's root, or in the ZooKeeper of the masters";
        self.close(unavailable("deploy-log", text).hint(hint));
    }

    /// Acts no more, for this reason.
    fn close(&mut self, problem: Problem) {
        self.in_office = false;
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
            (Event::Tick, Ok(_)) if self.outside.another_leads() => self.step_down(),
            _ => {}
        }
        if self.in_office {
            self.step(event);
        }
    }

    /// Takes the log over, unless it is ours already.
    fn lead(&mut self) {
        if !self.leads {
            self.leads = true;
            self.open();
        }
    }

    /// Stops acting as soon as another master leads: what is under way is that one's to follow.
    fn step_down(&mut self) {
        if self.leads {
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
            return self.unwritten(&error);
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
                action @ (Action::Ask { .. } | Action::CatchUp { .. } | Action::ReadRegistry) => {
                    self.outside.take(action);
                }
            }
        }
        if self.records > self.most_records {
            self.compact();
        }
    }

    /// Puts a backup in the log's place, and takes office anew with what it says.
    fn restore(&mut self, Restoring { facts, by, reply }: Restoring) {
        let restored = match &self.state {
            Err((problem, _)) => Err(problem.clone()),
            Ok(state) => backup::restored(state, facts, by.as_deref()),
        };
        let written = restored.and_then(|(state, told)| {
            let records: Result<Vec<Vec<u8>>, _> = state.snapshot().chunks(FACTS).map(store::encode).collect();
            let written = records.and_then(|records| self.store.replace(&records));
            written.map(|()| told).map_err(|error| {
                unavailable("deploy-log", format!("can't write the log of deployments: {}", Problem::chain(&error)))
            })
        });
        if written.is_ok() {
            tracing::warn!(by, "a backup was put in the place of everything that this controller knew");
            self.open();
        }
        // Whoever asked may have hung up; it is done all the same.
        reply.send(written).ok();
    }

    /// Gives up after a write that failed. A log that another controller has taken over is not taken back at once: this
    /// master must first say again that it leads.
    fn unwritten(&mut self, error: &StoreError) {
        self.leads &= !matches!(error, StoreError::Fenced(_));
        self.fail(format!("can't write the log of deployments: {}", Problem::chain(error)));
    }

    /// Replaces the log by what still counts. If that fails, the long one still says everything.
    fn compact(&mut self) {
        let Ok(state) = &self.state else { return };
        let snapshot = state.snapshot();
        let records: Result<Vec<Vec<u8>>, _> = snapshot.chunks(FACTS).map(store::encode).collect();
        self.records = 0;
        self.most_records = RECORDS.max(RECORDS_PER_FACT * snapshot.len());
        match records.and_then(|records| self.store.replace(&records)) {
            Ok(()) => {}
            Err(error @ StoreError::Fenced(_)) => self.unwritten(&error),
            Err(error @ StoreError::Failed(_)) => {
                tracing::warn!(error = Problem::chain(&error), "can't shorten the log of deployments");
            }
        }
    }
}
