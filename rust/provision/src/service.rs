//! The shell around operations: takes requests, and drives what is under way.
//!
//! One task looks at the world, takes each operation one step, writes it down, acts, and writes down what came of it. It
//! holds nothing that is not in the log: after a crash, and on another master, the next round begins where this one
//! stopped. Two masters that both believe to lead are kept apart by the log, which refuses a change of what has changed.

use std::sync::Arc;
use std::time::Duration;

use dcos_api::types::provision as wire;
use dcos_core::{ExitCode, Problem};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::config::Config;
use crate::operation::{FORMAT, Operation, Stage, Work};
use crate::provider::{Failure, Launch, LaunchError, Launched, Provider, Reason};
use crate::world::World;
use crate::{add, admit, remove, user_data, view};

/// How often the world is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// While an operation is under way.
    pub busy: Duration,
    /// While there is none, for one that another master left. What begins here is taken up at once.
    pub idle: Duration,
}

impl Default for Pace {
    /// A cloud limits calls, and an instance takes a minute.
    fn default() -> Self {
        Self { busy: Duration::from_secs(2), idle: Duration::from_secs(10) }
    }
}

/// How long after its end an operation's machines are still looked for.
const SWEPT: SignedDuration = SignedDuration::from_hours(1);

/// How many operations that have ended are remembered.
const REMEMBERED: usize = 100;

/// How much longer than a machine may take to join its token is good, in seconds.
const TOKEN_SLACK: u64 = 300;

/// Provisioning on one master. Clones share it; when the last one is gone, it ends.
#[derive(Clone)]
pub struct Provisioning(Arc<Inner>);

struct Inner {
    config: Config,
    provider: Arc<dyn Provider>,
    cluster: Arc<dyn Cluster>,
    wake: Arc<Notify>,
    /// Held while a request is weighed and written down: the limits count what the one before it has begun.
    turn: Mutex<()>,
}

impl Provisioning {
    /// Starts it, inside a tokio runtime. What an earlier master left under way is taken up once this one leads.
    pub fn start(config: Config, provider: Arc<dyn Provider>, cluster: Arc<dyn Cluster>, pace: Pace) -> Self {
        let wake = Arc::new(Notify::new());
        let inner = Arc::new(Inner { config, provider, cluster, wake: Arc::clone(&wake), turn: Mutex::new(()) });
        let weak = Arc::downgrade(&inner);
        tokio::spawn(async move {
            loop {
                let Some(inner) = weak.upgrade() else { return };
                let pause = if inner.round().await { pace.busy } else { pace.idle };
                drop(inner);
                tokio::select! {
                    () = wake.notified() => {}
                    () = tokio::time::sleep(pause) => {}
                }
            }
        });
        Self(inner)
    }

    /// Begins to make new agents, or says whether that could work. The same request under the same key gets the operation
    /// that it began.
    ///
    /// # Errors
    /// Every refusal of [`admit::again`] and [`admit::add`], `provider-refused`, `not-known-now`, or that something can't be
    /// asked now.
    pub async fn add(&self, request: wire::AddSlave, by: Option<String>) -> Result<wire::Operation, Problem> {
        let inner = &self.0;
        let _turn = inner.turn.lock().await;
        let operations = inner.cluster.operations().await?;
        if let Some(operation) = admit::again(&request, &operations)? {
            return Ok(view::operation(operation));
        }
        // What can be refused without asking anybody is refused first.
        let add = admit::add(&inner.config, &request, &[], &[])?;
        inner.cluster.known(&add.group).await?;
        let refused = |failure| refused_by(&inner.config.provider.name, &failure);
        inner.provider.check(&add.class).await.map_err(refused)?;
        let machines = inner.provider.list().await.map_err(refused)?;
        // A machine whose agent can't be seen would wait for ever.
        inner.cluster.agents().await.map_err(|why| unlisted(&why))?;
        let work = Work::Add(admit::add(&inner.config, &request, &machines, &operations)?);
        inner.begin(work, Vec::new(), (by, request.key), request.dry_run).await
    }

