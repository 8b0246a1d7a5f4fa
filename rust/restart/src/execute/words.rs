//! What is said of an attempt, and how it ends for a shell.

use dcos_core::ExitCode;
use dcos_core::attempt::AttemptState;

use crate::journal::Journal;
use crate::phase::Way;

/// What to say of a step: on the way back, why it is the way back.
pub(super) fn told(journal: &Journal, way: Way, detail: &str) -> String {
    match way {
        Way::Forward => detail.to_owned(),
        Way::Back => reason(journal),
        Way::Again => journal.detail.clone(),
    }
}

pub(super) fn reason(journal: &Journal) -> String {
    journal.failure.clone().unwrap_or_else(|| journal.detail.clone())
}

pub(super) fn ended_back(journal: &Journal, undecided: &str) -> String {
    let mut detail = reason(journal);
    if !undecided.is_empty() {
        detail.push_str(&format!("; of the previous set it can't be told: {undecided}"));
    }
    detail
}

/// The state that a person would call an attempt's end, for a command's exit code.
pub const fn exit_code(state: AttemptState) -> ExitCode {
    match state {
        AttemptState::Confirmed => ExitCode::Done,
        AttemptState::RolledBack => ExitCode::RolledBack,
        AttemptState::Lost => ExitCode::NeedsPerson,
        AttemptState::Cancelled => ExitCode::Conflict,
        // It runs, and nobody can say that it is well: the deadline is over.
        AttemptState::Unconfirmed => ExitCode::Unreachable,
        AttemptState::Planned
        | AttemptState::Staged
        | AttemptState::Stopping
        | AttemptState::Stopped
        | AttemptState::Switched
        | AttemptState::Starting
        | AttemptState::Watching
        | AttemptState::RollingBack => ExitCode::Unexpected,
    }
}
