//! The restart as one exhaustive match: where an attempt stands, what may happen there, and what follows.
//!
//! A rollback is the same walk with the old set, so a phase inside it is a [`Way`] and a [`Step`], and the code that
//! walks does not know in which direction it goes. A step names what is *about* to be done: it is journaled, then done,
//! and doing it twice does what doing it once does. That is the whole of crash safety here: whoever finds a journal does
//! the step that it names.
//!
//! Nothing in this module can do I/O. [`next`] is asked with what has happened and answers where that leads.

use dcos_core::attempt::AttemptState;
use serde::{Deserialize, Serialize};

/// Which set the walk is bringing up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// The wanted set.
    Forward,
    /// The previous set, after the wanted one failed.
    Back,
    /// The previous set once more, after it failed too: the attempt counts as lost meanwhile.
    Again,
}

/// What is about to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// End Mesos.
    Stopping,
    /// Mesos is gone: move `active`.
    Stopped,
    /// `active` has moved: find out how to start from it.
    Switched,
    /// Start Mesos.
    Starting,
    /// Mesos was started: ask the checks.
    Watching,
}

/// Where an attempt stands. Finer than [`AttemptState`], which is what others are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Found possible; the generation is being made.
    Planned,
    /// The generation is on disk and a ticket is out.
    Staged,
    /// The ticket is spent: the helper takes over.
    Ordered,
    /// On the way.
    Moving {
        /// To which set.
        way: Way,
        /// What is about to be done.
        step: Step,
    },
    /// The wanted set runs and every check said yes.
    Confirmed,
    /// The wanted set runs and some check could not tell in time; it is still asked.
    Unconfirmed,
    /// The previous set runs.
    RolledBack,
    /// Neither set came up; the previous one will be tried again.
    Lost,
    /// Withdrawn before anything was stopped.
    Cancelled,
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The generation is on disk.
    Staged,
    /// The ticket was spent in time.
    Ordered,
    /// The time of the ticket, or of the order, is over.
    Expired,
    /// Whoever asked for the attempt withdrew it.
    Cancelled,
    /// The old set was asked the checks: its Mesos may be stopped.
    Ready,
    /// No Mesos runs.
    Gone,
    /// `active` names the set of the way.
    Switched,
    /// It is known how to start it.
    Prepared,
    /// Its Mesos was started.
    Started,
    /// Every check said yes, for as long as it has to.
    Well,
    /// The deadlines are over, no check said no, and some could not tell.
    Undecided,
    /// The step can't be done, or a check said no.
    Failed,
    /// The machine was started again since the phase was entered: no process of before lives.
    Rebooted,
    /// It is time to try the previous set again.
    RetryDue,
}

/// What else is to be done when a phase is entered; each may be done twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Tell the deploy module.
    Ping,
    /// Refuse the wanted set from now on.
    RememberFailed,
    /// The attempt has ended: keep its report and its outcome.
    Close,
}

/// Something happened that can't happen there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an attempt in phase {phase:?} can't take {event:?}")]
pub struct Unexpected {
    /// The phase.
    pub phase: Phase,
    /// What is said to have happened.
    pub event: Event,
}

impl Phase {
    /// Every phase, for tests and tables.
    pub const ALL: [Self; 23] = {
        const fn at(way: Way, step: Step) -> Phase {
            Phase::Moving { way, step }
        }
        use Step::{Starting, Stopped, Stopping, Switched, Watching};
        use Way::{Again, Back, Forward};
        [
            Self::Planned,
            Self::Staged,
            Self::Ordered,
            at(Forward, Stopping),
            at(Forward, Stopped),
            at(Forward, Switched),
            at(Forward, Starting),
            at(Forward, Watching),
            at(Back, Stopping),
            at(Back, Stopped),
            at(Back, Switched),
            at(Back, Starting),
            at(Back, Watching),
            at(Again, Stopping),
            at(Again, Stopped),
            at(Again, Switched),
            at(Again, Starting),
            at(Again, Watching),
            Self::Confirmed,
            Self::Unconfirmed,
            Self::RolledBack,
            Self::Lost,
            Self::Cancelled,
        ]
    };

    /// What others are told.
    pub const fn state(self) -> AttemptState {
        match self {
            Self::Planned => AttemptState::Planned,
            Self::Staged | Self::Ordered => AttemptState::Staged,
            Self::Moving { way: Way::Forward, step } => match step {
                Step::Stopping => AttemptState::Stopping,
                Step::Stopped => AttemptState::Stopped,
                Step::Switched => AttemptState::Switched,
                Step::Starting => AttemptState::Starting,
                Step::Watching => AttemptState::Watching,
            },
            Self::Moving { way: Way::Back, .. } => AttemptState::RollingBack,
            Self::Moving { way: Way::Again, .. } | Self::Lost => AttemptState::Lost,
            Self::Confirmed => AttemptState::Confirmed,
            Self::Unconfirmed => AttemptState::Unconfirmed,
            Self::RolledBack => AttemptState::RolledBack,
            Self::Cancelled => AttemptState::Cancelled,
        }
    }

