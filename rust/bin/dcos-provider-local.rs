//! `dcos-provider-local`: machines that are processes of this one. Reads one request, prints one answer.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut input = Vec::new();
    if std::io::stdin().lock().read_to_end(&mut input).is_err() {
        return ExitCode::FAILURE;
    }
    let answer = dcos_provision::local::answer(&input);
    let Ok(line) = serde_json::to_string(&answer) else { return ExitCode::FAILURE };
    match writeln!(std::io::stdout().lock(), "{line}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
