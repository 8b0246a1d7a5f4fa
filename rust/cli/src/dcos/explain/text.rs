//! How an explanation is printed.

use dcos_core::attempt::{Answer, AttemptState};

use super::Explanation;
use super::class::Class;
use crate::dcos::summary;

/// How many of the last lines of a failed Mesos's log are shown; `--json` has all that were kept.
const LOG_LINES: usize = 12;

/// How many characters of each.
const LOG_WIDTH: usize = 160;

/// The whole text: one line, then what led there.
pub(super) fn text(explanation: &Explanation<'_>) -> String {
    let node = explanation.node;
    let state = match (explanation.in_deployment, explanation.deployment) {
        (Some(part), Some(id)) => format!("{} in {id}", summary::state(part.state)),
        _ if explanation.class == Class::Lost => "lost".to_owned(),
        _ if node.reachable => "no part of the newest deployment".to_owned(),
        _ => "does not answer".to_owned(),
    };
    let mut text = format!(
        "{} ({}): {state} · running now: {} · waiting for: {} · next: `{}`\n",
        node.node, node.role, explanation.running_now, explanation.waiting_for, explanation.next
    );
    let mut line = |what: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&format!("  {what:<13}{value}\n"));
        }
    };
    line("problem", &node.detail);
    if let Some(part) = explanation.in_deployment.filter(|part| !part.detail.ends_with(&explanation.waiting_for)) {
        line("cause", &part.detail);
    }
    line("differs", &explanation.differs);
    if let Some(set) = &node.set {
        line("set", &set.to_string());
    }
    if let Some(attempt) = &node.last_attempt {
        line("last attempt", &format!("{} {}: {}", attempt.attempt, summary::state(attempt.state), attempt.detail));
        if attempt.state != AttemptState::Confirmed {
            for check in attempt.checks.iter().filter(|check| check.answer != Answer::Yes) {
                line("check", &format!("{}: {} ({})", check.name, summary::state(check.answer), check.detail));
            }
            let part_log = explanation.in_deployment.map_or(&[][..], |part| &part.log);
            let log = if attempt.log.is_empty() { part_log } else { &attempt.log };
            for logged in &log[log.len().saturating_sub(LOG_LINES)..] {
                line("last lines", &summary::short(logged, LOG_WIDTH));
            }
        }
    }
    if let Some(hint) = &explanation.hint {
        text.push_str(&format!("hint: {hint}\n"));
    }
    text
}