    /// Begins to remove an agent, or says whether that could work. If it is being removed already, whoever asks again gets
    /// that operation.
    ///
    /// # Errors
    /// Every refusal of [`admit::removing`] and [`admit::remove`], `agent-busy`, or that something can't be asked now.
    pub async fn decommission(
        &self,
        request: wire::DecommissionSlave,
        by: Option<String>,
    ) -> Result<wire::Operation, Problem> {
        let inner = &self.0;
        let _turn = inner.turn.lock().await;
        let operations = inner.cluster.operations().await?;
        let mut agents = inner.cluster.agents().await.map_err(|why| unlisted(&why))?;
        let mut request = request;
        if admit::find(&agents, &request.agent).is_err()
            && let Ok(machines) = inner.provider.list().await
        {
            // One that is dead for good is in no list of the master's, and shall be removed all the same.
            let known = admit::Known { agents: &agents, machines: &machines, operations: &operations };
            if let Some(lost) = admit::lost(known, |name| name == request.agent) {
                request.agent.clone_from(&lost.id);
                agents.push(lost);
            }
        }
        let agent = admit::find(&agents, &request.agent)?;
        if let Some(operation) = admit::removing(agent, &request, &operations)? {
            return Ok(view::operation(operation));
        }
        if let Some(why) = inner.cluster.busy(&agent.node).await? {
            return Err(Problem::new(
                ExitCode::Conflict,
                "agent-busy",
                format!("can't remove {} now: {why}", agent.node),
            )
            .hint("wait for the deployment: `dcos deploy watch`"));
        }
        let machines =
            inner.provider.list().await.map_err(|failure| refused_by(&inner.config.provider.name, &failure))?;
        let known = admit::Known { agents: &agents, machines: &machines, operations: &operations };
        let (remove, warnings) = admit::remove(&inner.config, &request, known, Timestamp::now())?;
        inner.begin(Work::Remove(remove), warnings, (by, None), request.dry_run).await
    }

    /// The operations that are remembered, newest first.
    ///
    /// # Errors
    /// If this master does not lead, or its log can't be read.
    pub async fn operations(&self) -> Result<wire::Operations, Problem> {
        let mut operations = self.0.cluster.operations().await?;
        operations.sort_by_key(|operation| std::cmp::Reverse(operation.asked_at));
        Ok(wire::Operations { operations: operations.iter().map(view::operation).collect() })
    }

    /// One operation.
    ///
    /// # Errors
    /// `no-such-operation`, or as above.
    pub async fn operation(&self, id: &str) -> Result<wire::Operation, Problem> {
        self.0.find(id).await.map(|operation| view::operation(&operation))
    }

    /// Withdraws an operation: what is not registered yet is given up and terminated. One that has ended stays as it is.
    ///
    /// # Errors
    /// `no-such-operation`, `too-late` for a removal whose agent is being drained, or as above.
    pub async fn cancel(&self, id: &str, by: Option<String>) -> Result<wire::Operation, Problem> {
        let operation = self.0.find(id).await?;
        if operation.is_over() || operation.cancelled.is_some() {
            return Ok(view::operation(&operation));
        }
        if let Work::Remove(remove) = &operation.work
            && remove.stage != crate::operation::RemoveStage::Waiting
        {
            let text = format!("can't withdraw operation `{id}`: Mesos has no call that takes a draining back");
            return Err(Problem::new(ExitCode::Conflict, "too-late", text)
                .hint("let it finish, and add an agent: `dcos slave add`"));
        }
        let changed =
            Operation { cancelled: Some(by.unwrap_or_else(|| "nobody in particular".to_owned())), ..operation.clone() };
        self.0.cluster.keep(Some(&operation), Some(&changed)).await?;
        self.0.wake.notify_one();
        Ok(view::operation(&changed))
    }

    /// The master's view, the provider's and ours in one.
    ///
    /// # Errors
    /// If this master does not lead, or its log can't be read.
    pub async fn slaves(&self) -> Result<wire::Slaves, Problem> {
        let operations = self.0.cluster.operations().await?;
        let world = self.0.look().await;
        let mut problems = Vec::new();
        if let Err(why) = &world.agents {
            problems.push(silent(&format!("the agents can't be listed: {why}")));
        }
        if let Err(why) = &world.machines {
            problems.push(silent(&format!("the machines can't be listed: {why}")));
        }
        Ok(wire::Slaves { slaves: view::slaves(&world, &operations), problems })
    }
}

fn silent(detail: &str) -> Problem {
    Problem::new(ExitCode::Unreachable, "not-known-now", detail)
}

/// The master does not list its agents.
fn unlisted(why: &str) -> Problem {
    silent(&format!("the agents can't be listed: {why}")).hint(
        "nothing was begun: try again; where Mesos asks for names, `mesos_credentials` under `[provision]` of the masters' \
         `node.toml` has one for its own API",
    )
}

