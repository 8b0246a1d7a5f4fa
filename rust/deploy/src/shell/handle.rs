//! What others hold of the controller.

use std::sync::Arc;
use std::time::Duration;

use dcos_api::backend::Leader;
use dcos_api::types::deploy::{
    Acknowledgement, ClusterNode, ClusterNodes, CreateDeployment, DeployEvents, Deployment, DeploymentCommand,
    DeploymentPlan, Deployments, Halt, HaltRequest, Halts, PulseAnswer, ResumeRequest, Summary,
};
use dcos_api::types::pins::{PinRequest, Pins, UnpinRequest};
use dcos_api::types::records::{DesiredSets, Restored};
use dcos_core::attempt::Ping;
use dcos_core::{ExitCode, PackageSet, Problem};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::{Message, Shared, because, unavailable};
use crate::backup::Restoring;
use crate::event::{Keep, Now, Order, Outcome};
use crate::inventory::Listed;
use crate::registry::{self, WayBack};
use crate::state::State;
use crate::{pins, view};

/// How long a node may take to say what it has when somebody lists all nodes.
const GLANCE: Duration = Duration::from_secs(3);

/// What came of a request for a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// It was a dry run: this is what would happen.
    Plan(DeploymentPlan),
    /// The deployment began.
    Deployment(Deployment),
}

/// An order on its way to the controller.
pub(crate) struct Given {
    pub(crate) order: Order,
    pub(crate) by: Option<String>,
    pub(crate) reply: oneshot::Sender<Result<Outcome, Problem>>,
}

/// Something that reads the state.
pub(crate) type Reader = Box<dyn FnOnce(Result<(&State, Now), Problem>) + Send>;

/// The controller, for whoever serves it. Clones share it; when the last one is gone, the controller ends.
#[derive(Clone, Debug)]
pub struct DeployHandle {
    sender: mpsc::Sender<Message>,
    pub(super) shared: Arc<Shared>,
}

fn gone() -> Problem {
    unavailable("deploy-ended", "the controller of deployments has ended".to_owned())
}

fn no_such_deployment(id: &str) -> Problem {
    Problem::new(ExitCode::NotFound, "no-such-deployment", format!("there is no deployment `{id}`"))
        .hint("list them with `dcos deploy list`")
}

/// The number in a deployment's id.
fn number(id: &str) -> Result<u64, Problem> {
    let digits = id.strip_prefix('d').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| no_such_deployment(id))
}

impl DeployHandle {
    pub(super) const fn new(sender: mpsc::Sender<Message>, shared: Arc<Shared>) -> Self {
        Self { sender, shared }
    }

    /// Who leads the masters: only there anything is decided.
    pub fn leader(&self) -> Leader {
        self.shared.lead()
    }

    /// Starts a deployment, or says what it would do.
    ///
    /// # Errors
    /// `plan-refused` with every finding, `deployment-running` if another one is under way on the same nodes,
    /// `changed-meanwhile` if one ended on them during the planning, twice, or that the controller can't act now.
    pub async fn create(&self, request: CreateDeployment, by: Option<String>) -> Result<Created, Problem> {
        let draft = self.draft(&request).await?;
        if request.dry_run {
            return Ok(Created::Plan(self.foreseen(draft).await));
        }
        let outcome = match self.order(Order::Create(Box::new(draft)), by.clone()).await {
            // Nobody has seen the plan that is too old: the change that was asked for is planned anew, once.
            Err(problem) if problem.name() == "changed-meanwhile" => {
                let draft = self.draft(&request).await?;
                self.order(Order::Create(Box::new(draft)), by).await?
            }
            outcome => outcome?,
        };
        match outcome {
            Outcome::Deployment(number) => self.deployment(number).await.map(Created::Deployment),
            Outcome::Halted(_) | Outcome::Done => Err(gone()),
        }
    }

    /// The deployments that are kept, newest first.
    ///
    /// # Errors
    /// If the controller has no state to show.
    pub async fn list(&self) -> Result<Deployments, Problem> {
        self.read(view::deployments).await
    }

