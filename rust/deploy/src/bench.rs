//! For tests: a controller whose questions the test answers, with a clock that the test moves.

use std::collections::BTreeMap;
use std::sync::Arc;

use dcos_api::types::deploy::{
    CreateDeployment, Deployment, DeploymentCommand, DeploymentNode, DeploymentSummary, Strategy, Targets,
};
use dcos_core::attempt::{AttemptReport, AttemptState};
use dcos_core::resolve::{Change, Keep};
use dcos_core::validate::Finding;
use dcos_core::{ExitCode, PackageSet, Problem, Role};
use jiff::{SignedDuration, Timestamp};

use crate::controller::next;
use crate::event::{Action, Answer, Event, Fetching, Now, Order, Outcome, ReplyTo, Request, Seen, Ticket, Trouble};
use crate::plan::{Draft, Look, Observed, plan};
use crate::registry::Demands;
use crate::state::{Fact, State};
use crate::{orders, store, view};

/// A question that is out.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) deployment: u64,
    pub(crate) index: usize,
    pub(crate) token: u64,
    pub(crate) request: Request,
}

/// A controller on a bench.
pub(crate) struct Bench {
    pub(crate) state: State,
    pub(crate) now: u64,
    log: Vec<Vec<u8>>,
    /// Questions that were not answered yet.
    pub(crate) asked: Vec<Asked>,
    /// What became of orders.
    pub(crate) replies: BTreeMap<ReplyTo, Result<Outcome, Problem>>,
    pub(crate) catch_ups: Vec<(u64, Vec<String>)>,
    /// How often the registry was asked for.
    pub(crate) registry_reads: usize,
    /// What it says, at once.
    pub(crate) demands: Option<Demands>,
    pub(crate) nodes: Vec<Seen>,
    newest: ReplyTo,
}

pub(crate) fn set(mesos: &str, role: Role) -> PackageSet {
    [format!("mesos--{mesos}"), format!("mesos-config--{role}")].iter().map(|id| id.parse().unwrap()).collect()
}

pub(crate) fn refused(name: &str) -> Trouble {
    Trouble::Refused(Problem::new(ExitCode::Refused, name, format!("no: {name}")))
}

pub(crate) fn silent() -> Trouble {
    Trouble::Unreachable("connection refused".to_owned())
}

pub(crate) fn strategy(json: &str) -> Strategy {
    serde_json::from_str(json).unwrap()
}

impl Bench {
    /// A controller that knows that many nodes, and nothing else.
    pub(crate) fn new(masters: usize, agents: usize) -> Self {
        let masters = (0..masters).map(|place| (format!("m{place}:5050"), true));
        let nodes = masters.chain((0..agents).map(|place| (format!("a{place}:5051"), false)));
        let nodes = nodes.map(|(node, master)| Seen { node, alive: true, master }).collect();
        let (state, asked) = (State::default(), Vec::new());
        let (replies, catch_ups) = (BTreeMap::new(), Vec::new());
        let mut bench = Self {
            state,
            now: 0,
            log: Vec::new(),
            asked,
            replies,
            catch_ups,
            registry_reads: 0,
            demands: Some(Ok(Vec::new())),
            nodes,
            newest: 0,
        };
        bench.tell(Event::TookOffice);
        bench.list();
        bench
    }

    /// A controller with a deployment of Mesos 1.11.0 to all of these nodes.
    pub(crate) fn deploying(masters: usize, agents: usize, json: &str) -> Self {
        let mut bench = Self::new(masters, agents);
        bench.create(json, Targets::default()).unwrap();
        bench
    }

    /// The same, fetched and validated.
    pub(crate) fn restarting(masters: usize, agents: usize, json: &str) -> Self {
        let mut bench = Self::deploying(masters, agents, json);
        bench.prepare();
        bench
    }

    /// What comes of a plan for the same.
    pub(crate) fn plan(&self, json: &str, targets: Targets) -> Result<Draft, Vec<Finding>> {
        let groups = [Role::Master, Role::Agent].map(|role| (format!("{role}s"), set("1.11.0", role)));
        self.planned(Change::Set(groups.into_iter().collect()), json, targets)
    }

