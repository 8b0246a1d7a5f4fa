//! The state as others see it: every node and every deployment that waits says what for.

use std::collections::BTreeSet;

use dcos_api::types::deploy::summary::{Head, Sum, Told};
use dcos_api::types::deploy::{
    DeployEvents, Deployment, DeploymentNode, DeploymentState, DeploymentSummary, Deployments, Halts, NodeState,
    Summary,
};
use dcos_core::attempt::AttemptState;
use dcos_core::resolve::Change;
use dcos_core::{PackageSet, Role};

use crate::event::Now;
use crate::gate::{self, Closed};
use crate::state::{Ending, Member, Phase, Rollout, Stage, State, Stop};
use crate::{chores, rollback, rollout};

/// How many events one answer has at most.
const EVENTS: usize = 500;

/// How many nodes a finished deployment in a list is shown with at most.
const LISTED: usize = 100;

/// How many nodes are named where several are meant.
const NAMES: usize = 3;

/// A deployment by number.
pub fn deployment(state: &State, number: u64, now: Now) -> Option<Deployment> {
    state.rollouts.get(&number).map(|rollout| shown(state, rollout, now))
}

/// All deployments that are kept, newest first. Finished ones over many nodes are shown without them, the newest aside:
/// fifty deployments over ten thousand nodes each would be no list that anybody can use.
pub fn deployments(state: &State, now: Now) -> Deployments {
    let newest = state.rollouts.keys().next_back();
    let one = |(number, rollout): (&u64, &Rollout)| {
        let mut deployment = shown(state, rollout, now);
        if rollout.is_over() && Some(number) != newest && deployment.nodes.len() > LISTED {
            deployment.nodes.clear();
        }
        deployment
    };
    Deployments { deployments: state.rollouts.iter().rev().map(one).collect() }
}

/// A deployment, the newest one if none is named, in short.
pub fn summary(state: &State, number: Option<u64>, now: Now) -> Summary {
    let rollout = match number {
        Some(number) => state.rollouts.get(&number),
        None => state.rollouts.values().next_back(),
    };
    let deployment = rollout.map(|rollout| counted(state, rollout, now));
    Summary { deployment, halts: state.desk.halts.clone() }
}

fn counted(state: &State, rollout: &Rollout, now: Now) -> DeploymentSummary {
    let header = &rollout.header;
    let context = Context::new(state, rollout, now);
    let mut sum = Sum::new(context.state());
    for member in rollout.members.iter() {
        sum.add(&Told {
            node: &member.node,
            from: &member.from,
            to: &member.to,
            state: standing(member),
            attempted: member.attempt.is_some(),
            notes: &member.notes,
        });
    }
    let head = Head {
        id: rollout.id(),
        change: header.change.clone(),
        reason: context.reason(),
        changed: rollout.members.iter().any(|member| member.touched),
        waves: header.waves.iter().map(|wave| sum.wave(wave.iter().copied())).collect(),
        created_at: header.created_at,
        created_by: header.created_by.clone(),
        finished_at: header.finished_at,
    };
    sum.finish(head, |index| context.node(index, &rollout.members[index]))
}

/// The halts that stand.
pub fn halts(state: &State) -> Halts {
    Halts { halts: state.desk.halts.clone() }
}

/// The events after `after`.
pub fn events(state: &State, after: u64) -> DeployEvents {
    let later = state.desk.events.iter().filter(|event| event.number > after);
    let events: Vec<_> = later.take(EVENTS).cloned().collect();
    let next = events.last().map_or(after.min(state.desk.newest_event), |event| event.number);
    DeployEvents { events, next }
}

/// What a group should run, as the last finished deployment left it.
pub fn desired<'a>(state: &'a State, group: &str) -> Option<&'a PackageSet> {
    state.desk.desired.get(group)
}

/// The nodes of deployments that are not over: name, origin and role of each.
pub fn nodes_under_way(state: &State) -> Vec<(String, String, Role)> {
    let members =
        state.rollouts.values().filter(|rollout| !rollout.is_over()).flat_map(|rollout| rollout.members.iter());
    let nodes: BTreeSet<_> = members.map(|member| (member.node.clone(), member.url.clone(), member.role)).collect();
    nodes.into_iter().collect()
}