    /// One deployment.
    ///
    /// # Errors
    /// `no-such-deployment`, or that the controller has no state to show.
    pub async fn get(&self, id: &str) -> Result<Deployment, Problem> {
        self.deployment(number(id)?).await
    }

    /// A deployment in short, the newest one if none is named, and the halts that stand.
    ///
    /// # Errors
    /// `no-such-deployment`, or that the controller has no state to show.
    pub async fn summary(&self, id: Option<&str>) -> Result<Summary, Problem> {
        let number = id.map(number).transpose()?;
        let summary = self.read(move |state, now| view::summary(state, number, now)).await?;
        match (id, &summary.deployment) {
            (Some(id), None) => Err(no_such_deployment(id)),
            _ => Ok(summary),
        }
    }

    /// Tells a deployment something.
    ///
    /// # Errors
    /// `no-such-deployment`, `not-now` if its state does not allow it, `deployment-running` if another one is in the
    /// way, or that the controller can't act now.
    pub async fn command(
        &self,
        id: &str,
        command: DeploymentCommand,
        by: Option<String>,
    ) -> Result<Deployment, Problem> {
        let number = number(id)?;
        if command == DeploymentCommand::Rollback {
            self.may_go_back(number).await?;
        }
        self.order(Order::Command(number, command), by).await?;
        self.deployment(number).await
    }

    /// Refuses a rollback that would put masters below what their registry demands.
    async fn may_go_back(&self, number: u64) -> Result<(), Problem> {
        let masters = self.read(move |state, _| view::masters_to_go_back(state, number)).await?;
        if masters.is_empty() {
            return Ok(());
        }
        let demands = self.shared.inventory.demands().await;
        let refused = masters.into_iter().find_map(|(node, from, to)| match registry::way_back(&demands, &from, &to) {
            WayBack::Open => None,
            WayBack::Unknown(why) | WayBack::Closed(why) => Some(format!("{node}: {why}")),
        });
        match refused {
            None => Ok(()),
            Some(why) => {
                let text = format!("can't rollback deployment `d{number}`: {why}");
                Err(Problem::new(ExitCode::Refused, "registry-capability", text).hint(registry::HINT))
            }
        }
    }

    /// Every node of the cluster, asked just now.
    ///
    /// # Errors
    /// If the master does not list its agents.
    pub async fn nodes(&self) -> Result<ClusterNodes, Problem> {
        let listed = self.listed().await?;
        let mut asked = JoinSet::new();
        for (place, node) in listed.into_iter().enumerate() {
            let shared = Arc::clone(&self.shared);
            asked.spawn(async move {
                // The semaphore is never closed.
                let _turn = shared.slow.acquire().await;
                (place, glance(&shared, node).await)
            });
        }
        let mut nodes = asked.join_all().await;
        nodes.sort_by_key(|(place, _)| *place);
        let mut nodes: Vec<ClusterNode> = nodes.into_iter().map(|(_, node)| node).collect();
        let groups: Vec<String> = nodes.iter().map(|node| node.group.clone()).collect();
        let desired = self
            .read(move |state, _| groups.iter().map(|group| view::desired(state, group).cloned()).collect::<Vec<_>>())
            .await?;
        for (node, desired) in nodes.iter_mut().zip(desired) {
            node.drift = desired.is_some() && node.set.is_some() && desired != node.set;
            node.desired = desired;
        }
        let named = nodes.iter().map(|node| (node.node.clone(), node.group.clone())).collect();
        for (node, pinned) in nodes.iter_mut().zip(self.pinned(named).await?) {
            node.pinned = pinned;
        }
        Ok(ClusterNodes { nodes })
    }

    /// Why each of these nodes, by name and group, is left as it is, if it is.
    pub(super) async fn pinned(&self, nodes: Vec<(String, String)>) -> Result<Vec<Option<String>>, Problem> {
        self.read(move |state, _| nodes.iter().map(|(node, group)| state.desk.pinned(node, group)).collect()).await
    }

