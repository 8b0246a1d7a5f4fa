//! Command lines that are not understood, the same in every program.

use clap::Parser;
use dcos_core::{ExitCode, Problem};

use crate::output::Format;

/// The arguments of this process, or the code to exit with once help or an error is printed.
///
/// Help and versions are answers and go to stdout; what is not understood is told on stderr, with `--json` as a problem
/// on stdout.
///
/// # Errors
/// The exit code: done for help and versions, usage for the rest.
pub fn parse<A: Parser>() -> Result<A, ExitCode> {
    let error = match A::try_parse() {
        Ok(arguments) => return Ok(arguments),
        Err(error) => error,
    };
    if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
        let text = error.to_string();
        let detail = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        let name = A::command().get_name().to_owned();
        let problem = Problem::new(ExitCode::Usage, "usage", detail)
            .hint(format!("`{name} --help` and `{name} COMMAND --help` show what there is"));
        return Err(Format::Json.refuse(&problem));
    }
    // A reader that has gone away (`| head`) is not our failure.
    let _ = error.print();
    Err(if error.use_stderr() { ExitCode::Usage } else { ExitCode::Done })
}

/// Sends log lines to stderr: warnings, more with each `-v`, or what `DCOS_LOG` asks for, such as `debug` or
/// `dcos_repo=debug`.
pub fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("DCOS_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(terminal).with_writer(std::io::stderr);
    // Somebody else's logging stays if there is any: a test's.
    let _ = subscriber.try_init();
}