/// The masters that a rollback of a deployment would put back: each with the set that it may have, and the one before.
pub fn masters_to_go_back(state: &State, number: u64) -> Vec<(String, PackageSet, PackageSet)> {
    let members = state.rollouts.get(&number).into_iter().flat_map(|rollout| rollout.members.iter());
    // One under way comes to its end first, and then may be one of them.
    let under_way = |member: &Member| member.stage.is_in_flight() && member.touched && !member.back;
    let goes_back = |member: &&Member| rollback::is_changed(member) || under_way(member);
    let masters = members.filter(|member| member.role == Role::Master).filter(goes_back);
    masters.map(|member| (member.node.clone(), member.to.clone(), member.from.clone())).collect()
}

/// The term of office.
pub fn term(state: &State) -> u64 {
    state.desk.term
}

fn shown(state: &State, rollout: &Rollout, now: Now) -> Deployment {
    let header = &rollout.header;
    let context = Context::new(state, rollout, now);
    let name = |index: &usize| rollout.members[*index].node.clone();
    Deployment {
        id: rollout.id(),
        change: header.change.clone(),
        strategy: header.strategy.clone(),
        state: context.state(),
        reason: context.reason(),
        changed: rollout.members.iter().any(|member| member.touched),
        waves: header.waves.iter().map(|wave| wave.iter().map(name).collect()).collect(),
        nodes: rollout.members.iter().enumerate().map(|(index, member)| context.node(index, member)).collect(),
        created_at: header.created_at,
        created_by: header.created_by.clone(),
        finished_at: header.finished_at,
    }
}

/// What is the same for all nodes of a deployment.
struct Context<'a> {
    state: &'a State,
    rollout: &'a Rollout,
    now: Now,
    closed: Option<String>,
    /// What the nodes of later waves wait for.
    wave: String,
    /// The nodes under way.
    under_way: String,
    /// The nodes that still fetch, or still are asked about the set.
    behind: String,
}

impl<'a> Context<'a> {
    fn new(state: &'a State, rollout: &'a Rollout, now: Now) -> Self {
        let closed = gate::closed(rollout, &state.desk, now).map(|closed| closed.to_string());
        let header = &rollout.header;
        let names = |filter: &dyn Fn(&Member) -> bool| {
            named(rollout.members.iter().filter(|member| filter(member)).map(|member| member.node.as_str()))
        };
        let wave = header.waves.get(header.wave).map_or(&[][..], Vec::as_slice);
        let open = wave.iter().map(|index| &rollout.members[*index]).filter(|member| !member.stage.is_over());
        let wave = named(open.map(|member| member.node.as_str()));
        let under_way = names(&|member| member.stage.is_in_flight());
        let behind = match header.phase {
            Phase::Fetching => names(&|member| matches!(member.stage, Stage::Waiting | Stage::Fetching)),
            Phase::Tidying => names(&|member| member.stage == Stage::Tidying),
            _ => names(&|member| member.stage == Stage::Fetched),
        };
        Self { state, rollout, now, closed, wave, under_way, behind }
    }

    fn state(&self) -> DeploymentState {
        let header = &self.rollout.header;
        match header.phase {
            Phase::Ended(Ending::Done) => DeploymentState::Done,
            Phase::Ended(Ending::Failed) => DeploymentState::Failed,
            Phase::Ended(Ending::Aborted) => DeploymentState::Aborted,
            Phase::Ended(Ending::RolledBack) => DeploymentState::RolledBack,
            _ if !self.state.desk.halts.is_empty() => DeploymentState::Halted,
            _ if header.paused.is_some() => DeploymentState::Paused,
            Phase::Fetching => DeploymentState::Fetching,
            Phase::Staged => DeploymentState::Staged,
            Phase::Validating => DeploymentState::Validating,
            Phase::Restarting | Phase::Tidying => DeploymentState::Restarting,
            Phase::RollingBack(_) => DeploymentState::RollingBack,
        }
    }

