//! What is done on the nodes once all of them had their turn: removing, verifying, collecting garbage.
//!
//! Nothing restarts because of it, so it goes on all nodes at once, and what goes wrong fails no deployment: it is told,
//! with the node. A chore may be done twice, after the controller's own restart, which does no harm.

use dcos_api::types::deploy::Chore;

use crate::desk::Desk;
use crate::ending::finish;
use crate::event::{Fetching, Now, Request, Trouble};
use crate::gate::is_dead;
use crate::member::Node;
use crate::members::Shelf;
use crate::rollout::Sweep;
use crate::state::{Member, Rollout, Stage, Work};

/// How often a node is asked for a chore in vain before it is left undone.
const TRIES: u32 = 3;

/// Has every node that has the new set do its chores.
pub(crate) fn begin(rollout: &mut Rollout, desk: &mut Desk, now: Now) {
    for index in rollout.members.list(Shelf::Settled) {
        desk.enter(rollout, index, Stage::Tidying, String::new(), now);
        rollout.members.edit(index).work = Work::default();
    }
}

/// Chores in words.
pub(crate) fn named(chores: &[Chore]) -> String {
    chores.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Asks whoever is due; ends the deployment once all are done.
pub(crate) fn go_on(rollout: &mut Rollout, desk: &mut Desk, now: Now, sweep: Sweep) {
    let timeout = rollout.header.strategy.fetch_timeout;
    let late = now.mono.saturating_sub(rollout.phase_since) >= timeout * 1_000;
    if sweep == Sweep::All {
        for index in rollout.members.list(Shelf::Tidying) {
            if late || is_dead(desk, &rollout.members[index].node, now) {
                Node { rollout, index, desk, now }.chore_undone("was not done in time", true);
            }
        }
    }
    // What was not begun waits like everything else; what was is over by itself.
    if !desk.halts.is_empty() || rollout.header.paused.is_some() {
        return;
    }
    for index in rollout.members.due(Shelf::Tidying, now.mono) {
        match next_request(&rollout.members[index], &rollout.header.strategy.after) {
            Some(request) => desk.ask(rollout, index, request),
            None => Node { rollout, index, desk, now }.tidied(),
        }
    }
    if rollout.members.on(Shelf::Tidying).is_empty() {
        finish(rollout, desk, now);
    }
}

/// What the node is asked next; nothing if it is done.
fn next_request(member: &Member, chores: &[Chore]) -> Option<Request> {
    if let Some(job) = &member.work.job {
        return Some(Request::Job(job.clone()));
    }
    Some(match chores.get(member.work.chore)? {
        Chore::Remove => Request::Remove(member.from.iter().filter(|id| !member.to.contains(id)).cloned().collect()),
        Chore::Verify => Request::Verify(member.to.iter().cloned().collect()),
        Chore::Gc => Request::Gc,
    })
}

impl Node<'_> {
    /// Takes in what became of a chore.
    pub(crate) fn chore(&mut self, answer: Result<Fetching, Trouble>) {
        match answer {
            Ok(Fetching::Running(job)) => {
                self.edit().work.job = Some(job);
                let pause = self.poll();
                self.again(pause, None);
            }
            Ok(Fetching::Done) => self.next_chore(),
            Ok(Fetching::Failed(why)) => self.chore_undone(&why, false),
            Err(trouble @ Trouble::Refused(_)) => self.chore_undone(&trouble.to_string(), false),
            Err(Trouble::Unreachable(why)) => {
                let mut member = self.edit();
                member.work.fetches += 1;
                let in_vain = member.work.fetches >= TRIES;
                drop(member);
                if in_vain { self.chore_undone(&why, false) } else { self.again(crate::member::RETRY, Some(why)) }
            }
        }
    }

    fn next_chore(&mut self) {
        let mut member = self.edit();
        let chore = member.work.chore + 1;
        member.work = Work { chore, ..Work::default() };
        drop(member);
        if chore >= self.rollout.header.strategy.after.len() {
            self.tidied();
        }
    }

    /// Leaves a chore undone, or all that are left.
    fn chore_undone(&mut self, why: &str, all: bool) {
        let chore = self.rollout.members[self.index].work.chore;
        let name = self.rollout.header.strategy.after.get(chore).map_or_else(String::new, ToString::to_string);
        let text = format!("`{name}` was left undone: {why}");
        self.tell("node-chore-failed", text.clone());
        self.edit().detail = text;
        self.desk.changed_members.insert((self.rollout.header.number, self.index));
        if all { self.tidied() } else { self.next_chore() }
    }

    /// Every chore was done, or left undone.
    fn tidied(&mut self) {
        let detail = self.rollout.members[self.index].detail.clone();
        self.enter(Stage::Settled, detail);
        self.edit().work = Work::default();
    }
}