/// A provider's failure before anything was begun.
fn refused_by(provider: &str, failure: &Failure) -> Problem {
    let text = format!("the provider `{provider}` refused: {}", failure.detail);
    match failure.reason {
        Reason::Denied => Problem::new(ExitCode::Refused, "provider-denied", text)
            .hint("give the master's machine credentials with the policy in docs/provisioning.md"),
        Reason::Invalid | Reason::NoCapacity | Reason::NoMoreChoices => {
            Problem::new(ExitCode::Refused, "provider-refused", text)
                .hint("mend the class or the provider in the provisioning configuration of the masters")
        }
        Reason::Throttled | Reason::Unknown => {
            Problem::new(ExitCode::Unreachable, "provider-silent", text).hint("nothing was begun: try again")
        }
    }
}

impl Inner {
    async fn find(&self, id: &str) -> Result<Operation, Problem> {
        let operations = self.cluster.operations().await?;
        operations.into_iter().find(|operation| operation.id == id).ok_or_else(|| {
            Problem::new(ExitCode::NotFound, "no-such-operation", format!("there is no operation `{id}`"))
                .hint("list them: `dcos slave operations`")
        })
    }

    async fn begin(
        &self,
        work: Work,
        warnings: Vec<String>,
        (by, key): (Option<String>, Option<String>),
        dry_run: bool,
    ) -> Result<wire::Operation, Problem> {
        let now = Timestamp::now();
        let id = format!("o{}", now.as_microsecond());
        let (cancelled, end) = (None, None);
        let operation = Operation { format: FORMAT, id, asked_at: now, by, key, work, warnings, cancelled, end };
        if dry_run {
            let planned = view::operation(&operation);
            return Ok(wire::Operation { id: String::new(), state: wire::OperationState::Planned, ..planned });
        }
        self.cluster.keep(None, Some(&operation)).await?;
        self.wake.notify_one();
        Ok(view::operation(&operation))
    }

    async fn look(&self) -> World {
        let (machines, agents) = tokio::join!(self.provider.list(), self.cluster.agents());
        World { machines: machines.map_err(|failure| failure.detail), agents }
    }

    /// Takes every operation under way one step. Answers whether there is one.
    async fn round(&self) -> bool {
        // A master that does not lead has nothing to do here.
        let Ok(operations) = self.cluster.operations().await else { return false };
        let now = Timestamp::now();
        let recent =
            |operation: &&Operation| operation.end.as_ref().is_none_or(|end| now.duration_since(end.at) < SWEPT);
        let concerned: Vec<Operation> = operations.iter().filter(recent).cloned().collect();
        self.forget(operations).await;
        if concerned.is_empty() {
            return false;
        }
        let mut world = self.look().await;
        self.settle(&concerned, &mut world).await;
        let mut launches = self.allowance(&concerned, now);
        let mut busy = false;
        for operation in concerned {
            if operation.is_over() {
                self.sweep(&operation, &world).await;
                continue;
            }
            busy = true;
            let id = operation.id.clone();
            if let Err(problem) = self.advance(operation, &world, &mut launches).await {
                tracing::warn!(operation = id, "it goes on in a moment: {problem}");
            }
        }
        busy
    }

    /// How many machines may be asked for now. Counted from the log, so that it holds across restarts.
    fn allowance(&self, operations: &[Operation], now: Timestamp) -> usize {
        let minute = SignedDuration::from_mins(1);
        let recent = operations
            .iter()
            .filter_map(|operation| match &operation.work {
                Work::Add(add) => Some(&add.slots),
                Work::Remove(_) => None,
            })
            .flatten()
            .filter(|slot| slot.launched_at.is_some_and(|at| now.duration_since(at) < minute))
            .count();
        self.config.limits.launches_per_minute.saturating_sub(recent)
    }

    /// Asks the agents that are awaited what they run.
    async fn settle(&self, operations: &[Operation], world: &mut World) {
        let (Ok(machines), Ok(agents)) = (&world.machines, &mut world.agents) else { return };
        for operation in operations.iter().filter(|operation| !operation.is_over()) {
            let Work::Add(add) = &operation.work else { continue };
            let awaited = machines.iter().filter(|machine| {
                machine.operation == operation.id
                    && add.slots.get(machine.slot).is_some_and(|slot| slot.stage == Stage::Launched)
            });
            for machine in awaited {
                for agent in agents.iter_mut().filter(|agent| agent.active && machine.carries(agent.address)) {
                    agent.settled = self.cluster.settled(agent, &add.group).await;
                }
            }
        }
    }