    fn reason(&self) -> String {
        let header = &self.rollout.header;
        if let Phase::Ended(_) = header.phase {
            return header.reason.clone();
        }
        if let Some(Stop::Failure(reason) | Stop::Abort(reason) | Stop::RollBack(reason)) = &header.stop {
            return format!("{reason}; waits for {}", or_nobody(&self.under_way));
        }
        match header.phase {
            Phase::Fetching => format!("fetching on {}", or_nobody(&self.behind)),
            Phase::Staged => "everything is local; waits for `start`".to_owned(),
            Phase::Validating => format!("asking {} whether the set can work", or_nobody(&self.behind)),
            Phase::Restarting => match &self.closed {
                // A master's list is away with the master; that its restart is under way says more.
                Some(closed) if self.under_way.is_empty() || !self.restarts_a_master() => closed.clone(),
                Some(_) | None => self.progress(),
            },
            Phase::Tidying => format!(
                "{}{} on {}",
                if keeps(self.rollout) { "" } else { "every node had its turn; " },
                self.chores(),
                or_nobody(&self.behind)
            ),
            Phase::RollingBack(_) => match &self.closed {
                Some(closed) => format!("{}; putting old sets back {closed}", header.reason),
                None => format!("{}; putting old sets back on {}", header.reason, or_nobody(&self.under_way)),
            },
            Phase::Ended(_) => String::new(),
        }
    }

    fn progress(&self) -> String {
        let header = &self.rollout.header;
        let (wave, waves) = (header.wave + 1, header.waves.len());
        let what = if header.wave < header.master_waves { "masters" } else { "agents" };
        match self.soak_left() {
            Some(0) => format!("wave {wave} of {waves} holds; waits for the master to list its agents"),
            Some(seconds) => format!("wave {wave} of {waves} holds; {seconds} s of its soak are left"),
            None if self.under_way.is_empty() => {
                format!("wave {wave} of {waves} ({what}): waits for {}", or_nobody(&self.wave))
            }
            None => format!("wave {wave} of {waves} ({what}): {} restarts", self.under_way),
        }
    }

    /// The chores, in words.
    fn chores(&self) -> String {
        chores::named(&self.rollout.header.strategy.after)
    }

    fn restarts_a_master(&self) -> bool {
        let wanting = matches!(gate::closed(self.rollout, &self.state.desk, self.now), Some(Closed::NoInventory));
        wanting && self.rollout.header.wave < self.rollout.header.master_waves
    }

    fn soak_left(&self) -> Option<u64> {
        let since = self.rollout.soaking?;
        let end = since + self.rollout.header.strategy.soak * 1_000;
        Some(end.saturating_sub(self.now.mono).div_ceil(1_000))
    }

    fn node(&self, index: usize, member: &Member) -> DeploymentNode {
        DeploymentNode {
            node: member.node.clone(),
            role: member.role,
            group: member.group.clone(),
            from: member.from.clone(),
            to: member.to.clone(),
            state: standing(member),
            attempt: member.attempt.clone(),
            detail: self.detail(index, member),
            log: member.log.clone(),
            notes: member.notes.clone(),
            updated_at: member.updated_at,
        }
    }

    fn detail(&self, index: usize, member: &Member) -> String {
        let trouble = member.work.trouble.as_deref();
        let with_trouble = |text: &str| match trouble {
            Some(trouble) => format!("{text} (last asked in vain: {trouble})"),
            None => text.to_owned(),
        };
        // A node that restarts does not answer for a while: the reason why is none.
        let in_silence = |text: &str| match trouble {
            Some(_) => format!("{text}; does not answer just now"),
            None => text.to_owned(),
        };
        if self.rollout.is_over() && !member.stage.is_over() {
            return "was not started before the deployment ended".to_owned();
        }
        match member.stage {
            Stage::Waiting => with_trouble("waits to be told to fetch"),
            Stage::Fetching => with_trouble("fetches"),
            Stage::Fetched => match self.rollout.header.phase {
                Phase::Fetching => format!("waits for {} to fetch", or_nobody(&self.behind)),
                Phase::Staged => "waits for `start`".to_owned(),
                _ => with_trouble("is asked whether the set can work"),
            },
            Stage::Ready => self.why_not_started(index, member),
            Stage::Beginning => "is asked for a ticket".to_owned(),
            Stage::Going => in_silence("is told to go"),
            Stage::Watching(seen) if member.detail.is_empty() => in_silence(seen.word()),
            Stage::Watching(seen) => in_silence(&format!("{}: {}", seen.word(), member.detail)),
            Stage::Checking => in_silence("its set is read again"),
            Stage::Tidying if keeps(self.rollout) => with_trouble(&format!("does {}", self.chores())),
            Stage::Tidying => with_trouble(&format!("has the new set; does {}", self.chores())),
            Stage::Settled
            | Stage::Doubtful
            | Stage::Refused
            | Stage::Failed
            | Stage::FellBack
            | Stage::Lost
            | Stage::Skipped => member.detail.clone(),
        }
    }

