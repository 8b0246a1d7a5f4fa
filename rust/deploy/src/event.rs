//! What the controller is told, and what it wants done.

use std::fmt;

use dcos_api::types::deploy::{DeploymentCommand, Halt};
use dcos_api::types::pins::{PinRequest, Pinned};
use dcos_core::attempt::{AttemptReport, Ping};
use dcos_core::{PackageId, PackageSet, Problem};
use jiff::Timestamp;

use crate::plan::Draft;
use crate::registry::Demands;
use crate::state::Fact;

/// The time, twice. Deadlines use the clock that never jumps; records and windows use the one on the wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The wall clock.
    pub wall: Timestamp,
    /// Milliseconds since some instant before this controller took office.
    pub mono: u64,
}

/// Names a question so that its answer is known again, within one term of office.
pub type Token = u64;

/// Names somebody who waits for the outcome of an order.
pub type ReplyTo = u64;

/// What the controller is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// This controller is the one that acts from now on. The first event after the state was rebuilt.
    TookOffice,
    /// Time has passed.
    Tick,
    /// What the leading master and the masters themselves said just now.
    Inventory(Vec<Seen>),
    /// What the masters' registry demands, or why it can't be read: the answer to [`Action::ReadRegistry`].
    Registry(Demands),
    /// A node answered a question, or did not.
    Answered {
        /// The deployment.
        deployment: u64,
        /// The node's place in it.
        index: usize,
        /// The question.
        token: Token,
        /// The answer.
        answer: Answer,
    },
    /// Somebody gave an order.
    Order {
        /// Who waits for the outcome.
        reply: ReplyTo,
        /// The principal that gave it.
        by: Option<String>,
        /// The order.
        order: Order,
    },
}

/// What people, monitors and nodes may say.
#[derive(Clone, Debug)]
pub enum Order {
    /// Start a deployment that was found possible.
    Create(Box<Draft>),
    /// Tell a deployment something.
    Command(u64, DeploymentCommand),
    /// Start nothing more, for this reason.
    Halt(String),
    /// Clear a halt.
    Resume {
        /// Its id.
        halt: String,
        /// Why it may be cleared.
        note: String,
    },
    /// The monitor is alive and content.
    Pulse,
    /// A node has news of an attempt.
    Ping(Ping),
    /// Leave a node or a group as it is.
    Pin(PinRequest),
    /// Leave it so no more.
    Unpin(Pinned),
    /// What came of [`Action::CatchUp`].
    CaughtUp {
        /// The finished deployment.
        deployment: u64,
        /// Its nodes that came back.
        nodes: Vec<String>,
        /// Whether to try again later: nothing was created, and what was in the way may pass.
        again: bool,
    },
    /// Put a document of another part in the place of the one before it.
    Keep(Keep),
}

/// A change of one of the documents that other parts keep in the log ([`Fact::Document`]). It is refused unless the
/// document is still as its writer last saw it, so that two writers never lose each other's changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// What it is one of.
    pub kind: &'static str,
    /// Its name among those.
    pub id: String,
    /// What it said; `None` if there was none.
    pub before: Option<serde_json::Value>,
    /// What it shall say; `None` to forget it.
    pub after: Option<serde_json::Value>,
}

/// A node as the inventory has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its name, `host:port`.
    pub node: String,
    /// Whether it is there: for an agent, whether the leading master lists it as active; for a master, whether it answers.
    pub alive: bool,
    /// Whether it is a master.
    pub master: bool,
}

/// What a node was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Get these packages.
    Fetch(Vec<PackageId>),
    /// Remove these packages, those aside that something there needs.
    Remove(Vec<PackageId>),
    /// Compare these packages with what was added.
    Verify(Vec<PackageId>),
    /// Collect garbage.
    Gc,
    /// How far is that job?
    Job(String),
    /// Could this set work?
    Validate(PackageSet),
    /// Stage a set and hand out a ticket.
    Begin {
        /// The attempt's id.
        attempt: String,
        /// The set.
        set: PackageSet,
        /// The term of office.
        term: u64,
        /// Whether a set that failed there before may be tried again.
        retry_failed: bool,
        /// Whether tasks may die of it.
        allow_task_loss: bool,
    },
    /// Spend a ticket.
    Go(String),
    /// Where does this attempt stand?
    Status(String),
    /// Which set is active?
    Set,
    /// Withdraw an attempt that was not told to go. Nobody waits for the answer.
    Cancel(String),
}

/// Where a fetch stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetching {
    /// Under way, in this job.
    Running(String),
    /// Everything is local.
    Done,
    /// It ended without everything being local, for this reason.
    Failed(String),
}

/// What a node answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Request::Fetch`], [`Request::Remove`], [`Request::Verify`], [`Request::Gc`] and [`Request::Job`].
    Fetch(Result<Fetching, Trouble>),
    /// To [`Request::Validate`]: what does not forbid the set but should be known.
    Validated(Result<Vec<String>, Trouble>),
    /// To [`Request::Begin`].
    Begun(Result<Ticket, Trouble>),
    /// To [`Request::Go`].
    Went(Result<(), Trouble>),
    /// To [`Request::Status`]: the attempt of that id, if the node knows it.
    Status(Result<Option<Box<AttemptReport>>, Trouble>),
    /// To [`Request::Set`].
    Set(Result<PackageSet, Trouble>),
}

/// What `begin` hands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// What `go` needs.
    pub ticket: String,
    /// How long it is good, in milliseconds.
    pub expires_in_ms: u64,
}

/// Why a question got no good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No answer at all, or none from the node itself. What was asked may have happened all the same.
    Unreachable(String),
    /// The node said no.
    Refused(Problem),
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => formatter.write_str(why),
            Self::Refused(problem) if problem.problems.is_empty() => formatter.write_str(&problem.detail),
            Self::Refused(problem) => {
                let all: Vec<&str> = problem.problems.iter().map(|finding| finding.message.as_str()).collect();
                write!(formatter, "{}", all.join("; "))
            }
        }
    }
}

/// What the controller wants done, after the facts of the same step are on stable storage.
#[derive(Clone, Debug)]
pub enum Action {
    /// Ask a node something. Exactly one answer comes back, also when the node is silent ([`Request::Cancel`] aside).
    Ask {
        /// The deployment.
        deployment: u64,
        /// The node's place in it.
        index: usize,
        /// Comes back with the answer.
        token: Token,
        /// The node's name.
        node: String,
        /// The origin of its endpoints.
        url: String,
        /// The question.
        request: Request,
    },
    /// Read what the masters' registry demands. [`Event::Registry`] comes of it, also when it can't be read.
    ReadRegistry,
    /// Tell whoever gave an order what came of it.
    Reply(ReplyTo, Result<Outcome, Problem>),
    /// Deploy the change of a finished deployment to nodes that were dead then and are back.
    CatchUp {
        /// The finished deployment.
        deployment: u64,
        /// The nodes, by name.
        nodes: Vec<String>,
    },
}

/// What came of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is about this deployment.
    Deployment(u64),
    /// This halt stands, and every `go` that was under way is answered or dead.
    Halted(Halt),
    /// There is nothing more to say.
    Done,
}

/// What one event came to.
#[derive(Debug, Default)]
pub struct Step {
    /// What must be on stable storage before any action is taken, in order.
    pub facts: Vec<Fact>,
    /// What is to be done then, in order.
    pub actions: Vec<Action>,
}
