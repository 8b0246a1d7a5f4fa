//! What the controller knows.
//!
//! The state has two parts. The durable part is rebuilt from [`Fact`]s: each is a small document that replaces the one
//! before it under the same name (a deployment's header, one node of it, the halts, the term). The log keeps documents
//! and not the events that led to them, since a deployment of dcos-bits itself replaces the controller half-way: a new
//! release that replayed old events with new rules could come to believe in restarts that never were. Replacing a
//! document is the same in every release, and maps onto a node of ZooKeeper.
//!
//! The volatile part (what was asked and not answered, deadlines, who is registered) starts empty with every term of
//! office. Deadlines start anew then: a node gets more time when the controller restarts, never less.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use dcos_api::types::deploy::{DeployEvent, Halt, Strategy};
use dcos_core::attempt::AttemptState;
use dcos_core::resolve::Change;
use dcos_core::{PackageId, PackageSet, Role};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::desk::Desk;
use crate::event::Token;
use crate::members::{Members, Shelf};

/// How many deployments are kept.
pub const DEPLOYMENTS: usize = 50;

/// Everything that the controller knows.
#[derive(Debug, Default)]
pub struct State {
    /// Deployments by number.
    pub(crate) rollouts: BTreeMap<u64, Rollout>,
    /// Everything else; boxed, since a state is handed on by value at every step.
    pub(crate) desk: Box<Desk>,
}

/// A document of the durable state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fact {
    /// The term of office.
    Term(u64),
    /// A deployment without its nodes.
    Deployment(Box<Header>),
    /// A node of a deployment.
    Node {
        /// The deployment.
        deployment: u64,
        /// The node's place in it.
        index: usize,
        /// The node.
        member: Box<Member>,
    },
    /// A deployment was forgotten, being old.
    Forgotten(u64),
    /// The number of the newest halt, and those that stand.
    Halts {
        /// The newest one's number.
        newest: u64,
        /// Those that stand, oldest first.
        halts: Vec<Halt>,
    },
    /// What a group should run.
    Desired {
        /// The group.
        group: String,
        /// The set.
        set: PackageSet,
    },
    /// Something happened.
    Event(DeployEvent),
    /// A document that another part of the cluster's control keeps here: an operation of provisioning, a join token. The
    /// controller stores it and looks at nothing of it.
    Document {
        /// What it is one of, such as `operation`.
        kind: String,
        /// Its name among those.
        id: String,
        /// What it says; `None` once it is forgotten.
        body: Option<serde_json::Value>,
    },
}

/// A deployment.
#[derive(Debug)]
pub(crate) struct Rollout {
    pub(crate) header: Header,
    pub(crate) members: Members,
    /// When the wave at hand came to hold and its soak began.
    pub(crate) soaking: Option<u64>,
    /// When the phase was entered, or the controller took office in it.
    pub(crate) phase_since: u64,
    /// When nothing but a silent master kept the wave at hand from starting.
    pub(crate) master_silent_since: Option<u64>,
    /// When every node that is waited for was last looked at; `None` to look at once. In between, only those that answer
    /// or are due are.
    pub(crate) swept: Option<u64>,
}

/// A deployment without its nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Its number; its id is `d<number>`.
    pub number: u64,
    /// The change.
    pub change: Change,
    /// How it goes over the nodes.
    pub strategy: Strategy,
    /// Whether it is about whole groups, so that it decides what they should run.
    pub whole_groups: bool,
    /// The places of the nodes of each wave.
    pub waves: Vec<Vec<usize>>,
    /// How many waves at the front are masters, one each.
    pub master_waves: usize,
    /// The wave at hand.
    pub wave: usize,
    /// Where it stands.
    pub phase: Phase,
    /// Whether its restarts were ordered, where they wait for an order.
    pub started: bool,
    /// Who paused it.
    pub paused: Option<Paused>,
    /// Why no further node starts, though nodes may still be under way.
    pub stop: Option<Stop>,
    /// Why it ended as it did.
    pub reason: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Who asked for it.
    pub created_by: Option<String>,
    /// When it came to its end.
    pub finished_at: Option<Timestamp>,
}

/// Somebody paused a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paused {
    /// The principal.
    pub by: Option<String>,
}

/// Where a deployment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Packages are fetched.
    Fetching,
    /// Everything is fetched; the restarts wait for an order.
    Staged,
    /// Nodes are asked whether the sets can work.
    Validating,
    /// Nodes restart.
    Restarting,
    /// Nodes do what is to be done once all of them have had their turn.
    Tidying,
    /// Nodes get their old sets back.
    RollingBack(Ending),
    /// It is over.
    Ended(Ending),
}