    pub(crate) fn planned(&self, change: Change, json: &str, targets: Targets) -> Result<Draft, Vec<Finding>> {
        let request = CreateDeployment { change, targets, strategy: strategy(json), dry_run: false };
        let observed = |seen: &Seen| {
            let role = if seen.master { Role::Master } else { Role::Agent };
            let old = set("1.10.0", role);
            let local = old.iter().cloned().chain(["mesos--1.11.0".parse().unwrap()]).collect();
            let (available, group) = (Ok(Arc::default()), format!("{role}s"));
            let pinned = self.state.desk.pinned(&seen.node, &group);
            let look = Ok(Look { group, active: Some(old), local, available, busy: None });
            let (node, url, attributes) = (seen.node.clone(), format!("http://{}", seen.node), BTreeMap::new());
            Observed { node, url, role, attributes, alive: seen.alive, host: seen.node == "m0:5050", pinned, look }
        };
        let cluster: Vec<Observed> = self.nodes.iter().map(observed).collect();
        let ended = orders::ended(&self.state);
        plan(&request, &cluster).map(|draft| Draft { ended, ..draft })
    }

    pub(crate) fn create(&mut self, json: &str, targets: Targets) -> Result<Outcome, Problem> {
        let mut draft = self.plan(json, targets).unwrap();
        // Nodes would have to fetch it: in `plan` it counts as local only so that no repository is needed here.
        for node in draft.nodes.iter_mut().filter(|node| node.left.is_none()) {
            node.fetch = vec!["mesos--1.11.0".parse().unwrap()];
        }
        self.order(Order::Create(Box::new(draft))).unwrap()
    }

    /// Asks for chores without another set.
    pub(crate) fn keep(&mut self, json: &str) -> Result<Result<Outcome, Problem>, Vec<Finding>> {
        let draft = self.planned(Change::Keep(Keep {}), json, Targets::default())?;
        Ok(self.order(Order::Create(Box::new(draft))).unwrap())
    }

    pub(crate) fn clock(&self) -> Now {
        let start: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        Now { wall: start + SignedDuration::from_millis(self.now as i64), mono: self.now }
    }

    pub(crate) fn tell(&mut self, event: Event) {
        let (state, step) = next(std::mem::take(&mut self.state), event, self.clock());
        self.state = state;
        if !step.facts.is_empty() {
            self.log.push(store::encode(&step.facts).unwrap());
        }
        let mut reads = 0;
        for action in step.actions {
            match action {
                Action::Ask { deployment, index, token, request, .. } => {
                    self.asked.push(Asked { deployment, index, token, request });
                }
                Action::Reply(to, outcome) => drop(self.replies.insert(to, outcome)),
                Action::CatchUp { deployment, nodes } => self.catch_ups.push((deployment, nodes)),
                Action::ReadRegistry => reads += 1,
            }
        }
        self.registry_reads += reads;
        if reads > 0
            && let Some(demands) = self.demands.clone()
        {
            self.tell(Event::Registry(demands));
        }
    }

    /// Lists the nodes to the controller.
    pub(crate) fn list(&mut self) {
        self.tell(Event::Inventory(self.nodes.clone()));
    }

    /// Has a node appear or vanish in the list.
    pub(crate) fn alive(&mut self, name: &str, alive: bool) {
        self.nodes.iter_mut().find(|node| node.node == name).unwrap().alive = alive;
        self.list();
    }