    async fn advance(&self, mut operation: Operation, world: &World, launches: &mut usize) -> Result<(), Problem> {
        let before = operation.clone();
        let now = Timestamp::now();
        match &operation.work {
            Work::Add(_) => {
                let actions = add::next(&mut operation, world, self.config.deadlines.patience(), launches, now);
                self.write(&before, &operation).await?;
                self.act(operation, actions).await
            }
            Work::Remove(_) => {
                let away = self.config.deadlines.patience().away;
                let action = remove::next(&mut operation, world, away, now);
                self.write(&before, &operation).await?;
                let Some(action) = action else { return Ok(()) };
                let answer = match &action {
                    remove::Action::Terminate { machine } => {
                        self.provider.terminate(machine).await.map_err(|failure| failure.detail)
                    }
                    action => self.cluster.call(action).await,
                };
                let before = operation.clone();
                remove::told(&mut operation, &action, answer);
                self.write(&before, &operation).await
            }
        }
    }

    async fn act(&self, mut operation: Operation, actions: Vec<add::Action>) -> Result<(), Problem> {
        let before = operation.clone();
        let mut launches: JoinSet<(usize, Result<Launched, LaunchError>)> = JoinSet::new();
        for action in actions {
            match action {
                add::Action::Launch { slot, token, choice } => match self.launch(&operation, slot, token, choice).await
                {
                    Ok(launch) => {
                        let provider = Arc::clone(&self.provider);
                        launches.spawn(async move { (slot, provider.launch(launch).await) });
                    }
                    Err(problem) => {
                        let why = LaunchError::Throttled(problem.detail);
                        add::told(&mut operation, slot, Err(why), Timestamp::now());
                    }
                },
                add::Action::Terminate { machine } => {
                    tracing::info!(operation = operation.id, machine, "a machine is terminated");
                    if let Err(failure) = self.provider.terminate(&machine).await {
                        tracing::warn!(machine, "it is tried again in a moment: {}", failure.detail);
                    }
                }
            }
        }
        while let Some(joined) = launches.join_next().await {
            if let Ok((slot, answer)) = joined {
                tracing::info!(operation = operation.id, slot, ?answer, "a machine was asked for");
                add::told(&mut operation, slot, answer, Timestamp::now());
            }
        }
        self.write(&before, &operation).await
    }

    /// The launch of a slot, with a join token of its own. Each call has a new one, since tokens are kept nowhere; one
    /// that was never used ends by itself.
    async fn launch(&self, operation: &Operation, slot: usize, token: String, choice: u32) -> Result<Launch, Problem> {
        let Work::Add(add) = &operation.work else { return Err(silent("it adds nothing")) };
        let Some(class) = self.config.classes.get(&add.class) else {
            return Err(silent(&format!("the configuration has no class `{}` any more", add.class)));
        };
        let life = u64::from(self.config.deadlines.join) + TOKEN_SLACK;
        let word = self.cluster.token(&add.group, life).await?;
        let settings = serde_json::to_value(&class.settings).map_err(|error| silent(&error.to_string()))?;
        Ok(Launch {
            operation: operation.id.clone(),
            slot,
            token,
            choice,
            class: settings,
            user_data: user_data::script(&self.config.bootstrap, &word),
        })
    }

    async fn sweep(&self, operation: &Operation, world: &World) {
        let machines = world.machines.as_deref().unwrap_or_default();
        for machine in add::leftovers(operation, machines) {
            tracing::warn!(operation = operation.id, machine, "a machine came to light late and is terminated");
            if let Err(failure) = self.provider.terminate(machine).await {
                tracing::warn!(machine, "it is tried again in a moment: {}", failure.detail);
            }
        }
    }

    async fn write(&self, before: &Operation, after: &Operation) -> Result<(), Problem> {
        if before == after { Ok(()) } else { self.cluster.keep(Some(before), Some(after)).await }
    }

    /// Forgets the oldest operations that have ended, beyond the number that is remembered.
    async fn forget(&self, operations: Vec<Operation>) {
        let mut over: Vec<Operation> = operations.into_iter().filter(Operation::is_over).collect();
        let surplus = over.len().saturating_sub(REMEMBERED);
        over.sort_by_key(|operation| operation.asked_at);
        for operation in over.iter().take(surplus) {
            // It is tried again in the next round.
            self.cluster.keep(Some(operation), None).await.ok();
        }
    }
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "messages_tests.rs"]
mod messages_tests;