/// How a deployment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Every node has the new set, or is accounted for.
    Done,
    /// It stopped because of a failure.
    Failed,
    /// Somebody aborted it.
    Aborted,
    /// The old sets are back.
    RolledBack,
}

/// Why no further node starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Stop {
    /// Too many nodes failed, or one that must not.
    Failure(String),
    /// Somebody aborted it.
    Abort(String),
    /// Somebody wants the old sets back.
    RollBack(String),
}

/// A node in a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its name.
    pub node: String,
    /// The origin of its endpoints.
    pub url: String,
    /// Its role.
    pub role: Role,
    /// Its group.
    pub group: String,
    /// The set that it had.
    pub from: PackageSet,
    /// The set that it shall have.
    pub to: PackageSet,
    /// What it had to fetch when the deployment was planned.
    pub fetch: Vec<PackageId>,
    /// Where it stands.
    pub stage: Stage,
    /// Whether it is on its way back to the old set.
    pub back: bool,
    /// Whether it was ever told to go: its set may be another one than before.
    pub touched: bool,
    /// How many attempts it has had.
    pub tries: u32,
    /// How often it was asked for a ticket in vain since it last got anywhere.
    pub vain: u32,
    /// The id of the newest one.
    pub attempt: Option<String>,
    /// Whether its set may be tried although it failed there before.
    pub retry: bool,
    /// Whether it was dead, and shall be caught up when it comes back.
    pub late: bool,
    /// Why it stands where it stands.
    pub detail: String,
    /// The last lines of its log, where it failed.
    pub log: Vec<String>,
    /// What it said of its new set that does not forbid it, such as that there will be no way back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// When its stage was entered.
    pub updated_at: Timestamp,
    /// What is under way with it.
    #[serde(skip)]
    pub(crate) work: Work,
}

/// Where a node stands. Each stage before the last ones is a point to resume from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Nothing was done yet.
    Waiting,
    /// It fetches.
    Fetching,
    /// Everything is local.
    Fetched,
    /// It says that the set can work. Its turn to restart may come.
    Ready,
    /// It is about to be asked for a ticket.
    Beginning,
    /// Its ticket is about to be spent, or was and the answer is out.
    Going,
    /// It was told to go; its attempt was last seen in this state.
    Watching(AttemptState),
    /// Its attempt is confirmed; its set is read again.
    Checking,
    /// It runs what it should.
    Settled,
    /// It does, and has chores to do.
    Tidying,
    /// It could not tell in time whether it is well on the new set.
    Doubtful,
    /// It said no before anything was stopped.
    Refused,
    /// It did not do what it should, or was not heard of in time; how it is now is not known.
    Failed,
    /// It did not come up on the wanted set and put the one before back.
    FellBack,
    /// It came up on neither set.
    Lost,
    /// It is left as it is.
    Skipped,
}

/// What is under way with a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// The question that is out.
    pub(crate) token: Option<Token>,
    /// The job that fetches.
    pub(crate) job: Option<String>,
    /// When to ask again.
    pub(crate) due: u64,
    /// When the stage's deadline began to run.
    pub(crate) since: Option<u64>,
    /// Why the last question got no answer.
    pub(crate) trouble: Option<String>,
    /// How often packages were asked for in vain.
    pub(crate) fetches: u32,
    /// Which of the chores is its next.
    pub(crate) chore: usize,
    /// Whether the attempt under way is the first that may change the node.
    pub(crate) first_touch: bool,
}

/// Who is there.
#[derive(Debug)]
pub(crate) struct Inventory {
    /// When it was read.
    pub(crate) at: u64,
    /// Each known node by name.
    pub(crate) nodes: HashMap<String, Presence>,
    /// The names of the masters among them.
    pub(crate) masters: BTreeSet<String>,
    /// The first of those that does not answer.
    pub(crate) silent_master: Option<String>,
}

/// Whether a node is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Presence {
    /// Whether it was there at any time in this term of office.
    pub(crate) was_there: bool,
    /// Since when it is not; `None` while it is.
    pub(crate) missing_since: Option<u64>,
}

impl State {
    /// The state that these facts say, to be given [`crate::event::Event::TookOffice`] next.
    pub fn rebuild(facts: impl IntoIterator<Item = Fact>) -> Self {
        let mut state = Self::default();
        for fact in facts {
            state.apply(fact);
        }
        state
    }

