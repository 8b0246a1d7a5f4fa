//! What people, monitors and nodes say: new deployments, commands, halts, pulses, pings.
//!
//! Every order is answered: at once, or, for a halt, when it holds. A refused order changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use dcos_api::types::deploy::{DeploymentCommand, Halt};
use dcos_core::attempt::Ping;
use dcos_core::resolve::Change;
use dcos_core::{ExitCode, Problem};
use jiff::Timestamp;

use crate::desk::Desk;
use crate::event::{Action, Keep, Now, Order, Outcome, ReplyTo};
use crate::member::refusal;
use crate::plan::Draft;
use crate::state::{DEPLOYMENTS, Ending, Fact, Header, Member, Paused, Phase, Rollout, Stage, State, Stop, Work};
use crate::{catch_up, chores, ending, pins, rollback, rollout};

type Rollouts = BTreeMap<u64, Rollout>;

/// Carries out an order, or refuses it.
pub(crate) fn carry_out(
    rollouts: &mut Rollouts,
    desk: &mut Desk,
    (reply, by, order): (ReplyTo, Option<String>, Order),
    now: Now,
) {
    let outcome = match order {
        Order::Create(draft) => create(rollouts, desk, *draft, by.as_deref(), now).map(Outcome::Deployment),
        Order::Command(number, order) => {
            command(rollouts, desk, (number, order), by.as_deref(), now).map(|()| Outcome::Deployment(number))
        }
        Order::Halt(reason) => return halt(desk, reply, reason, by, now),
        Order::Resume { halt, note } => resume(rollouts, desk, &halt, (by.as_deref(), &note), now),
        Order::Pulse => {
            desk.pulse = Some(now.mono);
            Ok(Outcome::Done)
        }
        Order::Ping(ping) => pinged(rollouts, desk, &ping, now),
        Order::Pin(request) => pins::pin(rollouts, desk, request, by, now),
        Order::Unpin(what) => pins::unpin(desk, &what, by.as_deref(), now),
        Order::CaughtUp { deployment, nodes, again } => {
            Ok(catch_up::ended(rollouts, desk, (deployment, &nodes, again), now))
        }
        Order::Keep(change) => keep(desk, change),
    };
    desk.actions.push(Action::Reply(reply, outcome));
}

fn name(by: Option<&str>) -> &str {
    by.unwrap_or("nobody in particular")
}

/// The unfinished deployment that has a node in common with these, if there is one.
fn in_the_way<'a>(rollouts: &'a Rollouts, nodes: &BTreeSet<&str>, except: u64) -> Option<(&'a Rollout, &'a str)> {
    let others = rollouts.values().filter(|other| !other.is_over() && other.header.number != except);
    member_among(others, nodes)
}

/// The first of these deployments that gives one of these nodes a turn.
fn member_among<'a>(
    others: impl Iterator<Item = &'a Rollout>,
    nodes: &BTreeSet<&str>,
) -> Option<(&'a Rollout, &'a str)> {
    others
        .flat_map(|other| other.members.iter().map(move |member| (other, member)))
        .find(|(_, member)| member.stage != Stage::Skipped && nodes.contains(member.node.as_str()))
        .map(|(other, member)| (other, member.node.as_str()))
}

fn running(other: &Rollout, node: &str) -> Problem {
    let (id, text) = (other.id(), "is under way");
    refusal(ExitCode::Conflict, "deployment-running", format!("deployment `{id}` {text} on {node}"))
        .hint(format!("wait for its end: `dcos deploy watch {id}`"))
        .hint(format!("or end it: `dcos deploy abort {id}`"))
}

/// The deployments that are over, and when they ended: what a draft has to know before its nodes are asked.
pub(crate) fn ended(state: &State) -> BTreeMap<u64, Timestamp> {
    let over = state.rollouts.iter().filter(|(_, rollout)| rollout.is_over());
    over.filter_map(|(number, rollout)| Some((*number, rollout.header.finished_at?))).collect()
}

