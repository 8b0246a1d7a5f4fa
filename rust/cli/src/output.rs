//! Data on stdout, everything else on stderr; with `--json` one document on stdout, a refusal included.

use std::io::Write as _;

use dcos_core::{ExitCode, Problem};
use serde::Serialize;

/// How a command prints what it has to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Sentences and tables for people.
    #[default]
    Text,
    /// One JSON document on stdout.
    Json,
}

impl Format {
    /// The format that a `--json` flag asks for.
    pub const fn from_flag(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }

    /// Prints `value`: as a JSON document, or as `text` makes it.
    pub fn print<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) {
        let out = match self {
            Self::Json => {
                serde_json::to_string_pretty(value).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
            }
            Self::Text => text(value),
        };
        let mut stdout = std::io::stdout().lock();
        // A reader that has gone away (`| head`) is not our failure.
        let _ = if out.is_empty() || out.ends_with('\n') {
            stdout.write_all(out.as_bytes())
        } else {
            writeln!(stdout, "{out}")
        };
    }

    /// Prints `problem` and answers the code to exit with.
    pub fn refuse(self, problem: &Problem) -> ExitCode {
        self.fail(problem, problem.exit_code())
    }

    /// Prints `problem` and answers `code`, where the status alone does not tell it.
    pub fn fail(self, problem: &Problem, code: ExitCode) -> ExitCode {
        if self == Self::Json {
            self.print(problem, |_| String::new());
        } else {
            say(&render(problem));
        }
        code
    }
}

/// A problem as people read it: the sentence, each finding, then the hints.
pub fn render(problem: &Problem) -> String {
    let mut text = format!("error: {}", problem.detail);
    for finding in &problem.problems {
        text.push_str(&format!("\n  - {} [{}]", finding.message, finding.code));
        if let Some(hint) = &finding.hint {
            text.push_str(&format!("\n    hint: {hint}"));
        }
    }
    for hint in &problem.hints {
        text.push_str(&format!("\nhint: {hint}"));
    }
    text
}

/// Prints a line to stderr.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// A table as Mesos's own command line shows them: upper-case headers, two spaces between columns.
pub fn table(headers: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .chain(headers.get(column).map(|header| header.chars().count()))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headers.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}", width = *width)).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut text = line(headers.to_vec());
    for row in rows {
        text.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{render, table};
    use dcos_core::{ExitCode, Problem};

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["a".to_owned(), "1.11.0".to_owned()], vec!["127.0.0.1:5051".to_owned(), String::new()]];
        assert_eq!(table(&["NODE", "MESOS"], &rows), "NODE            MESOS\na               1.11.0\n127.0.0.1:5051\n");
    }

    #[test]
    fn hints_stand_on_lines_of_their_own() {
        let problem = Problem::new(ExitCode::NotFound, "no-such-package", "can't remove `a--1`: no such package")
            .hint("`dcos-pkg list` shows what is local");
        assert_eq!(
            render(&problem),
            "error: can't remove `a--1`: no such package\nhint: `dcos-pkg list` shows what is local"
        );
    }
}
