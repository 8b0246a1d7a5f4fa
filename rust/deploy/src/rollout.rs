//! One deployment: fetch on all, validate on all, then restart by waves, masters first.
//!
//! `advance` is called after every event and does whatever can be done now; it may be called at any time, any number of
//! times. Nodes that are under way are always followed to their end, also when no further node may start.
//!
//! What it costs must not grow with the deployment, since it is called for every answer: it looks at the nodes that are
//! due, and at the number of the others. Deadlines and the list of agents are held against all of them in a sweep, once a
//! second and when that list was read.

use std::ops::RangeInclusive;

use dcos_core::Role;

use crate::chores;
use crate::desk::Desk;
use crate::ending::{conclude, end, finish};
use crate::epitaph::epitaph;
use crate::event::{Now, Request};
use crate::gate::{closed, is_dead, is_gone, missing_for, silent_master};
use crate::member::{Node, is_master};
use crate::members::Shelf;
use crate::rollback::put_back;
use crate::state::{Ending, Phase, Rollout, Stage, Stop};

use crate::strategy;

/// How long between two looks at all nodes, in milliseconds.
const SWEEP: u64 = 1_000;

/// Does whatever can be done now for a deployment.
pub(crate) fn advance(rollout: &mut Rollout, desk: &mut Desk, now: Now) {
    match rollout.header.phase {
        Phase::Fetching => fetch(rollout, desk, now),
        Phase::Staged => {
            if let Some(stop) = rollout.header.stop.take() {
                conclude(rollout, stop, desk, now);
            }
        }
        Phase::Validating => validate(rollout, desk, now),
        Phase::Restarting => restart(rollout, desk, now),
        Phase::Tidying => match rollout.header.stop.take() {
            Some(stop) => conclude(rollout, stop, desk, now),
            None => {
                let sweep = if sweeps(rollout, now) { Sweep::All } else { Sweep::None };
                chores::go_on(rollout, desk, now, sweep);
            }
        },
        Phase::RollingBack(ending) => put_back(rollout, ending, desk, now),
        Phase::Ended(_) => {}
    }
}

/// Enters a phase and does what can be done in it.
pub(crate) fn enter(rollout: &mut Rollout, phase: Phase, desk: &mut Desk, now: Now) {
    rollout.header.phase = phase;
    rollout.phase_since = now.mono;
    rollout.soaking = None;
    rollout.master_silent_since = None;
    rollout.swept = None;
    desk.changed(rollout);
    advance(rollout, desk, now);
}

/// Whether all nodes are looked at, or only those that are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sweep {
    /// All.
    All,
    /// Those that are due.
    None,
}

/// Whether it is time to look at all nodes.
fn sweeps(rollout: &mut Rollout, now: Now) -> bool {
    let is_due = rollout.swept.is_none_or(|at| now.mono.saturating_sub(at) >= SWEEP);
    if is_due {
        rollout.swept = Some(now.mono);
    }
    is_due
}

pub(crate) fn tell(rollout: &Rollout, kind: &str, text: String, desk: &mut Desk, now: Now) {
    desk.tell(kind, (Some(rollout.id()), None), text, now);
}

fn fetch(rollout: &mut Rollout, desk: &mut Desk, now: Now) {
    if let Some(stop) = rollout.header.stop.take() {
        return conclude(rollout, stop, desk, now);
    }
    let timeout = rollout.header.strategy.fetch_timeout;
    let late = now.mono.saturating_sub(rollout.phase_since) >= timeout * 1_000;
    if sweeps(rollout, now) {
        for index in rollout.members.list(Shelf::ToFetch) {
            if rollout.members[index].fetch.is_empty() {
                desk.enter(rollout, index, Stage::Fetched, String::new(), now);
            } else if is_dead(desk, &rollout.members[index].node, now) && !is_master(rollout, index) {
                Node { rollout, index, desk, now }.pass_over("was dead before it could fetch");
            } else if late && is_missing(rollout, index, desk, now) {
                Node { rollout, index, desk, now }.pass_over("was not registered when the time to fetch was over");
            } else if late {
                Node { rollout, index, desk, now }.refuse(format!("could not fetch within {timeout} s"));
            }
        }
    }
    if rollout.members.on(Shelf::ToFetch).is_empty() {
        return fetched(rollout, desk, now);
    }
    for index in rollout.members.due(Shelf::ToFetch, now.mono) {
        let member = &rollout.members[index];
        let request = match &member.work.job {
            Some(job) => Request::Job(job.clone()),
            None => Request::Fetch(member.fetch.clone()),
        };
        desk.ask(rollout, index, request);
    }
}

/// Whether the node is an agent that is not there: it may be dead, though that can't be told yet.
fn is_missing(rollout: &Rollout, index: usize, desk: &Desk, now: Now) -> bool {
    !is_master(rollout, index) && missing_for(desk, &rollout.members[index].node, now) > 0
}

