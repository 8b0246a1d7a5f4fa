//! Simulated nodes: the restart protocol as nodes keep it, and what becomes of them.

use dcos_core::attempt::{AttemptReport, AttemptState};
use dcos_core::{ExitCode, PackageSet, Problem, Role};
use jiff::Timestamp;

use super::Scenario;
use super::random::Random;
use crate::event::{Action, Answer, Event, Fetching, Request, Seen, Ticket, Trouble};
use crate::plan::{Look, Observed};

/// How long a ticket is good, in milliseconds.
const TICKET: u64 = 10_000;

/// How long a master waits before it gives up a dead agent, in milliseconds.
const GIVEN_UP: u64 = 75_000;

/// What will become of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Good,
    /// It is dead before the start, and perhaps comes back.
    DeadBefore {
        back: Option<u64>,
    },
    /// It is a master, not the one that hosts the controller, and does not answer for a while.
    Absent {
        from: u64,
        to: u64,
    },
    /// It dies at some time, before or after its turn, for ever.
    DiesEarly {
        at: u64,
    },
    /// It falls back from the new set.
    FallsBack,
    /// It comes up on neither set.
    Lost,
    /// Its attempt never ends.
    Hangs,
    /// It says that it is confirmed, and has its old set.
    Lies,
    /// It can't tell for a while whether it is well.
    Doubts,
}

impl Fate {
    pub(super) fn draw(scenario: &Scenario, role: Role, place: usize, random: &mut Random) -> Self {
        let agent = role == Role::Agent;
        if agent && random.chance(scenario.dead) {
            let back = random.chance(500).then(|| random.below(900_000));
            return match random.chance(500) {
                true => Self::DeadBefore { back },
                false => Self::DiesEarly { at: random.below(600_000) },
            };
        }
        if role == Role::Master && place > 0 && random.chance(2 * scenario.dead) {
            let from = random.below(120_000);
            return Self::Absent { from, to: from + random.below(700_000) };
        }
        if random.chance(scenario.broken) {
            return if random.chance(200) { Self::Lost } else { Self::FallsBack };
        }
        if agent && random.chance(scenario.odd) {
            return *random.pick(&[Self::Hangs, Self::Lies, Self::Doubts]);
        }
        Self::Good
    }
}

#[derive(Clone, Debug)]
struct Attempt {
    id: String,
    set: PackageSet,
    state: AttemptState,
    ticket: String,
    dead_at: u64,
}

/// A node.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) old: PackageSet,
    pub(super) new: PackageSet,
    /// The set that is active: what the node would come up with.
    pub(super) set: PackageSet,
    pub(super) fate: Fate,
    /// Whether its endpoints answer.
    pub(super) alive: bool,
    pub(super) dead_since: Option<u64>,
    /// Whether the master lists it.
    pub(super) listed: bool,
    /// Whether it is dead for good, or until its fate has it come back.
    pub(super) gone: bool,
    /// Whether it runs the release before this one: it tells of nothing by itself, and knows its newest attempt only.
    pub(super) previous_release: bool,
    attempts: Vec<Attempt>,
    term: u64,
}

impl Node {
    pub(super) fn new(
        name: String,
        role: Role,
        (old, new): (PackageSet, PackageSet),
        fate: Fate,
        previous_release: bool,
    ) -> Self {
        Self {
            name,
            role,
            set: old.clone(),
            old,
            new,
            fate,
            alive: true,
            dead_since: None,
            listed: true,
            gone: false,
            previous_release,
            attempts: Vec::new(),
            term: 0,
        }
    }

    pub(super) fn dies(&mut self, now: u64) {
        self.alive = false;
        self.gone = true;
        self.dead_since = Some(now);
    }

    pub(super) fn comes_back(&mut self) {
        let came_back_from_the_dead = matches!(self.fate, Fate::DeadBefore { .. } | Fate::Absent { .. });
        if !self.gone || came_back_from_the_dead {
            self.alive = true;
            self.gone = false;
            self.dead_since = None;
            self.listed = true;
        }
    }

    /// The node as the inventory has it.
    pub(super) fn seen(&mut self, now: u64) -> Seen {
        // An agent that only restarts stays on the list; a master is seen by its answers.
        if self.role == Role::Agent {
            if self.dead_since.is_some_and(|since| now.saturating_sub(since) > GIVEN_UP) {
                self.listed = false;
            }
        } else {
            self.listed = self.alive;
        }
        Seen { node: self.name.clone(), alive: self.listed, master: self.role == Role::Master }
    }

    pub(super) fn observed(&self, host: &str) -> Observed {
        let look = Look {
            group: format!("{}s", self.role),
            active: Some(self.set.clone()),
            local: self.old.iter().chain(self.new.iter()).cloned().collect(),
            available: Ok(std::sync::Arc::default()),
            busy: None,
        };
        let look = if self.alive { Ok(look) } else { Err("it is dead".to_owned()) };
        Observed {
            node: self.name.clone(),
            url: format!("http://{}", self.name),
            role: self.role,
            attributes: std::collections::BTreeMap::default(),
            alive: self.listed,
            host: self.name == host,
            pinned: None,
            look,
        }
    }

    /// Whether an attempt runs on it that was told to go and will end.
    pub(super) fn is_under_way(&self) -> bool {
        self.attempts.last().is_some_and(|attempt| went(attempt.state) && !attempt.state.is_final())
    }

    /// The set of the attempt that runs or ran last.
    pub(super) fn last_goal(&self) -> Option<&PackageSet> {
        self.attempts.iter().rev().find(|attempt| went(attempt.state)).map(|attempt| &attempt.set)
    }