/// The deployment that was under way on one of these nodes when they were asked for the draft, if there is one that is
/// over by now. What the draft says they have may be what they had before their turn.
fn ended_meanwhile<'a>(
    rollouts: &'a Rollouts,
    nodes: &BTreeSet<&str>,
    draft: &Draft,
) -> Option<(&'a Rollout, &'a str)> {
    let known = |other: &Rollout| draft.ended.get(&other.header.number) == other.header.finished_at.as_ref();
    let others = rollouts.values().filter(|other| other.is_over() && !known(other));
    member_among(others, nodes)
}

fn create(rollouts: &mut Rollouts, desk: &mut Desk, draft: Draft, by: Option<&str>, now: Now) -> Result<u64, Problem> {
    let nodes = draft.nodes.iter().filter(|node| node.left.is_none()).map(|node| node.node.as_str()).collect();
    if let Some((other, node)) = in_the_way(rollouts, &nodes, 0) {
        return Err(running(other, node));
    }
    if let Some((other, node)) = ended_meanwhile(rollouts, &nodes, &draft) {
        let text = format!("deployment `{}` ended on {node} while this one was planned", other.id());
        return Err(
            refusal(ExitCode::Conflict, "changed-meanwhile", text).hint("say it again: it is planned anew then")
        );
    }
    // A pin may have been set since the plan was made.
    let meant = draft.nodes.iter().filter(|node| node.left.is_none());
    pins::refused(desk, meant.map(|node| (node.node.as_str(), node.group.as_str())), "change every node of the plan")?;
    let number = rollouts.last_key_value().map_or(1, |(newest, _)| newest + 1);
    let header = Header {
        number,
        change: draft.change,
        strategy: draft.strategy,
        whole_groups: draft.whole_groups,
        waves: draft.waves,
        master_waves: draft.master_waves,
        wave: 0,
        phase: Phase::Fetching,
        started: false,
        paused: None,
        stop: None,
        reason: String::new(),
        created_at: now.wall,
        created_by: by.map(str::to_owned),
        finished_at: None,
    };
    let keeps = matches!(header.change, Change::Keep(_));
    let first = if keeps { Stage::Settled } else { Stage::Waiting };
    let member = |node: crate::plan::Planned| Member {
        node: node.node,
        url: node.url,
        role: node.role,
        group: node.group,
        from: node.from,
        to: node.to,
        fetch: node.fetch,
        stage: if node.left.is_some() { Stage::Skipped } else { first },
        back: false,
        touched: false,
        tries: 0,
        vain: 0,
        attempt: None,
        retry: false,
        late: node.left.as_ref().is_some_and(|left| left.late),
        detail: node.left.map_or_else(String::new, |left| left.reason),
        log: Vec::new(),
        notes: Vec::new(),
        updated_at: now.wall,
        work: Work::default(),
    };
    let members: Vec<Member> = draft.nodes.into_iter().map(member).collect();
    desk.changed_members.extend((0..members.len()).map(|index| (number, index)));
    let mut rollout = Rollout::new(header, members, now.mono);
    desk.changed(&rollout);
    catch_up::created(rollouts, desk, &rollout.header.change);
    let waves = rollout.header.waves.len();
    let nodes: usize = rollout.header.waves.iter().map(Vec::len).sum();
    let text = format!("{} asked for it: {nodes} nodes in {waves} waves", name(by));
    desk.tell("deployment-created", (Some(rollout.id()), None), text, now);
    if keeps {
        // Nothing restarts: what is done after the restarts is all there is to do.
        chores::begin(&mut rollout, desk, now);
        rollout::enter(&mut rollout, Phase::Tidying, desk, now);
    } else if waves == 0 {
        ending::end(&mut rollout, Ending::Done, "every node has the set already".to_owned(), desk, now);
    } else {
        rollout::advance(&mut rollout, desk, now);
    }
    rollouts.insert(number, rollout);
    forget_old(rollouts, desk);
    Ok(number)
}