/// Judges the fetching once it is over on every node.
fn fetched(rollout: &mut Rollout, desk: &mut Desk, now: Now) {
    let failed = refused(rollout);
    let good = rollout.members.on(Shelf::Fetched).len();
    let share = usize::from(rollout.header.strategy.fetch_share);
    let settled = !rollout.members.on(Shelf::Settled).is_empty();
    let enough = good * 100 >= share * (good + failed.len()) && !failed.iter().any(|index| is_master(rollout, *index));
    if !enough {
        let first = failed.first().map_or_else(String::new, |index| epitaph(rollout, *index));
        let text = format!("{} of {} nodes could not fetch: {first}", failed.len(), failed.len() + good);
        return end(rollout, Ending::Failed, text, desk, now);
    }
    if good == 0 && !settled {
        return end(rollout, Ending::Failed, "no target was alive to fetch".to_owned(), desk, now);
    }
    for index in failed {
        let detail = rollout.members[index].detail.clone();
        desk.enter(rollout, index, Stage::Skipped, detail, now);
    }
    let staged = rollout.header.strategy.stage_only && !rollout.header.started;
    tell(rollout, "deployment-fetched", format!("everything is local on {good} nodes"), desk, now);
    enter(rollout, if staged { Phase::Staged } else { Phase::Validating }, desk, now);
}

/// The nodes that said no before anything was stopped on them.
fn refused(rollout: &Rollout) -> Vec<usize> {
    let failed = rollout.members.on(Shelf::Failed).iter().copied();
    failed.filter(|index| rollout.members[*index].stage == Stage::Refused).collect()
}

fn validate(rollout: &mut Rollout, desk: &mut Desk, now: Now) {
    if let Some(stop) = rollout.header.stop.take() {
        return conclude(rollout, stop, desk, now);
    }
    let timeout = rollout.header.strategy.node_timeout;
    let late = now.mono.saturating_sub(rollout.phase_since) >= timeout * 1_000;
    if sweeps(rollout, now) {
        for index in rollout.members.list(Shelf::Fetched) {
            if is_dead(desk, &rollout.members[index].node, now) && !is_master(rollout, index) {
                Node { rollout, index, desk, now }.pass_over("was dead before it could be asked about the set");
            } else if late && is_missing(rollout, index, desk, now) {
                Node { rollout, index, desk, now }.pass_over("was not registered when it was asked about the set");
            } else if late {
                let trouble = rollout.members[index].work.trouble.clone().unwrap_or_default();
                Node { rollout, index, desk, now }.refuse(format!("did not say whether the set can work: {trouble}"));
            }
        }
    }
    for index in rollout.members.due(Shelf::Fetched, now.mono) {
        let set = rollout.members[index].to.clone();
        desk.ask(rollout, index, Request::Validate(set));
    }
    if !rollout.members.on(Shelf::Fetched).is_empty() {
        return;
    }
    let refused = refused(rollout);
    let ready = rollout.members.on(Shelf::Ready).len();
    if let Some(first) = refused.first() {
        let asked = refused.len() + ready;
        let text = format!("refused by {} of {asked} nodes: {}", refused.len(), epitaph(rollout, *first));
        return end(rollout, Ending::Failed, text, desk, now);
    }
    fill_canary(rollout, desk);
    // After a retry the first waves may be over already.
    let open = |wave: &usize| rollout.range(*wave).is_some_and(|range| rollout.members.any_open_in(&range));
    rollout.header.wave = (0..rollout.header.waves.len()).find(open).unwrap_or(0);
    tell(rollout, "deployment-validated", format!("the sets can work on {ready} nodes"), desk, now);
    enter(rollout, Phase::Restarting, desk, now);
}

fn restart(rollout: &mut Rollout, desk: &mut Desk, now: Now) {
    follow(rollout, desk, now);
    if rollout.header.stop.is_none()
        && let Some(reason) = too_many_failures(rollout)
    {
        tell(rollout, "deployment-stopped", reason.clone(), desk, now);
        rollout.header.stop = Some(Stop::Failure(reason));
        desk.changed(rollout);
    }
    if rollout.header.stop.is_some() {
        if rollout.in_flight() == 0
            && let Some(stop) = rollout.header.stop.take()
        {
            conclude(rollout, stop, desk, now);
        }
        return;
    }
    let Some(range) = rollout.range(rollout.header.wave) else {
        return finish(rollout, desk, now);
    };
    if rollout.members.any_open_in(&range) {
        start_some(rollout, &range, desk, now);
    } else {
        wave_holds(rollout, desk, now);
    }
}