    /// The durable state as few facts: what a log can be replaced by.
    pub fn snapshot(&self) -> Vec<Fact> {
        let mut facts = vec![Fact::Term(self.desk.term), self.desk.halts_fact()];
        for rollout in self.rollouts.values() {
            facts.push(Fact::Deployment(Box::new(rollout.header.clone())));
            facts.extend((0..rollout.members.len()).map(|index| rollout.member_fact(index)));
        }
        let desired = self.desk.desired.iter();
        facts.extend(desired.map(|(group, set)| Fact::Desired { group: group.clone(), set: set.clone() }));
        facts.extend(self.desk.events.iter().cloned().map(Fact::Event));
        let documents = self.desk.documents.iter();
        facts.extend(documents.map(|((kind, id), body)| Fact::Document {
            kind: kind.clone(),
            id: id.clone(),
            body: Some(body.clone()),
        }));
        facts
    }

    fn apply(&mut self, fact: Fact) {
        match fact {
            Fact::Term(term) => self.desk.term = term,
            Fact::Deployment(header) => match self.rollouts.get_mut(&header.number) {
                Some(rollout) => rollout.header = *header,
                None => {
                    self.rollouts.insert(header.number, Rollout::new(*header, Vec::new(), 0));
                }
            },
            Fact::Node { deployment, index, member } => {
                if let Some(rollout) = self.rollouts.get_mut(&deployment) {
                    // Nodes are written in order together with their deployment: an unknown one is the next.
                    if index < rollout.members.len() {
                        *rollout.members.edit(index) = *member;
                    } else {
                        rollout.members.push(*member);
                    }
                }
            }
            Fact::Forgotten(number) => drop(self.rollouts.remove(&number)),
            Fact::Halts { newest, halts } => {
                self.desk.newest_halt = newest;
                self.desk.halts = halts;
            }
            Fact::Desired { group, set } => drop(self.desk.desired.insert(group, set)),
            Fact::Event(event) => self.desk.keep_event(event),
            Fact::Document { kind, id, body: Some(body) } => drop(self.desk.documents.insert((kind, id), body)),
            Fact::Document { kind, id, body: None } => drop(self.desk.documents.remove(&(kind, id))),
        }
    }
}

impl Rollout {
    pub(crate) fn new(header: Header, members: Vec<Member>, now: u64) -> Self {
        let members = Members::new(members);
        Self { header, members, soaking: None, phase_since: now, master_silent_since: None, swept: None }
    }

    pub(crate) fn id(&self) -> String {
        format!("d{}", self.header.number)
    }

    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.header.phase, Phase::Ended(_))
    }

    fn member_fact(&self, index: usize) -> Fact {
        // What is under way with it is nobody's but this controller's.
        let member = Box::new(Member { work: Work::default(), ..self.members[index].clone() });
        Fact::Node { deployment: self.header.number, index, member }
    }

    /// How many nodes of this deployment are under way between `begin` and their end.
    pub(crate) fn in_flight(&self) -> usize {
        self.members.on(Shelf::UnderWay).len()
    }

    /// The places of the nodes of a wave, from its first to its last. Nodes are planned in the order of their turns, so
    /// no other wave's are in between.
    pub(crate) fn range(&self, wave: usize) -> Option<std::ops::RangeInclusive<usize>> {
        let wave = self.header.waves.get(wave)?;
        Some(*wave.first()?..=*wave.last()?)
    }
}

impl Stage {
    /// Whether the node is between `begin` and the end of its attempt.
    pub(crate) const fn is_in_flight(self) -> bool {
        matches!(self, Self::Beginning | Self::Going | Self::Watching(_) | Self::Checking)
    }

    /// Whether the node's turn has come and gone, one way or the other.
    pub(crate) const fn is_over(self) -> bool {
        match self {
            Self::Settled
            | Self::Tidying
            | Self::Doubtful
            | Self::Refused
            | Self::Failed
            | Self::FellBack
            | Self::Lost
            | Self::Skipped => true,
            Self::Waiting
            | Self::Fetching
            | Self::Fetched
            | Self::Ready
            | Self::Beginning
            | Self::Going
            | Self::Watching(_)
            | Self::Checking => false,
        }
    }

    /// Whether the node used up some of the deployment's tolerance.
    pub(crate) const fn is_failure(self) -> bool {
        matches!(self, Self::Doubtful | Self::Refused | Self::Failed | Self::FellBack | Self::Lost)
    }

    /// Whether the node can't be counted on: nobody knows that it is well.
    pub(crate) const fn is_away(self) -> bool {
        matches!(self, Self::Failed | Self::Lost)
    }
}

impl Member {
    /// The set that it is on its way to.
    pub(crate) const fn goal(&self) -> &PackageSet {
        if self.back { &self.from } else { &self.to }
    }
}