/// Forgets the oldest finished deployments beyond the number that is kept. Those that agents are still to be caught up
/// with come last, while they are not more than half: a node that never comes back must not cost all the others.
fn forget_old(rollouts: &mut Rollouts, desk: &mut Desk) {
    let surplus = rollouts.len().saturating_sub(DEPLOYMENTS);
    let mut over: Vec<u64> = rollouts.iter().filter(|(_, it)| it.is_over()).map(|(number, _)| *number).collect();
    let waited_for = over.iter().rev().copied().filter(|number| !rollouts[number].members.late().is_empty());
    let spared: BTreeSet<u64> = waited_for.take(DEPLOYMENTS / 2).collect();
    over.sort_by_key(|number| (spared.contains(number), *number));
    for number in over.into_iter().take(surplus) {
        rollouts.remove(&number);
        desk.facts.push(Fact::Forgotten(number));
    }
}

fn not_now(rollout: &Rollout, order: DeploymentCommand, why: &str) -> Problem {
    refusal(ExitCode::Conflict, "not-now", format!("can't {order} deployment `{}`: {why}", rollout.id()))
}

fn command(
    rollouts: &mut Rollouts,
    desk: &mut Desk,
    (number, order): (u64, DeploymentCommand),
    by: Option<&str>,
    now: Now,
) -> Result<(), Problem> {
    let Some(rollout) = rollouts.get(&number) else {
        let text = format!("there is no deployment `d{number}`");
        return Err(refusal(ExitCode::NotFound, "no-such-deployment", text).hint("list them with `dcos deploy list`"));
    };
    if matches!(order, DeploymentCommand::Retry | DeploymentCommand::Rollback) {
        undisturbed(rollouts, rollout, order)?;
    }
    let Some(rollout) = rollouts.get_mut(&number) else { return Ok(()) };
    match (order, rollout.header.phase) {
        (DeploymentCommand::Pause | DeploymentCommand::Abort, Phase::Ended(_)) => {
            return Err(not_now(rollout, order, "it is over"));
        }
        (DeploymentCommand::Pause, _) => rollout.header.paused = Some(Paused { by: by.map(str::to_owned) }),
        (DeploymentCommand::Start, phase) => {
            let paused = rollout.header.paused.take().is_some();
            if phase == Phase::Staged {
                rollout.header.started = true;
                rollout::enter(rollout, Phase::Validating, desk, now);
            } else if !paused {
                return Err(not_now(rollout, order, "it is neither paused nor staged"));
            }
        }
        (DeploymentCommand::Abort, _) => {
            rollout.header.stop = Some(Stop::Abort(format!("aborted by {}", name(by))));
        }
        (DeploymentCommand::Retry, Phase::Ended(Ending::Done | Ending::Failed | Ending::Aborted)) => {
            retry(rollout, desk, now)?;
        }
        (DeploymentCommand::Retry, Phase::Ended(Ending::RolledBack)) => {
            return Err(not_now(rollout, order, "it was rolled back; ask for a new one"));
        }
        (DeploymentCommand::Retry, _) => return Err(not_now(rollout, order, "it is still under way")),
        (DeploymentCommand::Rollback, Phase::Ended(Ending::RolledBack) | Phase::RollingBack(_)) => {
            return Err(not_now(rollout, order, "its old sets are back, or on their way"));
        }
        (DeploymentCommand::Rollback, phase) => {
            let reason = format!("rolled back by {}", name(by));
            let changed = rollback::changed_nodes(rollout).into_iter().map(|index| &rollout.members[index]);
            let changed = changed.map(|member| (member.node.as_str(), member.group.as_str()));
            pins::refused(desk, changed, &format!("rollback deployment `{}`", rollout.id()))?;
            rollout.header.paused = None;
            if matches!(phase, Phase::Ended(_)) {
                let changed = rollback::changed_nodes(rollout);
                if changed.is_empty() {
                    return Err(not_now(rollout, order, "it has changed no node"));
                }
                rollout.header.finished_at = None;
                rollback::roll_back(rollout, &changed, (Ending::RolledBack, reason), desk, now);
            } else {
                rollout.header.stop = Some(Stop::RollBack(reason));
            }
        }
    }
    desk.changed(rollout);
    let text = format!("{} said {order}", name(by));
    desk.tell("deployment-command", (Some(rollout.id()), None), text, now);
    rollout::advance(rollout, desk, now);
    Ok(())
}