    /// What a node waits for whose turn to restart has not come.
    fn why_not_started(&self, index: usize, member: &Member) -> String {
        let header = &self.rollout.header;
        match header.phase {
            Phase::Staged => return "waits for `start`".to_owned(),
            Phase::Fetching => return format!("waits for {} to fetch", or_nobody(&self.behind)),
            Phase::Validating => {
                return format!("waits for {} to say whether the set can work", or_nobody(&self.behind));
            }
            Phase::RollingBack(_) if !member.back => return "keeps its set: it was not started".to_owned(),
            Phase::Restarting | Phase::Tidying | Phase::RollingBack(_) | Phase::Ended(_) => {}
        }
        if let Some(closed) = &self.closed {
            return closed.clone();
        }
        let wave = header.waves.partition_point(|wave| wave.last().is_none_or(|last| *last < index));
        let back = matches!(header.phase, Phase::RollingBack(_));
        if !back && wave > header.wave {
            return match self.soak_left() {
                Some(0) => format!("waits for the master to list the agents of wave {}", header.wave + 1),
                Some(seconds) => format!("waits for the soak of wave {}: {seconds} s are left", header.wave + 1),
                None => format!("waits for wave {} ({}) to hold", header.wave + 1, or_nobody(&self.wave)),
            };
        }
        if let Some(master) = gate::silent_master(&self.state.desk)
            && wave < header.master_waves
        {
            return format!("waits for the master {master} to answer");
        }
        if gate::missing_for(&self.state.desk, &member.node, self.now) > 0 {
            return "waits until the master lists it as active".to_owned();
        }
        match &member.work.trouble {
            Some(trouble) => format!("is asked again soon: {trouble}"),
            None if self.under_way.is_empty() => "is next".to_owned(),
            None if wave < header.master_waves => format!("waits for {} to settle", self.under_way),
            None => {
                let limit = rollout::limit(self.rollout);
                format!("waits for {} to settle: {limit} may be away at once", self.under_way)
            }
        }
    }
}

/// Where a node stands, in the words of the interface.
const fn standing(member: &Member) -> NodeState {
    match member.stage {
        Stage::Waiting => NodeState::Waiting,
        Stage::Fetching => NodeState::Fetching,
        Stage::Fetched => NodeState::Fetched,
        Stage::Ready if member.back => NodeState::Waiting,
        Stage::Ready => NodeState::Fetched,
        Stage::Watching(AttemptState::Unconfirmed) | Stage::Doubtful => NodeState::Unconfirmed,
        Stage::Beginning | Stage::Going | Stage::Watching(_) | Stage::Checking => NodeState::Restarting,
        Stage::Settled if member.back => NodeState::RolledBack,
        Stage::Settled | Stage::Tidying => NodeState::Confirmed,
        Stage::Refused | Stage::Failed => NodeState::Failed,
        Stage::FellBack => NodeState::RolledBack,
        Stage::Lost => NodeState::Lost,
        Stage::Skipped => NodeState::Skipped,
    }
}

/// Whether nodes keep their sets, and only do chores.
const fn keeps(rollout: &Rollout) -> bool {
    matches!(rollout.header.change, Change::Keep(_))
}

/// Some names, few of them spelled out.
fn named<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<&str> = names.collect();
    match all.len() {
        0..=NAMES => all.join(", "),
        count => format!("{} and {} more", all[..NAMES].join(", "), count - NAMES),
    }
}

fn or_nobody(names: &str) -> &str {
    if names.is_empty() { "nobody" } else { names }
}
