//! Running one of our programs as a person or a script would, and what came of it.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// How a program ended, and what it said.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) line: String,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// The outcome, if the program ended with `code`; the test fails otherwise.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// What was printed on stdout, as one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON document ({error}): {self}"))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        write!(formatter, "$ {}\nexit code: {code}", self.line)?;
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                write!(formatter, "\n--- {name}\n{}", text.trim_end())?;
            }
        }
        Ok(())
    }
}

/// Runs `program` with nothing of this machine's own configuration in its environment.
pub(crate) fn run(program: &Path, arguments: &[&str], environment: &[(&str, &OsStr)]) -> Outcome {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DCOS_")) {
        command.env_remove(name);
    }
    command.envs(environment.iter().copied());
    let Output { status, stdout, stderr } =
        command.output().unwrap_or_else(|error| panic!("can't run `{}`: {error}", program.display()));
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let line = std::iter::once(name.as_ref()).chain(arguments.iter().copied()).collect::<Vec<_>>().join(" ");
    Outcome {
        line,
        code: status.code(),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

/// Runs `dcos` without a cluster.
pub(crate) fn dcos(arguments: &[&str]) -> Outcome {
    run(Path::new(env!("CARGO_BIN_EXE_dcos")), arguments, &[])
}
