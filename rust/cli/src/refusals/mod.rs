//! One message per way to be refused, word by word in `tests/golden/refusals`: every value of every enum whose end is a
//! problem that an operator reads. `DCOS_GOLDEN=update cargo test -p dcos-cli` writes the files anew.
//!
//! A new value does not compile before it has an example here: each table is the `match` over its enum, too.

mod bare;
mod names;
mod node;
mod repository;
mod restart;
mod store;

use dcos_core::{ExitCode, PackageId, Problem, Sha256};

use crate::output;
use dcos_testkit::golden::Wrong;

/// A table of examples of an enum: patterns that together are all of it, and a value for each.
macro_rules! examples {
    ($file:literal, $type:ty: $($pattern:pat => $example:expr,)+) => {{
        const fn _every_value_has_an_example(value: &$type) {
            match value {
                $($pattern => {})+
            }
        }
        let mut page = crate::refusals::Page::new($file);
        $({
            let example: $type = $example;
            assert!(matches!(&example, $pattern), "{example:?} is no {}", stringify!($pattern));
            page.add(stringify!($pattern), example);
        })+
        page.compare();
    }};
}

use examples;

/// A golden file: the messages of one enum.
struct Page {
    name: &'static str,
    text: String,
    silent: Vec<String>,
}

impl Page {
    const fn new(name: &'static str) -> Self {
        Self { name, text: String::new(), silent: Vec::new() }
    }

    /// The message of a value, as the program that meets it prints it.
    fn add(&mut self, pattern: &str, error: impl Into<Problem>) {
        let mut problem: Problem = error.into();
        // Which task of this process it was differs from run to run.
        if let Some((before, after)) = problem.detail.split_once(": task ") {
            problem.detail =
                format!("{before}: task N{}", after.trim_start_matches(|letter: char| letter.is_ascii_digit()));
        }
        // `Told(StoreError::Io { .. })` is `Io`; what is no path is a title as it is.
        let variant = pattern.rsplit_once("::").map(|(_, variant)| variant);
        let title = variant.and_then(|variant| variant.split(['{', '(', ')', ' ']).next()).unwrap_or(pattern);
        let code = problem.exit_code().number();
        self.text.push_str(&format!(
            "# {title}: {}, exit code {code}\n{}\n\n",
            problem.name(),
            output::render(&problem)
        ));
        // What is neither the system's failure nor ours can be helped by whoever reads it, and has to say how.
        let ours = matches!(problem.exit_code(), ExitCode::Unexpected | ExitCode::NeedsPerson | ExitCode::RolledBack);
        let helped = !problem.hints.is_empty() || problem.problems.iter().any(|finding| finding.hint.is_some());
        if !ours && !helped {
            self.silent.push(title.to_owned());
        }
    }

    #[track_caller]
    fn compare(self) {
        let mut wrong = Wrong::default();
        wrong.compare_file(&format!("refusals/{}.txt", self.name), &self.text);
        wrong.none();
        assert!(self.silent.is_empty(), "these refusals say nothing of what to do: {}", self.silent.join(", "));
    }
}

fn id(text: &str) -> PackageId {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// A digest that can be told from another.
fn digest(byte: u8) -> Sha256 {
    format!("{byte:02x}").repeat(32).parse().unwrap_or_else(|error| panic!("{error}"))
}

fn denied() -> std::io::Error {
    std::io::Error::from(std::io::ErrorKind::PermissionDenied)
}

/// A sentence that is a cause.
fn because(text: &str) -> Box<dyn std::error::Error + Send + Sync> {
    text.into()
}

fn finding(code: &str, message: &str, hint: &str) -> dcos_core::validate::Finding {
    dcos_core::validate::Finding {
        code: code.to_owned(),
        packages: Vec::new(),
        message: message.to_owned(),
        hint: Some(hint.to_owned()),
    }
}