    /// Whether a new attempt may take the place of one that stands here.
    ///
    /// A lost one may be replaced at any time, also while the previous set is being tried again: a person who brings a
    /// third set must not have to wait for the moment between two tries.
    pub const fn is_over(self) -> bool {
        self.state().is_final()
    }
}

impl Event {
    /// Every event, for tests and tables.
    pub const ALL: [Self; 14] = [
        Self::Staged,
        Self::Ordered,
        Self::Expired,
        Self::Cancelled,
        Self::Ready,
        Self::Gone,
        Self::Switched,
        Self::Prepared,
        Self::Started,
        Self::Well,
        Self::Undecided,
        Self::Failed,
        Self::Rebooted,
        Self::RetryDue,
    ];
}

/// Where `event` leads from `phase`, and what is to be done there besides the phase's own work.
///
/// `previous` says whether there is a set to go back to. A first start has none: then the wanted set itself is tried
/// again, and the attempt is lost meanwhile.
///
/// # Errors
/// If the event can't happen in the phase; nothing follows from it.
pub fn next(phase: Phase, event: Event, previous: bool) -> Result<(Phase, Vec<Action>), Unexpected> {
    use Event as E;
    use Phase as P;
    const fn at(way: Way, step: Step) -> Phase {
        Phase::Moving { way, step }
    }
    let give_up_forward = if previous { at(Way::Back, Step::Stopping) } else { P::Lost };
    let well_again = if previous { P::RolledBack } else { P::Confirmed };
    let mut actions = Vec::new();

    let entered = match (phase, event) {
        // Before the order nothing on the node has changed but files beside the active set: every way out is free.
        (P::Planned, E::Staged) => P::Staged,
        (P::Planned, E::Failed) => P::Cancelled,
        (P::Staged, E::Ordered) => P::Ordered,
        (P::Planned | P::Staged, E::Cancelled) => P::Cancelled,
        // An order that nobody took up goes stale like a ticket: whoever gave it has long looked elsewhere.
        (P::Planned | P::Staged | P::Ordered, E::Expired | E::Rebooted) => P::Cancelled,
        (P::Ordered, E::Ready) => at(Way::Forward, Step::Stopping),

        // The walk, the same in every direction.
        (P::Moving { way, step: Step::Stopping }, E::Gone) => at(way, Step::Stopped),
        (P::Moving { way, step: Step::Stopped }, E::Switched) => at(way, Step::Switched),
        (P::Moving { way, step: Step::Switched }, E::Prepared) => at(way, Step::Starting),
        (P::Moving { way, step: Step::Starting }, E::Started) => at(way, Step::Watching),
        // A process that does not even die of SIGKILL holds the port and the work directory: there is nothing to start.
        (P::Moving { step: Step::Stopping, .. }, E::Failed) => phase,
        // After a reboot the processes are gone and the files are not.
        (P::Moving { step: Step::Stopping | Step::Stopped, .. }, E::Rebooted) => phase,
        (P::Moving { way, step: Step::Switched | Step::Starting | Step::Watching }, E::Rebooted) => {
            at(way, Step::Switched)
        }

        // The new set: only a `no` turns around. What failed before anything of it ran says nothing about the set.
        (P::Moving { way: Way::Forward, step: Step::Watching }, E::Well) => P::Confirmed,
        (P::Moving { way: Way::Forward, step: Step::Watching }, E::Undecided) => P::Unconfirmed,
        (P::Moving { way: Way::Forward, step: Step::Stopped | Step::Switched | Step::Starting }, E::Failed) => {
            give_up_forward
        }
        (P::Moving { way: Way::Forward, step: Step::Watching }, E::Failed) => {
            actions.push(Action::RememberFailed);
            give_up_forward
        }
        (P::Unconfirmed, E::Well) => P::Confirmed,
        (P::Unconfirmed, E::Failed) => {
            actions.push(Action::RememberFailed);
            give_up_forward
        }
        (P::Unconfirmed, E::Undecided | E::Rebooted) => phase,

        // The old set: there is nothing behind it, so what can't be told is good enough.
        (P::Moving { way: Way::Back | Way::Again, step: Step::Watching }, E::Well | E::Undecided) => well_again,
        (
            P::Moving {
                way: Way::Back | Way::Again,
                step: Step::Stopped | Step::Switched | Step::Starting | Step::Watching,
            },
            E::Failed,
        ) => P::Lost,
        (P::Lost, E::RetryDue) => at(Way::Again, Step::Stopping),
        // It may come right by itself between two tries: a port that gets free, a master that is back.
        (P::Lost, E::Well) => well_again,
        (P::Lost, E::Failed | E::Undecided | E::Rebooted) => phase,

        (P::Confirmed | P::RolledBack | P::Cancelled, E::Rebooted) => phase,

        (phase, event) => return Err(Unexpected { phase, event }),
    };

    if entered.state() != phase.state() {
        actions.push(Action::Ping);
        if entered.is_over() {
            actions.push(Action::Close);
        }
    }
    Ok((entered, actions))
}