/// Follows the nodes under way.
pub(crate) fn follow(rollout: &mut Rollout, desk: &mut Desk, now: Now) {
    let all = sweeps(rollout, now);
    let members = &rollout.members;
    let indexes = if all { members.list(Shelf::UnderWay) } else { members.due(Shelf::UnderWay, now.mono) };
    for index in indexes {
        Node { rollout, index, desk, now }.follow();
    }
}

/// Why the deployment must stop because of what failed so far, if it must.
fn too_many_failures(rollout: &Rollout) -> Option<String> {
    let failed = rollout.members.on(Shelf::Failed).iter().copied();
    let failures: Vec<usize> = failed.filter(|index| !rollout.members[*index].back).collect();
    let last = failures.iter().copied().max_by_key(|index| rollout.members[*index].updated_at)?;
    if let Some(master) = failures.iter().find(|index| is_master(rollout, **index)) {
        return Some(format!("a master failed: {}", epitaph(rollout, *master)));
    }
    // A canary that is all there is to the deployment has nobody to warn.
    let header = &rollout.header;
    let canary = header.waves.get(header.master_waves).filter(|_| header.waves.len() > header.master_waves + 1);
    if let Some(index) = canary.and_then(|canary| canary.iter().copied().find(|index| failures.contains(index))) {
        return Some(format!("the canary failed: {}", epitaph(rollout, index)));
    }
    let allowed = usize::try_from(header.strategy.max_failures).unwrap_or(usize::MAX);
    if failures.len() > allowed {
        let count = failures.len();
        let text = if allowed == 0 { String::new() } else { format!("{count} nodes failed, {allowed} may: ") };
        return Some(format!("{text}{}", epitaph(rollout, last)));
    }
    let away = failures.iter().filter(|index| rollout.members[**index].stage.is_away()).count();
    let limit = limit(rollout);
    (rollout.members.any_open() && away >= limit)
        .then(|| format!("{away} nodes are away and {limit} may be at once: {}", epitaph(rollout, last)))
}

/// How many agents of the deployment may be away at once.
pub(crate) fn limit(rollout: &Rollout) -> usize {
    let agents = rollout.header.waves.iter().skip(rollout.header.master_waves).map(Vec::len).sum();
    strategy::limit(rollout.header.strategy.max_unavailable, agents)
}

/// Every node of the wave has had its turn.
fn wave_holds(rollout: &mut Rollout, desk: &mut Desk, now: Now) {
    if rollout.header.wave + 1 >= rollout.header.waves.len() {
        return finish(rollout, desk, now);
    }
    let soak = rollout.header.strategy.soak * 1_000;
    let since = *rollout.soaking.get_or_insert(now.mono);
    if now.mono.saturating_sub(since) < soak {
        return;
    }
    if soak > 0 {
        // What held at the end of its attempt must still be there.
        let wave = rollout.header.waves[rollout.header.wave].iter().copied();
        let held = wave.filter(|index| {
            let member = &rollout.members[*index];
            member.stage == Stage::Settled && member.role == Role::Agent
        });
        let held: Vec<_> = held.map(|index| (index, is_gone(desk, &rollout.members[index].node, now))).collect();
        let gone: Vec<usize> = held.iter().filter(|(_, gone)| *gone == Some(true)).map(|(index, _)| *index).collect();
        for index in &gone {
            let text = "was confirmed, and is not registered any more after the soak".to_owned();
            desk.tell(
                "node-failed",
                (Some(rollout.id()), Some(rollout.members[*index].node.clone())),
                text.clone(),
                now,
            );
            desk.enter(rollout, *index, Stage::Failed, text, now);
        }
        if !gone.is_empty() {
            return restart(rollout, desk, now);
        }
        if held.iter().any(|(_, gone)| gone.is_none()) {
            return;
        }
    }
    rollout.soaking = None;
    rollout.header.wave += 1;
    rollout.master_silent_since = None;
    let (wave, waves) = (rollout.header.wave + 1, rollout.header.waves.len());
    tell(rollout, "wave-started", format!("wave {wave} of {waves} may start"), desk, now);
    desk.changed(rollout);
    restart(rollout, desk, now);
}