    /// What is pinned.
    ///
    /// # Errors
    /// If the controller has no state to show.
    pub async fn pins(&self) -> Result<Pins, Problem> {
        self.read(|state, _| pins::pins(state)).await
    }

    /// Leaves a node or a group as it is; answers what is pinned now.
    ///
    /// # Errors
    /// `deployment-running` if an unfinished deployment means to change it, or that the controller can't act now.
    pub async fn pin(&self, request: PinRequest, by: Option<String>) -> Result<Pins, Problem> {
        self.order(Order::Pin(request), by).await?;
        self.pins().await
    }

    /// Takes a pin out; answers what is pinned now.
    ///
    /// # Errors
    /// `no-such-pin`, or that the controller can't act now.
    pub async fn unpin(&self, request: UnpinRequest, by: Option<String>) -> Result<Pins, Problem> {
        self.order(Order::Unpin(request.what), by).await?;
        self.pins().await
    }

    /// The halts that stand.
    ///
    /// # Errors
    /// If the controller has no state to show.
    pub async fn halts(&self) -> Result<Halts, Problem> {
        self.read(|state, _| view::halts(state)).await
    }

    /// Halts: once this answers, no further node starts until `resume` with this halt's id. It takes as long as the last
    /// ticket lives, about ten seconds, if a node that was told to go does not answer.
    ///
    /// # Errors
    /// That the controller can't act now: then nothing may be assumed.
    pub async fn halt(&self, request: HaltRequest, by: Option<String>) -> Result<Halt, Problem> {
        match self.order(Order::Halt(request.reason), by).await? {
            Outcome::Halted(halt) => Ok(halt),
            Outcome::Deployment(_) | Outcome::Done => Err(gone()),
        }
    }

    /// Clears a halt and answers those that still stand.
    ///
    /// # Errors
    /// `no-such-halt`, or that the controller can't act now.
    pub async fn resume(&self, request: ResumeRequest, by: Option<String>) -> Result<Halts, Problem> {
        self.order(Order::Resume { halt: request.halt_id, note: request.note }, by).await?;
        self.halts().await
    }

    /// Takes in a monitor's pulse.
    ///
    /// # Errors
    /// That the controller can't act now.
    pub async fn pulse(&self, by: Option<String>) -> Result<PulseAnswer, Problem> {
        self.order(Order::Pulse, by).await?;
        self.read(|_, now| PulseAnswer { at: now.wall }).await
    }

    /// Takes in a node's ping. It only hastens a poll.
    ///
    /// # Errors
    /// `no-such-attempt` if no deployment knows it: it need not be sent again; or that the controller can't act now.
    pub async fn ping(&self, ping: Ping) -> Result<Acknowledgement, Problem> {
        let (acknowledged, node, helper) = (ping.sequence, ping.node.clone(), ping.status_port);
        self.order(Order::Ping(ping), None).await?;
        // Only now: what a stranger says leads nowhere.
        if let Some(port) = helper
            && let Some(url) = self.shared.url_of(&node)
        {
            self.shared.client.learn_helper(&url, port);
        }
        Ok(Acknowledgement { acknowledged })
    }

    /// The set that is active on the node at `url`; `None` if that can't be told.
    pub async fn active(&self, url: &str) -> Option<dcos_core::PackageSet> {
        self.shared.client.state(url).await.ok()?.active.map(|active| active.packages)
    }

    /// What happened after the event of that number.
    ///
    /// # Errors
    /// If the controller has no state to show.
    pub async fn events(&self, after: u64) -> Result<DeployEvents, Problem> {
        self.read(move |state, _| view::events(state, after)).await
    }

    /// What each group should run.
    ///
    /// # Errors
    /// If the controller has no state to show.
    pub async fn desired_sets(&self) -> Result<DesiredSets, Problem> {
        self.read(|state, _| DesiredSets { groups: state.desk.desired.clone() }).await
    }

    /// The term of office.
    ///
    /// # Errors
    /// If the controller has no state to show.
    pub async fn term(&self) -> Result<u64, Problem> {
        self.read(|state, _| view::term(state)).await
    }

