//! A controller without any master: how the answers of nodes are to be taken then.

use dcos_core::attempt::{Answer as Check, AttemptReport, AttemptState};

use crate::event::Answer;

/// The check that needs a master.
const REGISTERED: &str = "registered";

/// With every master down no agent can tell whether it is registered, and nobody could: that alone is no doubt about a
/// node. It goes on watching, and says so itself once there is a master.
pub(super) fn without_masters(answer: Answer) -> Answer {
    match answer {
        Answer::Status(Ok(Some(mut report))) if only_registration(&report) => {
            report.state = AttemptState::Confirmed;
            Answer::Status(Ok(Some(report)))
        }
        other => other,
    }
}

/// Whether nothing but its registration can't be told.
fn only_registration(report: &AttemptReport) -> bool {
    let mut open = report.checks.iter().filter(|check| check.answer != Check::Yes).peekable();
    report.state == AttemptState::Unconfirmed
        && open.peek().is_some()
        && open.all(|check| check.name == REGISTERED && check.answer == Check::CannotTell)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use dcos_core::attempt::{AttemptReport, AttemptState};
    use serde_json::json;

    use super::only_registration;

    fn report(state: &str, checks: &[(&str, &str)]) -> AttemptReport {
        let checks: Vec<_> =
            checks.iter().map(|(name, answer)| json!({"name": name, "answer": answer, "detail": ""})).collect();
        serde_json::from_value(json!({
            "attempt": "d1-0-1", "state": state, "detail": "", "set": [], "checks": checks,
            "started_at": "2026-11-22T15:10:02Z", "changed_at": "2026-11-22T15:10:02Z",
        }))
        .unwrap()
    }

    #[test]
    fn only_what_needs_a_master_is_let_pass() {
        let well = [("version", "yes"), ("registered", "cannot_tell")];
        assert!(only_registration(&report("unconfirmed", &well)));
        assert_eq!(report("watching", &well).state, AttemptState::Watching);
        for (state, checks) in [
            ("watching", &well[..]),
            ("unconfirmed", &[("version", "cannot_tell"), ("registered", "cannot_tell")]),
            ("unconfirmed", &[("registered", "no")]),
            ("unconfirmed", &[("version", "yes")]),
            ("unconfirmed", &[]),
        ] {
            assert!(!only_registration(&report(state, checks)), "{state} {checks:?}");
        }
    }
}
