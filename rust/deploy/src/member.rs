//! One node of a deployment, from `fetch` to the set that it was meant to have.
//!
//! The order of things is what makes `halt` and a restart of the controller safe. Before `begin` is sent, the attempt's id
//! is written down; before `go` is sent, that it is about to be. So whoever rebuilds the state knows every node that may
//! have been told to go, and asks it by the attempt's id. A node whose `go` went unanswered is neither started again nor
//! given up before its ticket is dead and the node itself says what became of the attempt.

use dcos_core::attempt::{AttemptReport, AttemptState};
use dcos_core::{PackageSet, Problem, Role};

use crate::desk::Desk;
use crate::epitaph::told;
use crate::event::{Answer, Fetching, Now, Request, Ticket, Trouble};
use crate::gate;
use crate::members::{Editing, Shelf};
use crate::state::{Rollout, Stage, Work};

/// How long to wait before a node is asked again how far it is, in milliseconds. Pings hasten it.
pub const POLL: u64 = 1_000;

/// How far polls are apart at least, over all nodes that are polled, in milliseconds: with many nodes under way each is
/// polled more seldom, so that a master is asked to do no more than it can.
pub const PACE: u64 = 2;

/// How long to wait before a node that did not answer, or was busy, is asked again, in milliseconds.
pub const RETRY: u64 = 2_000;

/// How many times [`RETRY`] the pause grows to while a node gives no ticket.
const LONGEST_PAUSE: u32 = 10;

/// How long a ticket is good, in milliseconds, where the node's answer is not known any more.
pub const TICKET_LIFE: u64 = 10_000;

/// How often packages are asked for before a node counts as unable to fetch them.
const FETCHES: u32 = 3;

/// Takes in what a node answered.
pub(crate) fn answered(rollout: &mut Rollout, index: usize, answer: Answer, desk: &mut Desk, now: Now) {
    let mut node = Node { rollout, index, desk, now };
    node.edit().work.token = None;
    match (node.stage(), answer) {
        (Stage::Waiting | Stage::Fetching, Answer::Fetch(answer)) => node.fetch(answer),
        (Stage::Fetched, Answer::Validated(answer)) => node.validated(answer),
        (Stage::Beginning, Answer::Begun(answer)) => node.begun(answer),
        (Stage::Going, Answer::Went(answer)) => node.went(answer),
        (Stage::Going, Answer::Status(answer)) => node.perhaps_gone(answer),
        (Stage::Watching(seen), Answer::Status(answer)) => node.watched(seen, answer),
        (Stage::Checking, Answer::Set(answer)) => node.checked(answer),
        (Stage::Tidying, Answer::Fetch(answer)) => node.chore(answer),
        // The answer came after a deadline or an order had moved the node on: its question is moot.
        (
            Stage::Waiting
            | Stage::Fetching
            | Stage::Fetched
            | Stage::Ready
            | Stage::Beginning
            | Stage::Going
            | Stage::Watching(_)
            | Stage::Checking
            | Stage::Settled
            | Stage::Tidying
            | Stage::Doubtful
            | Stage::Refused
            | Stage::Failed
            | Stage::FellBack
            | Stage::Lost
            | Stage::Skipped,
            Answer::Fetch(_)
            | Answer::Validated(_)
            | Answer::Begun(_)
            | Answer::Went(_)
            | Answer::Status(_)
            | Answer::Set(_),
        ) => {}
    }
}

/// A node with what is around it.
pub(crate) struct Node<'a> {
    pub(crate) rollout: &'a mut Rollout,
    pub(crate) index: usize,
    pub(crate) desk: &'a mut Desk,
    pub(crate) now: Now,
}

