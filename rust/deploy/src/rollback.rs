//! The way back: old sets in the opposite order, agents before masters.

use crate::event::Now;
use crate::gate::{closed, missing_for};
use crate::member::{Node, epitaph, is_master};
use crate::rollout::{end, enter, follow, limit, tell};
use crate::state::{Desk, Ending, Phase, Rollout, Stage, Stop, Work};

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
        let member = &mut rollout.members[*index];
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
    let failed = |index: &usize| rollout.members[*index].back && rollout.members[*index].stage.is_failure();
    let failures: Vec<usize> = (0..rollout.members.len()).filter(failed).collect();
    let under_way = rollout.in_flight().count();
    let allowed = usize::try_from(rollout.header.strategy.max_failures).unwrap_or(usize::MAX);
    let aborted = matches!(rollout.header.stop, Some(Stop::Abort(_)));
    let next =
        rollout.header.waves.iter().rev().find(|wave| {
            wave.iter().any(|index| rollout.members[*index].back && !rollout.members[*index].stage.is_over())
        });
    let over = next.is_none() || failures.len() > allowed || aborted;
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
    let (Some(wave), false) = (next.cloned(), over) else { return };
    let ready = |index: &&usize| rollout.members[**index].back && rollout.members[**index].stage == Stage::Ready;
    let ready: Vec<usize> = wave.iter().rev().filter(ready).copied().collect();
    if closed(rollout, desk, now).is_some() {
        ready.iter().for_each(|index| rollout.members[*index].work.since = None);
        return;
    }
    let masters = wave.iter().any(|index| is_master(rollout, *index));
    let away = failures.iter().filter(|index| rollout.members[**index].stage.is_away()).count();
    let room = if masters { 1 } else { limit(rollout) }.saturating_sub(under_way + away);
    let timeout = rollout.header.strategy.node_timeout * 1_000;
    let mut started = 0;
    for index in ready {
        let (name, work) = (rollout.members[index].node.clone(), rollout.members[index].work.clone());
        // A node that waits for its turn is not late; one that is missing, or that could not begin, is.
        let missing = missing_for(desk, &name, now);
        let late = Node { rollout, index, desk, now }.gave_no_ticket();
        if started < room && (missing >= timeout || late) {
            let why = work.trouble.unwrap_or_default();
            let text = format!("the old set could not be put back within {} s: {why}", timeout / 1_000);
            Node { rollout, index, desk, now }.refuse(text);
            return put_back(rollout, ending, desk, now);
        }
        if started < room && missing == 0 && work.due <= now.mono {
            Node { rollout, index, desk, now }.start();
            started += 1;
        }
    }
}
