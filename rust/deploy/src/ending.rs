//! How a deployment ends, and what is kept of it: the sets that its groups should run from then on.

use dcos_api::types::deploy::OnFailure;
use dcos_core::resolve::Change;

use crate::chores;
use crate::desk::Desk;
use crate::event::Now;
use crate::members::Shelf;
use crate::rollback::{roll_back, to_put_back};
use crate::rollout::{enter, tell};
use crate::state::{Ending, Phase, Rollout, Stage, Stop, Work};

/// Every wave is over.
pub(crate) fn finish(rollout: &mut Rollout, desk: &mut Desk, now: Now) {
    let settled = rollout.members.on(Shelf::Settled).len();
    let failed = rollout.members.on(Shelf::Failed).len();
    let late = rollout.members.late().len();
    if settled == 0 && !rollout.header.waves.is_empty() {
        return end(rollout, Ending::Failed, "no target was alive when its turn came".to_owned(), desk, now);
    }
    if rollout.header.phase == Phase::Restarting && !rollout.header.strategy.after.is_empty() && settled > 0 {
        chores::begin(rollout, desk, now);
        return enter(rollout, Phase::Tidying, desk, now);
    }
    let mut reason = match settled {
        _ if matches!(rollout.header.change, Change::Keep(_)) => {
            format!(
                "{} on {settled} node{}",
                chores::named(&rollout.header.strategy.after),
                if settled == 1 { "" } else { "s" }
            )
        }
        0 => "there was nothing to do".to_owned(),
        1 => "1 node has the new set".to_owned(),
        _ => format!("{settled} nodes have the new set"),
    };
    if failed > 0 {
        reason.push_str(&format!(", {failed} failed"));
    }
    let undone = rollout.members.on(Shelf::Settled).iter();
    let undone = undone.filter(|index| !rollout.members[**index].detail.is_empty()).count();
    if undone > 0 {
        reason.push_str(&format!(", {undone} with chores left undone"));
    }
    if late > 0 {
        let were = if late == 1 { "was" } else { "were" };
        reason.push_str(&format!(", {late} {were} dead and will be caught up"));
    }
    end(rollout, Ending::Done, reason, desk, now);
}

/// Nothing is under way any more, and the deployment must not go on.
pub(crate) fn conclude(rollout: &mut Rollout, stop: Stop, desk: &mut Desk, now: Now) {
    let (policy, ending, reason) = match stop {
        Stop::Failure(reason) => match rollout.header.strategy.on_failure {
            policy @ (OnFailure::Stop | OnFailure::RollBackWave) => (policy, Ending::Failed, reason),
            policy @ OnFailure::RollBackAll => (policy, Ending::RolledBack, reason),
        },
        Stop::Abort(reason) => (OnFailure::Stop, Ending::Aborted, reason),
        Stop::RollBack(reason) => (OnFailure::RollBackAll, Ending::RolledBack, reason),
    };
    roll_back(rollout, &to_put_back(rollout, policy), (ending, reason), desk, now);
}

/// Ends the deployment.
pub(crate) fn end(rollout: &mut Rollout, ending: Ending, reason: String, desk: &mut Desk, now: Now) {
    rollout.header.phase = Phase::Ended(ending);
    rollout.header.finished_at = Some(now.wall);
    rollout.header.paused = None;
    rollout.header.stop = None;
    let kind = match ending {
        Ending::Done => "deployment-done",
        Ending::Failed => "deployment-failed",
        Ending::Aborted => "deployment-aborted",
        Ending::RolledBack => "deployment-rolled-back",
    };
    tell(rollout, kind, reason.clone(), desk, now);
    rollout.header.reason = reason;
    for index in 0..rollout.members.len() {
        let mut member = rollout.members.edit(index);
        member.work = Work::default();
        if ending != Ending::Done && std::mem::take(&mut member.late) {
            desk.changed_members.insert((rollout.header.number, index));
        }
    }
    desk.changed(rollout);
    desire(rollout, ending, desk);
}

/// Keeps what the groups of the deployment should run from now on.
fn desire(rollout: &Rollout, ending: Ending, desk: &mut Desk) {
    if !rollout.header.whole_groups {
        return;
    }
    for member in rollout.members.iter().filter(|member| member.stage == Stage::Settled && !member.group.is_empty()) {
        let set = match ending {
            Ending::Done => &member.to,
            Ending::RolledBack => &member.from,
            Ending::Failed | Ending::Aborted => continue,
        };
        if desk.desired.get(&member.group) != Some(set) {
            desk.desired.insert(member.group.clone(), set.clone());
            let (group, set) = (member.group.clone(), set.clone());
            desk.facts.push(crate::state::Fact::Desired { group, set });
        }
    }
}
