//! The controllers of a run: the production shell's own code, in virtual time, with a log that outlives it.
//!
//! With more than one master the log is shared, as ZooKeeper's is: whoever loaded it last may write, and a controller
//! that was deposed without learning of it finds out at its next write. Without, there is one master and its file.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dcos_core::Problem;
use tokio::sync::oneshot;

use super::sabotage::Sabotage;
use crate::event::{Action, Event, Now, Order, Outcome};
use crate::shell::Message;
use crate::shell::core::{Core, Outside};
use crate::shell::handle::Given;
use crate::state::State;
use crate::store::{self, StateStore, StoreError};

/// What becomes of a write that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is in the log all the same.
    Kept,
    /// It is not.
    Lost,
}

#[derive(Debug, Default)]
struct Written {
    records: Vec<Vec<u8>>,
    writes: usize,
    /// Who may write: whoever loaded it last.
    epoch: u64,
    fault: Option<Fault>,
}

/// The log of all controllers of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Log(Arc<Mutex<Written>>);

impl Log {
    fn written(&self) -> MutexGuard<'_, Written> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many records were written so far, by anybody.
    pub(super) fn writes(&self) -> usize {
        self.written().writes
    }

    /// The next write fails.
    pub(super) fn fail_next(&self, fault: Fault) {
        self.written().fault = Some(fault);
    }

    /// The state that the log says.
    pub(super) fn state(&self) -> State {
        let facts = store::decode(&self.written().records);
        // A log that can't be read shows as a controller that knows nothing, which breaks the rules.
        State::rebuild(facts.unwrap_or_default())
    }
}

/// A controller's access to the log.
struct Pen {
    log: Log,
    epoch: u64,
    sabotage: Option<Sabotage>,
}

impl Pen {
    fn write(&self, change: impl FnOnce(&mut Written)) -> Result<(), StoreError> {
        let mut written = self.log.written();
        if written.epoch != self.epoch {
            return Err(StoreError::Fenced("another master has loaded it".into()));
        }
        let fault = written.fault.take();
        if fault != Some(Fault::Lost) {
            written.writes += 1;
            change(&mut written);
        }
        match fault {
            Some(_) => Err(StoreError::Failed("the disk says no".into())),
            None => Ok(()),
        }
    }
}

impl StateStore for Pen {
    fn load(&mut self) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut written = self.log.written();
        written.epoch += 1;
        self.epoch = written.epoch;
        let Some(sabotage) = self.sabotage else { return Ok(written.records.clone()) };
        let mut facts = store::decode(&written.records).map_err(|error| StoreError::Failed(error.into()))?;
        facts.retain(|fact| !sabotage.forgets(fact));
        Ok(vec![store::encode(&facts)?])
    }

    fn append(&mut self, record: &[u8]) -> Result<(), StoreError> {
        self.write(|written| written.records.push(record.to_vec()))
    }

    fn replace(&mut self, records: &[Vec<u8>]) -> Result<(), StoreError> {
        self.write(|written| written.records = records.to_vec())
    }
}

/// What a controller is surrounded by: a clock that the run moves, and a basket for its actions.
#[derive(Debug)]
struct Around {
    now: Cell<Now>,
    actions: RefCell<Vec<Action>>,
}

struct Surroundings(Rc<Around>);

impl Outside for Surroundings {
    fn now(&self) -> Now {
        self.0.now.get()
    }

    fn another_leads(&self) -> bool {
        // It is told; see `Life::leads`.
        false
    }

    fn take(&self, action: Action) {
        self.0.actions.borrow_mut().push(action);
    }
}

/// What came of an order: nothing if the controller died before it said so.
pub(super) type Heard = Option<Result<Outcome, Problem>>;

/// A controller, from taking office to its end.
pub(super) struct Life {
    core: Core<Surroundings>,
    around: Rc<Around>,
    /// Tells its questions from those of others.
    pub(super) number: usize,
    /// The node that it lives in.
    pub(super) host: usize,
    waiting: Vec<(oneshot::Receiver<Result<Outcome, Problem>>, Order)>,
}

impl Life {
    /// A controller that is about to take office.
    pub(super) fn new((number, host): (usize, usize), log: &Log, sabotage: Option<Sabotage>, now: Now) -> Self {
        let around = Around { now: Cell::new(now), actions: RefCell::default() };
        let around = Rc::new(around);
        let core =
            Core::new(Box::new(Pen { log: log.clone(), epoch: 0, sabotage }), Surroundings(Rc::clone(&around)), true);
        Self { core, around, number, host, waiting: Vec::new() }
    }

    pub(super) fn take_office(&mut self) -> Vec<Action> {
        self.core.open();
        self.around.actions.take()
    }

    /// Has it hear an event; what it does because of it.
    pub(super) fn hear(&mut self, event: Event, now: Now) -> Vec<Action> {
        self.around.now.set(now);
        self.core.message(Message::Event(event));
        self.around.actions.take()
    }

    /// Gives it an order; what it does because of it.
    pub(super) fn order(&mut self, order: Order, now: Now) -> Vec<Action> {
        self.around.now.set(now);
        let (reply, outcome) = oneshot::channel();
        self.waiting.push((outcome, order.clone()));
        self.core.message(Message::Order(Given { order, by: Some("sim".to_owned()), reply }));
        self.around.actions.take()
    }

    /// The orders whose outcome is known by now.
    pub(super) fn outcomes(&mut self) -> Vec<(Order, Heard)> {
        let mut known = Vec::new();
        self.waiting.retain_mut(|(outcome, order)| match outcome.try_recv() {
            Ok(outcome) => {
                known.push((order.clone(), Some(outcome)));
                false
            }
            Err(oneshot::error::TryRecvError::Empty) => true,
            Err(oneshot::error::TryRecvError::Closed) => {
                known.push((order.clone(), None));
                false
            }
        });
        known
    }

    /// The orders that nobody will say the outcome of.
    pub(super) fn unanswered(self) -> Vec<Order> {
        self.waiting.into_iter().map(|(_, order)| order).collect()
    }

    /// Its master says whether it leads.
    pub(super) fn leads(&mut self, leads: bool, now: Now) -> Vec<Action> {
        self.around.now.set(now);
        self.core.message(Message::Leads(leads));
        self.around.actions.take()
    }

    /// What it believes, while it acts by it.
    pub(super) fn state(&self) -> Option<&State> {
        self.core.state()
    }
}