    /// What the node answers, and the attempt that it starts because of it.
    pub(super) fn answers(&mut self, request: &Request, now: u64) -> (Option<Answer>, Option<String>) {
        self.expire(now);
        let refused = |name: &str| Trouble::Refused(Problem::new(ExitCode::Conflict, name, name));
        match request {
            Request::Fetch(_) => (Some(Answer::Fetch(Ok(Fetching::Running("job".to_owned())))), None),
            Request::Job(_) | Request::Remove(_) => (Some(Answer::Fetch(Ok(Fetching::Done))), None),
            Request::Verify(_) | Request::Gc => (Some(Answer::Fetch(Ok(Fetching::Running("job".to_owned())))), None),
            Request::Validate(_) => (Some(Answer::Validated(Ok(Vec::new()))), None),
            Request::Begin { attempt, set, term, .. } => {
                let answer = if *term < self.term {
                    Err(refused("old-term"))
                } else if self.attempts.last().is_some_and(|attempt| !attempt.state.is_final()) {
                    Err(refused("attempt-running"))
                } else if self.attempts.iter().any(|known| known.id == *attempt) {
                    // Said twice, or so late that the first has come to its end meanwhile.
                    Err(refused("attempt-known"))
                } else {
                    self.term = *term;
                    let (id, ticket) = (attempt.clone(), format!("ticket of {attempt}"));
                    let state = AttemptState::Staged;
                    let staged = Attempt { id, set: set.clone(), state, ticket: ticket.clone(), dead_at: now + TICKET };
                    self.attempts.push(staged);
                    Ok(Ticket { ticket, expires_in_ms: TICKET })
                };
                (Some(Answer::Begun(answer)), None)
            }
            Request::Go(ticket) => match self.attempts.last_mut() {
                Some(attempt) if attempt.ticket == *ticket && attempt.state == AttemptState::Staged => {
                    attempt.state = AttemptState::Stopping;
                    (Some(Answer::Went(Ok(()))), Some(attempt.id.clone()))
                }
                _ => (Some(Answer::Went(Err(refused("stale-ticket")))), None),
            },
            Request::Status(id) => {
                let known = if self.previous_release { self.attempts.len().saturating_sub(1) } else { 0 };
                let attempt = self.attempts[known..].iter().find(|attempt| attempt.id == *id);
                (Some(Answer::Status(Ok(attempt.map(|attempt| Box::new(report(attempt)))))), None)
            }
            Request::Set => (Some(Answer::Set(Ok(self.set.clone()))), None),
            Request::Cancel(id) => {
                let staged = |attempt: &&mut Attempt| attempt.id == *id && attempt.state == AttemptState::Staged;
                if let Some(attempt) = self.attempts.iter_mut().find(staged) {
                    attempt.state = AttemptState::Cancelled;
                }
                (None, None)
            }
        }
    }

    fn expire(&mut self, now: u64) {
        for attempt in &mut self.attempts {
            if attempt.state == AttemptState::Staged && attempt.dead_at <= now {
                attempt.state = AttemptState::Cancelled;
            }
        }
    }

    /// An attempt goes on; after how many milliseconds again, if it does.
    pub(super) fn proceeds(&mut self, id: &str, random: &mut Random) -> Option<u64> {
        let (fate, new, gone) = (self.fate, self.new.clone(), self.gone);
        // An attempt that can't tell is over once another one began.
        let attempt = self.attempts.last_mut().filter(|attempt| attempt.id == id)?;
        if gone {
            return None;
        }
        let forward = attempt.set == new;
        let (state, again) = match (fate, attempt.state) {
            (Fate::Doubts, AttemptState::Stopping) => (AttemptState::Unconfirmed, Some(random.below(400_000))),
            (Fate::Hangs, _) if forward => (AttemptState::Starting, None),
            (Fate::FallsBack, _) if forward => (AttemptState::RolledBack, None),
            (Fate::Lost, _) if forward => (AttemptState::Lost, None),
            _ => (AttemptState::Confirmed, None),
        };
        attempt.state = state;
        let lies = fate == Fate::Lies && forward;
        if matches!(state, AttemptState::Confirmed | AttemptState::Unconfirmed) && !lies {
            self.set = attempt.set.clone();
        }
        again
    }
}

const fn went(state: AttemptState) -> bool {
    !matches!(state, AttemptState::Planned | AttemptState::Staged | AttemptState::Cancelled)
}

fn report(attempt: &Attempt) -> AttemptReport {
    AttemptReport {
        attempt: attempt.id.clone(),
        state: attempt.state,
        detail: "simulated".to_owned(),
        set: attempt.set.clone(),
        generation: None,
        previous_generation: None,
        started_at: Timestamp::UNIX_EPOCH,
        changed_at: Timestamp::UNIX_EPOCH,
        checks: Vec::new(),
        absence_ms: None,
        log: Vec::new(),
    }
}

/// What the shell says when no answer came.
pub(super) fn unreachable(ask: &Action) -> Option<Event> {
    let Action::Ask { deployment, index, token, request, .. } = ask else { return None };
    let trouble = || Trouble::Unreachable("no answer".to_owned());
    let answer = match request {
        Request::Fetch(_) | Request::Job(_) | Request::Remove(_) | Request::Verify(_) | Request::Gc => {
            Answer::Fetch(Err(trouble()))
        }
        Request::Validate(_) => Answer::Validated(Err(trouble())),
        Request::Begin { .. } => Answer::Begun(Err(trouble())),
        Request::Go(_) => Answer::Went(Err(trouble())),
        Request::Status(_) => Answer::Status(Err(trouble())),
        Request::Set => Answer::Set(Err(trouble())),
        Request::Cancel(_) => return None,
    };
    Some(Event::Answered { deployment: *deployment, index: *index, token: *token, answer })
}