impl Node<'_> {
    fn stage(&self) -> Stage {
        self.rollout.members[self.index].stage
    }

    pub(crate) fn edit(&mut self) -> Editing<'_> {
        self.rollout.members.edit(self.index)
    }

    fn name(&self) -> String {
        self.rollout.members[self.index].node.clone()
    }

    pub(crate) fn enter(&mut self, stage: Stage, detail: impl Into<String>) {
        self.desk.enter(self.rollout, self.index, stage, detail.into(), self.now);
    }

    pub(crate) fn tell(&mut self, kind: &str, text: String) {
        let about = (Some(self.rollout.id()), Some(self.name()));
        self.desk.tell(kind, about, text, self.now);
    }

    /// How long to wait before the node is asked again how far it is, in milliseconds.
    pub(crate) fn poll(&self) -> u64 {
        let asked = [Shelf::ToFetch, Shelf::UnderWay, Shelf::Tidying];
        let asked = asked.map(|shelf| self.rollout.members.on(shelf).len()).into_iter().max().unwrap_or(0);
        POLL.max(PACE * u64::try_from(asked).unwrap_or(u64::MAX))
    }

    /// Asks again after `pause` milliseconds, since this came in the way.
    pub(crate) fn again(&mut self, pause: u64, trouble: Option<String>) {
        let due = self.now.mono + pause;
        let mut member = self.edit();
        member.work.due = due;
        member.work.trouble = trouble;
    }

    fn fetch(&mut self, answer: Result<Fetching, Trouble>) {
        match answer {
            Ok(Fetching::Done) => {
                self.enter(Stage::Fetched, "");
                self.edit().work = Work::default();
            }
            Ok(Fetching::Running(job)) => {
                if self.stage() != Stage::Fetching {
                    self.enter(Stage::Fetching, "");
                }
                self.edit().work.job = Some(job);
                self.again(self.poll(), None);
            }
            Ok(Fetching::Failed(why)) => self.not_fetched(why),
            Err(Trouble::Unreachable(why)) => self.again(RETRY, Some(why)),
            Err(trouble @ Trouble::Refused(_)) => self.not_fetched(trouble.to_string()),
        }
    }

    fn not_fetched(&mut self, why: String) {
        let fetches = {
            let mut member = self.edit();
            member.work.job = None;
            member.work.fetches += 1;
            member.work.fetches
        };
        if fetches < FETCHES {
            self.again(RETRY, Some(why));
        } else {
            self.enter(Stage::Refused, format!("could not fetch: {why}"));
        }
    }

    fn validated(&mut self, answer: Result<Vec<String>, Trouble>) {
        match answer {
            Ok(notes) => {
                notes.iter().for_each(|note| self.tell("node-note", note.clone()));
                self.enter(Stage::Ready, "");
                let mut member = self.edit();
                member.notes = notes;
                member.work = Work::default();
            }
            Err(Trouble::Unreachable(why)) => self.again(RETRY, Some(why)),
            Err(trouble @ Trouble::Refused(_)) => {
                let text = format!("the set can't work there: {trouble}");
                self.tell("node-refused", text.clone());
                self.enter(Stage::Refused, text);
            }
        }
    }

    /// Begins the node's restart: the attempt's id is written down before the node hears of it.
    pub(crate) fn start(&mut self) {
        let term = self.desk.term;
        let id = self.rollout.id();
        let strategy = &self.rollout.header.strategy;
        let (retry_all, allow_task_loss) = (strategy.retry_failed, strategy.allow_task_loss);
        let mut member = self.rollout.members.edit(self.index);
        member.tries += 1;
        let attempt = format!("{id}-{}-{}", self.index, member.tries);
        member.attempt = Some(attempt.clone());
        member.log = Vec::new();
        member.work.since.get_or_insert(self.now.mono);
        // An old set may well have failed here once; putting it back is no new try of it.
        let retry_failed = retry_all || member.retry || member.back;
        let set = member.goal().clone();
        drop(member);
        self.enter(Stage::Beginning, "");
        let request = Request::Begin { attempt, set, term, retry_failed, allow_task_loss };
        self.desk.ask(self.rollout, self.index, request);
    }

    fn begun(&mut self, answer: Result<Ticket, Trouble>) {
        match answer {
            Ok(ticket) => match gate::closed(self.rollout, self.desk, self.now) {
                Some(why) => {
                    self.desk.cancel(self.rollout, self.index);
                    self.requeue(0, Some(why.to_string()));
                    self.edit().work.since = None;
                }
                None => self.go(ticket),
            },
            Err(Trouble::Unreachable(why)) => self.in_vain(why),
            Err(Trouble::Refused(problem)) => self.refused_to_begin(problem),
        }
    }

    fn refused_to_begin(&mut self, problem: Problem) {
        match problem.name() {
            // Another attempt is under way there, or the id was used before this controller lost its log.
            "attempt-running" | "attempt-known" => self.in_vain(problem.detail),
            // An earlier attempt got there after all, or somebody else did it.
            "already-active" => {
                self.enter(Stage::Checking, "");
                self.desk.ask(self.rollout, self.index, Request::Set);
            }
            _ => {
                let text = format!("refused to begin: {}", Trouble::Refused(problem));
                self.tell("node-refused", text.clone());
                self.enter(Stage::Refused, text);
            }
        }
    }

    fn go(&mut self, ticket: Ticket) {
        let key = (self.rollout.header.number, self.index);
        self.desk.going.insert(key, self.now.mono + ticket.expires_in_ms);
        let mut member = self.rollout.members.edit(self.index);
        member.work.first_touch = !member.touched;
        member.touched = true;
        let goal = member.goal().to_string();
        drop(member);
        self.enter(Stage::Going, "");
        self.tell("node-started", format!("is told to restart into {goal}"));
        self.desk.ask(self.rollout, self.index, Request::Go(ticket.ticket));
    }

    /// Puts the node back in line after it gave no ticket, with a pause that grows.
    fn in_vain(&mut self, why: String) {
        let mut member = self.rollout.members.edit(self.index);
        member.vain += 1;
        let pause = RETRY * u64::from(member.vain.min(LONGEST_PAUSE));
        drop(member);
        self.requeue(pause, Some(why));
    }

    /// Puts the node back in line: nothing was stopped on it.
    fn requeue(&mut self, pause: u64, trouble: Option<String>) {
        let mut member = self.rollout.members.edit(self.index);
        if std::mem::take(&mut member.work.first_touch) {
            member.touched = false;
        }
        drop(member);
        self.enter(Stage::Ready, "");
        self.again(pause, trouble);
    }

    fn went(&mut self, answer: Result<(), Trouble>) {
        let key = (self.rollout.header.number, self.index);
        match answer {
            Ok(()) => {
                self.desk.going.remove(&key);
                self.is_gone();
                self.again(POLL / 4, None);
            }
            Err(Trouble::Refused(problem)) => {
                // The ticket was dead, or spent by a `go` whose answer got lost: the node's own word decides.
                self.desk.going.remove(&key);
                self.again(0, Some(problem.detail));
            }
            Err(Trouble::Unreachable(why)) => self.again(self.poll(), Some(why)),
        }
    }

    /// Its `go` was honoured: from now on it has its time to be well, however long it was asked for a ticket.
    fn is_gone(&mut self) {
        self.enter(Stage::Watching(AttemptState::Staged), "");
        self.edit().work.since = Some(self.now.mono);
    }

    /// Whether the node may still honour a `go`.
    fn ticket_lives(&self) -> bool {
        let dead_at = self.desk.going.get(&(self.rollout.header.number, self.index));
        dead_at.is_some_and(|dead_at| *dead_at > self.now.mono)
    }

    fn perhaps_gone(&mut self, answer: Result<Option<Box<AttemptReport>>, Trouble>) {
        let report = match answer {
            Ok(report) => report,
            Err(trouble) => return self.again(self.poll(), Some(trouble.to_string())),
        };
        match report.as_ref().map(|report| report.state) {
            None | Some(AttemptState::Cancelled) if !self.ticket_lives() => {
                self.requeue(0, Some("its ticket was not spent in time".to_owned()));
            }
            Some(AttemptState::Planned | AttemptState::Staged) if !self.ticket_lives() => {
                // It can't go any more, unless it was told to and is about to: then it refuses this.
                self.desk.cancel(self.rollout, self.index);
                self.again(self.poll(), None);
            }
            None | Some(AttemptState::Cancelled | AttemptState::Planned | AttemptState::Staged) => {
                self.again(self.poll(), None);
            }
            Some(
                AttemptState::Stopping
                | AttemptState::Stopped
                | AttemptState::Switched
                | AttemptState::Starting
                | AttemptState::Watching
                | AttemptState::Confirmed
                | AttemptState::Unconfirmed
                | AttemptState::RollingBack
                | AttemptState::RolledBack
                | AttemptState::Lost,
            ) => {
                self.desk.going.remove(&(self.rollout.header.number, self.index));
                self.is_gone();
                self.watched(AttemptState::Staged, Ok(report));
            }
        }
    }

    fn watched(&mut self, seen: AttemptState, answer: Result<Option<Box<AttemptReport>>, Trouble>) {
        let report = match answer {
            Ok(Some(report)) => report,
            Ok(None) => return self.again(self.poll(), Some("it knows nothing of its attempt".to_owned())),
            Err(trouble) => return self.again(self.poll(), Some(trouble.to_string())),
        };
        if report.set != *self.rollout.members[self.index].goal() {
            return self.fail(Stage::Failed, format!("its attempt is for another set: {}", report.set), Vec::new());
        }
        match report.state {
            // Its time begins anew with each `go`: what ends this is how often it was in vain.
            AttemptState::Cancelled => self.in_vain("its attempt was cancelled".to_owned()),
            AttemptState::Confirmed => {
                self.enter(Stage::Checking, "");
                self.desk.ask(self.rollout, self.index, Request::Set);
            }
            AttemptState::RolledBack => self.fail(Stage::FellBack, told(&report), report.log),
            AttemptState::Lost => self.fail(Stage::Lost, told(&report), report.log),
            AttemptState::Unconfirmed
            | AttemptState::Planned
            | AttemptState::Staged
            | AttemptState::Stopping
            | AttemptState::Stopped
            | AttemptState::Switched
            | AttemptState::Starting
            | AttemptState::Watching
            | AttemptState::RollingBack => {
                if report.state != seen {
                    self.enter(Stage::Watching(report.state), report.detail);
                    if report.state == AttemptState::Unconfirmed {
                        self.tell("node-unconfirmed", "can't tell yet whether it is well".to_owned());
                    }
                }
                self.again(self.poll(), None);
            }
        }
    }

    fn checked(&mut self, answer: Result<PackageSet, Trouble>) {
        match answer {
            Err(trouble) => self.again(self.poll(), Some(trouble.to_string())),
            Ok(set) if set == *self.rollout.members[self.index].goal() => {
                let back = self.rollout.members[self.index].back;
                let kind = if back { "node-rolled-back" } else { "node-confirmed" };
                self.tell(kind, format!("runs {set}"));
                self.enter(Stage::Settled, "");
                self.edit().work = Work::default();
            }
            Ok(set) => {
                let goal = self.rollout.members[self.index].goal().clone();
                let text = format!("its attempt is confirmed, but its set is {set} and not {goal}");
                self.fail(Stage::Failed, text, Vec::new());
            }
        }
    }

    fn fail(&mut self, stage: Stage, detail: String, log: Vec<String>) {
        self.tell("node-failed", detail.clone());
        self.enter(stage, detail);
        self.edit().log = log;
        self.edit().work = Work::default();
    }

    /// Whether the node was asked for a ticket in vain for so long that it counts as refusing. Time alone would never
    /// tell if the controller itself restarted again and again: its deadlines start anew then.
    pub(crate) fn gave_no_ticket(&mut self) -> bool {
        let timeout = self.rollout.header.strategy.node_timeout * 1_000;
        let most = u64::from(LONGEST_PAUSE) + timeout / (RETRY * u64::from(LONGEST_PAUSE));
        let now = self.now.mono;
        let member = &self.rollout.members[self.index];
        let late = member.work.since.is_some_and(|since| now.saturating_sub(since) >= timeout);
        late || u64::from(member.vain) > most
    }

    /// Leaves the node as it is: it was dead before its turn came.
    pub(crate) fn pass_over(&mut self, why: &str) {
        self.tell("node-skipped", why.to_owned());
        self.enter(Stage::Skipped, why);
        self.edit().late = true;
        self.edit().work = Work::default();
    }

    /// Gives the node up before anything was stopped on it.
    pub(crate) fn refuse(&mut self, why: String) {
        self.fail(Stage::Refused, why, Vec::new());
    }

    /// Gives a node under way up past its deadline; else asks it how far it is, if it is time.
    pub(crate) fn follow(&mut self) {
        let now = self.now.mono;
        let timeout = self.rollout.header.strategy.node_timeout * 1_000;
        let known = self.rollout.members[self.index].work.since;
        let since = known.unwrap_or_else(|| *self.edit().work.since.insert(now));
        if now.saturating_sub(since) >= timeout {
            return self.give_up(timeout / 1_000);
        }
        let member = &self.rollout.members[self.index];
        if member.work.token.is_some() || member.work.due > now {
            return;
        }
        let attempt = member.attempt.clone().unwrap_or_default();
        match member.stage {
            Stage::Going | Stage::Watching(_) => self.desk.ask(self.rollout, self.index, Request::Status(attempt)),
            Stage::Checking => self.desk.ask(self.rollout, self.index, Request::Set),
            // Its question is out, or it is not under way.
            Stage::Beginning
            | Stage::Waiting
            | Stage::Fetching
            | Stage::Fetched
            | Stage::Ready
            | Stage::Settled
            | Stage::Tidying
            | Stage::Doubtful
            | Stage::Refused
            | Stage::Failed
            | Stage::FellBack
            | Stage::Lost
            | Stage::Skipped => {}
        }
    }

    fn give_up(&mut self, seconds: u64) {
        let trouble = self.rollout.members[self.index]
            .work
            .trouble
            .clone()
            .map_or_else(String::new, |trouble| format!(": {trouble}"));
        match self.stage() {
            Stage::Watching(AttemptState::Unconfirmed) => {
                let detail = self.rollout.members[self.index].detail.clone();
                self.fail(Stage::Doubtful, format!("could not tell within {seconds} s: {detail}"), Vec::new());
            }
            Stage::Watching(seen) => {
                let text = format!("was not well within {seconds} s, last seen {}{trouble}", seen.word());
                self.fail(Stage::Failed, text, Vec::new());
            }
            Stage::Beginning => self.refuse(format!("did not answer within {seconds} s{trouble}")),
            _ => self.fail(Stage::Failed, format!("was not heard of within {seconds} s{trouble}"), Vec::new()),
        }
    }
}

/// A refusal of an order.
pub(crate) fn refusal(code: dcos_core::ExitCode, name: &str, text: String) -> Problem {
    Problem::new(code, name, text)
}

/// Whether the node is a master.
pub(crate) fn is_master(rollout: &Rollout, index: usize) -> bool {
    rollout.members[index].role == Role::Master
}