/// Whether the deployment's nodes are still what it left: no other one works on them, and none came after.
fn undisturbed(rollouts: &Rollouts, rollout: &Rollout, order: DeploymentCommand) -> Result<(), Problem> {
    // To put masters back below agents that a later deployment has changed would be the wrong order, also where these
    // were none of this one's: an agent that was caught up, say.
    let all = order == DeploymentCommand::Rollback && rollout.header.master_waves > 0;
    let members = rollout.members.iter().filter(|member| all || member.stage != Stage::Skipped || member.late);
    let nodes: BTreeSet<&str> = members.map(|member| member.node.as_str()).collect();
    if let Some((other, node)) = in_the_way(rollouts, &nodes, rollout.header.number) {
        return Err(running(other, node));
    }
    let later = rollouts
        .range(rollout.header.number + 1..)
        .flat_map(|(_, later)| later.members.iter().zip(std::iter::repeat(later)));
    let mut touched = later.filter(|(member, _)| member.touched && nodes.contains(member.node.as_str()));
    match touched.next() {
        None => Ok(()),
        Some((member, later)) => {
            let why = format!("deployment `{}` came after it on {}", later.id(), member.node);
            Err(not_now(rollout, order, &why))
        }
    }
}

/// Takes up a finished deployment again, for every node that does not have the new set.
fn retry(rollout: &mut Rollout, desk: &mut Desk, now: Now) -> Result<(), Problem> {
    let again = |member: &Member| match member.stage {
        Stage::Settled | Stage::Tidying => member.back,
        Stage::Skipped => member.late,
        Stage::Waiting
        | Stage::Fetching
        | Stage::Fetched
        | Stage::Ready
        | Stage::Beginning
        | Stage::Going
        | Stage::Watching(_)
        | Stage::Checking
        | Stage::Doubtful
        | Stage::Refused
        | Stage::Failed
        | Stage::FellBack
        | Stage::Lost => true,
    };
    // Only what has a turn in a wave can have it again; the late ones of the plan never had one.
    let planned: BTreeSet<usize> = rollout.header.waves.iter().flatten().copied().collect();
    let meant = planned.into_iter().filter(|index| again(&rollout.members[*index]));
    let why = |index: usize| desk.pinned(&rollout.members[index].node, &rollout.members[index].group);
    let (free, pinned): (Vec<_>, Vec<_>) = meant.map(|index| (index, why(index))).partition(|(_, why)| why.is_none());
    if free.is_empty() {
        return Err(not_now(rollout, DeploymentCommand::Retry, "no node of it failed"));
    }
    // Left where they are they would have a turn, or count for what became of them before.
    for (index, why) in pinned {
        let member = &rollout.members[index];
        // One that waits on the way back still has the new set, and a rollback must find it.
        let has_it = member.stage == Stage::Ready && member.back;
        let (stage, why) = if has_it { (Stage::Settled, None) } else { (Stage::Skipped, why) };
        desk.enter(rollout, index, stage, why.unwrap_or_default(), now);
        let mut member = rollout.members.edit(index);
        member.back = false;
        member.late = false;
        member.work = Work::default();
    }
    for (index, _) in free {
        let failed = rollout.members[index].stage.is_failure();
        desk.enter(rollout, index, Stage::Waiting, String::new(), now);
        let mut member = rollout.members.edit(index);
        member.retry |= failed;
        member.back = false;
        member.vain = 0;
        member.late = false;
        member.log = Vec::new();
        member.work = Work::default();
    }
    rollout.header.started = true;
    rollout.header.finished_at = None;
    rollout.header.reason = String::new();
    rollout::enter(rollout, Phase::Fetching, desk, now);
    Ok(())
}

