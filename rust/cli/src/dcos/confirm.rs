//! Asking whether something is meant that can't be undone.

use std::io::IsTerminal as _;

use dcos_core::{ExitCode, Problem};

use crate::output::say;

/// Whether `what`, a sentence that says what is destroyed, is meant: `--yes` says so, or whoever sits at a terminal does.
///
/// # Errors
/// If nobody says so, or nobody can be asked.
pub(super) fn confirm(what: &str, yes: bool) -> Result<(), Problem> {
    if yes {
        return Ok(());
    }
    let refused = |why: &str| {
        let detail = format!("{what}: {why}");
        Err(Problem::new(ExitCode::Refused, "not-confirmed", detail).hint("`--yes` says that it is meant"))
    };
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return refused("nobody is there to be asked");
    }
    say(&format!("{what}; type `yes` to go on"));
    let mut answer = String::new();
    match std::io::stdin().read_line(&mut answer) {
        Ok(_) if answer.trim() == "yes" => Ok(()),
        _ => refused("it was not confirmed"),
    }
}