/// Starts as many nodes of the wave as may be.
fn start_some(rollout: &mut Rollout, range: &RangeInclusive<usize>, desk: &mut Desk, now: Now) {
    if closed(rollout, desk, now).is_some() {
        // Time during which nothing may start counts against nobody.
        forgive(rollout, Shelf::Ready, range);
        rollout.master_silent_since = None;
        return;
    }
    let masters = is_master(rollout, *range.start());
    if masters && !masters_are_well(rollout, desk, now) {
        return;
    }
    let mut room = if masters { 1 } else { limit(rollout) }.saturating_sub(rollout.in_flight() + away(rollout));
    let (mut at, mut end) = (*range.start(), *range.end() + 1);
    let mut skipped = 0;
    while let Some(index) = rollout.members.on(Shelf::Ready).range(at..end).next().copied() {
        at = index + 1;
        let member = &rollout.members[index];
        let (missing, due) = (missing_for(desk, &member.node, now), member.work.due);
        if !masters && is_dead(desk, &member.node, now) {
            Node { rollout, index, desk, now }.pass_over("was dead before its turn came");
            skipped += 1;
        } else if room == 0 {
            break;
        } else if (Node { rollout, index, desk, now }).gave_no_ticket() {
            let timeout = rollout.header.strategy.node_timeout;
            let why = rollout.members[index].work.trouble.clone().unwrap_or_default();
            Node { rollout, index, desk, now }.refuse(format!("could not be started within {timeout} s: {why}"));
            substitute(rollout, skipped, desk);
            return restart(rollout, desk, now);
        } else if missing == 0 && due <= now.mono {
            Node { rollout, index, desk, now }.start();
            room -= 1;
        }
        if at == end && skipped > 0 {
            end = substitute(rollout, std::mem::take(&mut skipped), desk);
        }
    }
    if skipped > 0 {
        substitute(rollout, skipped, desk);
    }
    // Nobody may be left in the wave.
    let range = rollout.range(rollout.header.wave);
    if range.is_some_and(|range| !rollout.members.any_open_in(&range)) {
        wave_holds(rollout, desk, now);
    }
}

/// Starts the clocks of nodes that wait to be started anew.
pub(crate) fn forgive(rollout: &mut Rollout, shelf: Shelf, range: &RangeInclusive<usize>) {
    let waited = |index: &usize| rollout.members[*index].work.since.is_some();
    let waited: Vec<usize> = rollout.members.on(shelf).range(range.clone()).copied().filter(waited).collect();
    waited.into_iter().for_each(|index| rollout.members.edit(index).work.since = None);
}

/// How many nodes can't be counted on any more.
pub(crate) fn away(rollout: &Rollout) -> usize {
    let failed = rollout.members.on(Shelf::Failed).iter();
    failed.filter(|index| rollout.members[**index].stage.is_away()).count()
}

/// Sees to it that there is a canary: one that was passed over before the restarts, while all were fetching, warns of
/// nothing.
fn fill_canary(rollout: &mut Rollout, desk: &mut Desk) {
    let wave = rollout.header.master_waves;
    let agents = rollout.header.waves.iter().skip(wave).map(Vec::len).sum();
    let ends = strategy::wave_ends(&rollout.header.strategy.waves, agents).unwrap_or_default();
    let canary = ends.first().copied().unwrap_or(0);
    while let Some(indexes) = rollout.header.waves.get(wave)
        && wave + 1 < rollout.header.waves.len()
    {
        let passed_over = indexes.iter().filter(|index| rollout.members[**index].stage == Stage::Skipped).count();
        let open = indexes.len() - passed_over;
        if open >= canary {
            return;
        }
        substitute_in(rollout, wave, canary - open, desk);
    }
}

/// The same in the wave at hand, while its nodes have their turns. Answers the place behind it.
fn substitute(rollout: &mut Rollout, count: usize, desk: &mut Desk) -> usize {
    substitute_in(rollout, rollout.header.wave, count, desk)
}

/// Puts agents of the next waves in the place of so many that were passed over, so that a dead canary warns nobody in
/// vain. Answers the place behind the wave.
fn substitute_in(rollout: &mut Rollout, wave: usize, mut count: usize, desk: &mut Desk) -> usize {
    let waves = &mut rollout.header.waves;
    while count > 0 && wave + 1 < waves.len() {
        let taken = count.min(waves[wave + 1].len());
        let substitutes: Vec<usize> = waves[wave + 1].drain(..taken).collect();
        waves[wave].extend(substitutes);
        count -= taken;
        if waves[wave + 1].is_empty() {
            waves.remove(wave + 1);
        }
        desk.changed_headers.insert(rollout.header.number);
    }
    rollout.range(wave).map_or(0, |range| *range.end() + 1)
}

/// Whether every master answers; a deployment that waits for one too long stops.
fn masters_are_well(rollout: &mut Rollout, desk: &mut Desk, now: Now) -> bool {
    let Some(silent) = silent_master(desk) else {
        rollout.master_silent_since = None;
        return true;
    };
    let since = *rollout.master_silent_since.get_or_insert(now.mono);
    let timeout = rollout.header.strategy.node_timeout;
    if now.mono.saturating_sub(since) >= timeout * 1_000 && rollout.header.stop.is_none() {
        let reason = format!("the master {silent} did not answer for {timeout} s, and masters are never passed over");
        tell(rollout, "deployment-stopped", reason.clone(), desk, now);
        rollout.header.stop = Some(Stop::Failure(reason));
        desk.changed(rollout);
        restart(rollout, desk, now);
    }
    false
}