fn halt(desk: &mut Desk, reply: ReplyTo, reason: String, by: Option<String>, now: Now) {
    // Said again, by somebody who got no answer or by a monitor that reminds: it is the one that stands, and it is
    // answered when it holds, as the first time.
    if let Some(halt) = desk.halts.iter().find(|halt| halt.reason == reason && halt.by == by) {
        let halt = halt.clone();
        desk.halting.push((reply, halt));
        return;
    }
    desk.newest_halt += 1;
    let halt = Halt { id: format!("h{}", desk.newest_halt), reason, by, at: now.wall };
    desk.tell("halt", (None, None), format!("{}: {}", name(halt.by.as_deref()), halt.reason), now);
    desk.halts.push(halt.clone());
    desk.facts.push(desk.halts_fact());
    // The answer goes out when no `go` is under way any more: see `answer_halts`.
    desk.halting.push((reply, halt));
}

fn resume(
    rollouts: &mut Rollouts,
    desk: &mut Desk,
    id: &str,
    (by, note): (Option<&str>, &str),
    now: Now,
) -> Result<Outcome, Problem> {
    let Some(place) = desk.halts.iter().position(|halt| halt.id == id) else {
        let text = format!("there is no halt `{id}`");
        return Err(refusal(ExitCode::NotFound, "no-such-halt", text).hint("list them with `dcos deploy status`"));
    };
    let halt = desk.halts.remove(place);
    desk.facts.push(desk.halts_fact());
    desk.tell("resume", (None, None), format!("{} cleared halt `{}`: {note}", name(by), halt.id), now);
    rollouts.values_mut().filter(|rollout| !rollout.is_over()).for_each(|it| rollout::advance(it, desk, now));
    Ok(Outcome::Done)
}

/// Replaces a document of another part, if it is still what its writer saw.
fn keep(desk: &mut Desk, change: Keep) -> Result<Outcome, Problem> {
    let name = (change.kind.to_owned(), change.id);
    if desk.documents.get(&name) != change.before.as_ref() {
        let text = format!("the {} `{}` was changed meanwhile", name.0, name.1);
        return Err(refusal(ExitCode::Conflict, "changed-meanwhile", text).hint("look at it again, and decide anew"));
    }
    match &change.after {
        Some(body) => drop(desk.documents.insert(name.clone(), body.clone())),
        None => drop(desk.documents.remove(&name)),
    }
    desk.facts.push(Fact::Document { kind: name.0, id: name.1, body: change.after });
    Ok(Outcome::Done)
}

/// A ping only hastens a poll: what it says is not believed. One that says what is known already hastens nothing, so that
/// a node that tells of itself all the time is asked no more often than the others.
fn pinged(rollouts: &mut Rollouts, desk: &mut Desk, ping: &Ping, now: Now) -> Result<Outcome, Problem> {
    let unknown = || {
        let text = format!("no deployment knows an attempt `{}` of {}", ping.attempt, ping.node);
        refusal(ExitCode::NotFound, "no-such-attempt", text)
    };
    let mut parts = ping.attempt.strip_prefix('d').ok_or_else(unknown)?.splitn(3, '-');
    let mut number = || parts.next().and_then(|part| part.parse::<u64>().ok()).ok_or_else(unknown);
    let (deployment, index, tried) = (number()?, number()?, number()?);
    let rollout = rollouts.get_mut(&deployment).ok_or_else(unknown)?;
    let index = usize::try_from(index).map_err(|_| unknown())?;
    // A node calls itself by its own configuration, which may know no host name where the master does.
    let is_meant = |member: &&Member| {
        let address = member.url.split_once("://").map_or("", |(_, address)| address);
        member.node == ping.node || address == ping.node
    };
    let member = rollout.members.get(index).filter(is_meant).ok_or_else(unknown)?;
    if tried == 0 || tried > u64::from(member.tries) {
        return Err(unknown());
    }
    let is_news = member.stage != Stage::Watching(ping.state);
    if is_news && member.attempt.as_deref() == Some(ping.attempt.as_str()) && member.stage.is_in_flight() {
        rollout.members.edit(index).work.due = now.mono;
        rollout::advance(rollout, desk, now);
    }
    Ok(Outcome::Done)
}

#[cfg(test)]
#[path = "orders_tests.rs"]
mod tests;
