//! The way back: old sets in the opposite order, agents before masters.

use std::ops::RangeInclusive;

use dcos_api::types::deploy::OnFailure;

use crate::desk::Desk;
use crate::ending::end;
use crate::epitaph::epitaph;
use crate::event::Now;
use crate::gate::{closed, missing_for};
use crate::member::{Node, is_master};
use crate::members::Shelf;
use crate::rollout::{enter, follow, forgive, limit, tell};
use crate::state::{Ending, Member, Phase, Rollout, Stage, Stop, Work};

/// Puts the old sets back on these nodes, and ends the deployment so.
pub(crate) fn roll_back(
    rollout: &mut Rollout,
    indexes: &[usize],
    (ending, reason): (Ending, String),
    desk: &mut Desk,
    now: Now,
) {
    rollout.header.stop = None;
    if indexes.is_empty() {
        return end(rollout, ending, reason, desk, now);
    }
    for index in indexes {
        desk.enter(rollout, *index, Stage::Ready, String::new(), now);
        let mut member = rollout.members.edit(*index);
        member.back = true;
        member.vain = 0;
        member.work = Work::default();
    }
    let text = format!("{} nodes get their old sets back: {reason}", indexes.len());
    tell(rollout, "deployment-rolling-back", text, desk, now);
    rollout.header.reason = reason;
    enter(rollout, Phase::RollingBack(ending), desk, now);
}

/// Puts old sets back, in the opposite order of waves.
pub(crate) fn put_back(rollout: &mut Rollout, ending: Ending, desk: &mut Desk, now: Now) {
    follow(rollout, desk, now);
    let failed = rollout.members.on(Shelf::Failed).iter().copied();
    let failures: Vec<usize> = failed.filter(|index| rollout.members[*index].back).collect();
    let under_way = rollout.in_flight();
    let allowed = usize::try_from(rollout.header.strategy.max_failures).unwrap_or(usize::MAX);
    let aborted = matches!(rollout.header.stop, Some(Stop::Abort(_)));
    // The last node in the order of the plan whose old set is not back yet: its wave is the one at hand.
    let open = [Shelf::Returning, Shelf::UnderWay].map(|shelf| rollout.members.on(shelf).last().copied());
    let next = open.into_iter().flatten().max().and_then(|index| wave_of(rollout, index));
    // So many that nobody more may go, or a master, which may never fail: waiting would help nobody.
    let away = failures.iter().filter(|index| rollout.members[**index].stage.is_away()).count();
    let stuck = away >= limit(rollout) && away > 0 || failures.iter().any(|index| is_master(rollout, *index));
    let over = next.is_none() || failures.len() > allowed || aborted || stuck;
    if over && under_way == 0 {
        let reason = std::mem::take(&mut rollout.header.reason);
        return match (failures.first(), rollout.header.stop.take()) {
            (Some(first), _) => {
                let text = format!("{reason}; the old set could not be put back: {}", epitaph(rollout, *first));
                end(rollout, Ending::Failed, text, desk, now);
            }
            (None, Some(Stop::Abort(why))) => end(rollout, Ending::Aborted, format!("{reason}; {why}"), desk, now),
            (None, _) => end(rollout, ending, reason, desk, now),
        };
    }
    let (Some(range), false) = (next, over) else { return };
    if closed(rollout, desk, now).is_some() {
        return forgive(rollout, Shelf::Returning, &range);
    }
    let masters = is_master(rollout, *range.start());
    let mut room = if masters { 1 } else { limit(rollout) - away }.saturating_sub(under_way);
    let timeout = rollout.header.strategy.node_timeout * 1_000;
    let (start, mut end) = (*range.start(), *range.end() + 1);
    while room > 0
        && let Some(index) = rollout.members.on(Shelf::Returning).range(start..end).next_back().copied()
    {
        end = index;
        // A node that waits for its turn is not late; one that is missing, or that could not begin, is.
        let missing = missing_for(desk, &rollout.members[index].node, now);
        let late = Node { rollout, index, desk, now }.gave_no_ticket();
        if missing >= timeout || late {
            let why = rollout.members[index].work.trouble.clone().unwrap_or_default();
            let text = format!("the old set could not be put back within {} s: {why}", timeout / 1_000);
            Node { rollout, index, desk, now }.refuse(text);
            return put_back(rollout, ending, desk, now);
        }
        if missing == 0 && rollout.members[index].work.due <= now.mono {
            if !(Node { rollout, index, desk, now }).may_go_back() {
                // Refused for good, it ends the deployment or gives way to the next; else it is asked about again.
                let refused = rollout.members[index].stage == Stage::Refused;
                if refused {
                    put_back(rollout, ending, desk, now);
                }
                return;
            }
            Node { rollout, index, desk, now }.start();
            room -= 1;
        }
    }
}

/// The places of the wave that a node is in.
fn wave_of(rollout: &Rollout, index: usize) -> Option<RangeInclusive<usize>> {
    let wave = rollout.header.waves.partition_point(|wave| wave.last().is_none_or(|last| *last < index));
    rollout.range(wave)
}

/// Whether a node that is over may hold a set that a rollback must undo. An earlier rollback may have stopped half-way: what
/// it did not begin with, what refused, and what came up on the newer set again still have that.
pub(crate) fn is_changed(member: &Member) -> bool {
    let may_hold_it = match member.stage {
        Stage::Settled | Stage::Tidying => !member.back,
        Stage::Doubtful | Stage::Failed => true,
        Stage::Ready | Stage::Refused | Stage::FellBack => member.back,
        Stage::Waiting
        | Stage::Fetching
        | Stage::Fetched
        | Stage::Beginning
        | Stage::Going
        | Stage::Watching(_)
        | Stage::Checking
        | Stage::Lost
        | Stage::Skipped => false,
    };
    member.touched && may_hold_it
}

/// The nodes that a deployment has changed, so that a rollback must undo it.
pub(crate) fn changed_nodes(rollout: &Rollout) -> Vec<usize> {
    (0..rollout.members.len()).filter(|index| is_changed(&rollout.members[*index])).collect()
}

/// The nodes that a failure puts back, by the policy of the strategy.
pub(crate) fn to_put_back(rollout: &Rollout, policy: OnFailure) -> Vec<usize> {
    let is_meant = |index: &usize| is_changed(&rollout.members[*index]);
    let indexes = |range: &[usize]| range.iter().copied().filter(is_meant).collect();
    match policy {
        OnFailure::Stop => Vec::new(),
        OnFailure::RollBackWave => {
            rollout.header.waves.get(rollout.header.wave).map_or_else(Vec::new, |wave| indexes(wave))
        }
        OnFailure::RollBackAll => changed_nodes(rollout),
    }
}