    /// Lets time pass, with a list every ten seconds.
    pub(crate) fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now += 1_000;
            if self.now.is_multiple_of(10_000) {
                self.list();
            }
            self.tell(Event::Tick);
        }
    }

    /// Gives an order; its outcome, if it has one at once.
    pub(crate) fn order(&mut self, order: Order) -> Option<Result<Outcome, Problem>> {
        self.newest += 1;
        self.tell(Event::Order { reply: self.newest, by: Some("alice".to_owned()), order });
        self.replies.get(&self.newest).cloned()
    }

    pub(crate) fn command(&mut self, command: DeploymentCommand) -> Result<Outcome, Problem> {
        self.order(Order::Command(1, command)).unwrap()
    }

    /// Why a command is refused.
    pub(crate) fn refusal(&mut self, command: DeploymentCommand) -> String {
        self.command(command).unwrap_err().detail
    }

    pub(crate) fn halt(&mut self) -> Option<Result<Outcome, Problem>> {
        self.order(Order::Halt("an alert fires".to_owned()))
    }

    /// Answers the question that the node was asked last.
    pub(crate) fn answer(&mut self, node: &str, answer: Answer) -> Request {
        let index = self.index(node);
        let place = self.asked.iter().rposition(|asked| asked.index == index && asked.token > 0);
        let asked = self.asked.remove(place.unwrap_or_else(|| panic!("{node} was not asked anything")));
        let Asked { deployment, index, token, request } = asked;
        self.tell(Event::Answered { deployment, index, token, answer });
        request
    }

    pub(crate) fn index(&self, node: &str) -> usize {
        self.shown().nodes.iter().position(|it| it.node == node).unwrap()
    }

    /// The newest deployment as others see it.
    pub(crate) fn shown(&self) -> Deployment {
        let shown = view::deployments(&self.state, self.clock()).deployments.remove(0);
        // In short it is the same, at every moment of every test.
        let short = view::summary(&self.state, None, self.clock()).deployment;
        assert_eq!(short, Some(DeploymentSummary::of(&shown)));
        shown
    }

    pub(crate) fn node(&self, name: &str) -> DeploymentNode {
        self.shown().nodes.into_iter().find(|node| node.node == name).unwrap()
    }

    /// The nodes with an open question of that kind, by name.
    pub(crate) fn open(&self, kind: &str) -> Vec<String> {
        let nodes = self.shown().nodes;
        let of_kind = |asked: &&Asked| format!("{:?}", asked.request).starts_with(kind);
        self.asked.iter().filter(of_kind).map(|asked| nodes[asked.index].node.clone()).collect()
    }

    /// Has all nodes fetch and validate.
    pub(crate) fn prepare(&mut self) {
        for node in self.open("Fetch") {
            self.answer(&node, Answer::Fetch(Ok(Fetching::Done)));
        }
        for node in self.open("Validate") {
            self.answer(&node, Answer::Validated(Ok(Vec::new())));
        }
    }

    /// Gives a node that was asked for one its ticket.
    pub(crate) fn begun(&mut self, node: &str) {
        let ticket = Ticket { ticket: format!("ticket of {node}"), expires_in_ms: 10_000 };
        self.answer(node, Answer::Begun(Ok(ticket)));
    }

    /// Has a node take its ticket and go.
    pub(crate) fn goes(&mut self, node: &str) {
        self.begun(node);
        self.answer(node, Answer::Went(Ok(())));
    }

    /// Has a node that went say where its attempt stands, when it is asked next.
    pub(crate) fn says(&mut self, node: &str, state: AttemptState) {
        self.pass(1);
        let shown = self.node(node);
        let back = self.shown().state == dcos_api::types::deploy::DeploymentState::RollingBack;
        let report = AttemptReport {
            attempt: shown.attempt.unwrap(),
            state,
            detail: format!("says {node}"),
            set: if back { shown.from } else { shown.to },
            generation: Some(2),
            previous_generation: Some(1),
            started_at: self.clock().wall,
            changed_at: self.clock().wall,
            checks: Vec::new(),
            absence_ms: None,
            log: vec!["first line".to_owned(), "last line".to_owned()],
        };
        self.answer(node, Answer::Status(Ok(Some(Box::new(report)))));
    }

    /// Has a node do what it should from ticket to confirmation.
    pub(crate) fn succeeds(&mut self, node: &str) {
        self.goes(node);
        self.settles(node);
    }

    /// Has a node that went be confirmed, with the set that it should have.
    pub(crate) fn settles(&mut self, node: &str) {
        self.says(node, AttemptState::Confirmed);
        let shown = self.node(node);
        let back = self.shown().state == dcos_api::types::deploy::DeploymentState::RollingBack;
        self.answer(node, Answer::Set(Ok(if back { shown.from } else { shown.to })));
    }

    pub(crate) fn falls_back(&mut self, node: &str) {
        self.goes(node);
        self.says(node, AttemptState::RolledBack);
    }

    /// The controller dies and another one takes office. Answers to the old one's questions get lost.
    pub(crate) fn successor(&mut self) {
        let facts: Vec<Fact> = store::decode(&self.log).unwrap();
        self.state = State::rebuild(facts);
        self.asked.clear();
        self.now += 3_000;
        self.tell(Event::TookOffice);
        self.list();
    }
}
