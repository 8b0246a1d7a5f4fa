//! A failure in words: of a node, and in the reason of its deployment.

use dcos_core::attempt::{Answer as Check, AttemptReport, AttemptState};

use crate::state::Rollout;

/// How many lines of a failed node's log go into the reason of a deployment.
const LINES: usize = 3;

/// What a report says of a failure: the check that said no, or its own words.
pub(crate) fn told(report: &AttemptReport) -> String {
    let refused = report.checks.iter().find(|check| check.answer == Check::No);
    let state = match report.state {
        AttemptState::Lost => "came up on neither set",
        _ => "runs its old set again",
    };
    match refused {
        Some(check) if report.detail.contains(&check.name) => format!("{state}: {}", report.detail),
        Some(check) => format!("{state}: check `{}` said no: {}", check.name, check.detail),
        None => format!("{state}: {}", report.detail),
    }
}

/// A failed node in the reason of its deployment: its name, what went wrong, and the end of its log.
pub(crate) fn epitaph(rollout: &Rollout, index: usize) -> String {
    let member = &rollout.members[index];
    // The addresses of a stack say nothing here; they are with the node's own lines.
    let mut last: Vec<&str> =
        member.log.iter().rev().map(|line| line.trim()).filter(|line| !line.starts_with("@ 0x")).take(LINES).collect();
    last.reverse();
    let log = if last.is_empty() { String::new() } else { format!("; its log ends: {}", last.join(" | ")) };
    format!("{} {}{log}", member.node, member.detail)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::told;

    #[test]
    fn a_failure_is_told_by_the_check_that_said_no_unless_it_is_told_already() {
        let report = |detail: &str| {
            let json = serde_json::json!({
                "attempt": "d1-0-1", "state": "rolled_back", "detail": detail, "set": [],
                "checks": [{"name": "version", "answer": "yes", "detail": "1.11.0"},
                           {"name": "process", "answer": "no", "detail": "it ended with 1"}],
                "started_at": "2026-11-22T15:10:02Z", "changed_at": "2026-11-22T15:10:02Z",
            });
            told(&serde_json::from_value(json).unwrap())
        };
        let already = "`process` said no three times";
        assert_eq!(report(already), format!("runs its old set again: {already}"));
        assert_eq!(report("put back"), "runs its old set again: check `process` said no: it ended with 1");
    }
}