    /// What a group should run, if a deployment ever said.
    ///
    /// # Errors
    /// If the controller has no state to show.
    pub async fn desired(&self, group: String) -> Result<Option<PackageSet>, Problem> {
        self.read(move |state, _| view::desired(state, &group).cloned()).await
    }

    /// The documents of a kind that another part keeps in the log, by id.
    ///
    /// # Errors
    /// If the controller has no state to show.
    pub async fn documents(&self, kind: &'static str) -> Result<Vec<(String, serde_json::Value)>, Problem> {
        self.read(move |state, _| {
            let all = state.desk.documents.iter();
            all.filter(|((of, _), _)| of == kind).map(|((_, id), body)| (id.clone(), body.clone())).collect()
        })
        .await
    }

    /// Changes a document that another part keeps in the log. It is on stable storage when this returns.
    ///
    /// # Errors
    /// `changed-meanwhile` if it is not what `change` says that it was, or that the controller can't act now.
    pub async fn keep(&self, change: Keep) -> Result<(), Problem> {
        self.order(Order::Keep(change), None).await.map(drop)
    }

    async fn deployment(&self, number: u64) -> Result<Deployment, Problem> {
        let shown = self.read(move |state, now| view::deployment(state, number, now)).await?;
        shown.ok_or_else(|| no_such_deployment(&format!("d{number}")))
    }

    /// The nodes, read anew.
    pub(super) async fn listed(&self) -> Result<Vec<Listed>, Problem> {
        // The kept list may be older than an agent that has just registered, and a plan without it would miss it.
        self.shared.refresh().await.map_err(|why| {
            unavailable("no-inventory", format!("can't list the nodes of the cluster: {why}"))
                .hint("does the master's Mesos run there, and may the controller read its `/master/slaves`?")
        })
    }

    /// Has a backup put back.
    pub(crate) async fn put_back(
        &self,
        restoring: impl FnOnce(oneshot::Sender<Result<Restored, Problem>>) -> Restoring,
    ) -> Result<Restored, Problem> {
        let (reply, outcome) = oneshot::channel();
        self.sender.send(Message::Restore(restoring(reply))).await.map_err(|_| gone())?;
        outcome.await.map_err(|_| gone())?
    }

    pub(super) async fn order(&self, order: Order, by: Option<String>) -> Result<Outcome, Problem> {
        let (reply, outcome) = oneshot::channel();
        self.sender.send(Message::Order(Given { order, by, reply })).await.map_err(|_| gone())?;
        outcome.await.map_err(|_| gone())?
    }

    pub(crate) async fn read<T: Send + 'static>(
        &self,
        reader: impl FnOnce(&State, Now) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let (reply, answer) = oneshot::channel();
        let reader: Reader = Box::new(move |state| {
            // Whoever asked may have hung up.
            reply.send(state.map(|(state, now)| reader(state, now))).ok();
        });
        self.sender.send(Message::Read(reader)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

/// A node as the list and its own endpoints have it.
async fn glance(shared: &Shared, listed: Listed) -> ClusterNode {
    let mut node = ClusterNode {
        node: listed.node,
        url: listed.url,
        role: listed.role,
        group: String::new(),
        agent_id: listed.agent_id,
        registered: listed.alive,
        set: None,
        desired: None,
        drift: false,
        pinned: None,
        mesos_version: None,
        last_attempt: None,
        reachable: false,
        detail: String::new(),
    };
    match tokio::time::timeout(GLANCE, shared.client.state(&node.url)).await {
        Ok(Ok(state)) => {
            node.reachable = true;
            node.group = state.group;
            node.mesos_version = state.running.map(|running| running.mesos_version);
            node.set = state.active.map(|active| active.packages);
            node.last_attempt = state.last_attempt;
            node.detail = state.problems.first().map_or_else(String::new, |problem| problem.detail.clone());
            if !node.registered {
                node.detail = "the master does not list it as active".to_owned();
            }
        }
        Ok(Err(trouble)) => node.detail = because(&trouble),
        Err(_) => node.detail = format!("it did not answer within {} s", GLANCE.as_secs()),
    }
    node
}
